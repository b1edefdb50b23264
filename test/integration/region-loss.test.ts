import { execFileSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Client, type ClientState, inspectRegion } from '../../client/index.ts';
import { LocalReader } from '../../client/reader/local.ts';
import type { PictureReader } from '../../client/reader/reader.ts';
import { ThreadReader } from '../../client/reader/thread.ts';
import { createHost, type Host } from '../../host/index.ts';
import { createRegionFile } from '../../native/index.ts';
import type { KvmfrError } from '../../protocol/error.ts';
import { eventually } from '../support/eventually.ts';
import { Screen } from '../unit/tiles/guest.ts';
import { belongings, inState, zeros } from './client-guest.ts';

const PAGE = 4096;
const MIB = 2 ** 20;

/** All that a reader could leave behind: of the region, and of the memory of its picture. */
function holdings(path: string): readonly unknown[] {
  return [belongings(path), belongings('/memfd:kvmfr')];
}

/** Publishes in this process; what goes wrong with it is kept. */
async function hostOf(
  path: string,
): Promise<{ readonly host: Host; readonly failed: Promise<KvmfrError> }> {
  const host = await createHost(path);
  onTestFinished(() => host.close());
  const failed = new Promise<KvmfrError>((resolve) => host.once('error', resolve));
  return { host, failed };
}

function noisy(seed: number, widthPx = 640, heightPx = 360): Screen {
  const screen = new Screen(widthPx, heightPx);
  screen.noise(seed);
  return screen;
}

async function publish(host: Host, screen: Screen): Promise<void> {
  const { pixels, format, widthPx, heightPx } = screen.frame();
  await eventually(() => host.publish({ pixels, format, widthPx, heightPx }));
}

function opaque(value: number, index: number): number {
  return index % 4 === 3 ? 255 : value;
}

function shows({ picture }: PictureReader, screen: Screen): boolean {
  const { widthPx, heightPx } = picture.grid;
  if (widthPx !== screen.widthPx || heightPx !== screen.heightPx) return false;
  return Buffer.compare(picture.pixels, screen.frame().pixels.map(opaque)) === 0;
}

/** How many pixels of tiles that count as exact differ from a screen. */
function wrongPixels({ picture }: PictureReader, screen: Screen): number {
  const { grid, serial, tileSerials, pitchBytes } = picture;
  const right = new Uint32Array(screen.frame().pixels.map(opaque).buffer);
  const shown = new Uint32Array(picture.pixels.slice(0, grid.heightPx * pitchBytes).buffer);
  let wrong = 0;
  for (const [tile, tileSerial] of tileSerials.entries()) {
    if (tileSerial > serial) continue;
    const left = (tile % grid.columns) * grid.tilePx;
    const top = Math.floor(tile / grid.columns) * grid.tilePx;
    for (let y = top; y < Math.min(top + grid.tilePx, grid.heightPx); y++)
      for (let x = left; x < Math.min(left + grid.tilePx, grid.widthPx); x++)
        if (shown[y * grid.widthPx + x] !== right[y * grid.widthPx + x]) wrong++;
  }
  return wrong;
}

/** Takes values until one fits; the stream goes on after that. */
async function until<T>(stream: AsyncIterable<T>, fits: (value: T) => boolean): Promise<T> {
  const iterator = stream[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await iterator.next();
    if (done === true) throw new Error('the stream has ended');
    if (fits(value)) return value;
  }
}

interface Opened {
  readonly reader: PictureReader;
  readonly close: () => Promise<void>;
}

function inThisThread(path: string): Opened {
  const client = new Client(path);
  const reader = new LocalReader(client);
  const close = async (): Promise<void> => {
    await reader.close();
    await client.close();
  };
  onTestFinished(close);
  return { reader, close };
}

function inItsOwnThread(path: string): Opened {
  const reader = new ThreadReader(path);
  onTestFinished(() => reader.close());
  return { reader, close: () => reader.close() };
}

/** Makes a region whole again, where it is. */
function mend(path: string, mib = 8): void {
  createRegionFile(path, mib * MIB, { mode: 0o600 });
}

const FAULTS: readonly {
  readonly what: string;
  readonly strike: (path: string) => void;
  readonly mend: (path: string) => void;
}[] = [
  { what: 'is cut to nothing', strike: (path) => truncateSync(path, 0), mend },
  { what: 'is cut behind its header', strike: (path) => truncateSync(path, 8 * PAGE), mend },
  { what: 'is cut in its frames', strike: (path) => truncateSync(path, 4 * MIB), mend },
  { what: 'is cut within a page', strike: (path) => truncateSync(path, 5 * PAGE + 100), mend },
  {
    what: 'is cut, and larger later',
    strike: (path) => truncateSync(path, PAGE),
    mend: (path) => mend(path, 16),
  },
  { what: 'is deleted', strike: (path) => rmSync(path), mend },
  {
    what: 'is replaced by another of another size',
    strike: (path) => {
      createRegionFile(`${path}.new`, 16 * MIB, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
    mend: () => {},
  },
  { what: 'grows', strike: (path) => truncateSync(path, 32 * MIB), mend: () => {} },
];

describe.each([
  ['in this thread', inThisThread],
  ['in a thread of its own', inItsOwnThread],
] as const)('a reader %s', (_, open) => {
  it.each(FAULTS)(
    'goes on with the right picture after its region $what',
    async ({ strike, mend }) => {
      const path = zeros();
      const before = holdings(path);
      const first = await hostOf(path);
      const { reader, close } = open(path);
      const pictures = reader.pictures();
      const screen = noisy(1);
      await publish(first.host, screen);
      await until(pictures, () => shows(reader, screen));
      await until(reader.states(), (state) => state.name === 'showing');
      const going = setInterval(() => {
        if (first.host.closed) return;
        // Frames go on while the region is struck.
        const { pixels, format, widthPx, heightPx } = screen.frame();
        first.host.publish({ pixels, format, widthPx, heightPx });
      }, 2);
      onTestFinished(() => clearInterval(going));
      strike(path);
      const [error] = await Promise.all([
        first.failed,
        until(reader.states(), (state) => state.name !== 'showing'),
      ]);
      clearInterval(going);
      expect(['ERR_KVMFR_REGION_LOST', 'ERR_KVMFR_ABSENT']).toContain(error.code);
      expect(error.message).toContain(path);
      expect(first.host.closed).toBe(true);
      // The last picture stays, and nothing of what is gone is in it.
      expect(wrongPixels(reader, screen)).toBe(0);
      mend(path);
      const second = await hostOf(path);
      await until(reader.states(), (state) => state.name === 'showing');
      screen.fill({ x: 10, y: 10, width: 200, height: 100 }, [9, 8, 7]);
      await publish(second.host, screen);
      await until(pictures, () => shows(reader, screen));
      await second.host.close();
      await close();
      expect(holdings(path)).toEqual(before);
    },
  );

  it('shows nothing of a frame whose rows went away while it was copied', async () => {
    const path = zeros();
    const { host, failed } = await hostOf(path);
    const { reader } = open(path);
    const pictures = reader.pictures();
    const screen = noisy(1);
    await publish(host, screen);
    await until(pictures, () => shows(reader, screen));
    const { serial, epoch } = reader.picture;
    const next = noisy(2);
    const { pixels, format, widthPx, heightPx } = next.frame();
    const frame = host.openFrame({ pixels, format, widthPx, heightPx });
    if (frame === undefined) throw new Error('no slot is free');
    frame.writeRows(100);
    // From here on the rows that are announced are gone; the header and the write pointer are not.
    truncateSync(path, Math.ceil((frame.dataAt + 120 * widthPx * 4) / PAGE) * PAGE);
    frame.end();
    expect((await failed).code).toBe('ERR_KVMFR_REGION_LOST');
    // It gave the frame up, or was so late that it never began it.
    await until(reader.states(), (state) => state.name !== 'showing');
    expect([reader.picture.epoch, reader.picture.serial]).toEqual([epoch, serial]);
    expect(wrongPixels(reader, screen)).toBe(0);
    mend(path);
    const second = await hostOf(path);
    await publish(second.host, next);
    await until(pictures, () => shows(reader, next));
  });

  const punch = (from: number, bytes: number) => (path: string) => {
    execFileSync('fallocate', ['-p', '-o', String(from), '-l', String(bytes), path]);
  };
  it.each([
    ['all of it: the publisher begins anew', punch(0, 8 * MIB)],
    ['its frames: the next one is right', punch(2 * MIB, 6 * MIB)],
    [
      'all of it, cut and whole again at once',
      (path: string): void => {
        truncateSync(path, 0);
        truncateSync(path, 8 * MIB);
      },
    ],
  ])('reads zeros from a hole in place of %s', async (_what, makeHole) => {
    const path = zeros();
    const { host } = await hostOf(path);
    const { reader } = open(path);
    const pictures = reader.pictures();
    const screen = noisy(1);
    await publish(host, screen);
    await until(pictures, () => shows(reader, screen));
    makeHole(path);
    const next = noisy(2);
    host.on('session', () => void publish(host, next));
    await publish(host, next);
    await until(pictures, () => shows(reader, next));
    expect(host.closed).toBe(false);
    expect(statSync(path).size).toBe(8 * MIB);
  });

  it('keeps the picture of a dead guest whose region became a hole, and says that it is gone', async () => {
    const path = zeros();
    const { host } = await hostOf(path);
    const { reader } = open(path);
    const pictures = reader.pictures();
    const screen = noisy(1);
    await publish(host, screen);
    await until(pictures, () => shows(reader, screen));
    await host.close();
    punch(0, 8 * MIB)(path);
    await until(reader.states(), (state) => state.name === 'stale');
    expect(shows(reader, screen)).toBe(true);
    const again = await hostOf(path);
    await until(reader.states(), (state) => state.name === 'showing');
    await publish(again.host, noisy(3));
    await until(pictures, () => shows(reader, noisy(3)));
  });
});

describe('a region that is lost', () => {
  it.each([
    ['between two looks at its path', 0],
    ['when its path is to be looked at', 1000],
  ])(
    '%s is said to be, with what it had and has, and then that what is there is no region',
    async (_, aheadMs) => {
      const path = zeros();
      const { host } = await hostOf(path);
      const told: ClientState[] = [];
      const hear = (message: unknown): void => {
        const { path: of, state } = message as {
          readonly path: string;
          readonly state: ClientState;
        };
        if (of === path) told.push(state);
      };
      subscribe('kvmfr:client:state', hear);
      onTestFinished(() => void unsubscribe('kvmfr:client:state', hear));
      const client = new Client(path);
      onTestFinished(() => client.close());
      await inState(client, 'showing');
      const now = performance.now.bind(performance);
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs);
      onTestFinished(() => clock.mockRestore());
      truncateSync(path, 0);
      await inState(client, ({ code }) => code === 'ERR_KVMFR_SIZE');
      expect(told.map(({ name, code }) => [name, code])).toEqual([
        ['showing', undefined],
        ['failed', 'ERR_KVMFR_REGION_LOST'],
        ['failed', 'ERR_KVMFR_SIZE'],
      ]);
      expect(told[1]?.message).toBe(
        `expected ${path} to keep its ${8 * MIB} bytes while it is mapped, but it shrank to 0`,
      );
      expect(told[1]?.hint).toBeDefined();
      expect(client.regionBytes).toBeUndefined();
      expect(host.closed).toBe(true);
    },
  );

  it('gives no frame that was not whole, and gives the next one of the next session', async () => {
    const path = zeros();
    const { host } = await hostOf(path);
    const client = new Client(path);
    onTestFinished(() => client.close());
    const frames = client.frames();
    const first = frames.next();
    await client.attached();
    await eventually(() => host.watchers > 0);
    await publish(host, noisy(1));
    const kept = (await first).value;
    expect(kept?.intact).toBe(true);
    truncateSync(path, PAGE);
    // What is read of a frame that one has is zeros now, and it says that it is not what it was.
    expect(kept?.pixels[kept.pixels.length - 1]).toBe(0);
    expect(kept?.intact).toBe(false);
    const next = frames.next();
    await inState(client, 'failed');
    mend(path);
    const second = await hostOf(path);
    const screen = noisy(4);
    await eventually(() => second.host.watchers > 0);
    await publish(second.host, screen);
    const frame = (await next).value;
    const { pixels } = screen.frame();
    expect(Buffer.compare(frame?.pixels ?? new Uint8Array(0), pixels)).toBe(0);
    expect(frame?.intact).toBe(true);
    // The old mapping is closed: its views have nothing any more.
    expect(() => kept?.pixels).toThrow('after its release');
  });

  it('is an error of a look from outside', async () => {
    const path = zeros();
    const inspected = inspectRegion(path);
    truncateSync(path, 0);
    await expect(inspected).rejects.toMatchObject({ code: 'ERR_KVMFR_REGION_LOST', path });
    expect(belongings(path)).toEqual({ files: 0, maps: 0, threads: 0 });
  });

  it('is an error of its publisher, which closes, whatever it was doing', async () => {
    const path = zeros();
    const { host, failed } = await hostOf(path);
    host.setCursor({ position: { x: 1, y: 1 }, visible: true });
    const sessions: number[] = [];
    host.on('session', (id) => sessions.push(id));
    truncateSync(path, 0);
    const { pixels, format, widthPx, heightPx } = noisy(1).frame();
    expect(host.publish({ pixels, format, widthPx, heightPx })).toBe(false);
    expect((await failed).code).toBe('ERR_KVMFR_REGION_LOST');
    expect(() => host.publish({ pixels, format, widthPx, heightPx })).toThrow('closed');
    expect(sessions).toEqual([]);
    expect(belongings(path)).toEqual({ files: 0, maps: 0, threads: 0 });
  });
});
