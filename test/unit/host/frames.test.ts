import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type FrameInput, type PublishedFormat, packPicture } from '../../../host/index.ts';
import { checkFrame, FRAME_LAYOUTS, newFrameHeader } from '../../../protocol/index.ts';
import { countingPicture, type HostOnMemory, hostOnMemory } from './fixture.ts';
import { FRAME_QUEUE_AT, LgmpClient } from './lgmp-client.ts';

function pictureOf(format: PublishedFormat, widthPx: number, heightPx: number): FrameInput {
  const bgra = countingPicture(widthPx * heightPx * 4);
  return { ...packPicture({ bgra, widthPx, heightPx, format }), format, widthPx, heightPx };
}

function readHeader({ region, host }: HostOnMemory, at: number) {
  const header = newFrameHeader();
  FRAME_LAYOUTS.get(host.wire === 'B6' ? 19 : 20)?.read(region, at, header);
  return header;
}

describe('publish()', () => {
  it.each([
    ['B6', 'BGRA'],
    ['B6', 'RGBA'],
    ['B7', 'BGRA'],
    ['B7', 'RGBA'],
    ['B7', 'BGR_32'],
    ['B7', 'RGB_24'],
    ['B7', 'RGBA10'],
    ['B7', 'RGBA16F'],
    ['dev7', 'RGBA'],
  ] as const)('of %s and %s passes every check of a careful reader', async (wire, format) => {
    const layout = FRAME_LAYOUTS.get(wire === 'B6' ? 19 : 20);
    if (layout === undefined) throw new Error('no layout');
    for (const [widthPx, heightPx] of [
      [1, 1],
      [3, 2],
      [33, 17],
      [64, 64],
      [127, 5],
    ] as const) {
      const memory = await hostOnMemory({ wire });
      // The header of LGMP 7 is eight bytes shorter.
      const queueAt = wire === 'dev7' ? FRAME_QUEUE_AT - 8 : FRAME_QUEUE_AT;
      const client = LgmpClient.subscribe(memory.region, queueAt);
      const frame = pictureOf(format, widthPx, heightPx);
      expect(memory.host.publish(frame)).toBe(true);
      const message = client.take() ?? { offset: 0, size: 0 };
      const geometry = checkFrame(readHeader(memory, message.offset), layout, {
        at: message.offset,
        messageBytes: message.size,
        regionBytes: memory.region.byteLength,
      });
      expect(geometry).toMatchObject({ format, widthPx, heightPx, truncated: false });
      expect(memory.region.copyOut(geometry.dataAt, geometry.dataBytes)).toEqual(frame.pixels);
      expect(memory.region.view.getUint32(geometry.writePointerAt, true)).toBe(geometry.dataBytes);
    }
  });

  it.each(['BGR_32', 'RGB_24'] as const)('refuses %s for B6 by name', async (format) => {
    const { host } = await hostOnMemory({ wire: 'B6' });
    expect(() => host.publish(pictureOf(format, 4, 4))).toThrow(
      expect.objectContaining({
        code: 'ERR_KVMFR_FORMAT',
        message: `a frame of B6 must be BGRA, RGBA, RGBA10, RGBA16F, but is ${format}`,
      }),
    );
  });

  it.each([
    [{ widthPx: 0 }, 'widthPx'],
    [{ heightPx: 40_000 }, 'heightPx'],
    [{ pitchBytes: 12 }, 'pitch'],
    [{ pitchBytes: 17 }, 'pitch'],
    [{ pixels: new Uint8Array(63) }, '64 bytes'],
  ])('refuses %j', async (change, named) => {
    const { host } = await hostOnMemory();
    expect(() => host.publish({ ...pictureOf('BGRA', 4, 4), ...change })).toThrow(
      expect.objectContaining({
        code: 'ERR_KVMFR_ARGUMENT',
        message: expect.stringContaining(named),
      }),
    );
  });

  it('posts first, then lets the write pointer follow in steps of 1 MiB', async () => {
    const { region, host } = await hostOnMemory({ mib: 16 });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const spy = vi.spyOn(Atomics, 'store');
    host.publish(pictureOf('BGRA', 1024, 700));
    const calls: readonly (readonly unknown[])[] = spy.mock.calls;
    spy.mockRestore();
    const at = client.take()?.offset ?? 0;
    const stores = calls
      .map(([, index, value]) => [Number(index) * 4, Number(value)] as const)
      .filter(([offset]) => offset === at + 4092 || offset === FRAME_QUEUE_AT + 16);
    const mib = 2 ** 20;
    expect(stores).toEqual([
      [at + 4092, 0],
      [FRAME_QUEUE_AT + 16, 1],
      [at + 4092, mib],
      [at + 4092, 2 * mib],
      [at + 4092, 1024 * 700 * 4],
      [at + 4092, 1024 * 700 * 4],
    ]);
  });

  it('lets the write pointer follow from top to bottom also when only rects are copied', async () => {
    const { region, host } = await hostOnMemory({ mib: 16 });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const frame = pictureOf('BGRA', 1024, 700);
    for (let i = 0; i < 2; i++) {
      host.publish(frame);
      client.take();
    }
    const spy = vi.spyOn(Atomics, 'store');
    host.publish({ ...frame, damage: [{ x: 5, y: 100, width: 900, height: 500 }] });
    const calls: readonly (readonly unknown[])[] = spy.mock.calls;
    spy.mockRestore();
    const at = client.take()?.offset ?? 0;
    const pointer = calls
      .filter(([, index]) => Number(index) * 4 === at + 4092)
      .map(([, , value]) => Number(value));
    expect(pointer).toEqual([...pointer].sort((a, b) => a - b));
    expect(pointer.length).toBeGreaterThan(3);
    expect(pointer.at(-1)).toBe(1024 * 700 * 4);
  });

  it('sends nothing when nothing changed', async () => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const frame = pictureOf('BGRA', 8, 8);
    host.publish(frame);
    client.take();
    expect(host.publish({ ...frame, damage: [] })).toBe(true);
    expect(host.publish({ ...frame, damage: [{ x: 8, y: 0, width: 9, height: 9 }] })).toBe(true);
    expect(client.read()).toBeUndefined();
    expect(host.stats.framesPosted).toBe(1);
  });

  it('raises the format version when, and only when, a reader must set itself up anew', async () => {
    const memory = await hostOnMemory();
    const client = LgmpClient.subscribe(memory.region, FRAME_QUEUE_AT);
    const versions: number[] = [];
    const small = pictureOf('BGRA', 8, 8);
    for (const frame of [
      small,
      small,
      pictureOf('BGRA', 9, 8),
      pictureOf('RGBA', 9, 8),
      { ...pictureOf('RGBA', 9, 8), rotation: 1 },
      { ...pictureOf('RGBA', 9, 8), rotation: 1, flags: 1 },
      { ...small, formatVersion: 70 },
      small,
    ] as const) {
      memory.host.publish(frame);
      versions.push(readHeader(memory, client.take()?.offset ?? 0).formatVer);
    }
    expect(versions).toEqual([0, 0, 1, 2, 3, 3, 70, 70]);
  });

  it('cuts a picture that is larger than its slot, and says so', async () => {
    for (const wire of ['B6', 'B7'] as const) {
      const memory = await hostOnMemory({ wire });
      const client = LgmpClient.subscribe(memory.region, FRAME_QUEUE_AT);
      const frame = pictureOf('BGRA', 500, 400);
      expect(memory.host.publish(frame)).toBe(true);
      const message = client.take() ?? { offset: 0, size: 0 };
      const rows = Math.floor((message.size - 4096) / 2000);
      expect(rows).toBeLessThan(400);
      expect(readHeader(memory, message.offset)).toMatchObject({
        dataHeight: rows,
        frameHeight: wire === 'B6' ? rows : 400,
        flags: 4,
        screenHeight: 400,
      });
      const { region, host } = memory;
      expect(region.view.getUint32(message.offset + 4092, true)).toBe(rows * 2000);
      const sent = region.copyOut(message.offset + 4096, rows * 2000);
      expect(Buffer.compare(sent, frame.pixels.subarray(0, rows * 2000))).toBe(0);
      expect(host.stats.framesTruncated).toBe(1);
    }
  });

  it('refuses a picture of which not one row fits', async () => {
    const { host } = await hostOnMemory();
    expect(() => host.publish(pictureOf('BGRA', 32768, 20))).not.toThrow();
    const wide = {
      ...pictureOf('BGRA', 4, 2),
      pitchBytes: 2 ** 20,
      pixels: new Uint8Array(2 ** 21),
    };
    expect(() => host.publish(wide)).toThrow(expect.objectContaining({ code: 'ERR_KVMFR_SIZE' }));
  });

  it('keeps every slot complete, and its damage lists true, whatever is dropped', async () => {
    const rect = fc.record({
      x: fc.integer({ min: -3, max: 20 }),
      y: fc.integer({ min: -3, max: 14 }),
      width: fc.integer({ min: 0, max: 25 }),
      height: fc.integer({ min: 0, max: 18 }),
    });
    const step = fc.record({
      rects: fc.array(rect, { maxLength: 70 }),
      read: fc.boolean(),
      all: fc.boolean(),
    });
    const formats = ['BGRA', 'RGBA', 'BGR_32', 'RGB_24'] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...formats),
        fc.array(step, { minLength: 1, maxLength: 25 }),
        replay,
      ),
      { numRuns: 120 },
    );
  });
});

interface Step {
  readonly rects: readonly { x: number; y: number; width: number; height: number }[];
  readonly read: boolean;
  readonly all: boolean;
}

const WIDTH = 21;
const HEIGHT = 15;

// A reader that keeps a copy and applies nothing but the damage it is told of.
async function replay(format: PublishedFormat, steps: readonly Step[]): Promise<void> {
  const memory = await hostOnMemory();
  const client = LgmpClient.subscribe(memory.region, FRAME_QUEUE_AT);
  const bgra = new Uint8Array(WIDTH * HEIGHT * 4);
  const copy = new Uint8Array(
    packPicture({ bgra, widthPx: WIDTH, heightPx: HEIGHT, format }).pixels,
  );
  const step = format === 'BGR_32' || format === 'RGB_24' ? 3 : 4;
  let shade = 1;
  const published: Uint8Array[] = [];
  const consume = (): void => {
    const at = client.take()?.offset;
    const expected = published.shift();
    if (at === undefined || expected === undefined) throw new Error('no message');
    const pitch = readHeader(memory, at).pitch;
    const slot = memory.region.copyOut(at + 4096, pitch * HEIGHT);
    expect(Buffer.compare(slot, expected)).toBe(0);
    const count = memory.region.view.getUint32(at + 52, true);
    for (let i = 0; i < Math.max(1, count); i++) {
      const [x = 0, y = 0, width = 0, height = 0] =
        count === 0
          ? [0, 0, WIDTH, HEIGHT]
          : [0, 4, 8, 12].map((n) => memory.region.view.getUint32(at + 56 + i * 16 + n, true));
      for (let row = y; row < y + height; row++) {
        const from = row * pitch + x * step;
        copy.set(slot.subarray(from, from + width * step), from);
      }
    }
    expect(Buffer.compare(copy, expected)).toBe(0);
  };
  for (const { rects, read, all } of steps) {
    shade++;
    for (const { x, y, width, height } of rects)
      for (let row = Math.max(0, y); row < Math.min(HEIGHT, y + height); row++)
        for (let column = Math.max(0, x); column < Math.min(WIDTH, x + width); column++)
          bgra.fill(shade, (row * WIDTH + column) * 4, (row * WIDTH + column) * 4 + 4);
    const picture = packPicture({ bgra, widthPx: WIDTH, heightPx: HEIGHT, format });
    const before = memory.host.stats.framesPosted;
    memory.host.publish({
      ...picture,
      format,
      widthPx: WIDTH,
      heightPx: HEIGHT,
      damage: all ? undefined : rects,
    });
    if (memory.host.stats.framesPosted > before) published.push(picture.pixels);
    if (read && published.length > 0) consume();
  }
  while (published.length > 0) consume();
}

describe('openFrame()', () => {
  it('posts at once and writes pixels when told to', async () => {
    const memory = await hostOnMemory();
    const { region, host } = memory;
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const picture = pictureOf('BGRA', 8, 8);
    const open = host.openFrame(picture);
    const at = client.read()?.offset ?? 0;
    expect(open).toMatchObject({ result: 'posted', at, dataAt: at + 4096 });
    const pointer = (): number => region.view.getUint32(at + 4092, true);
    expect(pointer()).toBe(0);
    open?.writeRows(3);
    expect(pointer()).toBe(96);
    expect(region.copyOut(at + 4096, 96)).toEqual(picture.pixels.slice(0, 96));
    open?.setWritePointer(0xffffffff);
    expect(pointer()).toBe(0xffffffff);
    open?.end();
    expect(pointer()).toBe(256);
    expect(region.copyOut(at + 4096, 256)).toEqual(picture.pixels);
  });

  it('writes any lie into header, damage and message', async () => {
    const memory = await hostOnMemory();
    const client = LgmpClient.subscribe(memory.region, FRAME_QUEUE_AT);
    const open = memory.host.openFrame(pictureOf('BGRA', 8, 8), {
      header: { pitch: 0xffffffff, frameWidth: 0, damageRectsCount: 65 },
      damageRects: [[0xffffffff, 1, 2, 3]],
      message: { at: 0xfffffff0, bytes: 7 },
    });
    expect(client.read()).toEqual({ udata: 0, size: 7, offset: 0xfffffff0 });
    const at = open?.at ?? 0;
    expect(readHeader(memory, at)).toMatchObject({
      pitch: 0xffffffff,
      frameWidth: 0,
      frameHeight: 8,
      damageRectsCount: 65,
    });
    expect(memory.region.view.getUint32(at + 56, true)).toBe(0xffffffff);
  });

  it('that was never ended costs the next frame nothing but a full copy', async () => {
    const memory = await hostOnMemory();
    const client = LgmpClient.subscribe(memory.region, FRAME_QUEUE_AT);
    const picture = pictureOf('BGRA', 8, 8);
    for (let i = 0; i < 2; i++) {
      memory.host.openFrame(pictureOf('BGRA', 8, 8))?.writeRows(1);
      client.take();
    }
    memory.host.publish({ ...picture, damage: [{ x: 0, y: 0, width: 1, height: 1 }] });
    const at = client.take()?.offset ?? 0;
    expect(memory.region.copyOut(at + 4096, 256)).toEqual(picture.pixels);
  });
});

describe('close()', () => {
  it('stops the heartbeat, and everything after it says that the host is closed', async () => {
    const { region, host, advance } = await hostOnMemory();
    let closed = 0;
    host.on('close', () => closed++);
    await host.close();
    await host.close();
    const before = region.view.getBigUint64(16, true);
    advance(10);
    expect(region.view.getBigUint64(16, true)).toBe(before);
    expect(closed).toBe(1);
    const gone = expect.objectContaining({ code: 'ERR_KVMFR_CLOSED' });
    expect(() => host.publish(pictureOf('BGRA', 2, 2))).toThrow(gone);
    expect(() => host.openFrame(pictureOf('BGRA', 2, 2))).toThrow(gone);
    expect(() => host.setCursor({ visible: true })).toThrow(gone);
    expect(host.watchers).toBe(0);
  });

  it('happens when the signal says so', async () => {
    const stop = new AbortController();
    const { host } = await hostOnMemory({ signal: stop.signal });
    stop.abort();
    expect(host.closed).toBe(true);
    await expect(hostOnMemory({ signal: stop.signal })).rejects.toThrow();
  });
});
