import { describe, expect, it } from 'vitest';
import { type CursorState, CursorStream } from '../../../client/cursor.ts';
import { FrameStream } from '../../../client/frames.ts';
import type { CursorShapeInput } from '../../../host/index.ts';
import { lutOf, NIGHT_LIGHT, onHdr, onSdr } from '../../support/color-reference.ts';
import { Guest } from './guest.ts';

// What the guest does to the colours of its display, on the only version that tells: KVMFR 34.

/** The header of the pointer queue. */
const QUEUE = 64 + 3 * 1600;

const PIXELS = [
  [255, 255, 255],
  [200, 100, 50],
  [10, 20, 30],
] as const;
/** The pixels in a row; B, G, R, A on the wire. */
const SHAPE: CursorShapeInput = {
  kind: 'color',
  widthPx: 3,
  heightPx: 1,
  hotspotX: 0,
  hotspotY: 0,
  pitchBytes: 12,
  bytes: Uint8Array.from(PIXELS.flatMap(([r, g, b]) => [b, g, r, 255])),
};
const PLAIN = PIXELS.flatMap((pixel) => [...pixel, 255]);

async function given(
  result: Promise<IteratorResult<CursorState, undefined>>,
): Promise<CursorState> {
  const { value } = await result;
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

/** A guest with a shape, and a stream that has read it. */
async function begun(): Promise<{ guest: Guest; cursor: CursorStream; first: CursorState }> {
  const guest = await Guest.start({ wire: 'dev12' });
  const cursor = new CursorStream(guest, {});
  const next = cursor.next();
  await guest.subscriber('pointer');
  guest.host.setCursor({ position: { x: 5, y: 6 }, visible: true, shape: SHAPE });
  return { guest, cursor, first: await given(next) };
}

type Reference = (pixel: readonly [number, number, number]) => readonly number[];

function expected(reference: Reference): number[] {
  return PIXELS.flatMap((pixel) => [...reference(pixel).map(Math.round), 255]);
}

function rgba(state: CursorState): number[] {
  return [...(state.shape?.rgba ?? [])];
}

const WARM = { matrix: NIGHT_LIGHT, scalar: 0.75 };
const CURVES = {
  lut: lutOf(
    (v) => v ** 1.5,
    (v) => v / 2,
    (v) => 1 - v,
  ),
};

describe('a colour transform', () => {
  it('changes the shape that is shown, and the one that comes next', async () => {
    const { guest, cursor, first } = await begun();
    expect(rgba(first)).toEqual(PLAIN);
    expect(first.shape).toMatchObject({ id: 1, colorTransform: undefined });
    guest.host.setCursor({ colorTransform: WARM });
    const warm = await given(cursor.next());
    expect(rgba(warm)).toEqual(expected((pixel) => onSdr(WARM, pixel)));
    expect(warm).toMatchObject({ visible: true, x: 5, y: 6, shape: { id: 2 } });
    // As the guest sent both.
    expect(warm.shape?.raw).toBe(first.shape?.raw);
    expect(warm.shape?.colorTransform).toEqual({
      matrix: NIGHT_LIGHT.map(Math.fround),
      scalar: 0.75,
      lut: undefined,
    });
    guest.host.setCursor({ shape: { ...SHAPE, hotspotX: 1 } });
    const next = await given(cursor.next());
    expect(rgba(next)).toEqual(rgba(warm));
    expect(next.shape).toMatchObject({ id: 3, hotspotX: 1 });
    await cursor.return();
  });

  it('gives way to the next one, and to none', async () => {
    const { guest, cursor } = await begun();
    guest.host.setCursor({ colorTransform: CURVES });
    expect(rgba(await given(cursor.next()))).toEqual(expected((pixel) => onSdr(CURVES, pixel)));
    guest.host.setCursor({ colorTransform: { ...WARM, ...CURVES } });
    const both = { ...WARM, ...CURVES };
    expect(rgba(await given(cursor.next()))).toEqual(expected((pixel) => onSdr(both, pixel)));
    guest.host.setCursor({ colorTransform: {} });
    const plain = await given(cursor.next());
    expect(rgba(plain)).toEqual(PLAIN);
    expect(plain.shape).toMatchObject({ id: 4, colorTransform: undefined });
    await cursor.return();
  });

  it('that is sent again changes nothing, and nobody is woken', async () => {
    const { guest, cursor } = await begun();
    guest.host.setCursor({ colorTransform: CURVES });
    const before = await given(cursor.next());
    guest.host.setCursor({ colorTransform: CURVES });
    guest.host.setCursor({ colorTransform: CURVES, position: { x: 9, y: 9 } });
    const after = await given(cursor.next());
    expect(after.x).toBe(9);
    expect(after.shape).toBe(before.shape);
    await cursor.return();
  });

  it('may come before the shape, and says nothing of visibility or place', async () => {
    const guest = await Guest.start({ wire: 'dev12' });
    const cursor = new CursorStream(guest, {});
    const next = cursor.next();
    await guest.subscriber('pointer');
    guest.host.setCursor({ position: { x: 5, y: 6 }, visible: true });
    expect(await given(next)).toEqual({ visible: true, x: 5, y: 6, shape: undefined });
    guest.host.setCursor({ colorTransform: WARM });
    guest.host.setCursor({ shape: SHAPE });
    const state = await given(cursor.next());
    expect(state).toMatchObject({ visible: true, x: 5, y: 6, shape: { id: 1 } });
    expect(rgba(state)).toEqual(expected((pixel) => onSdr(WARM, pixel)));
    await cursor.return();
  });

  it('may come in one message with a shape, behind it', async () => {
    const { guest, cursor } = await begun();
    const { view, bytes } = guest.region;
    const { newest, place } = posted(guest, { shape: { ...SHAPE, hotspotX: 2 } });
    const at = place + 28 + 12;
    bytes.fill(0, at, at + 65592);
    view.setUint32(at, 1, true);
    // X, Y and Z of 0 and nothing but a little Y: a dark green for everything.
    [0, 0, 0, 0, 0, 0, 0, 0.25, 0, 0, 0, 0].forEach((value, i) => {
      view.setFloat32(at + 4 + i * 4, value, true);
    });
    view.setFloat32(at + 52, 0.5, true);
    view.setBigUint64(newest, 0x1en, true);
    const state = await given(cursor.next());
    const matrix = [0, 0, 0, 0, 0, 0, 0, 0.25, 0, 0, 0, 0];
    expect(rgba(state)).toEqual(expected((pixel) => onSdr({ matrix, scalar: 0.5 }, pixel)));
    expect(state.shape).toMatchObject({ hotspotX: 2 });
    await cursor.return();
  });

  it.each([
    ['a matrix that is no number', 4, 0x7fc0_0000],
    ['an infinite scalar', 52, 0x7f80_0000],
    ['an infinite entry of its table', 56 + 16 * 4095, 0xff80_0000],
  ])('with %s is refused and counted; the one before stays', async (_, at, bits) => {
    const { guest, cursor } = await begun();
    guest.host.setCursor({ colorTransform: WARM });
    const before = await given(cursor.next());
    const { place } = posted(guest, { colorTransform: { ...CURVES, ...WARM, scalar: 9 } });
    guest.region.view.setUint32(place + 28 + at, bits, true);
    guest.host.setCursor({ position: { x: 1, y: 1 } });
    const after = await given(cursor.next());
    expect(after.x).toBe(1);
    expect(after.shape).toBe(before.shape);
    expect(guest.stats.cursorRefused).toBe(1);
    await guest.drained('pointer');
    await cursor.return();
  });

  it('that its message has no room for is refused', async () => {
    const { guest, cursor, first } = await begun();
    const { newest } = posted(guest, { colorTransform: WARM });
    guest.region.view.setUint32(newest + 8, 28 + 65591, true);
    guest.host.setCursor({ position: { x: 1, y: 1 } });
    expect((await given(cursor.next())).shape).toBe(first.shape);
    expect(guest.stats.cursorRefused).toBe(1);
    await cursor.return();
  });

  it('is sent again to who subscribes', async () => {
    const { guest, cursor } = await begun();
    guest.host.setCursor({ colorTransform: WARM });
    await given(cursor.next());
    const second = new CursorStream(guest, {});
    let next = second.next();
    await guest.subscriber('pointer');
    let state = await given(next);
    while (state.shape?.colorTransform === undefined) {
      next = second.next();
      state = await given(next);
    }
    expect(rgba(state)).toEqual(expected((pixel) => onSdr(WARM, pixel)));
    await Promise.all([cursor.return(), second.return()]);
  });

  it('of a publisher that was started again is not kept', async () => {
    const { guest, cursor } = await begun();
    guest.host.setCursor({ colorTransform: WARM });
    await given(cursor.next());
    const next = cursor.next();
    guest.region.bytes.fill(0, 0, 9728);
    guest.pass(1000);
    guest.attachAgain();
    await guest.mapping.wait([{ offsetBytes: QUEUE + 196, value: 0 }], {
      timeoutMs: 10_000,
    });
    // Another publisher, which does nothing to its colours: ours remembers, so it is not asked.
    guest.host.setCursor({ position: { x: 3, y: 3 }, shape: SHAPE });
    expect(rgba(await given(next))).toEqual(PLAIN);
    await cursor.return();
  });

  it('is that of an HDR display while frames are HDR', async () => {
    const { guest, cursor } = await begun();
    const frames = new FrameStream(guest, {});
    const show = async (flags: number): Promise<void> => {
      const next = frames.next();
      if (flags !== 0) await guest.subscriber('frame');
      const pixels = new Uint8Array(64 * 4 * 4);
      guest.host.publish({ pixels, format: 'RGBA10', widthPx: 64, heightPx: 4, flags });
      (await next).value?.release();
    };
    await show(0x08 | 0x10);
    guest.host.setCursor({ colorTransform: CURVES });
    expect(rgba(await given(cursor.next()))).toEqual(
      expected((pixel) => onHdr(CURVES, pixel, 203)),
    );
    guest.host.setCursor({ sdrWhiteLevel: 480, position: { x: 0, y: 0 } });
    expect(rgba(await given(cursor.next()))).toEqual(
      expected((pixel) => onHdr(CURVES, pixel, 480)),
    );
    await show(0);
    guest.host.setCursor({ position: { x: 1, y: 0 } });
    expect(rgba(await given(cursor.next()))).toEqual(expected((pixel) => onSdr(CURVES, pixel)));
    await Promise.all([cursor.return(), frames.return()]);
  });
});

/** Posts a change; tells where its message and its payload are. */
function posted(
  guest: Guest,
  change: Parameters<Guest['host']['setCursor']>[0],
): { readonly newest: number; readonly place: number } {
  const { view } = guest.region;
  const slot = view.getUint32(QUEUE, true);
  guest.host.setCursor(change);
  const newest = view.getUint32(QUEUE + 304, true) + slot * 32;
  return { newest, place: view.getUint32(newest + 12, true) };
}
