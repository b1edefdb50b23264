import { describe, expect, it } from 'vitest';
import {
  defaultPitchBytes,
  type PublishedFormat,
  packPicture,
  packPixels,
} from '../../../host/index.ts';
import { toHalf } from '../../../host/pack-deep.ts';
import { countingPicture } from './fixture.ts';

// Division and rounding as the words say them.
function tenBits(r: number, g: number, b: number, a: number): number[] {
  const [R = 0, G = 0, B = 0] = [r, g, b].map((v) => Math.round((v * 1023) / 255));
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(R + G * 2 ** 10 + B * 2 ** 20 + Math.round((a * 3) / 255) * 2 ** 30);
  return [...bytes];
}

// By trying every half float there is between 0 and 4.
const HALVES = Array.from({ length: 0x4401 }, (_, bits) => {
  const exponent = bits >> 10;
  const fraction = bits & 1023;
  return exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
});

function half(value: number): number {
  let best = 0;
  for (const [bits, of] of HALVES.entries()) {
    const closer = Math.abs(of - value) - Math.abs((HALVES[best] ?? 0) - value);
    if (closer < 0 || (closer === 0 && bits % 2 === 0)) best = bits;
  }
  return best;
}

const LINEAR = Array.from({ length: 256 }, (_, v) => {
  const s = v / 255;
  return half(((s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4) * 203) / 80);
});
const ALPHA = Array.from({ length: 256 }, (_, v) => half(v / 255));

function linearHalf(v: number): number {
  return LINEAR[v] ?? 0;
}

// Pixel by pixel, as the formats are described.
function naive(
  bgra: Uint8Array,
  widthPx: number,
  heightPx: number,
  format: PublishedFormat,
  pitchBytes: number,
): Uint8Array {
  const out = new Uint8Array(pitchBytes * heightPx);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const [b = 0, g = 0, r = 0, a = 0] = bgra.subarray((y * widthPx + x) * 4);
      const bytes = {
        BGRA: [b, g, r, a],
        RGBA: [r, g, b, a],
        BGR_32: [b, g, r],
        RGB_24: [r, g, b],
        RGBA10: tenBits(r, g, b, a),
        RGBA16F: [...[r, g, b].map(linearHalf), ALPHA[a] ?? 0].flatMap((v) => [v & 255, v >> 8]),
      };
      out.set(bytes[format], y * pitchBytes + x * bytes[format].length);
    }
  return out;
}

const FORMATS = ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F', 'BGR_32', 'RGB_24'] as const;

describe.each(FORMATS)('packPicture() of %s', (format) => {
  it('equals packing pixel by pixel at any width', () => {
    for (const widthPx of [1, 2, 3, 4, 5, 63, 64, 65, 85, 86, 255]) {
      const bgra = countingPicture(widthPx * 3 * 4, widthPx);
      const { pixels, pitchBytes } = packPicture({ bgra, widthPx, heightPx: 3, format });
      expect(pixels).toEqual(naive(bgra, widthPx, 3, format, pitchBytes));
    }
  });

  it('takes a longer pitch', () => {
    const bgra = countingPicture(10 * 2 * 4);
    const { pixels } = packPicture({ bgra, widthPx: 10, heightPx: 2, format, pitchBytes: 96 });
    expect(pixels).toEqual(naive(bgra, 10, 2, format, 96));
  });

  it('changes nothing outside of a rect', () => {
    const bgra = countingPicture(20 * 10 * 4);
    const target = new Uint8Array(192 * 10).fill(0xaa);
    packPixels({
      source: bgra,
      sourcePitchBytes: 80,
      target,
      targetPitchBytes: 192,
      format,
      x: 3,
      y: 4,
      width: 7,
      height: 5,
    });
    const whole = naive(bgra, 20, 10, format, 192);
    const step = format === 'RGBA16F' ? 8 : format === 'BGR_32' || format === 'RGB_24' ? 3 : 4;
    for (let y = 0; y < 10; y++)
      for (let at = 0; at < 192; at++) {
        const inside = y >= 4 && y < 9 && at >= 3 * step && at < 10 * step;
        expect(target[y * 192 + at]).toBe(inside ? whole[y * 192 + at] : 0xaa);
      }
  });
});

describe('half floats', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [0.1, 0x2e66],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [3 * 2 ** -25, 0x0002],
    [2 ** -14, 0x0400],
    [1 + 1 / 2048, 0x3c00],
    [1 + 3 / 2048, 0x3c02],
    [2047.9999, 0x6800],
    [65504, 0x7bff],
    [65519.9, 0x7bff],
    [65520, 0x7c00],
    [Number.NaN, 0x7e00],
  ])('of %f are exact', (value, bits) => {
    expect(toHalf(value)).toBe(bits);
  });
});

describe('defaultPitchBytes()', () => {
  it.each([
    ['BGRA', 1366, 5464],
    ['RGBA', 1, 4],
    // roundUp(roundUp(3 * 1920, 4) / 4, 64) words
    ['BGR_32', 1920, 5888],
    ['BGR_32', 1366, 4352],
    ['BGR_32', 1, 256],
    ['RGB_24', 1920, 5760],
    ['RGB_24', 1366, 4104],
    ['RGBA10', 1366, 5464],
    ['RGBA16F', 1366, 10928],
  ] as const)('of %s, %i pixels wide, is %i', (format, widthPx, expected) => {
    expect(defaultPitchBytes(format, widthPx)).toBe(expected);
  });
});
