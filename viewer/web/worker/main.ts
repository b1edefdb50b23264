import { Engine } from '../core/engine.ts';
import type { Command, Report, StartCommand } from '../core/messages.ts';
import { browserPlatform } from '../core/platform.ts';

const report = (message: Report, transfer: readonly ArrayBuffer[] = []): void =>
  self.postMessage(message, { transfer: [...transfer] });

let engine: Engine | undefined;

function start({ canvas, visible }: StartCommand): Engine {
  return new Engine({
    canvas,
    encodePng: () => canvas.convertToBlob({ type: 'image/png' }),
    platform: browserPlatform(),
    visible,
    report,
  });
}

self.onmessage = ({ data }: MessageEvent<StartCommand | Command>): void => {
  if (data.kind !== 'start') {
    engine?.handle(data);
    return;
  }
  engine = start(data);
  report({ kind: 'ready' });
};
