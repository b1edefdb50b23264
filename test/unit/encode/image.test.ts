import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { copyRect, encodePng } from '../../../viewer/encode/index.ts';
import { Screen } from '../tiles/guest.ts';
import { pictureOf } from './pictures.ts';

describe('copyRect()', () => {
  it.each([
    [0, 0, 100, 70],
    [3, 5, 1, 1],
    [99, 0, 1, 70],
    [10, 60, 90, 10],
  ])('copies the pixels at %i,%i of %i x %i', async (x, y, width, height) => {
    const screen = new Screen(100, 70);
    screen.noise(9);
    const image = copyRect(await pictureOf(screen), { x, y, width, height });
    expect([image.widthPx, image.heightPx]).toEqual([width, height]);
    for (let row = 0; row < height; row++) {
      const from = ((y + row) * 100 + x) * 3;
      const expected = screen.rgb.subarray(from, from + width * 3);
      const found = image.pixels.subarray(row * width * 3, (row + 1) * width * 3);
      expect(Buffer.compare(found, expected)).toBe(0);
    }
  });
});

describe('encodePng()', () => {
  it('writes a file that has exactly these pixels', async () => {
    const screen = new Screen(101, 67);
    screen.noise(3);
    const rect = { x: 0, y: 0, width: 101, height: 67 };
    const png = await encodePng(copyRect(await pictureOf(screen), rect));
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 101, height: 67, channels: 3 });
    expect(Buffer.compare(data, screen.rgb)).toBe(0);
  });

  it('says what it could not write', async () => {
    const image = { widthPx: 10, heightPx: 10, pixels: new Uint8Array(3) };
    await expect(encodePng(image)).rejects.toMatchObject({
      code: 'ERR_KVMFR_IMAGE',
      message: expect.stringContaining('10 x 10'),
    });
  });
});
