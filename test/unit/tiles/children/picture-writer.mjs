// A thread that writes a shared picture as fast as it can. Version v paints a third of the tiles, each
// in one colour that version and tile give, so a reader knows how any tile must look at any serial.
import { parentPort } from 'node:worker_threads';
import { PictureMemory } from '../../../../dist/client/tiles/memory.js';
import { Picture } from '../../../../dist/client/tiles/picture.js';
import { colourOf, paints, TILE_PX } from './tile-colours.mjs';

const picture = new Picture({ memory: new PictureMemory({ shared: true }) });
picture.keepPlanes(true);
let version = 0;
let running = false;
let size = { widthPx: 0, heightPx: 0 };
let pixels = new Uint32Array(0);

function paintTile(tile, columns, colour) {
  const left = (tile % columns) * TILE_PX;
  const top = Math.floor(tile / columns) * TILE_PX;
  for (let y = top; y < Math.min(top + TILE_PX, size.heightPx); y++) {
    const at = y * size.widthPx;
    pixels.fill(colour, at + left, at + Math.min(left + TILE_PX, size.widthPx));
  }
}

async function publish(fresh) {
  version++;
  const columns = Math.ceil(size.widthPx / TILE_PX);
  const count = columns * Math.ceil(size.heightPx / TILE_PX);
  for (let tile = 0; tile < count; tile++)
    if (fresh || paints(version, tile)) paintTile(tile, columns, colourOf(version, tile));
  const outcome = await picture.update({
    ...size,
    pixels: new Uint8Array(pixels.buffer),
    format: 'BGRA',
    dataHeightPx: size.heightPx,
    screenWidthPx: size.widthPx,
    screenHeightPx: size.heightPx,
    pitchBytes: size.widthPx * 4,
    rotation: 0,
    damage: [],
    complete: size.heightPx,
    intact: true,
    whenRows: () => Promise.resolve(true),
  });
  if (outcome !== 'changed' || picture.serial !== version)
    throw new Error(`version ${version} is ${outcome} with serial ${picture.serial}`);
}

async function run() {
  running = true;
  while (running) {
    for (let i = 0; i < 5 && size.widthPx > 0; i++) await publish(false);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

parentPort.on('message', async (message) => {
  if (message.do === 'resize') {
    size = { widthPx: message.widthPx, heightPx: message.heightPx };
    pixels = new Uint32Array(size.widthPx * size.heightPx);
    await publish(true);
    const { epoch, geometry, place: memory } = picture;
    parentPort.postMessage({
      firstVersion: version,
      told: { memory, epoch, geometry, tilePx: TILE_PX, planes: true },
    });
  } else if (message.do === 'run' && !running) await run();
  else if (message.do === 'close') {
    running = false;
    picture.close();
    parentPort.close();
  }
});
