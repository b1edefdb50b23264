import { describe, expect, it } from 'vitest';
import {
  defaultPitchBytes,
  type PublishedFormat,
  packPicture,
  packPixels,
} from '../../../host/index.ts';
import { countingPicture } from './fixture.ts';

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
      };
      out.set(bytes[format], y * pitchBytes + x * bytes[format].length);
    }
  return out;
}

const FORMATS = ['BGRA', 'RGBA', 'BGR_32', 'RGB_24'] as const;

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
    const target = new Uint8Array(96 * 10).fill(0xaa);
    packPixels({
      source: bgra,
      sourcePitchBytes: 80,
      target,
      targetPitchBytes: 96,
      format,
      x: 3,
      y: 4,
      width: 7,
      height: 5,
    });
    const whole = naive(bgra, 20, 10, format, 96);
    const step = format === 'BGR_32' || format === 'RGB_24' ? 3 : 4;
    for (let y = 0; y < 10; y++)
      for (let at = 0; at < 96; at++) {
        const inside = y >= 4 && y < 9 && at >= 3 * step && at < 10 * step;
        expect(target[y * 96 + at]).toBe(inside ? whole[y * 96 + at] : 0xaa);
      }
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
  ] as const)('of %s, %i pixels wide, is %i', (format, widthPx, expected) => {
    expect(defaultPitchBytes(format, widthPx)).toBe(expected);
  });
});
