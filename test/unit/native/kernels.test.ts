import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  convertRows,
  copyRows,
  type KernelFormat,
  kernelVariant,
  packTiles,
  updateTiles,
} from '../../../native/index.ts';
import { thrownBy } from './scratch.ts';

const FORMATS: readonly KernelFormat[] = ['BGRA', 'RGBA', 'BGR_32', 'RGB_24'];
const bytesOf = (format: KernelFormat): number => (format === 'BGRA' || format === 'RGBA' ? 4 : 3);

/** The same bytes for the same seed. */
function noise(byteLength: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < byteLength; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

describe('copyRows', () => {
  test('copies rows between pitches and leaves the padding alone', () => {
    const src = Uint8Array.of(9, 1, 2, 3, 8, 4, 5, 6, 7);
    const dst = new Uint8Array(9).fill(0xee);
    copyRows({
      ...{ dst, dstOffset: 1, dstPitchBytes: 5 },
      ...{ src, srcOffset: 1, srcPitchBytes: 4, rowBytes: 3, rows: 2 },
    });
    expect([...dst]).toEqual([0xee, 1, 2, 3, 0xee, 0xee, 4, 5, 6]);
  });

  test('copies nothing when there are no rows or no bytes', () => {
    const dst = new Uint8Array(4);
    const src = new Uint8Array(0);
    const place = { dst, dstOffset: 4, dstPitchBytes: 0, src, srcOffset: 0, srcPitchBytes: 0 };
    copyRows({ ...place, rowBytes: 0, rows: 5 });
    copyRows({ ...place, rowBytes: 5, rows: 0 });
    expect([...dst]).toEqual([0, 0, 0, 0]);
  });
});

describe('convertRows', () => {
  test.each([
    ['BGRA', [10, 20, 30, 40, 50, 60, 70, 80]],
    ['RGBA', [30, 20, 10, 40, 70, 60, 50, 80]],
    ['BGR_32', [10, 20, 30, 50, 60, 70]],
    ['RGB_24', [30, 20, 10, 70, 60, 50]],
  ] as const)('makes B, G, R, 255 of %s', (format, pixels) => {
    for (const reference of [false, true]) {
      const dst = new Uint8Array(8);
      const src = Uint8Array.from(pixels);
      const rows = { widthPx: 2, rows: 1, srcOffset: 0, srcPitchBytes: src.length };
      convertRows({ dst, dstOffset: 0, dstPitchBytes: 8, src, ...rows, format, reference });
      expect([...dst]).toEqual([10, 20, 30, 255, 50, 60, 70, 255]);
    }
  });

  test.each(FORMATS)('%s equals the reference for every width, offset and pitch', (format) => {
    for (let widthPx = 1; widthPx <= 130; widthPx++) {
      const offset = widthPx % 7;
      const srcPitchBytes = widthPx * bytesOf(format) + (widthPx % 11);
      const dstPitchBytes = widthPx * 4 + (widthPx % 5);
      const src = noise(offset + 3 * srcPitchBytes, widthPx);
      const expected = noise(offset + 3 * dstPitchBytes, ~widthPx);
      const dst = expected.slice();
      const shape = { format, widthPx, rows: 3, src, srcOffset: offset, srcPitchBytes };
      const place = { dstOffset: offset, dstPitchBytes };
      convertRows({ dst: expected, ...place, ...shape, reference: true });
      convertRows({ dst, ...place, ...shape });
      expect(Buffer.compare(dst, expected)).toBe(0);
    }
  });
});

/** A picture of `widthPx` x `heightPx` with the serials 1, and a frame of it. */
function screen(format: KernelFormat, widthPx: number, heightPx: number, tilePx: number) {
  const pitch = widthPx * bytesOf(format);
  return {
    picture: new Uint8Array(widthPx * heightPx * 4),
    picturePitchBytes: widthPx * 4,
    widthPx,
    heightPx,
    tilePx,
    serials: new Uint32Array(Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx)).fill(1),
    src: noise(pitch * heightPx, widthPx * heightPx),
    srcOffset: 0,
    srcPitchBytes: pitch,
    format,
    x: 0,
    y: 0,
    width: widthPx,
    height: heightPx,
  };
}

describe('updateTiles', () => {
  test('writes the rect and gives its tiles the serial', () => {
    const s = screen('BGRA', 6, 4, 2);
    expect(updateTiles({ ...s, serial: 5, x: 1, y: 1, width: 2, height: 1 })).toBe(2);
    expect([...s.serials]).toEqual([5, 5, 1, 1, 1, 1]);
    const row = 6 * 4;
    const expected = new Uint8Array(s.picture.length);
    for (const x of [1, 2]) {
      const at = row + x * 4;
      expected.set([...s.src.subarray(at, at + 3), 255], at);
    }
    expect(s.picture).toEqual(expected);
  });

  test('changes nothing when the frame equals the picture, whatever its fourth byte says', () => {
    const s = screen('BGRA', 100, 70, 64);
    expect(updateTiles({ ...s, serial: 2 })).toBe(4);
    for (let i = 3; i < s.src.length; i += 4) s.src[i] = (s.src[i] ?? 0) ^ 0x55;
    const before = s.picture.slice();
    expect(updateTiles({ ...s, serial: 3 })).toBe(0);
    expect([...s.serials]).toEqual([2, 2, 2, 2]);
    expect(s.picture).toEqual(before);
  });

  test.each(FORMATS)('finds a single changed byte of %s and only its tile', (format) => {
    const s = screen(format, 200, 130, 64);
    updateTiles({ ...s, serial: 2 });
    for (const [x, y, tile] of [
      [0, 0, 0],
      [63, 63, 0],
      [64, 63, 1],
      [199, 129, 11],
      [127, 64, 5],
    ] as const) {
      const at = y * s.srcPitchBytes + x * bytesOf(format) + 1;
      s.src[at] = (s.src[at] ?? 0) ^ 1;
      s.serials.fill(0);
      expect(updateTiles({ ...s, serial: 9 })).toBe(1);
      expect(s.serials.indexOf(9)).toBe(tile);
      expect(s.picture[(y * 200 + x) * 4 + 1]).toBe(s.src[at]);
    }
  });

  test('clips the rect to the picture', () => {
    const s = screen('RGBA', 10, 10, 4);
    expect(updateTiles({ ...s, serial: 4, x: 8, y: 9, width: 100, height: 2 ** 32 - 1 })).toBe(1);
    expect([...s.serials]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 4]);
    expect(updateTiles({ ...s, serial: 5, x: 10, y: 0, width: 1, height: 1 })).toBe(0);
    expect(updateTiles({ ...s, serial: 5, x: 0, y: 0, width: 0, height: 5 })).toBe(0);
  });

  test('takes a frame over in bands of rows as in one piece', () => {
    const whole = screen('BGR_32', 150, 150, 64);
    const bands = { ...whole, picture: whole.picture.slice(), serials: whole.serials.slice() };
    updateTiles({ ...whole, serial: 8 });
    for (let y = 0; y < 150; y += 37) updateTiles({ ...bands, serial: 8, y, height: 37 });
    expect(bands.picture).toEqual(whole.picture);
    expect(bands.serials).toEqual(whole.serials);
  });

  test('equals the reference for any screen, any rect and any sequence of frames', () => {
    const rects = fc.tuple(fc.nat(180), fc.nat(90), fc.nat(200), fc.nat(100));
    fc.assert(
      fc.property(
        fc.constantFrom(...FORMATS),
        fc.integer({ min: 1, max: 160 }),
        fc.integer({ min: 1, max: 80 }),
        fc.constantFrom(1, 5, 16, 64),
        fc.array(fc.tuple(rects, fc.nat()), { minLength: 1, maxLength: 5 }),
        (format, widthPx, heightPx, tilePx, steps) => {
          const one = screen(format, widthPx, heightPx, tilePx);
          const other = { ...one, picture: one.picture.slice(), serials: one.serials.slice() };
          for (const [step, [[x, y, width, height], flip]] of steps.entries()) {
            one.src[flip % one.src.length] = flip & 0xff;
            const rect = { x, y, width, height, serial: step + 2 };
            const changed = updateTiles({ ...one, ...rect });
            expect(updateTiles({ ...other, ...rect, reference: true })).toBe(changed);
            expect(Buffer.compare(one.picture, other.picture)).toBe(0);
            expect(one.serials).toEqual(other.serials);
            expect(one.serials.filter((serial) => serial === step + 2)).toHaveLength(changed);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('packTiles', () => {
  test('packs R, G, B, 255 or R, G, B, row by row, in the order of the list', () => {
    const picture = Uint8Array.from({ length: 3 * 3 * 4 }, (_, i) => i);
    const place = { picture, picturePitchBytes: 12, widthPx: 3, heightPx: 3, tilePx: 2 };
    const tileIndices = Uint32Array.of(3, 1);
    const out = new Uint8Array(12);
    expect(packTiles({ ...place, out, tileIndices, bytesPerPixel: 4 })).toBe(12);
    // Tile 3 is the pixel (2, 2); tile 1 the pixels (2, 0) and (2, 1).
    expect([...out]).toEqual([34, 33, 32, 255, 10, 9, 8, 255, 22, 21, 20, 255]);
    const small = new Uint8Array(11).fill(0xee);
    const options = { out: small, outOffset: 1, tileIndices, bytesPerPixel: 3 } as const;
    expect(packTiles({ ...place, ...options })).toBe(9);
    expect([...small]).toEqual([0xee, 34, 33, 32, 10, 9, 8, 22, 21, 20, 0xee]);
    expect(packTiles({ ...place, ...options, count: 1 })).toBe(3);
  });

  test('equals the reference for any picture and any list of tiles', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom(1, 7, 64),
        fc.constantFrom(3, 4),
        fc.array(fc.nat(), { maxLength: 20 }),
        (widthPx, heightPx, tilePx, bytesPerPixel, picks) => {
          const tiles = Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx);
          const picture = noise(widthPx * heightPx * 4, widthPx);
          const tileIndices = Uint32Array.from(picks, (pick) => pick % tiles);
          const place = { picture, picturePitchBytes: widthPx * 4, widthPx, heightPx, tilePx };
          const options = { ...place, tileIndices, bytesPerPixel } as const;
          const out = new Uint8Array(20 * tilePx * tilePx * 4);
          const expected = out.slice();
          const written = packTiles({ ...options, out });
          expect(packTiles({ ...options, out: expected, reference: true })).toBe(written);
          expect(Buffer.compare(out, expected)).toBe(0);
          expect(out.subarray(written).every((byte) => byte === 0)).toBe(true);
          // Exactly the room that is needed is enough, and one byte less is refused.
          expect(packTiles({ ...options, out: out.subarray(0, written) })).toBe(written);
          if (written === 0) return;
          const tight = { ...options, out: out.subarray(0, written - 1) };
          expect(thrownBy(() => packTiles(tight)).code).toBe('ERR_KVMFR_BOUNDS');
        },
      ),
      { numRuns: 200 },
    );
  });

  test('refuses a tile that the picture does not have', () => {
    const s = screen('BGRA', 65, 64, 64);
    const out = new Uint8Array(100_000);
    const options = { ...s, out, bytesPerPixel: 4 } as const;
    const tileIndices = Uint32Array.of(0, 2);
    expect(thrownBy(() => packTiles({ ...options, tileIndices })).code).toBe('ERR_KVMFR_BOUNDS');
  });
});

describe('ranges and arguments', () => {
  const s = { ...screen('RGB_24', 64, 64, 64), serial: 2 };

  test.each([
    ['the source ends a byte early', { src: s.src.subarray(1) }],
    ['the source starts a byte late', { srcOffset: 1 }],
    ['the source pitch is one too large', { srcPitchBytes: s.srcPitchBytes + 1 }],
    ['source rows would overlap', { srcPitchBytes: s.srcPitchBytes - 1 }],
    ['the picture ends a byte early', { picture: s.picture.subarray(1) }],
    ['the picture pitch is one too large', { picturePitchBytes: s.picturePitchBytes + 1 }],
    ['the picture is larger than its memory', { heightPx: 65, height: 65 }],
    ['sizes multiply beyond 2^32', { widthPx: 65536, heightPx: 65536, picturePitchBytes: 262144 }],
    ['sizes multiply beyond 2^64', { heightPx: 2 ** 32 - 1, picturePitchBytes: 2 ** 32 - 1 }],
    ['there are fewer serials than tiles', { tilePx: 32 }],
    ['the offset is beyond 2^32', { srcOffset: 2 ** 40 }],
  ])('updateTiles refuses when %s', (_, change) => {
    const before = s.picture.slice();
    expect(thrownBy(() => updateTiles({ ...s, ...change })).code).toBe('ERR_KVMFR_BOUNDS');
    expect(s.picture).toEqual(before);
  });

  test.each([
    { tilePx: 0 },
    { x: -1 },
    { y: 0.5 },
    { width: Number.NaN },
    { height: 2 ** 32 },
    { serial: -1 },
    { srcOffset: -1 },
    { srcOffset: 0.5 },
    { format: 'RGBA16F' },
    { format: 'constructor' },
    { src: new Uint16Array(9999) },
    { picture: undefined },
    { serials: new Int32Array(9) },
  ])('updateTiles takes no %o', (change) => {
    const options = { ...s, ...change };
    expect(thrownBy(() => Reflect.apply(updateTiles, undefined, [options])).code).toBe(
      'ERR_KVMFR_ARGUMENT',
    );
  });

  test('copyRows and convertRows refuse to leave either buffer', () => {
    const dst = new Uint8Array(64);
    const src = new Uint8Array(64);
    const at = { dst, dstOffset: 0, dstPitchBytes: 16, src, srcOffset: 0, srcPitchBytes: 16 };
    const shapes = [
      { rowBytes: 16, rows: 5 },
      { rowBytes: 17, rows: 4 },
      { rowBytes: 16, rows: 4, dstOffset: 1 },
      { rowBytes: 16, rows: 4, srcOffset: 1 },
      { rowBytes: 2 ** 32 - 1, rows: 2 ** 32 - 1, dstPitchBytes: 2 ** 32 - 1 },
    ];
    for (const shape of shapes) {
      expect(thrownBy(() => copyRows({ ...at, ...shape })).code).toBe('ERR_KVMFR_BOUNDS');
    }
    const pixels = [
      { widthPx: 4, rows: 5 },
      { widthPx: 5, rows: 4 },
      { widthPx: 2 ** 32 - 1, rows: 1 },
    ];
    for (const shape of pixels) {
      const options = { ...at, ...shape, format: 'BGRA' } as const;
      expect(thrownBy(() => convertRows(options)).code).toBe('ERR_KVMFR_BOUNDS');
    }
    copyRows({ ...at, rowBytes: 16, rows: 4 });
    convertRows({ ...at, widthPx: 4, rows: 4, format: 'BGRA' });
  });

  test('packTiles takes 3 or 4 bytes per pixel and as many tiles as there are', () => {
    const tileIndices = Uint32Array.of(0);
    const options = { ...s, out: new Uint8Array(99_999), tileIndices };
    for (const change of [{ bytesPerPixel: 2 }, { bytesPerPixel: 4, out: [] }]) {
      const args = [{ ...options, ...change }];
      expect(thrownBy(() => Reflect.apply(packTiles, undefined, args)).code).toBe(
        'ERR_KVMFR_ARGUMENT',
      );
    }
    for (const change of [{ count: 2 }, { outOffset: -1 }, { outOffset: 100_000 }]) {
      const error = thrownBy(() => packTiles({ ...options, bytesPerPixel: 4, ...change }));
      expect(error.code).toBe('ERR_KVMFR_BOUNDS');
    }
  });

  test('the variant in use has a name', () => {
    expect(kernelVariant()).toMatch(/^(avx2|portable)$/);
  });
});
