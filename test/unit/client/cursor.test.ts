import { describe, expect, it } from 'vitest';
import { type CursorState, CursorStream } from '../../../client/cursor.ts';
import type { CursorShapeInput } from '../../../host/index.ts';
import { Guest } from './guest.ts';

/** Where the publisher keeps the payloads of pointer messages: behind header, blob and rings. */
function payloads(guest: Guest): PointerPlaces {
  const { view } = guest.region;
  const dev = guest.host.wire === 'dev12';
  const queue = dev ? 64 + 3 * 1600 : 32 + 1144;
  const ring = view.getUint32(queue + (dev ? 304 : 20), true);
  const slots = view.getUint32(queue + (dev ? 300 : 4), true);
  const cursorBytes = dev ? 28 : 24;
  const pointers = ring + slots * (dev ? 32 : 16);
  // All slots but one can be in use before LGMP 10.
  const count = dev ? slots : slots - 1;
  const shapes = pointers + count * cursorBytes;
  const position = view.getUint32(queue + (dev ? 0 : 16), true);
  const newest = ring + ((position + slots - 1) % slots) * (dev ? 32 : 16);
  return {
    cursorBytes,
    pointers: Array.from({ length: count }, (_, i) => pointers + i * cursorBytes),
    shapes,
    shapesEnd: shapes + 3 * (cursorBytes + (1 << 20)),
    newestFlags: newest,
    newestSize: newest + (dev ? 8 : 4),
    newSubCount: queue + (dev ? 196 : 8),
    headerBytes: dev ? 9728 : 8192,
  };
}

interface PointerPlaces {
  readonly cursorBytes: number;
  readonly pointers: readonly number[];
  readonly shapes: number;
  readonly shapesEnd: number;
  /** The message that was posted last: its flags and its size. */
  readonly newestFlags: number;
  readonly newestSize: number;
  readonly newSubCount: number;
  readonly headerBytes: number;
}

/** Posts a position that says with these flags what it says. */
function post(
  guest: Guest,
  flags: number,
  position: { readonly x: number; readonly y: number },
): void {
  guest.host.setCursor({ position });
  guest.region.view.setUint32(payloads(guest).newestFlags, flags, true);
}

async function given(
  result: Promise<IteratorResult<CursorState, undefined>>,
): Promise<CursorState> {
  const { value } = await result;
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

/** A stream that has subscribed; its first state is the pointer at 5, 6. */
async function begun(guest: Guest): Promise<CursorStream> {
  const cursor = new CursorStream(guest, {});
  const next = cursor.next();
  await guest.subscriber('pointer');
  guest.host.setCursor({ position: { x: 5, y: 6 }, visible: true });
  expect(await given(next)).toEqual({ visible: true, x: 5, y: 6, shape: undefined });
  return cursor;
}

const COLOR: CursorShapeInput = {
  kind: 'color',
  widthPx: 2,
  heightPx: 1,
  hotspotX: 1,
  hotspotY: -3,
  pitchBytes: 12,
  bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0xee, 0xee, 0xee, 0xee),
};
/** From left to right: black, white, the screen, the screen inverted. */
const MONOCHROME: CursorShapeInput = {
  kind: 'monochrome',
  widthPx: 4,
  heightPx: 1,
  hotspotX: 0,
  hotspotY: 0,
  pitchBytes: 1,
  bytes: Uint8Array.of(0b0011_0000, 0b0101_0000),
};
/** Opaque, transparent, inverted. */
const MASKED: CursorShapeInput = {
  kind: 'masked-color',
  widthPx: 3,
  heightPx: 1,
  hotspotX: 0,
  hotspotY: 0,
  pitchBytes: 12,
  bytes: Uint8Array.of(10, 20, 30, 0, 0, 0, 0, 255, 255, 255, 255, 255),
};

describe.each(['B6', 'B7', 'dev12'] as const)('CursorStream on %s', (wire) => {
  const start = (): Promise<Guest> => Guest.start({ wire });

  it('gives position and visibility, and only when they change', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    const { host } = guest;
    const before = guest.stats.cursorMessages;
    host.setCursor({ position: { x: 5, y: 6 } });
    host.setCursor({ position: { x: -7, y: 2000 } });
    expect(await given(cursor.next())).toMatchObject({ visible: true, x: -7, y: 2000 });
    host.setCursor({ visible: false });
    expect(await given(cursor.next())).toMatchObject({ visible: false, x: -7, y: 2000 });
    host.setCursor({ visible: true, position: { x: 1, y: 2 } });
    expect(await given(cursor.next())).toMatchObject({ visible: true, x: 1, y: 2 });
    expect(guest.stats.cursorMessages - before).toBe(4);
    await cursor.return();
  });

  it('keeps the position of messages that have none', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    // The payload's x and y are stale then.
    const { shapes } = payloads(guest);
    guest.host.setCursor({ shape: COLOR });
    guest.region.view.setInt16(shapes, 999, true);
    expect(await given(cursor.next())).toMatchObject({ visible: true, x: 5, y: 6 });
    await cursor.return();
  });

  it('keeps the shape of messages that have none, whatever their payload holds', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    guest.host.setCursor({ shape: COLOR });
    const { shape } = await given(cursor.next());
    // A kind of all bits, and sizes that no shape has.
    for (const at of payloads(guest).pointers) guest.region.bytes.fill(0xff, at + 4, at + 24);
    guest.host.setCursor({ position: { x: 6, y: 7 } });
    const moved = await given(cursor.next());
    expect(moved).toMatchObject({ x: 6, y: 7 });
    expect(moved.shape).toBe(shape);
    expect(guest.stats.cursorRefused).toBe(0);
    await cursor.return();
  });

  it('gives places and hotspots to the ends of their ranges', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    for (const [x, y, hotspotX, hotspotY] of [
      [-32768, 32767, -128, 127],
      [32767, -32768, 127, -128],
      [-1, 0, 0, -1],
    ] as const) {
      guest.host.setCursor({ position: { x, y }, shape: { ...COLOR, hotspotX, hotspotY } });
      expect(await given(cursor.next())).toMatchObject({ x, y, shape: { hotspotX, hotspotY } });
    }
    await cursor.return();
  });

  it('counts both masks of a monochrome shape in its height on the wire', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    const { shapes, cursorBytes } = payloads(guest);
    guest.host.setCursor({ shape: MONOCHROME });
    expect(guest.region.view.getUint32(shapes + 16, true)).toBe(2);
    expect([
      ...guest.region.bytes.subarray(shapes + cursorBytes, shapes + cursorBytes + 2),
    ]).toEqual([0b0011_0000, 0b0101_0000]);
    expect((await given(cursor.next())).shape).toMatchObject({ heightPx: 1 });
    await cursor.return();
  });

  it.each([
    ['color', COLOR, [3, 2, 1, 4, 7, 6, 5, 8]],
    [
      'monochrome',
      MONOCHROME,
      // What inverts becomes black, with white beside it where it would touch the screen.
      [0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 255],
    ],
    ['masked-color', MASKED, [30, 20, 10, 255, 255, 255, 255, 255, 0, 0, 0, 255]],
  ] as const)('makes a bitmap of a shape of the kind %s', async (kind, shape, rgba) => {
    const guest = await start();
    const cursor = await begun(guest);
    guest.host.setCursor({ shape });
    const state = await given(cursor.next());
    expect(state).toMatchObject({ visible: true, x: 5, y: 6 });
    expect(state.shape).toMatchObject({
      id: 1,
      kind,
      widthPx: shape.widthPx,
      heightPx: shape.heightPx,
      hotspotX: shape.hotspotX,
      hotspotY: shape.hotspotY,
    });
    expect([...(state.shape?.rgba ?? [])]).toEqual(rgba);
    expect(state.shape?.raw.bytes).toEqual(shape.bytes);
    await cursor.return();
  });

  it('gives a shape that is sent again as the same object, and another one with another id', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    const { host } = guest;
    host.setCursor({ shape: COLOR });
    const first = await given(cursor.next());
    host.setCursor({ shape: COLOR, position: { x: 1, y: 1 } });
    const second = await given(cursor.next());
    expect(second.shape).toBe(first.shape);
    host.setCursor({ shape: { ...COLOR, hotspotX: 0 } });
    const third = await given(cursor.next());
    expect(third.shape?.id).toBe(2);
    await cursor.return();
  });

  it('gives only the newest of shapes that arrive together', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    const { host } = guest;
    host.setCursor({ shape: COLOR });
    host.setCursor({ shape: MASKED });
    host.setCursor({ shape: MONOCHROME });
    const state = await given(cursor.next());
    expect(state.shape).toMatchObject({ id: 1, kind: 'monochrome' });
    host.setCursor({ shape: COLOR });
    host.setCursor({ shape: MONOCHROME, position: { x: 2, y: 2 } });
    const same = await given(cursor.next());
    expect(same.shape).toBe(state.shape);
    await cursor.return();
  });

  it('keeps a copy: what the publisher writes later does not change it', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    guest.host.setCursor({ shape: COLOR });
    const state = await given(cursor.next());
    const { shapes, shapesEnd } = payloads(guest);
    guest.region.bytes.fill(0xcc, shapes, shapesEnd);
    expect(state.shape?.raw.bytes).toEqual(COLOR.bytes);
    expect(state.shape?.rgba[0]).toBe(3);
    await cursor.return();
  });

  it.each([
    ['a kind of 3', 4, 3],
    ['a width of 0', 12, 0],
    ['a width of 513', 12, 513],
    ['a width of all bits', 12, 0xffff_ffff],
    ['a height of 0', 16, 0],
    ['a height of 513', 16, 513],
    ['a height of all bits', 16, 0xffff_ffff],
    ['a pitch below its width', 20, 7],
    ['a pitch of all bits', 20, 0xffff_ffff],
    ['more bytes than its place has', 20, 1 << 20],
  ])('refuses %s, counts it, and goes on', async (_, at, value) => {
    const guest = await start();
    const cursor = await begun(guest);
    const { shapes } = payloads(guest);
    guest.host.setCursor({ shape: { ...COLOR, heightPx: 2, bytes: new Uint8Array(24) } });
    guest.region.view.setUint32(shapes + at, value, true);
    guest.host.setCursor({ position: { x: 8, y: 8 } });
    expect(await given(cursor.next())).toEqual({ visible: true, x: 8, y: 8, shape: undefined });
    expect(guest.stats.cursorRefused).toBe(1);
    await guest.drained('pointer');
    await cursor.return();
  });

  it('refuses a message whose place is smaller than a cursor', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    guest.host.setCursor({ position: { x: 9, y: 9 } });
    const { newestSize, cursorBytes } = payloads(guest);
    guest.region.view.setUint32(newestSize, cursorBytes - 1, true);
    guest.host.setCursor({ position: { x: 8, y: 8 } });
    expect(await given(cursor.next())).toMatchObject({ x: 8, y: 8 });
    expect(guest.stats.cursorRefused).toBe(1);
    await cursor.return();
  });

  it('answers although the publisher posts as fast as it reads', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    // Whenever the reader finishes a message, the next one is there.
    const { region } = guest;
    let posted = 0;
    const post = (): void => {
      if (guest.host.setCursor({ position: { x: ++posted, y: 0 } })) return;
      guest.host.housekeep();
    };
    const { view } = region;
    const getInt16 = view.getInt16.bind(view);
    view.getInt16 = (at, little) => {
      post();
      return getInt16(at, little);
    };
    const before = guest.stats.cursorMessages;
    post();
    const state = await given(cursor.next());
    expect(state.x).toBeGreaterThan(0);
    expect(guest.stats.cursorMessages - before).toBe(64);
    await cursor.return();
  });

  it('lets the event loop turn although the publisher repeats the same for ever', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    const { view } = guest.region;
    const getInt16 = view.getInt16.bind(view);
    let turned = false;
    view.getInt16 = (at, little) => {
      if (!turned) guest.host.setCursor({ position: { x: 5, y: 6 } });
      return getInt16(at, little);
    };
    setTimeout(() => {
      turned = true;
      guest.host.setCursor({ position: { x: 1, y: 1 } });
    });
    guest.host.setCursor({ position: { x: 5, y: 6 } });
    expect(await given(cursor.next())).toMatchObject({ x: 1, y: 1 });
    expect(turned).toBe(true);
    await cursor.return();
  });

  it('forgets the shape of a publisher that was started again', async () => {
    const guest = await start();
    const cursor = await begun(guest);
    guest.host.setCursor({ shape: COLOR });
    expect((await given(cursor.next())).shape?.id).toBe(1);
    const next = cursor.next();
    const { newSubCount, headerBytes } = payloads(guest);
    guest.region.bytes.fill(0, 0, headerBytes);
    guest.pass(1000);
    guest.attachAgain();
    await guest.mapping.wait([{ offsetBytes: newSubCount, value: 0 }], { timeoutMs: 10_000 });
    // Another publisher, without a shape yet: by hand, since ours remembers.
    guest.host.setCursor({ position: { x: 3, y: 3 } });
    expect(await given(next)).toEqual({ visible: true, x: 3, y: 3, shape: undefined });
    await cursor.return();
  });

  it('is sent shape and position again when it subscribes', async () => {
    const guest = await start();
    const first = await begun(guest);
    guest.host.setCursor({ shape: COLOR });
    await given(first.next());
    const second = new CursorStream(guest, {});
    const next = second.next();
    await guest.subscriber('pointer');
    expect(await given(next)).toMatchObject({ x: 5, y: 6, visible: true, shape: { id: 1 } });
    await Promise.all([first.return(), second.return()]);
    expect(guest.subscribers('pointer')).toBe(0);
    expect(guest.streams.size).toBe(0);
  });

  it('ends with break, with the signal, and with return() while it waits', async () => {
    const guest = await start();
    const stop = new AbortController();
    const aborted = new CursorStream(guest, { signal: stop.signal }).next();
    const cursor = new CursorStream(guest, {});
    const returned = cursor.next();
    await guest.subscriber('pointer');
    stop.abort();
    await cursor.return();
    expect((await aborted).done).toBe(true);
    expect((await returned).done).toBe(true);
    expect((await cursor.next()).done).toBe(true);
    const moved = guest.subscriber('pointer');
    for await (const state of new CursorStream(guest, {})) {
      expect(state).toMatchObject({ x: 0 });
      break;
    }
    await moved;
    await new Promise(setImmediate);
    expect(guest.subscribers('pointer')).toBe(0);
  });
});

describe.each(['B6', 'B7'] as const)('visibility on %s', (wire) => {
  it('is said by every message: one without the flag hides', async () => {
    const guest = await Guest.start({ wire });
    const cursor = await begun(guest);
    post(guest, 1, { x: 7, y: 7 });
    expect(await given(cursor.next())).toMatchObject({ visible: false, x: 7 });
    post(guest, 2, { x: 8, y: 8 });
    // No position, so the one before stays.
    expect(await given(cursor.next())).toMatchObject({ visible: true, x: 7 });
    // What came with 34 means nothing here.
    post(guest, 1 | 8 | 16, { x: 9, y: 9 });
    expect(await given(cursor.next())).toMatchObject({ visible: false, x: 9 });
    expect(guest.stats.cursorRefused).toBe(0);
    await cursor.return();
  });
});

describe('visibility on dev12', () => {
  it('is said only by messages that say so', async () => {
    const guest = await Guest.start({ wire: 'dev12' });
    const cursor = await begun(guest);
    post(guest, 1, { x: 7, y: 7 });
    expect(await given(cursor.next())).toMatchObject({ visible: true, x: 7 });
    post(guest, 1 | 16, { x: 8, y: 8 });
    expect(await given(cursor.next())).toMatchObject({ visible: false, x: 8 });
    post(guest, 1 | 2, { x: 9, y: 9 });
    expect(await given(cursor.next())).toMatchObject({ visible: false, x: 9 });
    post(guest, 2 | 16, { x: 10, y: 10 });
    expect(await given(cursor.next())).toMatchObject({ visible: true, x: 9 });
    await cursor.return();
  });

  it('of a publisher that was started again is not known until it says so', async () => {
    const guest = await Guest.start({ wire: 'dev12' });
    const cursor = await begun(guest);
    const { newSubCount, headerBytes } = payloads(guest);
    const next = cursor.next();
    guest.region.bytes.fill(0, 0, headerBytes);
    guest.pass(1000);
    guest.attachAgain();
    await guest.mapping.wait([{ offsetBytes: newSubCount, value: 0 }], { timeoutMs: 10_000 });
    post(guest, 1, { x: 3, y: 3 });
    expect(await given(next)).toEqual({ visible: false, x: 3, y: 3, shape: undefined });
    await cursor.return();
  });
});
