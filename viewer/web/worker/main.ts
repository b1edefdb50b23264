import { Engine } from '../core/engine.ts';
import type { Command, Report, StartCommand } from '../core/messages.ts';
import { browserPlatform } from '../core/platform.ts';
import type { PictureCanvas } from '../core/render/surface.ts';
import { turnOf } from '../core/render/turn.ts';

const report = (message: Report, transfer: readonly ArrayBuffer[] = []): void =>
  self.postMessage(message, { transfer: [...transfer] });

let engine: Engine | undefined;

function pictureCanvas(canvas: OffscreenCanvas): PictureCanvas {
  return { canvas, png: (turns) => upright(canvas, turns).convertToBlob({ type: 'image/png' }) };
}

function start({ canvas, track, visible }: StartCommand): Engine {
  return new Engine({
    picture: pictureCanvas(canvas),
    newCanvas: (widthPx, heightPx) => pictureCanvas(new OffscreenCanvas(widthPx, heightPx)),
    track,
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
