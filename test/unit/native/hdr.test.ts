import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  convertRows,
  createToneMap,
  type KernelFormat,
  type ToneMapTable,
  updateTiles,
} from '../../../native/index.ts';
import { type ToneMap, toneMapOf, toneMapPixel } from '../../../protocol/kvmfr/hdr.ts';
import { thrownBy } from './scratch.ts';

const CODES = 1024;
const HALVES = 65536;
const FLAGS = { linear: 0x08, pq: 0x18 } as const;

/** A tone map as protocol/kvmfr makes it of a frame, and as the kernels take it. */
interface Prepared {
  readonly name: string;
  readonly format: KernelFormat;
  readonly map: ToneMap;
  readonly table: ToneMapTable;
}

function prepared(
  transfer: 'pq' | 'linear' | 'scrgb',
  sdrWhiteLevel = 0,
  maxContentLightLevel = 0,
): Prepared {
  const format = transfer === 'scrgb' ? 'RGBA16F' : 'RGBA10';
  const flags = transfer === 'scrgb' ? 0x28 : FLAGS[transfer] | 0x20;
  const metadata = { maxDisplayLuminance: 0, maxContentLightLevel };
  const map = toneMapOf({ format, flags, sdrWhiteLevel, metadata });
  if (map === undefined) throw new Error(`${transfer} must need a tone map`);
  const name = `${transfer}, white ${sdrWhiteLevel}, peak ${maxContentLightLevel}`;
  return { name, format, map, table: createToneMap(map) };
}

const PQ_MAPS = [
  prepared('pq'),
  prepared('pq', 40, 10_000),
  prepared('pq', 80, 400),
  prepared('pq', 480, 4000),
  prepared('pq', 960, 100),
];
const SCRGB_MAPS = [
  prepared('scrgb'),
  prepared('scrgb', 40, 10_000),
  prepared('scrgb', 80, 80),
  prepared('scrgb', 480, 1000),
];
const LINEAR = prepared('linear');

/** A random number below a limit, the same sequence for the same seed. */
function random(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** What a half float says. */
function numberOf(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The half float nearest to a number from 0 on. */
function halfOf(value: number): number {
  let nearest = 0;
  for (let bit = 1 << 14; bit > 0; bit >>= 1) {
    if (numberOf(nearest | bit) <= value) nearest |= bit;
  }
  return value - numberOf(nearest) > numberOf(nearest + 1) - value ? nearest + 1 : nearest;
}

/** Linear light of an sRGB code. */
function light(code: number): number {
  const value = code / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** Pixels as they lie in a frame. */
function packed(
  format: KernelFormat,
  pixels: readonly (readonly [number, number, number])[],
): Uint8Array {
  if (format === 'RGBA10') {
    const words = pixels.map(([r, g, b]) => r | (g << 10) | (b << 20));
    return new Uint8Array(Uint32Array.from(words).buffer);
  }
  return new Uint8Array(Uint16Array.from(pixels.flatMap((pixel) => [...pixel, 0x3c00])).buffer);
}

function converted(
  format: KernelFormat,
  src: Uint8Array,
  options: {
    readonly toneMap?: ToneMapTable | undefined;
    readonly reference?: boolean;
    readonly portable?: boolean;
  },
): Uint8Array {
  const widthPx = src.length / (format === 'RGBA16F' ? 8 : 4);
  const dst = new Uint8Array(widthPx * 4);
  convertRows({
    ...{ dst, dstOffset: 0, dstPitchBytes: dst.length, src, srcOffset: 0 },
    ...{ srcPitchBytes: src.length, format, widthPx, rows: 1, ...options },
  });
  return dst;
}

/** The kernels agree with each other to the bit, and with double precision within a code. */
function expectClose(
  { map, table, format }: Prepared,
  pixels: readonly (readonly [number, number, number])[],
): void {
  const src = packed(format, pixels);
  const best = converted(format, src, { toneMap: table });
  const reference = converted(format, src, { toneMap: table, reference: true });
  const portable = converted(format, src, { toneMap: table, portable: true });
  expect(Buffer.compare(best, reference)).toBe(0);
  expect(Buffer.compare(portable, reference)).toBe(0);
  const value = format === 'RGBA16F' ? numberOf : (code: number): number => code;
  let worst = 0;
  for (const [i, [r, g, b]] of pixels.entries()) {
    const { red, green, blue } = toneMapPixel(map, value(r), value(g), value(b));
    const errors = [(best[4 * i] ?? 0) - blue, (best[4 * i + 1] ?? 0) - green];
    worst = Math.max(worst, ...errors.map(Math.abs), Math.abs((best[4 * i + 2] ?? 0) - red));
    if (best[4 * i + 3] !== 255) worst = Number.POSITIVE_INFINITY;
    if (worst > 1) throw new Error(`${[r, g, b]} became ${best.subarray(4 * i, 4 * i + 4)}`);
  }
}

describe('ten-bit SDR', () => {
  test('every code is rounded exactly, alpha is ignored', () => {
    const words = Uint32Array.from(
      { length: CODES },
      (_, v) => (v | ((v ^ 1023) << 10) | (((v + 512) & 1023) << 20) | (v << 30)) >>> 0,
    );
    const exact = (v: number): number => Math.floor(((v & 1023) * 255 + 511) / 1023);
    const expected = Array.from({ length: CODES }, (_, v) => [
      exact(v + 512),
      exact(v ^ 1023),
      exact(v),
      255,
    ]).flat();
    for (const reference of [false, true]) {
      const bytes = converted('RGBA10', new Uint8Array(words.buffer), { reference });
      expect([...bytes]).toEqual(expected);
    }
  });
});

describe('HDR pixels against double precision', () => {
  const axes = (count: number): [number, number, number][] =>
    Array.from({ length: count }, (_, v): [number, number, number][] => [
      [v, 0, 0],
      [0, v, 0],
      [0, 0, v],
      [v, v, v],
    ]).flat();

  test.each([...PQ_MAPS, LINEAR])('every code of each channel: $name', (each) => {
    expectClose(each, axes(CODES));
  });

  test.each(SCRGB_MAPS)('every half float in each channel: $name', (each) => {
    expectClose(each, axes(HALVES));
  });

  test.each([...PQ_MAPS, LINEAR])('random pixels: $name', (each) => {
    const next = random(1);
    const pixel = (): [number, number, number] => [next(CODES), next(CODES), next(CODES)];
    expectClose(each, Array.from({ length: 60_000 }, pixel));
  });

  test.each(SCRGB_MAPS)('random pixels: $name', (each) => {
    const next = random(2);
    // Of any bits, and of the range in which pictures are.
    const any = Array.from({ length: 30_000 }, (): [number, number, number] => [
      next(HALVES),
      next(HALVES),
      next(HALVES),
    ]);
    const usual = any.map(([r, g, b]): [number, number, number] => [
      0x2800 + (r % 0x2400),
      0x2800 + (g % 0x2400),
      0x2800 + (b % 0x2400),
    ]);
    expectClose(each, [...any, ...usual]);
  });

  test('what is no light is black, and too much of it is white', () => {
    const map = prepared('scrgb', 80, 80);
    const [nan, negative, infinite, one] = [0x7e00, 0xbc00, 0x7c00, 0x3c00];
    const src = packed('RGBA16F', [
      [nan, negative, one],
      [0xfc00, 0xfe01, 0x8000],
      [infinite, 0, 0],
      [one, one, one],
    ]);
    const expected = [255, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255];
    for (const reference of [false, true]) {
      const toneMap = map.table;
      expect([...converted('RGBA16F', src, { toneMap, reference })]).toEqual(expected);
    }
  });
});

const KERNELS: readonly Prepared[] = [
  prepared('pq'),
  LINEAR,
  prepared('scrgb'),
  { ...LINEAR, name: 'ten-bit SDR', table: { transfer: 'linear', words: new Uint32Array(0) } },
];
const bytesOf = (format: KernelFormat): number => (format === 'RGBA16F' ? 8 : 4);

/** The options of a kernel; the last one takes no tone map. */
const optionsOf = ({ format, table }: Prepared) => ({
  format,
  toneMap: table.words.length === 0 ? undefined : table,
});

/**
 * Pixels as a screen has them, of any alpha: areas of one colour, patterns of two, and single pixels
 * of another colour between them.
 */
function screenBytes(format: KernelFormat, pixels: number, seed: number): Uint8Array {
  const next = random(seed);
  const component = (): number => next(format === 'RGBA16F' ? HALVES : CODES);
  const colour = (): number[] => [component(), component(), component()];
  const palette = [colour(), colour()];
  const bytes = new Uint8Array(pixels * bytesOf(format));
  const halves = new Uint16Array(bytes.buffer);
  const words = new DataView(bytes.buffer);
  let pattern = palette;
  for (let i = 0, left = 0; i < pixels; i++, left--) {
    if (left === 0) {
      left = 1 + next(next(2) === 0 ? 40 : 3);
      const one = next(4) === 0 ? colour() : (palette[next(2)] ?? colour());
      pattern = next(5) === 0 ? palette : [one, one];
    }
    const [r = 0, g = 0, b = 0] = pattern[i % 2] ?? [];
    if (format === 'RGBA16F') halves.set([r, g, b, next(HALVES)], i * 4);
    else words.setUint32(i * 4, r | (g << 10) | (b << 20) | (next(4) << 30), true);
  }
  return bytes;
}

describe('an SDR desktop in scRGB', () => {
  test.each([80, 203, 480])('comes out exactly as it was, at %d nits', (nits) => {
    const { map, table } = prepared('scrgb', nits);
    const next = random(nits);
    const codes = Array.from({ length: 256 }, (_, code) => [code, code, code]);
    for (let i = 0; i < 20_000; i++) codes.push([next(256), next(256), next(256)]);
    const halves = Array.from({ length: 256 }, (_, code) => halfOf(light(code) / map.gain));
    const src = packed(
      'RGBA16F',
      codes.map(([r = 0, g = 0, b = 0]) => [halves[r] ?? 0, halves[g] ?? 0, halves[b] ?? 0]),
    );
    const expected = codes.flatMap(([r = 0, g = 0, b = 0]) => [b, g, r, 255]);
    const shown = converted('RGBA16F', src, { toneMap: table });
    expect(Buffer.compare(shown, Uint8Array.from(expected))).toBe(0);
  });
});

describe('the fast kernels', () => {
  test.each(KERNELS)('equal the reference for every width, offset and pitch: $name', (each) => {
    const bytes = bytesOf(each.format);
    for (let widthPx = 1; widthPx <= 150; widthPx++) {
      const offset = widthPx % 7;
      const srcPitchBytes = widthPx * bytes + (widthPx % 11);
      const dstPitchBytes = widthPx * 4 + (widthPx % 5);
      const src = new Uint8Array(offset + 3 * srcPitchBytes);
      for (let y = 0; y < 3; y++) {
        const row = screenBytes(each.format, widthPx, widthPx * 3 + y);
        src.set(row, offset + y * srcPitchBytes);
      }
      const expected = screenBytes('RGBA10', offset + dstPitchBytes, widthPx).subarray(
        0,
        offset + 3 * dstPitchBytes,
      );
      const before = expected.slice();
      const dst = before.slice();
      const shape = { widthPx, rows: 3, src, srcOffset: offset, srcPitchBytes };
      const place = { dstOffset: offset, dstPitchBytes, ...optionsOf(each) };
      convertRows({ dst: expected, ...place, ...shape, reference: true });
      for (const portable of [false, true]) {
        dst.set(before);
        convertRows({ dst, ...place, ...shape, portable });
        expect(Buffer.compare(dst, expected)).toBe(0);
      }
    }
  });

  test.each(KERNELS)('equal the reference for any rects and frames: $name', (each) => {
    const rects = fc.tuple(fc.nat(180), fc.nat(90), fc.nat(200), fc.nat(100));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 160 }),
        fc.integer({ min: 1, max: 80 }),
        fc.constantFrom(1, 5, 16, 64),
        fc.array(fc.tuple(rects, fc.nat()), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (widthPx, heightPx, tilePx, steps, portable) => {
          const one = screen(each, { widthPx, heightPx, tilePx });
          const other = { ...one, picture: one.picture.slice(), serials: one.serials.slice() };
          for (const [step, [[x, y, width, height], flip]] of steps.entries()) {
            one.src[flip % one.src.length] = flip & 0xff;
            const rect = { x, y, width, height, serial: step + 2 };
            const changed = updateTiles({ ...one, ...rect, portable });
            expect(updateTiles({ ...other, ...rect, reference: true })).toBe(changed);
            expect(Buffer.compare(one.picture, other.picture)).toBe(0);
            expect(one.serials).toEqual(other.serials);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** A picture with the serials 1, and a frame of it. */
function screen(
  each: Prepared,
  size: { readonly widthPx: number; readonly heightPx: number; readonly tilePx: number },
) {
  const { widthPx, heightPx, tilePx } = size;
  return {
    ...size,
    ...optionsOf(each),
    picture: new Uint8Array(widthPx * heightPx * 4),
    picturePitchBytes: widthPx * 4,
    serials: new Uint32Array(Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx)).fill(1),
    src: screenBytes(each.format, widthPx * heightPx, widthPx * heightPx),
    srcOffset: 0,
    srcPitchBytes: widthPx * bytesOf(each.format),
    x: 0,
    y: 0,
    width: widthPx,
    height: heightPx,
  };
}

describe('updateTiles of HDR pixels', () => {
  const size = { widthPx: 200, heightPx: 130, tilePx: 64 };

  test.each(KERNELS)('keeps the serials of a frame that looks the same: $name', (each) => {
    const s = screen(each, size);
    expect(updateTiles({ ...s, serial: 2 })).toBe(12);
    const before = s.picture.slice();
    const alphaAt = bytesOf(each.format) - 1;
    for (let i = alphaAt; i < s.src.length; i += bytesOf(each.format))
      s.src[i] = (s.src[i] ?? 0) ^ 0xc0;
    expect(updateTiles({ ...s, serial: 3 })).toBe(0);
    expect(new Set(s.serials)).toEqual(new Set([2]));
    expect(s.picture).toEqual(before);
  });

  test.each(KERNELS)('finds a single changed pixel and only its tile: $name', (each) => {
    const s = screen(each, size);
    updateTiles({ ...s, serial: 2 });
    for (const [x, y, tile] of [
      [0, 0, 0],
      [63, 63, 0],
      [64, 63, 1],
      [199, 129, 11],
      [127, 64, 5],
    ] as const) {
      const at = (y * size.widthPx + x) * bytesOf(each.format);
      const pixel = s.picture.subarray((y * size.widthPx + x) * 4, (y * size.widthPx + x) * 4 + 4);
      // Black, and where it was black, a colour of middling light.
      const black = pixel.subarray(0, 3).every((byte) => byte === 0);
      const colour = each.format === 'RGBA16F' ? 0x3800 : 300;
      s.src.set(packed(each.format, [black ? [colour, colour, colour] : [0, 0, 0]]), at);
      s.serials.fill(0);
      expect(updateTiles({ ...s, serial: 9 })).toBe(1);
      expect(s.serials.indexOf(9)).toBe(tile);
    }
  });

  test('keeps the serial when another code is shown the same', () => {
    const s = { ...screen(PQ_MAPS[0] ?? LINEAR, { widthPx: 8, heightPx: 1, tilePx: 8 }) };
    // 1000 and 4000 nits of grey are both white.
    s.src.set(packed('RGBA10', Array(8).fill([769, 769, 769])));
    expect(updateTiles({ ...s, serial: 2 })).toBe(1);
    s.src.set(packed('RGBA10', Array(8).fill([923, 923, 923])));
    expect(updateTiles({ ...s, serial: 3 })).toBe(0);
    expect([...s.serials]).toEqual([2]);
  });

  test('with another tone map changes what it shows otherwise', () => {
    const s = screen(prepared('pq', 203), size);
    s.src.fill(0);
    s.src.set(packed('RGBA10', [[500, 500, 500]]));
    updateTiles({ ...s, serial: 2 });
    expect(updateTiles({ ...s, serial: 3, toneMap: prepared('pq', 300).table })).toBe(1);
    expect(s.serials[0]).toBe(3);
  });

  test('refuses a source that ends a byte early', () => {
    for (const each of KERNELS) {
      const s = { ...screen(each, size), serial: 2 };
      const before = s.picture.slice();
      const short = { ...s, src: s.src.subarray(1) };
      expect(thrownBy(() => updateTiles(short)).code).toBe('ERR_KVMFR_BOUNDS');
      expect(s.picture).toEqual(before);
    }
  });
});

describe('tone maps', () => {
  let pq: ToneMapTable;
  let linear: ToneMapTable;
  let scrgb: ToneMapTable;
  beforeAll(() => {
    pq = prepared('pq').table;
    linear = LINEAR.table;
    scrgb = prepared('scrgb').table;
  });

  test('are taken for the formats that they belong to and no other', () => {
    const src = new Uint8Array(64);
    const tables = [undefined, pq, linear, scrgb];
    const takes: [KernelFormat, boolean[]][] = [
      ['BGRA', [true, false, false, false]],
      ['RGBA', [true, false, false, false]],
      ['BGR_32', [true, false, false, false]],
      ['RGB_24', [true, false, false, false]],
      ['RGBA10', [true, true, true, false]],
      ['RGBA16F', [false, false, false, true]],
    ];
    const rows = { dst: new Uint8Array(8), dstOffset: 0, dstPitchBytes: 8, src, srcOffset: 0 };
    const shape = { ...rows, srcPitchBytes: 64, widthPx: 2, rows: 1 };
    for (const [format, expected] of takes) {
      for (const [i, toneMap] of tables.entries()) {
        const call = (): void => convertRows({ ...shape, format, toneMap });
        if (expected[i]) call();
        else expect(thrownBy(call).code).toBe('ERR_KVMFR_ARGUMENT');
      }
    }
  });

  test.each([
    null,
    {},
    { transfer: 'pq', words: [] },
    { transfer: 'pq', words: new Uint32Array(1027) },
    { transfer: 'pq', words: new Float32Array(1028) },
  ])('are not %o', (toneMap) => {
    const dst = new Uint8Array(8);
    const options = {
      ...{ dst, dstOffset: 0, dstPitchBytes: 8, src: dst, srcOffset: 0, srcPitchBytes: 8 },
      ...{ widthPx: 2, rows: 1, format: 'RGBA10', toneMap },
    };
    const error = thrownBy(() => Reflect.apply(convertRows, undefined, [options]));
    expect(error.code).toBe('ERR_KVMFR_ARGUMENT');
  });

  test('of one kind under the name of another are refused', () => {
    const src = packed('RGBA10', [[1, 2, 3]]);
    const toneMap: ToneMapTable = { ...pq, transfer: 'linear' };
    expect(thrownBy(() => converted('RGBA10', src, { toneMap })).code).toBe('ERR_KVMFR_BOUNDS');
  });

  test('with any words in them give opaque pixels', () => {
    const words = fc.array(fc.nat(0xffff_ffff), { minLength: 1027, maxLength: 1027 });
    fc.assert(
      fc.property(words, (rest) => {
        for (const { table, format } of [prepared('pq'), LINEAR, prepared('scrgb')]) {
          const [kind = 0] = table.words;
          const toneMap = { ...table, words: Uint32Array.from([kind, ...rest]) };
          const src = screenBytes(format, 77, rest[0] ?? 0);
          for (const options of [{}, { portable: true }, { reference: true }]) {
            const pixels = converted(format, src, { toneMap, ...options });
            expect(pixels.filter((_, i) => i % 4 === 3).every((byte) => byte === 255)).toBe(true);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    { transfer: 'hlg', gain: 1, peak: 1 },
    { transfer: 'constructor', gain: 1, peak: 1 },
    { transfer: 'pq', gain: 0, peak: 1 },
    { transfer: 'pq', gain: -1, peak: 1 },
    { transfer: 'pq', gain: 1001, peak: 1 },
    { transfer: 'pq', gain: Number.NaN, peak: 1 },
    { transfer: 'pq', gain: 1, peak: 0.5 },
    { transfer: 'pq', gain: 1, peak: Number.POSITIVE_INFINITY },
    { transfer: 'pq', gain: '1', peak: 1 },
  ])('are not made of %o', (numbers) => {
    const error = thrownBy(() => Reflect.apply(createToneMap, undefined, [numbers]));
    expect(error.code).toBe('ERR_KVMFR_ARGUMENT');
  });
});
