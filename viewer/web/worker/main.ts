import { Engine } from '../core/engine.ts';
import type { Command, Report, StartCommand } from '../core/messages.ts';
import { browserPlatform } from '../core/platform.ts';
import { turnOf } from '../core/render/turn.ts';

const report = (message: Report, transfer: readonly ArrayBuffer[] = []): void =>
  self.postMessage(message, { transfer: [...transfer] });

let engine: Engine | undefined;

function start({ canvas, visible }: StartCommand): Engine {
  return new Engine({
    canvas,
    encodePng: (turns) => upright(canvas, turns).convertToBlob({ type: 'image/png' }),
    platform: browserPlatform(),
    visible,
    report,
  });
}

/** The picture turned; itself where there is nothing to turn. */
function upright(canvas: OffscreenCanvas, turns: number): OffscreenCanvas {
  const turn = turnOf(canvas, turns);
  if (turn === undefined) return canvas;
  const turned = new OffscreenCanvas(turn.width, turn.height);
  const pen = turned.getContext('2d', { colorSpace: 'srgb' });
  pen?.setTransform(...turn.matrix);
  pen?.drawImage(canvas, 0, 0);
  return turned;
}

self.onmessage = ({ data }: MessageEvent<StartCommand | Command>): void => {
  if (data.kind !== 'start') {
    engine?.handle(data);
    return;
  }
  engine = start(data);
  report({ kind: 'ready' });
};
