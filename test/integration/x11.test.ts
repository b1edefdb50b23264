import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Client, type CursorState, connect } from '../../client/index.ts';
import { createHost, type WireName } from '../../host/index.ts';
import { X11Source, type X11SourceOptions } from '../../host/x11/source.ts';
import type { KvmfrError, Rect } from '../../protocol/index.ts';
import { needs } from '../support/machine.ts';
import { opaque, XPainter } from '../support/x-painter.ts';
import { XServer } from '../support/x-server.ts';

// A real X server, published into a region, and read from there: every pixel against the server's own.

const LIMIT_MS = 120_000;

let folder = '';
const open: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/kvmfr-x11-');
});

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function keep<T extends AsyncDisposable>(thing: T): T {
  open.push(thing);
  return thing;
}

async function paint(server: XServer): Promise<XPainter> {
  const painter = await XPainter.open(server.name);
  keep({ [Symbol.asyncDispose]: async () => painter.close() });
  return painter;
}

/** A server, its screen published, and a program that draws there. */
async function stage(
  screen = '320x200x24',
  options: X11SourceOptions & { readonly wire?: WireName } = {},
) {
  const server = keep(await XServer.start(screen));
  const painter = await paint(server);
  const published = await publish(server.name, options);
  return { server, painter, ...published };
}

async function publish(display: string, options: X11SourceOptions = {}) {
  const source = keep(await X11Source.open(display, options));
  const { features } = source;
  const region = join(folder, 'region');
  const input = options.wire === 'dev12';
  const host = keep(
    await createHost(region, { wire: options.wire, features, input, regionMib: 16 }),
  );
  const errors: KvmfrError[] = [];
  host.on('error', (error) => errors.push(error));
  const running = source.run(host);
  running.catch(() => {});
  return { source, host, region, errors, running };
}

interface SeenFrame {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly damage: readonly Rect[];
  readonly bgra: Buffer;
}

/** A reader of frames: those that came, and a wait for one that is like this. */
class Frames implements AsyncDisposable {
  readonly client: Client;
  readonly all: SeenFrame[] = [];
  readonly #reading: Promise<void>;
  #wake: () => void = () => {};

  private constructor(client: Client) {
    this.client = client;
    this.#reading = this.#read();
  }

  static async of(region: string): Promise<Frames> {
    return keep(new Frames(await connect(region)));
  }

  /** The first frame, of those that come from now on or of the newest, that is like this. */
  async until(isIt: (frame: SeenFrame) => boolean): Promise<SeenFrame> {
    let from = Math.max(0, this.all.length - 1);
    for (;;) {
      const found = this.all.slice(from).find(isIt);
      if (found !== undefined) return found;
      from = this.all.length;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The frame that shows what the server has. Nobody draws meanwhile. */
  async untilShows(painter: XPainter): Promise<SeenFrame> {
    const { widthPx, heightPx, bgra } = await painter.picture();
    return this.until(
      (frame) =>
        frame.widthPx === widthPx && frame.heightPx === heightPx && frame.bgra.equals(bgra),
    );
  }

  async #read(): Promise<void> {
    for await (const frame of this.client.frames()) {
      const { widthPx, heightPx, damage, pitchBytes, pixels } = frame;
      const rows = Array.from({ length: heightPx }, (_, y) =>
        pixels.subarray(y * pitchBytes, y * pitchBytes + widthPx * 4),
      );
      const bgra = opaque(Buffer.concat(rows));
      this.all.push({ widthPx, heightPx, damage: [...damage], bgra });
      this.#wake();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.#reading;
  }
}

function noise(width: number, height: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: width * height * 4 },
    (_, i) => Math.imul(i + seed, 2654435761) >>> 24,
  );
}

async function cursorUntil(
  client: Client,
  isIt: (cursor: CursorState) => boolean,
): Promise<CursorState> {
  for await (const cursor of client.cursor()) if (isIt(cursor)) return cursor;
  throw new Error('the pointer was not like that');
}

needs('xvfb').describe('the screen of an X server', () => {
  it.each(['B6', 'B7', 'dev10', 'dev12'] as const)(
    'is published exactly by wire %s, and then only what changes',
    async (wire) => {
      const { painter, region } = await stage('320x200x24', { wire });
      painter.put({ x: 0, y: 0, width: 320, height: 200 }, noise(320, 200, 7));
      await painter.done();
      const frames = await Frames.of(region);
      await frames.untilShows(painter);

      const narrow = { x: 100, y: 50, width: 40, height: 30 };
      painter.put(narrow, noise(40, 30, 99));
      const first = await frames.untilShows(painter);
      expect(first.damage).toEqual([narrow]);
      const wide = { x: 3, y: 120, width: 310, height: 9 };
      painter.fill(wide, 0x336699);
      const second = await frames.untilShows(painter);
      expect(second.damage).toEqual([wide]);
    },
    LIMIT_MS,
  );

  it(
    'follows a window that moves, and tells no more than where it was',
    async () => {
      const { painter, region } = await stage();
      const frames = await Frames.of(region);
      const window = painter.window({ x: 0, y: 20, width: 60, height: 40 }, 0xff8800);
      await painter.done();
      const before = await frames.untilShows(painter);
      for (let x = 1; x <= 100; x++) {
        painter.moveWindow(window, x, 20);
        await painter.done();
      }
      await frames.untilShows(painter);
      const moves = frames.all.slice(frames.all.indexOf(before) + 1);
      expect(moves.length).toBeGreaterThan(0);
      for (const { damage } of moves) {
        expect(damage.length).toBeGreaterThan(0);
        for (const { x, y, width, height } of damage) {
          expect([y >= 20, y + height <= 60]).toEqual([true, true]);
          expect([x >= 0, x + width <= 160]).toEqual([true, true]);
        }
      }
    },
    LIMIT_MS,
  );

  it(
    'of many small changes leaves out none',
    async () => {
      const { painter, region, host } = await stage();
      const frames = await Frames.of(region);
      await frames.untilShows(painter);
      for (let i = 0; i < 300; i++)
        painter.fill({ x: (i * 37) % 319, y: (i * 53) % 199, width: 1, height: 1 }, 0xffffff - i);
      await painter.done();
      await frames.untilShows(painter);
      expect(Math.max(...frames.all.map(({ damage }) => damage.length))).toBeLessThanOrEqual(64);
      expect(host.stats.framesTruncated).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'is not looked at while nobody watches, and shown at once to who comes',
    async () => {
      const { painter, region, host } = await stage();
      for (let i = 0; i < 20; i++) {
        painter.fill({ x: i, y: i, width: 50, height: 50 }, i * 5000);
        await painter.done();
      }
      expect(host.stats.framesPosted).toBe(0);
      const frames = await Frames.of(region);
      await frames.untilShows(painter);
      expect(frames.all).toHaveLength(1);
      expect(host.stats.framesPosted).toBe(1);
    },
    LIMIT_MS,
  );

  it(
    'has the pointer of the window below it, and its place, however it came there',
    async () => {
      const { painter, region } = await stage();
      const window = painter.window({ x: 100, y: 100, width: 100, height: 50 }, 0x112233);
      const shape = { widthPx: 11, heightPx: 7, hotspotX: 4, hotspotY: 2 };
      painter.cursor(window, { ...shape, color: [200, 100, 50] });
      painter.warp(10, 10);
      await painter.done();
      const client = keep(await connect(region));
      const root = await cursorUntil(client, ({ x, shape: found }) => x > 0 && found !== undefined);
      expect(root.visible).toBe(true);
      painter.warp(150, 120);
      await painter.done();
      const over = await cursorUntil(client, (cursor) => cursor.shape?.widthPx === 11);
      expect(over).toMatchObject({ x: 146, y: 118, visible: true, shape });
      expect([...(over.shape?.rgba.subarray(0, 4) ?? [])]).toEqual([200, 100, 50, 255]);
      expect(over.shape?.rgba.byteLength).toBe(11 * 7 * 4);
      painter.warp(10, 10);
      await painter.done();
      const back = await cursorUntil(client, (cursor) => cursor.shape?.widthPx !== 11);
      expect(back.shape?.rgba).toEqual(root.shape?.rgba);
    },
    LIMIT_MS,
  );

  it(
    'has its pointer moved by a client that asks for it',
    async () => {
      const { painter, region } = await stage();
      const client = keep(await connect(region));
      const stream = client.cursor();
      await stream.next();
      await stream.moveTo({ x: 222, y: 111 });
      for await (const { x, y, shape } of stream)
        if (x + (shape?.hotspotX ?? 0) === 222 && y + (shape?.hotspotY ?? 0) === 111) break;
      expect(await painter.pointer()).toEqual([222, 111]);
    },
    LIMIT_MS,
  );

  it(
    'takes keys and buttons of a client, and lets go of them when it leaves',
    async () => {
      const { painter, region } = await stage('320x200x24', { wire: 'dev12' });
      const window = painter.window({ x: 0, y: 0, width: 320, height: 200 }, 0x123456);
      await painter.done();
      painter.focus(window);
      await painter.done();
      const client = keep(await connect(region));
      const line = client.input();
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (line.state.available) resolve();
        };
        line.watch(look);
        look();
      });
      // Shift, then A: numbers of Linux, from 8 on.
      line.keyboard({ modifiers: 0x02, keys: [0x04] });
      expect((await painter.event(2))[1]).toBe(42 + 8);
      expect((await painter.event(2))[1]).toBe(30 + 8);
      line.moveTo({ buttons: 0x01, x: 16_384, y: 32_767 });
      expect((await painter.event(4))[1]).toBe(1);
      expect(await painter.pointer()).toEqual([160, 199]);
      line.move({ buttons: 0x01, deltaX: -5, deltaY: -9, wheel: -1 });
      expect((await painter.event(4))[1]).toBe(5);
      expect(await painter.pointer()).toEqual([155, 190]);
      expect((await painter.event(5))[1]).toBe(5);
      await line.close();
      const released = [await painter.event(3), await painter.event(3)].map(([, code]) => code);
      expect(released.sort()).toEqual([30 + 8, 42 + 8]);
      expect((await painter.event(5))[1]).toBe(1);
    },
    LIMIT_MS,
  );

  it(
    'changes its size',
    async () => {
      const { painter, region, errors } = await stage('1024x768x24');
      const frames = await Frames.of(region);
      await frames.untilShows(painter);
      await painter.resize(640, 480);
      painter.put({ x: 0, y: 0, width: 640, height: 100 }, noise(640, 100, 3));
      await painter.done();
      expect(await frames.untilShows(painter)).toMatchObject({ widthPx: 640, heightPx: 480 });
      await painter.resize(1024, 768);
      painter.fill({ x: 900, y: 700, width: 100, height: 60 }, 0xabcdef);
      await painter.done();
      expect(await frames.untilShows(painter)).toMatchObject({ widthPx: 1024, heightPx: 768 });
      expect(errors).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'comes back when its server was killed and started again, and says it once',
    async () => {
      const { server, painter, region, errors, host } = await stage();
      const frames = await Frames.of(region);
      await frames.untilShows(painter);
      const told = new Promise<void>((resolve) => host.once('error', () => resolve()));
      await server.kill();
      await told;
      const next = keep(await XServer.start('400x300x24', { display: server.display }));
      const again = await paint(next);
      again.put({ x: 20, y: 20, width: 300, height: 200 }, noise(300, 200, 5));
      await again.done();
      expect(await frames.untilShows(again)).toMatchObject({ widthPx: 400, heightPx: 300 });
      expect(errors.map(({ code }) => code)).toEqual(['ERR_KVMFR_LOST']);
      again.fill({ x: 1, y: 1, width: 2, height: 2 }, 0x00ff00);
      await again.done();
      await frames.untilShows(again);
    },
    LIMIT_MS,
  );

  it.each([
    [['MIT-SHM'], [/no memory/]],
    [['DAMAGE'], [/what changes/]],
    [['XFIXES'], [/what changes/, /no shape/]],
    [['XInputExtension'], []],
    [
      ['MIT-SHM', 'DAMAGE', 'XFIXES', 'XTEST', 'XInputExtension'],
      [/no memory/, /what changes/, /no shape/, /cannot be moved/],
    ],
  ] as const)(
    'is as exact without %j, and it is said what that means',
    async (without, says) => {
      const { painter, region, source } = await stage('320x200x24', { without });
      expect(source.notes).toEqual(says.map((words) => expect.stringMatching(words)));
      const frames = await Frames.of(region);
      painter.put({ x: 0, y: 0, width: 320, height: 200 }, noise(320, 200, 8));
      await painter.done();
      await frames.untilShows(painter);
      painter.fill({ x: 130, y: 70, width: 1, height: 1 }, 0x010203);
      await painter.done();
      const last = await frames.untilShows(painter);
      for (const { width, height } of last.damage) expect(width * height).toBeLessThanOrEqual(4096);
      painter.warp(33, 44);
      await painter.done();
      await cursorUntil(frames.client, ({ x, y, shape }) => {
        return x + (shape?.hotspotX ?? 0) === 33 && y + (shape?.hotspotY ?? 0) === 44;
      });
    },
    LIMIT_MS,
  );

  it(
    'refuses a depth of 16 bits by its name, and says what helps',
    async () => {
      const server = keep(await XServer.start('64x64x16'));
      await expect(X11Source.open(server.name)).rejects.toMatchObject({
        code: 'ERR_KVMFR_FORMAT',
        message: `the screen ${server.name} must have 24 bits of colour in pixels of 32, but has 16 in pixels of 16 (red, green and blue are 0xf800, 0x7e0, 0x1f)`,
        hint: expect.stringContaining('x24'),
      });
    },
    LIMIT_MS,
  );

  it(
    'lets in who has the cookie of its authority file',
    async () => {
      const field = (text: string | Uint8Array): Buffer => {
        const bytes = Buffer.from(text as string);
        return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
      };
      const cookie = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
      const file = join(folder, 'authority');
      const before = process.env['XAUTHORITY'];
      const entry = (family: number, address: string, display: string): Buffer =>
        Buffer.concat([
          Buffer.of(family >> 8, family & 0xff),
          ...[field(address), field(display), field('MIT-MAGIC-COOKIE-1'), field(cookie)],
        ]);
      writeFileSync(file, entry(256, hostname(), ''));
      const server = keep(await XServer.start('64x64x24', { arguments: ['-auth', file] }));
      try {
        process.env['XAUTHORITY'] = join(folder, 'none');
        await expect(X11Source.open(server.name)).rejects.toMatchObject({
          code: 'ERR_KVMFR_DENIED',
          message: expect.stringMatching(/^expected to be let in by .*says: .*[Aa]uthori/),
        });
        process.env['XAUTHORITY'] = file;
        keep(await X11Source.open(server.name));
      } finally {
        if (before === undefined) delete process.env['XAUTHORITY'];
        else process.env['XAUTHORITY'] = before;
      }
    },
    LIMIT_MS,
  );

  it('says that nobody listens at a display', async () => {
    await expect(X11Source.open(':59000')).rejects.toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
      message: expect.stringContaining('expected an X server at :59000'),
    });
  });

  it(
    'leaves nothing open when it is closed',
    async () => {
      const { source, host, running, region } = await stage();
      const frames = await Frames.of(region);
      await frames.until(() => true);
      await source.close();
      await running;
      expect(host.closed).toBe(false);
      expect(host.listenerCount('subscriber')).toBe(0);
    },
    LIMIT_MS,
  );
});
