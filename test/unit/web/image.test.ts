import { describe, expect, it } from 'vitest';
import { decodeBitmap, imageSize } from '../../../viewer/web/core/decode/image.ts';

const JPEG = 1;
const PNG = 2;

function pngHead(width: number, height: number): Uint8Array {
  const bytes = new Uint8Array(33);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return bytes;
}

// Start, a comment of 4 bytes, a table, then a progressive frame of 300 x 200.
const JPEG_HEAD = Uint8Array.of(
  ...[0xff, 0xd8],
  ...[0xff, 0xfe, 0x00, 0x06, 1, 2, 3, 4],
  ...[0xff, 0xc4, 0x00, 0x03, 9],
  ...[0xff, 0xc2, 0x00, 0x0b, 8, 0x00, 0xc8, 0x01, 0x2c, 1, 1, 0x11, 0],
);

function message(kind: number, data: Uint8Array, width: number, height: number) {
  const rect = { x: 0, y: 0, width, height };
  return { epoch: 1, serial: 1, last: true, kind, rect, data };
}

const never = (): never => {
  throw new Error('the browser must not be asked');
};

describe('imageSize()', () => {
  it('reads width and height of a PNG', () => {
    expect(imageSize(PNG, pngHead(640, 480))).toEqual({ width: 640, height: 480 });
  });

  it('finds the frame header of a JPEG behind other segments', () => {
    expect(imageSize(JPEG, JPEG_HEAD)).toEqual({ width: 300, height: 200 });
  });

  it('reads a file that does not begin at the start of its buffer', () => {
    const buffer = new Uint8Array(100);
    buffer.set(JPEG_HEAD, 7);
    expect(imageSize(JPEG, buffer.subarray(7, 7 + JPEG_HEAD.length))).toEqual({
      width: 300,
      height: 200,
    });
  });

  it.each([
    ['an empty PNG', PNG, new Uint8Array(0)],
    ['a JPEG sent as PNG', PNG, JPEG_HEAD],
    ['an empty JPEG', JPEG, new Uint8Array(0)],
    ['a PNG sent as JPEG', JPEG, pngHead(1, 1)],
    ['a JPEG that ends before its frame header', JPEG, JPEG_HEAD.slice(0, 17)],
    [
      'a JPEG with a segment of length 0 and nothing after',
      JPEG,
      Uint8Array.of(255, 216, 255, 224, 0, 0),
    ],
  ])('refuses %s', (_, kind, file) => {
    expect(() => imageSize(kind, file)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_WIRE' }),
    );
  });
});

describe('decodeBitmap()', () => {
  it('does not decode an image of another size than announced', async () => {
    await expect(
      decodeBitmap(message(PNG, pngHead(60000, 60000), 64, 64), never),
    ).rejects.toMatchObject({
      code: 'ERR_KVMFR_WIRE',
      message: 'an image for 64 x 64 pixels must have them, but has 60000 x 60000',
    });
  });

  it('asks for the samples as they are', async () => {
    const asked: ImageBitmapOptions[] = [];
    const types: string[] = [];
    const bitmap = { width: 300, height: 200, close: () => undefined };
    const made = await decodeBitmap(message(JPEG, JPEG_HEAD, 300, 200), async (file, options) => {
      types.push(file.type);
      asked.push(options);
      return bitmap;
    });
    expect(made).toBe(bitmap);
    expect(types).toEqual(['image/jpeg']);
    expect(asked).toEqual([{ colorSpaceConversion: 'none', premultiplyAlpha: 'none' }]);
  });

  it('names a file that the browser cannot decode', async () => {
    const fails = () => Promise.reject(new Error('InvalidStateError'));
    await expect(decodeBitmap(message(PNG, pngHead(8, 8), 8, 8), fails)).rejects.toMatchObject({
      code: 'ERR_KVMFR_WIRE',
      message: 'an image/png image could not be decoded',
    });
  });
});
