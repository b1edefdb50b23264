import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BT2020_TO_BT709,
  type SdrPixel,
  sameToneMap,
  type ToneMap,
  type ToneMapSource,
  toneMapOf,
  toneMapPixel,
} from '../../../../protocol/kvmfr/hdr.ts';

const HDR = 0x08;
const PQ = 0x10;
const METADATA = 0x20;

/** The tone map of a frame that has one. */
function mapOf(source: ToneMapSource): ToneMap {
  const map = toneMapOf(source);
  if (map === undefined) throw new Error('this frame must be HDR');
  return map;
}

const pq = (sdrWhiteLevel?: number, maxContentLightLevel?: number): ToneMap =>
  mapOf({
    format: 'RGBA10',
    flags: HDR | PQ | METADATA,
    sdrWhiteLevel,
    metadata: { maxDisplayLuminance: 0, maxContentLightLevel: maxContentLightLevel ?? 0 },
  });
const scrgb = (sdrWhiteLevel?: number): ToneMap =>
  mapOf({ format: 'RGBA16F', flags: HDR, sdrWhiteLevel });
const linear = mapOf({ format: 'RGBA10', flags: HDR });

const grey = (map: ToneMap, value: number): SdrPixel => toneMapPixel(map, value, value, value);
const bytes = ({ red, green, blue }: SdrPixel): number[] => [red, green, blue];

/** Linear light of an sRGB code. */
function light(code: number): number {
  const value = code / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** The ten-bit code that a guest sends for a luminance, by the inverse EOTF of ST 2084. */
function pqCode(nits: number): number {
  const power = (nits / 10_000) ** 0.1593017578125;
  return Math.round(1023 * ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375);
}

const luminance = ({ red, green, blue }: SdrPixel): number =>
  0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);

describe('toneMapOf', () => {
  test('SDR frames have no tone map, and HDR frames one by format and flags', () => {
    for (const format of ['BGRA', 'RGBA', 'BGR_32', 'RGB_24'] as const) {
      expect(toneMapOf({ format, flags: 0xff })).toBeUndefined();
    }
    for (const flags of [0, PQ, METADATA, ~HDR]) {
      expect(toneMapOf({ format: 'RGBA10', flags })).toBeUndefined();
    }
    expect(mapOf({ format: 'RGBA10', flags: HDR }).transfer).toBe('linear');
    expect(mapOf({ format: 'RGBA10', flags: HDR | PQ }).transfer).toBe('pq');
    for (const flags of [0, HDR, HDR | PQ]) {
      expect(mapOf({ format: 'RGBA16F', flags }).transfer).toBe('scrgb');
    }
  });

  test('SDR white is 203 nits unless the frame says otherwise', () => {
    expect(pq()).toEqual({
      ...{ transfer: 'pq', sdrWhiteNits: 203, peakNits: 1000 },
      ...{ gain: 10_000 / 203, peak: 1000 / 203 },
    });
    for (const nothing of [undefined, 0, -5, Number.NaN]) {
      expect(pq(nothing).sdrWhiteNits).toBe(203);
    }
    expect(pq(300)).toMatchObject({ sdrWhiteNits: 300, gain: 10_000 / 300 });
    expect(scrgb(160)).toMatchObject({ sdrWhiteNits: 160, gain: 0.5, peak: 6.25 });
    expect(linear).toMatchObject({ gain: 1, peak: 1 });
  });

  test('an SDR white that is not to be believed is cut to 40 to 960 nits', () => {
    expect(pq(1).sdrWhiteNits).toBe(40);
    expect(pq(39.9).sdrWhiteNits).toBe(40);
    expect(pq(0xffff_ffff).sdrWhiteNits).toBe(960);
    expect(pq(Number.POSITIVE_INFINITY).sdrWhiteNits).toBe(960);
  });

  test('the peak is MaxCLL, else that of the display, else 1000 nits', () => {
    const frame = { format: 'RGBA10', flags: HDR | PQ | METADATA } as const;
    const both = { maxDisplayLuminance: 600, maxContentLightLevel: 400 };
    expect(mapOf({ ...frame, metadata: both }).peakNits).toBe(400);
    const display = { ...both, maxContentLightLevel: 0 };
    expect(mapOf({ ...frame, metadata: display }).peakNits).toBe(600);
    const none = { maxDisplayLuminance: 0, maxContentLightLevel: 0 };
    expect(mapOf({ ...frame, metadata: none }).peakNits).toBe(1000);
    expect(mapOf(frame).peakNits).toBe(1000);
    expect(mapOf({ ...frame, flags: HDR | PQ, metadata: both }).peakNits).toBe(1000);
  });

  test('the peak is never below SDR white nor above 10 000 nits', () => {
    expect(pq(203, 100)).toMatchObject({ peakNits: 203, peak: 1 });
    expect(pq(203, 0xffff_ffff).peakNits).toBe(10_000);
  });

  test('any numbers of a guest give numbers that can be shown', () => {
    const number = fc.oneof(fc.nat(0xffff_ffff), fc.double(), fc.constant(undefined));
    fc.assert(
      fc.property(
        fc.constantFrom('RGBA10', 'RGBA16F'),
        fc.nat(0xffff_ffff),
        number,
        number,
        number,
        (format, flags, sdrWhiteLevel, display = 0, content = 0) => {
          const metadata = { maxDisplayLuminance: display, maxContentLightLevel: content };
          const map = mapOf({ format, flags: flags | HDR, sdrWhiteLevel, metadata });
          expect(map.sdrWhiteNits >= 40 && map.sdrWhiteNits <= 960).toBe(true);
          expect(map.peakNits >= map.sdrWhiteNits && map.peakNits <= 10_000).toBe(true);
          expect(map.gain >= 0.08 && map.gain <= 250).toBe(true);
          expect(map.peak >= 1 && map.peak <= 250).toBe(true);
        },
      ),
    );
  });
});

describe('sameToneMap', () => {
  test('is true exactly when every pixel keeps its colour', () => {
    expect(sameToneMap(pq(203), pq())).toBe(true);
    expect(sameToneMap(undefined, undefined)).toBe(true);
    expect(sameToneMap(undefined, pq())).toBe(false);
    expect(sameToneMap(pq(), pq(204))).toBe(false);
    expect(sameToneMap(pq(), pq(203, 999))).toBe(false);
    expect(sameToneMap(pq(), scrgb())).toBe(false);
    // The publisher has divided by SDR white already.
    const other = mapOf({ format: 'RGBA10', flags: HDR, sdrWhiteLevel: 480 });
    expect(sameToneMap(linear, other)).toBe(true);
  });
});

describe('the decoding', () => {
  test('of PQ has the luminances of ST 2084', () => {
    // Nits by code: 64 is 0.101, 153 is 0.992, 307 is 10.05, 448 is 48.8, 512 is 92.7, 594 is 202.9.
    const shown = [0, 64, 153, 307, 448, 512, 594].map((code) => grey(pq(), code).red);
    expect(shown).toEqual([0, 2, 15, 63, 134, 180, 255]);
    const dark = [0, 64, 153, 307, 448, 512].map((code) => grey(pq(80), code).red);
    expect(dark).toEqual([0, 4, 29, 99, 205, 255]);
  });

  test('of linear codes has SDR white at 1023', () => {
    const shown = [0, 1, 3, 100, 512, 1000, 1023].map((code) => grey(linear, code).green);
    expect(shown).toEqual([0, 3, 10, 88, 188, 252, 255]);
    expect(bytes(toneMapPixel(linear, 1023, 512, 0))).toEqual([255, 188, 0]);
  });

  test('of scRGB has 80 nits at 1.0', () => {
    expect(grey(scrgb(80), 1).blue).toBe(255);
    expect(grey(scrgb(160), 1).blue).toBe(188);
    expect(bytes(toneMapPixel(scrgb(160), 2, 1, 0))).toEqual([255, 188, 0]);
  });

  test('takes scRGB that is no light for black, and too much of it for white', () => {
    for (const none of [-1, -0, Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(bytes(toneMapPixel(scrgb(), none, 1, none))).toEqual([0, grey(scrgb(), 1).red, 0]);
    }
    expect(bytes(grey(scrgb(), Number.POSITIVE_INFINITY))).toEqual([255, 255, 255]);
    expect(bytes(toneMapPixel(scrgb(), Number.POSITIVE_INFINITY, 0, 0))).toEqual([255, 255, 255]);
  });

  test('the matrix follows from the primaries', () => {
    const d65 = [0.3127, 0.329] as const;
    const wide = toXyz([0.708, 0.292], [0.17, 0.797], [0.131, 0.046], d65);
    const narrow = toXyz([0.64, 0.33], [0.3, 0.6], [0.15, 0.06], d65);
    // What BT.2020 red, green and blue are in XYZ must be what their BT.709 components are.
    for (const component of [0, 1, 2] as const) {
      const [r, g, b] = BT2020_TO_BT709.map((row) => row[component]);
      const seen = narrow.map((row) => row[0] * (r ?? 0) + row[1] * (g ?? 0) + row[2] * (b ?? 0));
      for (const [axis, row] of wide.entries()) expect(seen[axis]).toBeCloseTo(row[component], 5);
    }
    for (const [r, g, b] of BT2020_TO_BT709) expect(r + g + b).toBeCloseTo(1, 12);
  });
});

describe('what is no brighter than SDR white', () => {
  test.each([80, 203, 480])('every grey of a PQ desktop at %d nits comes out as it was', (nits) => {
    for (let code = 0; code < 256; code++) {
      const shown = grey(pq(nits), pqCode(nits * light(code)));
      expect(Math.abs(shown.red - code)).toBeLessThanOrEqual(1);
      expect(new Set(bytes(shown)).size).toBe(1);
    }
  });

  test.each([80, 203, 480])('every colour of an scRGB desktop at %d nits is exact', (nits) => {
    const gain = nits / 80;
    const map = scrgb(nits);
    for (let red = 0; red < 256; red += 15) {
      for (let green = 0; green < 256; green += 17) {
        for (let blue = 0; blue < 256; blue += 51) {
          const [r, g, b] = [red, green, blue].map((code) => gain * light(code));
          expect(toneMapPixel(map, r ?? 0, g ?? 0, b ?? 0)).toEqual({ red, green, blue });
        }
      }
    }
  });

  test('does not change with the peak', () => {
    for (let code = 0; code <= 594; code++) {
      const shown = toneMapPixel(pq(203, 300), code, code >> 1, 0);
      if (shown.red < 255) expect(toneMapPixel(pq(203, 4000), code, code >> 1, 0)).toEqual(shown);
    }
  });
});

describe('highlights', () => {
  const white = 203 / 80;

  test('begin without an edge at SDR white', () => {
    const at = toneMapPixel(scrgb(), white, white / 2, white / 9);
    const above = toneMapPixel(scrgb(), white * 1.01, (white / 2) * 1.01, (white / 9) * 1.01);
    for (const [i, code] of bytes(at).entries()) {
      expect(Math.abs((bytes(above)[i] ?? 0) - code)).toBeLessThanOrEqual(1);
    }
  });

  test('of grey are white', () => {
    for (const nits of [203, 400, 1000, 5000]) {
      expect(bytes(grey(scrgb(), nits / 80))).toEqual([255, 255, 255]);
    }
  });

  test('lose colour up to the peak, where they are white', () => {
    const green = [203, 300, 500, 800, 1000, 2000].map((nits) =>
      bytes(toneMapPixel(scrgb(), 0, nits / 80, 0)),
    );
    expect(green).toEqual([
      [0, 255, 0],
      [57, 255, 57],
      [152, 255, 152],
      [236, 255, 236],
      [255, 255, 255],
      [255, 255, 255],
    ]);
  });

  test('of a dark hue stay coloured at the peak: white would be brighter than they are', () => {
    const blue = toneMapPixel(scrgb(), 0, 0, 1000 / 80);
    expect(blue.blue).toBe(255);
    expect(blue.red).toBeGreaterThan(100);
    expect(blue.red).toBeLessThan(150);
    expect(blue.green).toBe(blue.red);
  });

  test('never get darker when the light gets brighter, and keep their hue', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(part, part, part, fc.integer({ min: 203, max: 10_000 }), (r, g, b, peak) => {
        const map = pq(203, peak);
        const codes = [r, g, b];
        let last = 0;
        for (let nits = 50; nits < 12_000; nits *= 1.2) {
          const [red = 0, green = 0, blue = 0] = codes.map((share) => pqCode(share * nits));
          const shown = toneMapPixel(map, red, green, blue);
          const now = luminance(shown);
          // Codes of 8 bits, and ten-bit codes of which each rounds on its own.
          expect(now).toBeGreaterThan(last - 0.015);
          last = now;
        }
      }),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(part, part, part, fc.double({ min: 1, max: 60, noNaN: true }), (r, g, b, k) => {
        const sdr = toneMapPixel(scrgb(80), r, g, b);
        const shown = bytes(toneMapPixel(scrgb(80), r * k, g * k, b * k));
        for (const [i, one] of bytes(sdr).entries()) {
          for (const [j, other] of bytes(sdr).entries()) {
            if (one < other) expect(shown[i]).toBeLessThanOrEqual(shown[j] ?? 0);
          }
        }
      }),
    );
  });
});

type Chromaticity = readonly [x: number, y: number];
type Row = readonly [number, number, number];

/** RGB to XYZ, as three rows, from primaries and white. */
function toXyz(
  red: Chromaticity,
  green: Chromaticity,
  blue: Chromaticity,
  white: Chromaticity,
): readonly Row[] {
  const xyz = ([x, y]: Chromaticity): Row => [x / y, 1, (1 - x - y) / y];
  const [r, g, b, w] = [xyz(red), xyz(green), xyz(blue), xyz(white)];
  const det = (a: Row, c: Row, d: Row): number =>
    a[0] * (c[1] * d[2] - c[2] * d[1]) -
    c[0] * (a[1] * d[2] - a[2] * d[1]) +
    d[0] * (a[1] * c[2] - a[2] * c[1]);
  const all = det(r, g, b);
  const [kr, kg, kb] = [det(w, g, b) / all, det(r, w, b) / all, det(r, g, w) / all];
  return ([0, 1, 2] as const).map((axis) => [kr * r[axis], kg * g[axis], kb * b[axis]]);
}
