import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage, IMAGE_KINDS, readEnvelope } from '../../../protocol/wire/index.ts';
import { JpegEncoder } from '../../../viewer/encode/index.ts';
import { Screen } from '../tiles/guest.ts';
import { messagesOf, pictureOf } from './pictures.ts';

/** A screen with slow gradients, which a JPEG keeps nearly exact. */
function gradient(widthPx: number, heightPx: number): Screen {
  const screen = new Screen(widthPx, heightPx);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++)
      screen.rgb.set(
        [(x * 255) / widthPx, (y * 255) / heightPx, ((x + y) * 255) / (widthPx + heightPx)],
        (y * widthPx + x) * 3,
      );
  return screen;
}

async function drawImages(
  messages: readonly Uint8Array[],
  size: { readonly widthPx: number; readonly heightPx: number },
  rgb: Uint8Array,
): Promise<void> {
  for (const message of messages) {
    const { rect, data } = decodeImage(readEnvelope(message), size);
    const pixels = await sharp(data).raw().toBuffer();
    expect(pixels.byteLength).toBe(rect.width * rect.height * 3);
    for (let y = 0; y < rect.height; y++)
      rgb.set(
        pixels.subarray(y * rect.width * 3, (y + 1) * rect.width * 3),
        ((rect.y + y) * size.widthPx + rect.x) * 3,
      );
  }
}

function worstDifference(a: Uint8Array, b: Uint8Array): number {
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  return worst;
}

describe('JpegEncoder', () => {
  it('brings a viewer close to the picture, in images that cover it', async () => {
    const screen = gradient(1500, 900);
    const picture = await pictureOf(screen);
    const encoder = new JpegEncoder({ quality: 95, chromaSubsampling: '4:4:4' });
    const messages = await messagesOf(encoder.encode(picture, 0));
    expect(messages.length).toBeGreaterThan(1);
    const rgb = new Uint8Array(screen.rgb.length);
    await drawImages(messages, screen, rgb);
    expect(worstDifference(rgb, screen.rgb)).toBeLessThan(16);
    const heads = messages.map((message) => decodeImage(readEnvelope(message), screen));
    expect(heads.every((head) => head.kind === IMAGE_KINDS.jpeg)).toBe(true);
    expect(heads.map((head) => head.last)).toEqual(
      heads.map((_, index) => index === heads.length - 1),
    );
    await encoder.close();
  });

  it('sends the changed corner only', async () => {
    const screen = gradient(1500, 900);
    const picture = await pictureOf(screen);
    const encoder = new JpegEncoder();
    const from = picture.serial;
    screen.fill({ x: 1480, y: 890, width: 20, height: 10 }, [255, 0, 0]);
    await picture.update(screen.frame());
    const [message, ...more] = await messagesOf(encoder.encode(picture, from));
    expect(more).toEqual([]);
    const image = decodeImage(readEnvelope(message ?? new Uint8Array()), screen);
    expect(image).toMatchObject({
      epoch: picture.epoch,
      serial: picture.serial,
      last: true,
      rect: { x: 1472, y: 832, width: 28, height: 68 },
    });
    await encoder.close();
  });

  it('tells of every tile that its images draw over, also of those nobody asked for', async () => {
    const picture = await pictureOf(gradient(300, 200));
    const encoder = new JpegEncoder();
    // Five columns of 64 pixels: a square of which one tile is not asked for.
    const update = encoder.encodeTiles(picture, Uint32Array.of(0, 1, 5), 3);
    const [message, ...more] = await messagesOf(update);
    expect(more).toEqual([]);
    const { rect } = decodeImage(readEnvelope(message ?? new Uint8Array()), picture.grid);
    expect(rect).toEqual({ x: 0, y: 0, width: 128, height: 128 });
    expect(update).toMatchObject({ tiles: Uint32Array.of(0, 1, 5, 6), tileCount: 4, exact: false });
    await encoder.close();
  });

  it('halves the resolution of colours unless told otherwise', async () => {
    const picture = await pictureOf(gradient(128, 128));
    for (const [options, expected] of [
      [{}, '4:2:0'],
      [{ chromaSubsampling: '4:4:4' }, '4:4:4'],
    ] as const) {
      const encoder = new JpegEncoder(options);
      const [message] = await messagesOf(encoder.encode(picture, 0));
      const { data } = decodeImage(readEnvelope(message ?? new Uint8Array()), picture.grid);
      expect((await sharp(data).metadata()).chromaSubsampling).toBe(expected);
      await encoder.close();
    }
  });

  it.each([0, 101, 1.5, Number.NaN])('refuses quality %d', (quality) => {
    expect(() => new JpegEncoder({ quality })).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });
});
