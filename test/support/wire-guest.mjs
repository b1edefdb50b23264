// A publisher in a process of its own: `node wire-guest.mjs PATH WIRE FORMAT MODE WIDTH HEIGHT MIB`.
// Each message `next` publishes one more frame; the answer is `published N`. What it draws is
// computed by the test on its own.
import { createHost, packPicture } from '../../dist/host/index.js';

const [path, wire, format, mode, width, height, mib] = process.argv.slice(2);
const widthPx = Number(width);
const heightPx = Number(height);

/** Two rects that move with each frame, one of them cut by the right edge. */
function rectsOf(n) {
  return [
    { x: (n * 13) % (widthPx - 20), y: (n * 7) % (heightPx - 20), width: 17, height: 11 },
    { x: widthPx - 5, y: (n * 3) % (heightPx - 10), width: 5, height: 9 },
  ];
}

/** The test may be gone already. */
function tell(message) {
  if (process.connected) process.send(message, () => {});
}

const bgra = new Uint8Array(widthPx * heightPx * 4);

function paint(rect, n) {
  for (let y = rect.y; y < rect.y + rect.height; y++)
    for (let x = rect.x; x < rect.x + rect.width; x++) {
      const at = (y * widthPx + x) * 4;
      bgra[at] = (x * 3 + y * 5 + n * 7) & 255;
      bgra[at + 1] = (x + y * 11 + n * 29) & 255;
      bgra[at + 2] = (x * 17 + y + n * 3) & 255;
      bgra[at + 3] = (x * n) & 255;
    }
}

const host = await createHost(path, { wire, regionMib: Number(mib) });
let n = 0;

function publish() {
  n += 1;
  const rects =
    mode === 'rects' && n > 1 ? rectsOf(n) : [{ x: 0, y: 0, width: widthPx, height: heightPx }];
  for (const rect of rects) paint(rect, n);
  const packed = packPicture({ bgra, widthPx, heightPx, format });
  const frame = { ...packed, format, widthPx, heightPx };
  const published = host.publish(mode === 'rects' && n > 1 ? { ...frame, damage: rects } : frame);
  if (published) tell({ published: n });
  else {
    n -= 1;
    setTimeout(publish, 5);
  }
}

process.on('message', (message) => {
  if (message === 'next') publish();
});
process.on('disconnect', () => process.exit(0));
host.on('subscriber', ({ queue }) => tell({ subscriber: queue }));
tell({ ready: true });
