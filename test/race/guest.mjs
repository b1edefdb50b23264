// The publisher of a race: `node guest.mjs PATH WIRE`. Messages: {run} publishes plain frames and
// moves the pointer as fast as they are taken; {show: SEED} publishes one pattern again and again.
import { createHost } from '../../dist/host/index.js';
import { HEIGHT, pattern, plain, WIDTH } from './screen.mjs';

const [path, wire] = process.argv.slice(2);
const host = await createHost(path, { wire, regionMib: 16 });
// What somebody else does to the region is told here; the publisher mends it or begins anew.
host.on('error', () => {});

const EVERY_MS = { run: 1, show: 10 };
let timer;
let frames = 0;

function frameOf(pixels) {
  return { pixels, format: 'BGRA', widthPx: WIDTH, heightPx: HEIGHT };
}

function point(number) {
  const shape = {
    kind: ['color', 'monochrome', 'masked-color'][number % 3],
    widthPx: 16,
    heightPx: 16,
    hotspotX: 1,
    hotspotY: 1,
    pitchBytes: 64,
    bytes: new Uint8Array(64 * 32).fill(number),
  };
  const position = { x: number % 300, y: number % 190 };
  host.setCursor({ position, visible: true, ...(number % 4 === 0 ? { shape } : {}) });
}

process.on('message', ({ run, show }) => {
  clearInterval(timer);
  if (run) {
    timer = setInterval(() => {
      if (host.publish(frameOf(plain(frames)))) frames += 1;
      point(frames);
    }, EVERY_MS.run);
  } else if (show !== undefined) {
    const frame = frameOf(pattern(show));
    timer = setInterval(() => {
      host.publish(frame);
      host.setCursor({ position: { x: show, y: 7 }, visible: true });
    }, EVERY_MS.show);
  }
  process.send({ frames });
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: true });
