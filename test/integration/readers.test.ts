import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client } from '../../client/index.ts';
import { LocalReader } from '../../client/reader/local.ts';
import type { PictureReader } from '../../client/reader/reader.ts';
import type { GuestCursor } from '../../client/reader/source.ts';
import { ThreadReader, type ThreadReaderOptions } from '../../client/reader/thread.ts';
import { createHost, type Host, type HostOptions } from '../../host/index.ts';
import {
  convertToI420,
  createRegionFile,
  i420ByteLength,
  i420Planes,
  Mapping,
  openSharedMemory,
} from '../../native/index.ts';
import { eventually } from '../support/eventually.ts';
import { Screen } from '../unit/tiles/guest.ts';

let folder = '';
let region = '';
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp('/dev/shm/kvmfr-readers-');
  region = join(folder, 'region');
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: HostOptions = {}): Promise<Host> {
  const host = await createHost(region, { regionMib: 32, ...options });
  closing.push(() => host.close());
  return host;
}

function inThisThread(): PictureReader {
  const client = new Client(region);
  const reader = new LocalReader(client);
  closing.push(async () => {
    await reader.close();
    await client.close();
  });
  return reader;
}

function inItsOwnThread(options: ThreadReaderOptions = {}): ThreadReader {
  const reader = new ThreadReader(region, options);
  closing.push(() => reader.close());
  return reader;
}

/** Publishes a screen as soon as a slot is free. */
async function publish(host: Host, screen: Screen): Promise<void> {
  const { pixels, format, widthPx, heightPx } = screen.frame();
  await eventually(() => host.publish({ pixels, format, widthPx, heightPx }));
}

function noisy(seed: number, widthPx = 640, heightPx = 360): Screen {
  const screen = new Screen(widthPx, heightPx);
  screen.noise(seed);
  return screen;
}

/** Whether a picture shows a screen: 32-bit words of B, G, R, 255. */
function shows(reader: PictureReader, screen: Screen): boolean {
  const { pixels, grid } = reader.picture;
  if (grid.widthPx !== screen.widthPx || grid.heightPx !== screen.heightPx) return false;
  return Buffer.compare(pixels, screen.frame().pixels.map(opaque)) === 0;
}

function opaque(value: number, index: number): number {
  return index % 4 === 3 ? 255 : value;
}

/** Iterates until a value fits. */
async function until<T>(stream: AsyncIterable<T>, fits: (value: T) => boolean): Promise<T> {
  for await (const value of stream) if (fits(value)) return value;
  throw new Error('the stream has ended');
}

const READERS = [
  { name: 'in this thread', open: inThisThread },
  { name: 'in a thread of its own', open: inItsOwnThread },
] as const;

for (const { name, open } of READERS)
  describe(`A reader ${name}`, () => {
    it('waits for a guest, shows its frames exactly, and what changes in them', async () => {
      const reader = open();
      expect(reader.state.name).toBe('waiting');
      const host = await start();
      await until(reader.states(), (state) => state.name === 'showing');
      expect(reader.session?.release).toBe('B7');
      const screen = noisy(1);
      await publish(host, screen);
      const pictures = reader.pictures();
      await until(pictures, () => shows(reader, screen));
      const { epoch, serial } = reader.picture;
      screen.fill({ x: 100, y: 70, width: 30, height: 30 }, [1, 2, 3]);
      await publish(host, screen);
      await until(reader.pictures(), () => shows(reader, screen));
      expect(reader.picture.epoch).toBe(epoch);
      const tiles = new Uint32Array(reader.picture.grid.tileCount);
      const count = reader.picture.changedSince(serial, tiles);
      expect([...tiles.subarray(0, count)]).toEqual([11, 12]);
      expect(reader.stats.framesSeen).toBeGreaterThanOrEqual(2);
      expect(reader.outcomes.changed).toBeGreaterThanOrEqual(2);
    });

    it('tells when a frame passed each stage, in order and on one clock', async () => {
      const reader = open();
      const host = await start();
      const pictures = reader.pictures();
      await until(reader.states(), (state) => state.name === 'showing');
      const beforeMs = Number(process.hrtime.bigint()) / 1e6;
      await publish(host, noisy(1));
      const update = await until(pictures, ({ outcome }) => outcome === 'changed');
      const nowMs = Number(process.hrtime.bigint()) / 1e6;
      const { seenMs, arrivedMs, appliedMs } = update.times;
      expect(update).toMatchObject({ epoch: 1, serial: reader.picture.serial });
      for (const [earlier, later] of [
        [beforeMs, seenMs],
        [seenMs, arrivedMs],
        [arrivedMs, appliedMs],
        [appliedMs, nowMs],
      ])
        expect(later).toBeGreaterThanOrEqual((earlier ?? Number.NaN) - 0.01);
    });

    it('subscribes while somebody iterates, and not else', async () => {
      const host = await start();
      const reader = open();
      await until(reader.states(), (state) => state.name === 'showing');
      const watched = (): readonly number[] => [host.watchers, host.cursorWatchers];
      expect(watched()).toEqual([0, 0]);
      const pictures = reader.pictures();
      const pointer = reader.cursor()[Symbol.asyncIterator]();
      void pointer.next();
      await eventually(() => watched().every((count) => count === 1));
      await pictures[Symbol.asyncIterator]().return?.();
      await pointer.return?.();
      await eventually(() => watched().every((count) => count === 0));
    });

    it('gives the pointer, its shape the same object until there is another', async () => {
      const host = await start();
      const reader = open();
      const shape = (value: number) =>
        ({
          kind: 'color',
          widthPx: 4,
          heightPx: 4,
          hotspotX: 1,
          hotspotY: 2,
          pitchBytes: 16,
          bytes: new Uint8Array(64).fill(value),
        }) as const;
      host.setCursor({ position: { x: 3, y: 4 }, visible: true, shape: shape(255) });
      const stop = new AbortController();
      const pointer = reader.cursor({ signal: stop.signal });
      const next = async (fits: (cursor: GuestCursor) => boolean): Promise<GuestCursor> => {
        for (;;) {
          const { value } = await pointer[Symbol.asyncIterator]().next();
          if (value !== undefined && fits(value)) return value;
        }
      };
      const first = await next(({ x, shape: given }) => x === 3 && given !== undefined);
      expect(first).toMatchObject({ visible: true, x: 3, y: 4 });
      expect(first.shape).toMatchObject({ widthPx: 4, hotspotX: 1, hotspotY: 2 });
      expect(first.shape?.rgba).toEqual(new Uint8Array(64).fill(255));
      host.setCursor({ position: { x: 5, y: 4 } });
      const moved = await next(({ x }) => x === 5);
      expect(moved.shape).toBe(first.shape);
      host.setCursor({ shape: shape(128) });
      const other = await next(({ shape: given }) => given !== first.shape);
      expect(other).toMatchObject({ visible: true, x: 5, y: 4 });
      stop.abort();
    });

    it('shows a frame that stood still half written, though no other follows it', async () => {
      const host = await start();
      const reader = open();
      const pictures = { [Symbol.asyncIterator]: () => keepOpen(stream) };
      const stream = reader.pictures();
      await publish(host, noisy(1));
      await until(pictures, () => shows(reader, noisy(1)));
      const { pixels, format, widthPx, heightPx } = noisy(2).frame();
      const frame = host.openFrame({ pixels, format, widthPx, heightPx });
      if (frame === undefined) throw new Error('no slot is free');
      frame.writeRows(100);
      await until(pictures, ({ outcome }) => outcome === 'given-up');
      expect(shows(reader, noisy(2))).toBe(false);
      frame.end();
      await until(pictures, () => shows(reader, noisy(2)));
      expect(host.stats.framesPosted).toBe(2);
    });

    it('gives nothing to who had stopped before asking', async () => {
      await start();
      const reader = open();
      const signal = AbortSignal.abort();
      for (const stream of [
        reader.pictures({ signal }),
        reader.cursor({ signal }),
        reader.states({ signal }),
      ])
        expect(await stream[Symbol.asyncIterator]().next()).toEqual({ done: true });
    });

    it('follows the guest through sizes, and through its restarts by another session', async () => {
      let host = await start();
      const reader = open();
      const pictures = reader.pictures();
      for (const [widthPx, heightPx] of [
        [640, 360],
        [320, 200],
        [1920, 1080],
        [65, 1],
      ] as const) {
        const screen = noisy(widthPx, widthPx, heightPx);
        await publish(host, screen);
        const iterated = { [Symbol.asyncIterator]: () => keepOpen(pictures) };
        await until(iterated, () => shows(reader, screen));
      }
      const { epoch } = reader.picture;
      const { session } = reader;
      await host.close();
      host = await start();
      const screen = noisy(9, 65, 1);
      await eventually(() => reader.session !== session);
      await publish(host, screen);
      await until(pictures, () => shows(reader, screen));
      expect(reader.picture.epoch).toBeGreaterThan(epoch);
      expect(reader.stats.sessions).toBe(2);
    });

    it('keeps planes for other processes while they are asked for', async () => {
      const host = await start();
      const reader = open();
      const screen = noisy(3, 333, 201);
      await publish(host, screen);
      const pictures = reader.pictures();
      const iterated = { [Symbol.asyncIterator]: () => keepOpen(pictures) };
      await until(iterated, () => shows(reader, screen));
      expect(reader.planes).toBeUndefined();
      reader.setI420(true);
      await eventually(() => reader.planes !== undefined);
      expect(planesShow(reader, screen)).toBe(true);
      screen.noise(4);
      await publish(host, screen);
      await until(iterated, () => shows(reader, screen));
      expect(planesShow(reader, screen)).toBe(true);
      reader.setI420(false);
      await eventually(() => reader.planes === undefined);
    });

    it('ends its streams when it closes, and leaves no subscriber', async () => {
      const host = await start();
      const reader = open();
      const pictures = reader.pictures()[Symbol.asyncIterator]();
      const pointer = reader.cursor()[Symbol.asyncIterator]();
      const states = reader.states()[Symbol.asyncIterator]();
      void pointer.next();
      await publish(host, noisy(1));
      await pictures.next();
      await eventually(() => host.cursorWatchers > 0);
      await states.next();
      const waiting = [pictures.next(), pictures.next()];
      await reader.close();
      // The first of them may have come before the end.
      expect((await waiting[1])?.done).toBe(true);
      expect((await states.next()).done).toBe(true);
      expect(host.watchers).toBe(0);
    });
  });

/** An iterator that a loop which ends does not close. */
function keepOpen<T>(stream: AsyncIterable<T>): AsyncIterator<T> {
  const iterator = stream[Symbol.asyncIterator]();
  return { next: () => iterator.next() };
}

/** Whether the planes are those of a screen, read as another process does. */
function planesShow(reader: PictureReader, screen: Screen): boolean {
  const { planes } = reader;
  if (planes === undefined) return false;
  const { widthPx, heightPx } = screen;
  using memory = openSharedMemory(planes.memory.path, planes.memory.byteLength, {
    access: 'read-only',
  });
  const expected = Buffer.alloc(i420ByteLength(widthPx, heightPx));
  convertToI420({
    picture: screen.frame().pixels,
    picturePitchBytes: widthPx * 4,
    widthPx,
    heightPx,
    x: 0,
    y: 0,
    width: widthPx,
    height: heightPx,
    planes: i420Planes(expected, { widthPx, heightPx }),
    reference: true,
  });
  return Buffer.from(memory.buffer, planes.y.offsetBytes, expected.byteLength).equals(expected);
}

describe('What goes wrong in the thread of a reader', () => {
  const program = new URL('./children/faulty-reader.mjs', import.meta.url);

  /** The word that makes the thread fail. */
  function faults(): { raise(fault: number): void } {
    createRegionFile(`${region}.fault`, 4096);
    const mapping = Mapping.open(`${region}.fault`);
    closing.push(async () => mapping.close());
    const word = new Int32Array(mapping.buffer, 0, 1);
    return { raise: (fault) => void Atomics.store(word, 0, fault) };
  }

  it.each([
    { fault: 1, what: 'a fault of the test' },
    { fault: 2, what: 'it ended with status 7' },
  ])('is told and logged, and it goes on ($what)', async ({ fault, what }) => {
    const { raise } = faults();
    const host = await start();
    const lines: string[] = [];
    const reader = inItsOwnThread({ program, log: (line) => lines.push(line) });
    const screen = noisy(1);
    await publish(host, screen);
    const pictures = reader.pictures();
    const iterated = { [Symbol.asyncIterator]: () => keepOpen(pictures) };
    reader.setI420(true);
    await until(iterated, () => shows(reader, screen) && reader.planes !== undefined);
    const { epoch, serial } = reader.picture;
    const seen = reader.stats.framesSeen;
    raise(fault);
    const failed = await until(reader.states(), (state) => state.name === 'failed');
    expect(failed.message).toContain(what);
    expect(failed.hint).toBeDefined();
    expect(lines.join('\n')).toContain(what);
    // What was there stays, and nobody takes planes that nobody writes.
    expect(shows(reader, screen)).toBe(true);
    expect([reader.picture.updating, reader.planes]).toEqual([false, undefined]);
    await until(reader.states(), (state) => state.name === 'showing');
    screen.noise(2);
    await publish(host, screen);
    await until(iterated, () => shows(reader, screen) && reader.planes !== undefined);
    expect(reader.picture.epoch).toBeGreaterThan(epoch);
    expect(reader.picture.serial).toBeGreaterThan(serial);
    expect(reader.stats.framesSeen).toBeGreaterThan(seen);
    expect(planesShow(reader, screen)).toBe(true);
  });

  it('does not hold up this thread, nor its end', async () => {
    const { raise } = faults();
    const host = await start();
    const reader = inItsOwnThread({ program, closeTimeoutMs: 10 });
    const screen = noisy(1);
    await publish(host, screen);
    await until(reader.pictures(), () => shows(reader, screen));
    raise(3);
    const word = Mapping.open(`${region}.fault`);
    await eventually(() => new Int32Array(word.buffer, 0, 1)[0] === 0);
    word.close();
    expect(shows(reader, screen)).toBe(true);
    reader.setI420(true);
    await reader.close();
    expect(reader.picture.pixels.byteLength).toBe(0);
  });

  it('says so when its program cannot be started', async () => {
    const lines: string[] = [];
    const reader = inItsOwnThread({
      program: new URL('./children/no-such-program.mjs', import.meta.url),
      log: (line) => lines.push(line),
    });
    await until(reader.states(), (state) => state.name === 'failed');
    expect(lines.join('\n')).toContain('no-such-program');
    await reader.close();
  });
});

/** Threads, open files and mappings of this process that readers may leave. */
function heldNow(): { readonly threads: number; readonly files: number; readonly maps: number } {
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return {
    threads: readdirSync('/proc/self/task').length,
    files: readdirSync('/proc/self/fd').length,
    maps: maps.filter((line) => line.includes('memfd:') || line.includes(region)).length,
  };
}

describe('A reader in a thread of its own, once closed', () => {
  it('has left no thread, file or mapping, however often', async () => {
    const host = await start();
    const screen = noisy(1);
    await publish(host, screen);
    const once = async (): Promise<void> => {
      const reader = new ThreadReader(region);
      reader.setI420(true);
      await until(reader.pictures(), () => shows(reader, screen));
      await reader.close();
    };
    await once();
    const before = heldNow();
    const count = 10;
    for (let i = 0; i < count; i++) await once();
    const { threads, files, maps } = heldNow();
    expect(maps).toBe(before.maps);
    // The rest of the process has its own, which come and go; a leak would be as many as there were readers.
    expect(threads - before.threads).toBeLessThan(count / 2);
    expect(files - before.files).toBeLessThan(count / 2);
    await eventually(() => host.watchers === 0);
  });

  it('closes at any moment of its start', async () => {
    for (let turns = 0; turns < 8; turns++) {
      const reader = new ThreadReader(region);
      for (let i = 0; i < turns * 20; i++) await turn();
      await reader.close();
      await reader.close();
    }
  });
});
