import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  convertToI420,
  createSharedMemory,
  createToneMap,
  type I420Planes,
  i420ByteLength,
  i420Planes,
  type KernelFormat,
  type ToneMapTable,
  updateTiles,
} from '../../../native/index.ts';
import { addon } from '../../../native/load.ts';
import { thrownBy } from './scratch.ts';

const CANARY = 0xa5;
const VARIANTS = [{}, { portable: true }, { reference: true }] as const;
const SOURCES: readonly (readonly [KernelFormat, number, ToneMapTable | undefined])[] = [
  ['BGRA', 4, undefined],
  ['RGBA', 4, undefined],
  ['BGR_32', 3, undefined],
  ['RGB_24', 3, undefined],
  ['RGBA10', 4, undefined],
  ['RGBA10', 4, createToneMap({ transfer: 'pq', gain: 50, peak: 5 })],
  ['RGBA10', 4, createToneMap({ transfer: 'linear', gain: 1, peak: 1 })],
  ['RGBA16F', 8, createToneMap({ transfer: 'scrgb', gain: 0.4, peak: 5 })],
];

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

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Canaries around planes with the paddings given. */
function planesOf(size: Size, paddings: readonly [number, number, number] = [0, 0, 0]): I420Planes {
  const chroma = { widthPx: Math.ceil(size.widthPx / 2), heightPx: Math.ceil(size.heightPx / 2) };
  const plane = ({ widthPx, heightPx }: Size, padding: number): I420Planes['y'] => {
    const pitchBytes = widthPx + padding;
    const offset = padding;
    const byteLength = offset + pitchBytes * (heightPx - 1) + widthPx;
    return { bytes: new Uint8Array(byteLength).fill(CANARY), offset, pitchBytes };
  };
  return {
    y: plane(size, paddings[0]),
    u: plane(chroma, paddings[1]),
    v: plane(chroma, paddings[2]),
  };
}

const bytesOf = ({ y, u, v }: I420Planes): Buffer => Buffer.concat([y.bytes, u.bytes, v.bytes]);

function at(plane: I420Planes['y'], x: number, y: number): number {
  return plane.bytes[plane.offset + y * plane.pitchBytes + x] ?? Number.NaN;
}

/** Arithmetic without rounding: Y of a pixel, and U and V of a mean colour. */
function exactly(b: number, g: number, r: number): readonly [number, number, number] {
  const luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const scale = 224 / 255;
  return [
    16 + (luma * 219) / 255,
    128 + ((b - luma) / 1.8556) * scale,
    128 + ((r - luma) / 1.5748) * scale,
  ];
}

/** The whole picture, by the reference. */
function whole(picture: Uint8Array, size: Size): I420Planes {
  const planes = planesOf(size);
  const { widthPx, heightPx } = size;
  const rect = { x: 0, y: 0, width: widthPx, height: heightPx };
  const place = { picture, picturePitchBytes: widthPx * 4, ...size };
  convertToI420({ ...place, ...rect, planes, reference: true });
  return planes;
}

describe('convertToI420', () => {
  test.each([
    ['white', [255, 255, 255], [235, 128, 128]],
    ['black', [0, 0, 0], [16, 128, 128]],
    ['red', [0, 0, 255], [63, 102, 240]],
    ['green', [0, 255, 0], [173, 42, 26]],
    ['blue', [255, 0, 0], [32, 240, 118]],
    ['grey', [128, 128, 128], [126, 128, 128]],
  ] as const)('%s is what BT.709 says, in limited range', (_, colour, [y, u, v]) => {
    const size = { widthPx: 70, heightPx: 2 };
    // The fourth byte is ignored.
    const picture = Uint8Array.from({ length: 70 * 2 * 4 }, (_, i) => colour[i % 4] ?? i);
    for (const variant of VARIANTS) {
      const planes = planesOf(size);
      const rect = { x: 0, y: 0, width: 70, height: 2 };
      convertToI420({ picture, picturePitchBytes: 280, ...size, ...rect, planes, ...variant });
      expect(new Set(planes.y.bytes)).toEqual(new Set([y]));
      expect(new Set(planes.u.bytes)).toEqual(new Set([u]));
      expect(new Set(planes.v.bytes)).toEqual(new Set([v]));
    }
  });

  test('U and V are of the average colour of two by two pixels; at odd edges, of what is there', () => {
    // Blue alone, so that U says how much of it there is: 0, 100, 200 / 40, 60, 250 / 8, 0, 16.
    const blues = [0, 100, 200, 40, 60, 250, 8, 0, 16];
    const picture = Uint8Array.from({ length: 36 }, (_, i) =>
      i % 4 === 0 ? (blues[i / 4] ?? 0) : 0,
    );
    const planes = whole(picture, { widthPx: 3, heightPx: 3 });
    const u = (blue: number): number => Math.round(128 + (blue / 2) * (224 / 255));
    expect([...planes.u.bytes]).toEqual([u(50), u(225), u(4), u(16)]);
  });

  test('the reference is within 0.54 of Y and 0.51 of U and V in exact arithmetic', () => {
    const size = { widthPx: 301, heightPx: 301 };
    for (let seed = 0; seed < 10; seed++) {
      const picture = noise(301 * 301 * 4, seed);
      // Flat, dark and bright blocks as well.
      if (seed % 2 === 1) {
        for (let i = 0; i < picture.length; i++) picture[i] = (picture[i] ?? 0) < 128 ? 0 : 255;
      }
      const planes = whole(picture, size);
      let worst = [0, 0, 0];
      const far = (i: number, found: number, truth: number): void => {
        worst = worst.with(i, Math.max(worst[i] ?? 0, Math.abs(found - truth)));
      };
      const pixel = (x: number, y: number, i: number): number =>
        picture[(Math.min(y, 300) * 301 + Math.min(x, 300)) * 4 + i] ?? Number.NaN;
      for (let y = 0; y < 301; y++) {
        for (let x = 0; x < 301; x++) {
          const [luma] = exactly(pixel(x, y, 0), pixel(x, y, 1), pixel(x, y, 2));
          far(0, at(planes.y, x, y), luma);
          if (x % 2 === 1 || y % 2 === 1) continue;
          const mean = (i: number): number =>
            (pixel(x, y, i) + pixel(x + 1, y, i) + pixel(x, y + 1, i) + pixel(x + 1, y + 1, i)) / 4;
          const [, u, v] = exactly(mean(0), mean(1), mean(2));
          far(1, at(planes.u, x / 2, y / 2), u);
          far(2, at(planes.v, x / 2, y / 2), v);
        }
      }
      expect(worst[0]).toBeLessThanOrEqual(0.54);
      expect(worst[1]).toBeLessThanOrEqual(0.51);
      expect(worst[2]).toBeLessThanOrEqual(0.51);
    }
  });

  test('every size from 1 to 67, whole: all variants are the same, and write nothing else', () => {
    for (let widthPx = 1; widthPx <= 67; widthPx++) {
      for (let heightPx = 1 + (widthPx % 3); heightPx <= 67; heightPx += 3) {
        const size = { widthPx, heightPx };
        const paddings = [widthPx % 5, heightPx % 4, (widthPx + heightPx) % 3] as const;
        const pitch = widthPx * 4 + (heightPx % 7);
        const picture = noise(pitch * (heightPx - 1) + widthPx * 4, widthPx * 67 + heightPx);
        const place = { picture, picturePitchBytes: pitch, ...size };
        const rect = { x: 0, y: 0, width: widthPx, height: heightPx };
        const [best, portable, reference] = VARIANTS.map((variant) => {
          const planes = planesOf(size, paddings);
          convertToI420({ ...place, ...rect, planes, ...variant });
          return planes;
        });
        if (!best || !portable || !reference) return expect.fail('three variants');
        expect(bytesOf(best).equals(bytesOf(reference))).toBe(true);
        expect(bytesOf(portable).equals(bytesOf(reference))).toBe(true);
        for (const { bytes, offset, pitchBytes } of [reference.y, reference.u, reference.v]) {
          const rowBytes = pitchBytes - offset;
          for (let i = 0; i < bytes.length; i++) {
            const inRow = i >= offset && (i - offset) % pitchBytes < rowBytes;
            if (!inRow && bytes[i] !== CANARY) expect.fail(`byte ${i} of the padding was written`);
          }
        }
      }
    }
  });

  test('any rect: is that part of the whole, and the rest stays', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 150 }),
        fc.integer({ min: 1, max: 40 }),
        fc.tuple(fc.nat(160), fc.nat(50), fc.nat(160), fc.nat(50)),
        fc.constantFrom(...VARIANTS),
        (widthPx, heightPx, [left, top, right, bottom], variant) => {
          const size = { widthPx, heightPx };
          const picture = noise(widthPx * heightPx * 4, widthPx);
          const untouched = picture.slice();
          const even = (value: number): number => value - (value % 2);
          const rect = { x: even(left), y: even(top), width: even(right), height: even(bottom) };
          // Odd ones reach beyond the edge.
          if (rect.x + right >= widthPx) rect.width = right;
          if (rect.y + bottom >= heightPx) rect.height = bottom;
          const planes = planesOf(size, [1, 2, 3]);
          const place = { picture, picturePitchBytes: widthPx * 4, ...size };
          convertToI420({ ...place, ...rect, planes, ...variant });
          const all = whole(picture, size);
          const inside = (x: number, y: number): boolean =>
            x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
          for (let y = 0; y < heightPx; y++) {
            for (let x = 0; x < widthPx; x++) {
              expect(at(planes.y, x, y)).toBe(inside(x, y) ? at(all.y, x, y) : CANARY);
              if (x % 2 === 1 || y % 2 === 1) continue;
              const [u, v] = inside(x, y)
                ? [at(all.u, x / 2, y / 2), at(all.v, x / 2, y / 2)]
                : [CANARY, CANARY];
              expect(at(planes.u, x / 2, y / 2)).toBe(u);
              expect(at(planes.v, x / 2, y / 2)).toBe(v);
            }
          }
          expect(Buffer.compare(picture, untouched)).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('planes one after the other take exactly the bytes that are told', () => {
    for (const [widthPx, heightPx, byteLength] of [
      [2, 2, 6],
      [3, 3, 17],
      [1920, 1080, 3_110_400],
    ] as const) {
      expect(i420ByteLength(widthPx, heightPx)).toBe(byteLength);
      const bytes = new Uint8Array(byteLength + 7).fill(CANARY);
      const planes = i420Planes(bytes, { widthPx, heightPx, offset: 7 });
      const picture = noise(widthPx * heightPx * 4, 1);
      const place = { picture, picturePitchBytes: widthPx * 4, widthPx, heightPx };
      convertToI420({ ...place, x: 0, y: 0, width: widthPx, height: heightPx, planes });
      expect(bytes.subarray(0, 7).every((byte) => byte === CANARY)).toBe(true);
      expect(bytesOf(whole(picture, { widthPx, heightPx })).equals(bytes.subarray(7))).toBe(true);
    }
  });
});

/** A black picture, its planes, and a frame of noise. */
function screen(
  [format, pixelBytes, toneMap]: (typeof SOURCES)[number],
  size: Size,
  tilePx: number,
  seed = 1,
) {
  const { widthPx, heightPx } = size;
  const tiles = Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx);
  const picture = new Uint8Array(widthPx * heightPx * 4);
  return {
    picture,
    picturePitchBytes: widthPx * 4,
    widthPx,
    heightPx,
    tilePx,
    serials: new Uint32Array(tiles).fill(1),
    src: noise(widthPx * heightPx * pixelBytes, seed),
    srcOffset: 0,
    srcPitchBytes: widthPx * pixelBytes,
    format,
    toneMap,
    x: 0,
    y: 0,
    width: widthPx,
    height: heightPx,
    i420: whole(picture, size),
  };
}

describe('updateTiles to I420', () => {
  test.each(SOURCES)('planes that follow the picture are the picture: %s', (...source) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 150 }),
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom(2, 16, 64),
        fc.constantFrom(...VARIANTS),
        fc.array(fc.tuple(fc.nat(160), fc.nat(80), fc.nat(160), fc.nat(80), fc.nat()), {
          minLength: 1,
          maxLength: 4,
        }),
        (widthPx, heightPx, tilePx, variant, steps) => {
          const size = { widthPx, heightPx };
          const s = screen(source, size, tilePx);
          const plain = { ...s, picture: s.picture.slice(), serials: s.serials.slice() };
          for (const [step, [x, y, width, height, flip]] of steps.entries()) {
            s.src[flip % s.src.length] = flip & 0xff;
            const rect = { x, y, width, height, serial: step + 2, ...variant };
            const changed = updateTiles({ ...s, ...rect });
            expect(updateTiles({ ...plain, ...rect, i420: undefined })).toBe(changed);
            expect(Buffer.compare(s.picture, plain.picture)).toBe(0);
            expect(s.serials).toEqual(plain.serials);
            expect(bytesOf(s.i420).equals(bytesOf(whole(s.picture, size)))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('whole tiles are written, and only those that changed', () => {
    const size = { widthPx: 40, heightPx: 24 };
    const s = screen(SOURCES[0] ?? expect.fail(), size, 16);
    updateTiles({ ...s, serial: 2 });
    // One pixel in the middle of the second tile; planes that do not follow the picture.
    s.src[(9 * 40 + 21) * 4] = 1 + (s.src[(9 * 40 + 21) * 4] ?? 0);
    const planes = planesOf(size, [3, 2, 1]);
    expect(updateTiles({ ...s, serial: 3, i420: planes })).toBe(1);
    const all = whole(s.picture, size);
    for (let y = 0; y < 24; y++) {
      for (let x = 0; x < 40; x++) {
        const inside = y < 16 && x >= 16 && x < 32;
        expect(at(planes.y, x, y)).toBe(inside ? at(all.y, x, y) : CANARY);
        const chroma = at(all.u, x >> 1, y >> 1);
        expect(at(planes.u, x >> 1, y >> 1)).toBe(inside ? chroma : CANARY);
      }
    }
    expect(updateTiles({ ...s, serial: 4, i420: planes })).toBe(0);
  });

  test.each([2, 16, 37, 64, 128])('a frame that arrives in bands of %d rows is as one', (rows) => {
    const size = { widthPx: 131, heightPx: 147 };
    for (const source of SOURCES) {
      const one = screen(source, size, 64);
      const bands = { ...screen(source, size, 64), src: one.src.slice() };
      updateTiles({ ...one, serial: 2 });
      for (let y = 0; y < 147; y += rows) {
        // What has not arrived is not looked at.
        const arrived = one.src.slice().fill(0xee, Math.min(y + rows, 147) * one.srcPitchBytes);
        updateTiles({ ...bands, src: arrived, serial: 2, y, height: rows });
      }
      expect(Buffer.compare(bands.picture, one.picture)).toBe(0);
      expect(bytesOf(bands.i420).equals(bytesOf(one.i420))).toBe(true);
    }
  });

  test('is of the picture, whatever a guest writes into its frame meanwhile', async () => {
    const size = { widthPx: 258, heightPx: 130 };
    const headBytes = 4096;
    const byteLength = headBytes + 258 * 130 * 8;
    using memory = createSharedMemory(byteLength);
    const script = fileURLToPath(new URL('./children/scribbler.mjs', import.meta.url));
    const worker = new Worker(script, { workerData: { path: memory.path, byteLength } });
    await once(worker, 'message');
    const words = new Uint32Array(memory.buffer);
    const src = new Uint8Array(memory.buffer);
    const screens = SOURCES.map((source) => screen(source, size, 64));
    // Updates during which the frame was written.
    let torn = 0;
    for (let serial = 2; torn < 50; serial++) {
      for (const s of screens) {
        const before = Atomics.load(words, 0);
        updateTiles({ ...s, src, srcOffset: headBytes, serial });
        if (Atomics.load(words, 0) !== before) torn++;
        expect(bytesOf(s.i420).equals(bytesOf(whole(s.picture, size)))).toBe(true);
      }
    }
    Atomics.store(words, 1, 1);
    await once(worker, 'exit');
  });
});

describe('arguments and ranges of I420', () => {
  const size = { widthPx: 33, heightPx: 17 };
  const place = { picture: new Uint8Array(33 * 17 * 4), picturePitchBytes: 132, ...size };
  const rect = { x: 0, y: 0, width: 33, height: 17 };
  const s = { ...screen(['BGRA', 4, undefined], size, 16), serial: 2 };
  const good = planesOf(size);

  const bad: readonly (readonly [string, I420Planes])[] = (['y', 'u', 'v'] as const).flatMap(
    (name) => {
      const plane = good[name];
      const change = (with_: object): I420Planes => ({ ...good, [name]: { ...plane, ...with_ } });
      return [
        [`${name} ends a byte early`, change({ bytes: plane.bytes.subarray(1) })],
        [`${name} starts a byte late`, change({ offset: 1 })],
        [`the pitch of ${name} is one too large`, change({ pitchBytes: plane.pitchBytes + 1 })],
        [`rows of ${name} overlap`, change({ pitchBytes: plane.pitchBytes - 1 })],
        [`the offset of ${name} is beyond 2^32`, change({ offset: 2 ** 40 })],
        [
          `offset and pitch of ${name} are huge`,
          change({ offset: 2 ** 53 - 1, pitchBytes: 2 ** 32 - 1 }),
        ],
        [`${name} is gone`, change({ bytes: new Uint8Array(0) })],
      ] as const;
    },
  );

  test.each(bad)('both refuse when %s', (_, planes) => {
    const before = [bytesOf(good), s.picture.slice()];
    expect(thrownBy(() => convertToI420({ ...place, ...rect, planes })).code).toBe(
      'ERR_KVMFR_BOUNDS',
    );
    expect(thrownBy(() => updateTiles({ ...s, i420: planes })).code).toBe('ERR_KVMFR_BOUNDS');
    expect([bytesOf(good), s.picture]).toEqual(before);
  });

  test.each(bad)('and so does the native module by itself when %s', (_, planes) => {
    const { y, u, v } = planes;
    const native = (o: I420Planes['y']) => [o.bytes, o.offset, o.pitchBytes] as const;
    const whole = [place.picture, 132, 33, 17, 0, 0, 33, 17, 0] as const;
    const all = [...native(y), ...native(u), ...native(v)] as const;
    expect(addon().convertToI420(...whole, ...all)).toBe(-1);
    const frame = [s.src, 0, 132, 0, 0, 0, 33, 17, 0, undefined] as const;
    const tiles = [s.picture, 132, 33, 17, 16, s.serials, 2] as const;
    expect(addon().updateTiles(...tiles, ...frame, ...all)).toBe(-1);
  });

  test.each([
    { planes: undefined },
    { planes: null },
    { planes: { y: good.y, u: good.u } },
    { planes: { ...good, u: { ...good.u, bytes: new Uint16Array(999) } } },
    { planes: { ...good, v: { ...good.v, bytes: undefined } } },
    { planes: { ...good, y: { ...good.y, offset: -1 } } },
    { planes: { ...good, y: { ...good.y, offset: 0.5 } } },
    { planes: { ...good, y: { ...good.y, pitchBytes: 2 ** 32 } } },
    { planes: { ...good, y: { ...good.y, pitchBytes: Number.NaN } } },
    { x: 1 },
    { y: 3, height: 2 },
    { width: 31 },
    { height: 3 },
    { x: -2 },
    { width: 2 ** 32 },
    { widthPx: 33.5 },
    { picture: undefined },
  ])('convertToI420 takes no %o', (change) => {
    const options = { ...place, ...rect, planes: good, ...change };
    expect(thrownBy(() => Reflect.apply(convertToI420, undefined, [options])).code).toBe(
      'ERR_KVMFR_ARGUMENT',
    );
  });

  test('convertToI420 refuses a picture that leaves its buffer', () => {
    for (const change of [
      { picture: place.picture.subarray(1) },
      { picturePitchBytes: 133 },
      { picturePitchBytes: 131 },
      { heightPx: 18 },
      { widthPx: 65536, heightPx: 65536, picturePitchBytes: 262144 },
    ]) {
      const options = { ...place, ...rect, planes: good, ...change };
      expect(thrownBy(() => convertToI420(options)).code).toBe('ERR_KVMFR_BOUNDS');
    }
  });

  test('a rect outside of the picture, or without pixels, converts nothing', () => {
    const planes = planesOf(size);
    for (const change of [{ x: 33 }, { y: 4000 }, { width: 0 }, { height: 0 }]) {
      convertToI420({ ...place, ...rect, planes, ...change });
    }
    expect(bytesOf(planes).every((byte) => byte === CANARY)).toBe(true);
  });

  test('updateTiles takes tiles of even sides only', () => {
    const serials = new Uint32Array(99);
    const error = thrownBy(() => updateTiles({ ...s, serials, tilePx: 15 }));
    expect(error.code).toBe('ERR_KVMFR_ARGUMENT');
    expect(error.message).toContain('even');
    updateTiles({ ...s, serials, tilePx: 15, i420: undefined });
  });
});
