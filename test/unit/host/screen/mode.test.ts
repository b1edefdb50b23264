import { describe, expect, it } from 'vitest';
import { visibleScreen } from '../../../../host/screen/mode.ts';
import { modeOf } from '../../../support/file-frame-buffer.ts';

const EIGHT = (offset: number) => ({ offset, length: 8 });

describe('visibleScreen()', () => {
  it.each([
    [{}, 'BGRA', 4],
    [{ red: EIGHT(0), blue: EIGHT(16) }, 'RGBA', 4],
    [{ bitsPerPixel: 24, pitchBytes: 200 }, 'BGR_32', 3],
    [{ bitsPerPixel: 24, pitchBytes: 200, red: EIGHT(0), blue: EIGHT(16) }, 'RGB_24', 3],
    [{ visual: 4 }, 'BGRA', 4],
  ] as const)('%j is %s', (mode, format, pixelBytes) => {
    const found = visibleScreen(modeOf(64, 3, mode), '/dev/fb0');
    const { pitchBytes } = modeOf(64, 3, mode);
    const usedBytes = 2 * pitchBytes + 64 * pixelBytes;
    expect(found).toEqual({
      ...{ format, widthPx: 64, heightPx: 3, pitchBytes, offsetBytes: 0, usedBytes },
    });
  });

  it('begins where the console has been moved to', () => {
    const mode = modeOf(64, 3, { offsetX: 2, offsetY: 5, pitchBytes: 512, memoryBytes: 4096 });
    expect(visibleScreen(mode, 'x')).toMatchObject({
      offsetBytes: 5 * 512 + 8,
      usedBytes: 7 * 512 + 8 + 256,
    });
  });

  it('refuses 16 bits by their names, and says what helps', () => {
    const mode = modeOf(64, 3, {
      bitsPerPixel: 16,
      red: { offset: 11, length: 5 },
      green: { offset: 5, length: 6 },
      blue: { offset: 0, length: 5 },
    });
    expect(() => visibleScreen(mode, '/dev/fb7')).toThrow(
      expect.objectContaining({
        code: 'ERR_KVMFR_FORMAT',
        path: '/dev/fb7',
        message:
          'the frame buffer /dev/fb7 must have 24 or 32 bits a pixel, 8 each of red, green and blue, but has 16 (red 5 at 11, green 6 at 5, blue 5 at 0, type 0, visual 2)',
        hint: expect.stringContaining('video='),
      }),
    );
  });

  it.each([
    { type: 1 },
    { visual: 3 },
    { visual: 0 },
    { isGrey: true },
    { red: EIGHT(24) },
    { green: EIGHT(0) },
    { red: { offset: 20, length: 10 } },
    { bitsPerPixel: 8 },
    { bitsPerPixel: 48 },
  ])('refuses %j', (mode) => {
    expect(() => visibleScreen(modeOf(64, 3, mode), 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_FORMAT' }),
    );
  });

  it.each([
    [{ pitchBytes: 255 }, /64 pixels from column 0 .* rows have 255 bytes/],
    [{ offsetX: 1 }, /64 pixels from column 1 .* rows have 256 bytes/],
    [{ memoryBytes: 767 }, /ends at byte 768, but its memory has 767/],
    [{ offsetY: 0xffff_ffff }, /ends at byte 1099511628288, but/],
    [{ widthPx: 0 }, /1 to 32768 pixels, but it has 0 x 3/],
    [{ heightPx: 40_000 }, /but it has 64 x 40000/],
  ])('refuses a mode that contradicts itself: %j', (mode, says) => {
    expect(() => visibleScreen(modeOf(64, 3, mode), 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_BOUNDS', message: expect.stringMatching(says) }),
    );
  });
});
