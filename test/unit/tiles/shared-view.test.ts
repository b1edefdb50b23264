import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { PictureMemory } from '../../../client/tiles/memory.ts';
import { Picture } from '../../../client/tiles/picture.ts';
import { type SharedEpoch, SharedPictureView } from '../../../client/tiles/shared-view.ts';
import {
  convertToI420,
  i420ByteLength,
  i420Planes,
  openSharedMemory,
} from '../../../native/index.ts';
import { colourAt, TILE_PX } from './children/tile-colours.mjs';
import { Screen } from './guest.ts';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A picture in shared memory that this thread writes. */
function sharedPicture(): Picture {
  const picture = new Picture({ memory: new PictureMemory({ shared: true }) });
  closing.push(() => picture.close());
  return picture;
}

function viewOf(picture: Picture): SharedPictureView {
  const view = new SharedPictureView();
  closing.push(() => view.close());
  expect(view.adopt(toldOf(picture))).toBe(true);
  return view;
}

function toldOf(picture: Picture): SharedEpoch {
  const { epoch, geometry, grid, place, planes } = picture;
  if (geometry === undefined || place === undefined) throw new Error('there is no picture yet');
  return { memory: place, epoch, geometry, tilePx: grid.tilePx, planes: planes !== undefined };
}

function torn(view: SharedPictureView, read: () => void = () => {}): number[] {
  const tiles = Uint32Array.from({ length: view.grid.tileCount }, (_, index) => index);
  const begun = view.beginRead();
  read();
  return [...tiles.subarray(0, begun.end(tiles, tiles.length, tiles))];
}

describe('SharedPictureView', () => {
  it('shows what a picture in shared memory shows', async () => {
    const screen = new Screen(200, 130);
    screen.noise(1);
    const picture = sharedPicture();
    await picture.update(screen.frame());
    const view = viewOf(picture);
    expect(view.geometry).toEqual(picture.geometry);
    expect([view.epoch, view.serial, view.pitchBytes]).toEqual([1, 1, 800]);
    expect(Buffer.compare(view.pixels, picture.pixels)).toBe(0);
    expect([...view.tileSerials]).toEqual([...picture.tileSerials]);
  });

  it('has the serial of before until it is refreshed, and then the newest', async () => {
    const screen = new Screen(200, 130);
    const picture = sharedPicture();
    await picture.update(screen.frame());
    const view = viewOf(picture);
    screen.fill({ x: 70, y: 70, width: 1, height: 1 }, [1, 2, 3]);
    await picture.update(screen.frame());
    expect(view.serial).toBe(1);
    expect(torn(view)).toEqual([5]);
    view.refresh();
    expect(view.serial).toBe(2);
    expect(torn(view)).toEqual([]);
    const out = new Uint32Array(view.grid.tileCount);
    expect([...out.subarray(0, view.changedSince(1, out))]).toEqual([5]);
  });

  it('calls tiles torn that an update has changed and not published', async () => {
    const screen = new Screen(64, 400);
    const picture = sharedPicture();
    await picture.update(screen.frame());
    const view = viewOf(picture);
    screen.noise(2);
    const frame = screen.frame({ arrivedRows: 130 });
    const update = picture.update(frame);
    await turn();
    expect(view.updating).toBe(true);
    expect(torn(view)).toEqual([0, 1]);
    frame.giveUp();
    expect(await update).toBe('given-up');
    expect(view.updating).toBe(false);
    expect(torn(view)).toEqual([0, 1]);
    await picture.update(screen.frame());
    view.refresh();
    expect(torn(view)).toEqual([]);
  });

  it('calls every tile torn when another epoch has begun in the same memory', async () => {
    const picture = sharedPicture();
    await picture.update(new Screen(200, 130).frame());
    const view = viewOf(picture);
    expect(torn(view, () => picture.startOver())).toEqual([]);
    await picture.update(new Screen(130, 200).frame());
    view.refresh();
    expect([view.epoch, view.serial, view.updating]).toEqual([1, 1, true]);
    expect(torn(view)).toHaveLength(12);
    expect(view.adopt(toldOf(picture))).toBe(true);
    expect([view.epoch, view.serial, view.updating]).toEqual([2, 2, false]);
    expect(torn(view)).toEqual([]);
  });

  it('keeps the old memory until it is told of the new one, and lets go of it then', async () => {
    const small = new Screen(64, 64);
    small.noise(7);
    const large = new Screen(640, 640);
    large.noise(8);
    const picture = sharedPicture();
    await picture.update(small.frame());
    const view = viewOf(picture);
    const before = view.pixels;
    const copy = Buffer.from(before);
    await picture.update(large.frame());
    expect(Buffer.compare(view.pixels, copy)).toBe(0);
    expect(view.updating).toBe(false);
    expect(torn(view)).toEqual([]);
    expect(view.adopt(toldOf(picture))).toBe(true);
    expect(before.byteLength).toBe(0);
    expect(Buffer.compare(view.pixels, picture.pixels)).toBe(0);
  });

  it('says when the memory it was told of is gone already', async () => {
    const picture = sharedPicture();
    await picture.update(new Screen(64, 64).frame());
    const view = viewOf(picture);
    await picture.update(new Screen(640, 640).frame());
    const told = toldOf(picture);
    await picture.update(new Screen(2000, 640).frame());
    expect(view.adopt(told)).toBe(false);
    expect(view.epoch).toBe(1);
    expect(view.adopt(toldOf(picture))).toBe(true);
    expect(view.epoch).toBe(3);
  });
});

describe('Planes of a shared picture', () => {
  /** The planes as another process reads them, and whether they are whole. */
  function planesOf(picture: Picture): { readonly whole: boolean; readonly bytes: Buffer } {
    const { planes } = picture;
    if (planes === undefined) throw new Error('there are no planes');
    const { path, byteLength } = planes.memory;
    using mapping = openSharedMemory(path, byteLength, { access: 'read-only' });
    const { offsetBytes } = planes.y;
    const bytes = Buffer.from(
      mapping.buffer,
      offsetBytes,
      i420ByteLength(planes.widthPx, planes.heightPx),
    );
    const word = new Int32Array(mapping.buffer, planes.epochOffsetBytes, 1);
    return { whole: (Atomics.load(word, 0) & 1) === 0, bytes: Buffer.from(bytes) };
  }

  function expectedPlanes(picture: Picture): Buffer {
    const { widthPx, heightPx } = picture.grid;
    const bytes = Buffer.alloc(i420ByteLength(widthPx, heightPx));
    convertToI420({
      picture: picture.pixels,
      picturePitchBytes: picture.pitchBytes,
      widthPx,
      heightPx,
      x: 0,
      y: 0,
      width: widthPx,
      height: heightPx,
      planes: i420Planes(bytes, { widthPx, heightPx }),
      reference: true,
    });
    return bytes;
  }

  it('are those of the pixels, from the moment on at which they are asked for', async () => {
    const screen = new Screen(201, 131);
    screen.noise(1);
    const picture = sharedPicture();
    await picture.update(screen.frame());
    expect(picture.planes).toBeUndefined();
    picture.keepPlanes(true);
    expect(planesOf(picture).whole).toBe(true);
    expect(Buffer.compare(planesOf(picture).bytes, expectedPlanes(picture))).toBe(0);
    screen.noise(2);
    await picture.update(screen.frame({ damage: [{ x: 3, y: 5, width: 90, height: 77 }] }));
    expect(planesOf(picture).whole).toBe(true);
    expect(Buffer.compare(planesOf(picture).bytes, expectedPlanes(picture))).toBe(0);
  });

  it('follow a new geometry, its black rows too', async () => {
    const picture = sharedPicture();
    picture.keepPlanes(true);
    const screen = new Screen(100, 90);
    screen.noise(1);
    await picture.update(screen.frame({ dataHeightPx: 50 }));
    expect(Buffer.compare(planesOf(picture).bytes, expectedPlanes(picture))).toBe(0);
    const other = new Screen(90, 100);
    other.noise(2);
    await picture.update(other.frame({ dataHeightPx: 70 }));
    expect(Buffer.compare(planesOf(picture).bytes, expectedPlanes(picture))).toBe(0);
  });

  it('are not whole while an update writes, nor by the geometry of another epoch', async () => {
    const picture = sharedPicture();
    picture.keepPlanes(true);
    const screen = new Screen(64, 400);
    await picture.update(screen.frame());
    const frame = screen.frame({ arrivedRows: 130 });
    const update = picture.update(frame);
    await turn();
    expect(planesOf(picture).whole).toBe(false);
    frame.arrive(400);
    await update;
    expect(planesOf(picture).whole).toBe(true);
    const before = picture.planes;
    await picture.update(new Screen(400, 64).frame());
    expect(before?.memory.inode).toBe(picture.planes?.memory.inode);
    expect(before?.epochOffsetBytes).not.toBe(picture.planes?.epochOffsetBytes);
    using mapping = openSharedMemory(before?.memory.path ?? '', 1, { access: 'read-only' });
    const word = new Int32Array(mapping.buffer, before?.epochOffsetBytes ?? 0, 1);
    expect(Atomics.load(word, 0) & 1).toBe(1);
  });

  it('are not to be taken once nobody keeps them', async () => {
    const picture = sharedPicture();
    picture.keepPlanes(true);
    await picture.update(new Screen(64, 64).frame());
    const { planes } = picture;
    picture.keepPlanes(false);
    expect(picture.planes).toBeUndefined();
    using mapping = openSharedMemory(planes?.memory.path ?? '', 1, { access: 'read-only' });
    const word = new Int32Array(mapping.buffer, planes?.epochOffsetBytes ?? 0, 1);
    expect(Atomics.load(word, 0) & 1).toBe(1);
  });
});

/** What the writer's thread tells. */
interface Told {
  readonly firstVersion: number;
  readonly told: SharedEpoch;
}

/** A thread that writes a picture as fast as it can, and a view of that picture. */
class Race {
  readonly view: SharedPictureView = new SharedPictureView();
  readonly #worker = new Worker(new URL('./children/picture-writer.mjs', import.meta.url));
  readonly #told: Told[] = [];
  #error: unknown;
  firstVersion = 0;

  constructor() {
    this.#worker.on('message', (told: Told) => this.#told.push(told));
    this.#worker.on('error', (error) => {
      this.#error = error;
    });
  }

  run(): void {
    this.#worker.postMessage({ do: 'run' });
  }

  resize(widthPx: number, heightPx: number): void {
    this.#worker.postMessage({ do: 'resize', widthPx, heightPx });
  }

  /** A turn of the event loop, after which the view has the newest that was told. */
  async turn(): Promise<void> {
    await turn();
    if (this.#error !== undefined) throw this.#error;
    for (const { told, firstVersion } of this.#told.splice(0)) {
      if (!this.view.adopt(told)) continue;
      this.firstVersion = firstVersion;
    }
    this.view.refresh();
  }

  async close(): Promise<void> {
    const ended = once(this.#worker, 'exit');
    this.#worker.postMessage({ do: 'close' });
    await ended;
    this.view.close();
  }
}

function startRace(): Race {
  const race = new Race();
  closing.push(() => race.close());
  return race;
}

/** What a copy of some tiles was worth. */
interface Copied {
  /** Tiles that are said to be exact, and are not. */
  readonly wrong: readonly string[];
  readonly exact: number;
  readonly torn: number;
}

/** Copies some rows of tiles, the lower ones or all. */
function copyTiles(race: Race, tileRows: number): Copied {
  const { view } = race;
  const { grid, serial } = view;
  const firstRow = Math.max(0, grid.rows - tileRows);
  const first = firstRow * grid.columns;
  const tiles = Uint32Array.from({ length: grid.tileCount - first }, (_, i) => first + i);
  const from = firstRow * TILE_PX * grid.widthPx;
  const read = view.beginRead();
  const { buffer, byteOffset, byteLength } = view.pixels;
  const copy = new Uint32Array(buffer, byteOffset + from * 4, byteLength / 4 - from).slice();
  const out = new Uint32Array(tiles.length);
  const torn = new Set(out.subarray(0, read.end(tiles, tiles.length, out)));
  const wrong: string[] = [];
  for (const tile of tiles) {
    if (torn.has(tile)) continue;
    const expected = colourAt(serial, tile, race.firstVersion);
    const left = (tile % grid.columns) * TILE_PX;
    const top = Math.floor(tile / grid.columns) * TILE_PX;
    for (let y = top; y < Math.min(top + TILE_PX, grid.heightPx); y++)
      for (let x = left; x < Math.min(left + TILE_PX, grid.widthPx); x++)
        if (copy[y * grid.widthPx + x - from] !== expected && wrong.length < 4)
          wrong.push(`pixel ${x}, ${y} at serial ${serial}`);
  }
  return { wrong, exact: tiles.length - torn.size, torn: torn.size };
}

describe('A picture that another thread writes at full speed', () => {
  it('is never told to be exact where it is not', { timeout: 240_000 }, async () => {
    const race = startRace();
    race.resize(640, 500);
    race.run();
    let exact = 0;
    let torn = 0;
    // Until both have been seen often: large copies are overtaken, small ones hardly.
    for (let reads = 0; exact < 2000 || torn < 2000; reads++) {
      await race.turn();
      if (race.view.epoch === 0) continue;
      const copied = copyTiles(race, 1 + (reads % 8));
      expect(copied.wrong).toEqual([]);
      exact += copied.exact;
      torn += copied.torn;
    }
  });

  it('may change its geometry and its memory at any time', { timeout: 240_000 }, async () => {
    const race = startRace();
    race.run();
    const epochs = new Set<number>();
    const sizes = [
      [640, 500],
      [100, 100],
      [900, 700],
      [200, 320],
      [64, 64],
    ] as const;
    while (epochs.size < 12) {
      const { epoch } = race.view;
      const [widthPx, heightPx] = sizes[epochs.size % sizes.length] ?? [0, 0];
      if (!epochs.has(epoch)) race.resize(widthPx, heightPx);
      epochs.add(epoch);
      await race.turn();
      if (race.view.epoch > 0) expect(copyTiles(race, 99).wrong).toEqual([]);
    }
  });

  it('gives other processes only whole planes', { timeout: 240_000 }, async () => {
    const race = startRace();
    race.resize(320, 200);
    race.run();
    const { view } = race;
    let taken = 0;
    let refused = 0;
    while (taken < 50 || refused === 0) {
      await race.turn();
      const { planes } = view;
      if (planes === undefined) continue;
      const buffer = view.pixels.buffer;
      const word = new Int32Array(buffer as ArrayBuffer, planes.epochOffsetBytes, 1);
      const before = Atomics.load(word, 0);
      view.refresh();
      const { serial } = view;
      const luma = new Uint8Array(buffer, planes.y.offsetBytes, 320 * 200).slice();
      if ((before & 1) !== 0 || Atomics.load(word, 0) !== before) {
        refused++;
        continue;
      }
      taken++;
      const wrong: number[] = [];
      for (let tile = 0; tile < view.grid.tileCount; tile++) {
        const expected = lumaOf(colourAt(serial, tile, race.firstVersion));
        const left = (tile % 5) * TILE_PX;
        const top = Math.floor(tile / 5) * TILE_PX;
        for (let y = top; y < Math.min(top + TILE_PX, 200); y++)
          for (let x = left; x < left + TILE_PX; x++)
            if (luma[y * 320 + x] !== expected && wrong.length < 4) wrong.push(tile);
      }
      expect(wrong).toEqual([]);
    }
  });
});

/** Brightness of a colour, as the plain reference has it. */
function lumaOf(colour: number): number {
  const bytes = new Uint8Array(i420ByteLength(2, 2));
  convertToI420({
    picture: new Uint8Array(new Uint32Array(4).fill(colour).buffer),
    picturePitchBytes: 8,
    widthPx: 2,
    heightPx: 2,
    x: 0,
    y: 0,
    width: 2,
    height: 2,
    planes: i420Planes(bytes, { widthPx: 2, heightPx: 2 }),
    reference: true,
  });
  return bytes[0] ?? 0;
}
