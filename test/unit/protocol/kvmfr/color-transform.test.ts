import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyColorTransform,
  type DisplaySignal,
  KvmfrError,
  type RawColorTransform,
  Region,
  readColorTransform,
  sameColorTransform,
} from '../../../../protocol/index.ts';
import {
  lutOf,
  NIGHT_LIGHT,
  onHdr,
  onSdr,
  type ReferenceTransform,
  throughRgb,
} from '../../../support/color-reference.ts';

// Not on a multiple of 4: a transform may follow a shape of any size.
const AT = 101;
const BYTES = 65592;
const MATRIX = [1, 0.25, -0.5, 0.125, 0, 2, 0, -1, 0.75, 0, 1, 0];

/** A transform at literal offsets. */
function wire(flags: number): Region {
  const region = new Region(new ArrayBuffer(AT + BYTES));
  region.view.setUint32(AT, flags, true);
  MATRIX.forEach((value, i) => {
    region.view.setFloat32(AT + 4 + i * 4, value, true);
  });
  region.view.setFloat32(AT + 52, 0.5, true);
  for (let i = 0; i < 4096; i++) {
    region.view.setFloat32(AT + 56 + i * 16, i / 4096, true);
    region.view.setFloat32(AT + 60 + i * 16, 1 - i / 4096, true);
    region.view.setFloat32(AT + 64 + i * 16, i / 8192, true);
    region.view.setFloat32(AT + 68 + i * 16, 1, true);
  }
  return region;
}

function refusal(region: Region, room = BYTES): string {
  try {
    readColorTransform(region, AT, room);
  } catch (error) {
    if (KvmfrError.is(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('readColorTransform', () => {
  it('reads the first floats from these bytes', () => {
    const region = wire(0);
    const hex = '01000000' + '0000803f' + '0000803e' + '000000bf';
    region.bytes.set(Buffer.from(hex, 'hex'), AT);
    expect(readColorTransform(region, AT, BYTES)?.matrix?.slice(0, 3)).toEqual([1, 0.25, -0.5]);
    region.bytes.set(Buffer.from('0000c03f', 'hex'), AT + 52);
    expect(readColorTransform(region, AT, BYTES)?.scalar).toBe(1.5);
    region.bytes.set(Buffer.from('02000000', 'hex'), AT);
    // The last entry but its alpha.
    region.bytes.set(Buffer.from('0000003e0000803e0000003f', 'hex'), AT + BYTES - 16);
    expect([...(readColorTransform(region, AT, BYTES)?.lut?.slice(-4) ?? [])]).toEqual([
      0.125, 0.25, 0.5, 1,
    ]);
  });

  it('reads the parts that are valid, and no other', () => {
    expect(readColorTransform(wire(1), AT, BYTES)).toEqual({
      matrix: MATRIX,
      scalar: 0.5,
      lut: undefined,
    });
    const both = readColorTransform(wire(3), AT, BYTES);
    expect(both?.matrix).toEqual(MATRIX);
    expect(both?.lut?.length).toBe(4096 * 4);
    expect([...(both?.lut?.slice(4, 8) ?? [])]).toEqual([1 / 4096, 1 - 1 / 4096, 1 / 8192, 1]);
    expect(readColorTransform(wire(2), AT, BYTES)).toEqual({
      ...both,
      matrix: undefined,
      scalar: 1,
    });
  });

  it('is nothing where no part is valid, whatever else is set', () => {
    expect(readColorTransform(wire(0), AT, BYTES)).toBeUndefined();
    expect(readColorTransform(wire(0xffff_fffc), AT, BYTES)).toBeUndefined();
    expect(readColorTransform(wire(0xffff_fffd), AT, BYTES)?.lut).toBeUndefined();
  });

  it('copies: what is written later does not change it', () => {
    const region = wire(3);
    const before = readColorTransform(region, AT, BYTES);
    const expected = { ...before, lut: before?.lut?.slice() };
    region.bytes.fill(0xff);
    expect(before).toEqual(expected);
  });

  it('has to lie in its message and in the region to the last byte', () => {
    expect(refusal(wire(3))).toBe('accepted');
    expect(refusal(wire(3), BYTES - 1)).toBe(
      'ERR_KVMFR_BOUNDS the colour transform at 0x65 needs 65592 bytes, but has room for 65591',
    );
    expect(refusal(Region.copyOf(wire(3).bytes.subarray(0, AT + BYTES - 1)), 0xffff_ffff)).toMatch(
      /^ERR_KVMFR_BOUNDS/,
    );
    // Also where nothing of it would be used.
    expect(refusal(wire(0), 4)).toMatch(/^ERR_KVMFR_BOUNDS/);
  });

  it.each([
    ['the matrix', 1, 4],
    ['the matrix', 3, 48],
    ['the scalar', 1, 52],
    ['the table', 2, 56],
    ['the table', 2, 64],
    ['the table', 3, BYTES - 8],
  ])('is refused with a number in %s that is none', (_, flags, at) => {
    for (const none of [Number.NaN, Infinity, -Infinity]) {
      const region = wire(flags);
      region.view.setFloat32(AT + at, none, true);
      expect(refusal(region)).toMatch(/^ERR_KVMFR_CORRUPT the colour transform at 0x/);
    }
  });

  it('does not look at numbers that are not valid, nor at the alpha of its table', () => {
    const region = wire(1);
    region.bytes.fill(0xff, AT + 56);
    expect(refusal(region)).toBe('accepted');
    const table = wire(2);
    table.bytes.fill(0xff, AT + 4, AT + 56);
    for (let i = 0; i < 4096; i++) table.view.setFloat32(AT + 68 + i * 16, Number.NaN, true);
    expect(readColorTransform(table, AT, BYTES)?.lut?.[3]).toBe(1);
  });
});

describe('sameColorTransform', () => {
  const base = readColorTransform(wire(3), AT, BYTES);

  it('compares every number', () => {
    expect(sameColorTransform(base, readColorTransform(wire(3), AT, BYTES))).toBe(true);
    expect(sameColorTransform(undefined, undefined)).toBe(true);
    for (const other of [0, 1, 2])
      expect(sameColorTransform(base, readColorTransform(wire(other), AT, BYTES))).toBe(false);
    for (const at of [4, 48, 52, 56, BYTES - 8]) {
      const region = wire(3);
      region.view.setFloat32(AT + at, 7, true);
      expect(sameColorTransform(base, readColorTransform(region, AT, BYTES))).toBe(false);
    }
  });
});

const SDR: DisplaySignal = { transfer: 'srgb', sdrWhiteNits: 0 };
const HDR: DisplaySignal = { transfer: 'pq', sdrWhiteNits: 240 };
const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];
/** Every colour of a grid, corners and near-black included, and every grey. */
const COLORS: readonly (readonly [number, number, number])[] = (() => {
  const steps = [0, 1, 2, 10, 11, 64, 127, 200, 254, 255];
  const grid = steps.flatMap((r) => steps.flatMap((g) => steps.map((b) => [r, g, b] as const)));
  return [...grid, ...Array.from({ length: 256 }, (_, v) => [v, v, v] as const)];
})();

function raw({ matrix, scalar = 1, lut }: ReferenceTransform): RawColorTransform {
  return { matrix, scalar, lut: lut === undefined ? undefined : Float32Array.from(lut) };
}

/** The greatest distance from the reference, beyond what rounding to whole numbers gives. */
function beyondRounding(
  transform: ReferenceTransform,
  signal: DisplaySignal,
  colors: readonly (readonly [number, number, number])[] = COLORS,
): number {
  const rgba = Uint8Array.from(colors.flatMap((color) => [...color, 77]));
  applyColorTransform(rgba, raw(transform), signal);
  let worst = 0;
  colors.forEach((color, i) => {
    const expected =
      signal.transfer === 'pq'
        ? onHdr(transform, color, signal.sdrWhiteNits)
        : onSdr(transform, color);
    for (let c = 0; c < 3; c++)
      worst = Math.max(worst, Math.abs((rgba[i * 4 + c] ?? 0) - (expected[c] ?? 0)) - 0.5);
    if (rgba[i * 4 + 3] !== 77) throw new Error('the alpha was changed');
  });
  return worst;
}

describe('applyColorTransform', () => {
  it.each([SDR, HDR])('changes no colour with an identity, $transfer', (signal) => {
    const rgba = Uint8Array.from(COLORS.flatMap((color) => [...color, 255]));
    const before = rgba.slice();
    const lut = lutOf(
      (v) => v,
      (v) => v,
      (v) => v,
    );
    for (const transform of [{ matrix: IDENTITY }, { lut }, { matrix: IDENTITY, lut }]) {
      applyColorTransform(rgba, raw(transform), signal);
      expect(Buffer.compare(rgba, before)).toBe(0);
    }
  });

  const cases: readonly (readonly [string, ReferenceTransform])[] = [
    ['warm light', { matrix: NIGHT_LIGHT }],
    ['half of the light', { matrix: IDENTITY, scalar: 0.5 }],
    ['more light than there is', { matrix: IDENTITY, scalar: 3 }],
    ['an addend', { matrix: IDENTITY.with(3, 0.01).with(11, 0.002) }],
    ['negative light', { matrix: IDENTITY, scalar: -1 }],
    ['Y alone', { matrix: [0, 0.95, 0, 0, 0, 1, 0, 0, 0, 1.09, 0, 0] }],
    [
      'a table for each component',
      {
        lut: lutOf(
          (v) => v ** 2,
          (v) => v / 2,
          (v) => 1 - v,
        ),
      },
    ],
    [
      'a table of two values',
      {
        lut: lutOf(
          (v) => Number(v > 0.3),
          () => 0.2,
          () => 1,
        ),
      },
    ],
    [
      'a table out of range',
      {
        lut: lutOf(
          (v) => v * 9 - 4,
          () => -3e38,
          () => 3e38,
        ),
      },
    ],
    [
      'both',
      {
        matrix: NIGHT_LIGHT,
        scalar: 0.9,
        lut: lutOf(
          (v) => v ** 0.9,
          Math.sqrt,
          (v) => v,
        ),
      },
    ],
  ];
  it.each(cases)('%s: every colour as the reference has it, on SDR', (_, transform) => {
    expect(beyondRounding(transform, SDR)).toBeLessThan(0.001);
  });
  it.each(cases)('%s: every colour as the reference has it, on HDR', (_, transform) => {
    for (const sdrWhiteNits of [40, 203, 960])
      expect(beyondRounding(transform, { transfer: 'pq', sdrWhiteNits })).toBeLessThan(0.01);
  });

  it.each([SDR, HDR])('swaps red and green with the matrix that does so, $transfer', (signal) => {
    const matrix = throughRgb([
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, 1],
    ]);
    const rgba = Uint8Array.from(COLORS.flatMap(([r, g, b]) => [r, g, b, 255]));
    applyColorTransform(rgba, raw({ matrix }), signal);
    expect([...rgba]).toEqual(COLORS.flatMap(([r, g, b]) => [g, r, b, 255]));
  });

  it.each([SDR, HDR])('clips the largest numbers there are, $transfer', (signal) => {
    const rgba = Uint8Array.of(0, 0, 0, 255, 1, 1, 1, 255, 128, 128, 128, 255);
    const matrix = IDENTITY.map((v) => v * 3.4e38);
    applyColorTransform(rgba, raw({ matrix, scalar: 3.4e38 }), signal);
    expect([...rgba]).toEqual([0, 0, 0, 255, ...Array(8).fill(255)]);
    applyColorTransform(rgba, raw({ matrix, scalar: -3.4e38 }), signal);
    expect([...rgba]).toEqual([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]);
  });

  it('leaves what is wholly transparent as it is', () => {
    const rgba = Uint8Array.of(200, 200, 200, 0, 200, 200, 200, 1);
    applyColorTransform(rgba, raw({ matrix: IDENTITY, scalar: 0 }), SDR);
    expect([...rgba]).toEqual([200, 200, 200, 0, 0, 0, 0, 1]);
  });

  it('equals the reference for any numbers of a size that colours have', () => {
    // Larger ones make steps of what is no more than the last digit of a double.
    const number = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(
        fc.option(fc.array(number, { minLength: 12, maxLength: 12 }), { nil: undefined }),
        number,
        fc.option(fc.tuple(number, number, number), { nil: undefined }),
        fc.constantFrom(SDR, HDR),
        fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (matrix, scalar, curve, signal, colors) => {
          const lut =
            curve &&
            lutOf(
              (v) => Math.fround(v * curve[0]),
              (v) => Math.fround(1 - v * curve[1]),
              (v) => Math.fround(curve[2] * v * v),
            );
          const transform = { matrix, scalar: matrix === undefined ? 1 : scalar, lut };
          expect(beyondRounding(transform, signal, colors)).toBeLessThan(0.02);
        },
      ),
      { numRuns: 300 },
    );
  });
});
