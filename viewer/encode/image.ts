import sharp, { type Sharp } from 'sharp';
import type { PictureView } from '../../client/tiles/view.ts';
import { packTiles } from '../../native/index.ts';
import { KvmfrError } from '../../protocol/error.ts';
import type { Rect } from '../../protocol/rect.ts';

const BYTES_PER_PIXEL = 3;
const WHOLE: Uint32Array = Uint32Array.of(0);

/** A copy of a part of a picture: R, G, B, row by row without padding. */
export interface RgbImage {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
}

/**
 * Copies a rect of a picture.
 *
 * Ownership: the copy is the caller's.
 *
 * @param rect must lie in the picture
 */
export function copyRect(picture: PictureView, rect: Rect): RgbImage {
  const pixels = new Uint8Array(rect.width * rect.height * BYTES_PER_PIXEL);
  // The rect is a picture of a single tile, so the tile packer copies it whole.
  packTiles({
    out: pixels,
    picture: picture.pixels.subarray(rect.y * picture.pitchBytes + rect.x * 4),
    picturePitchBytes: picture.pitchBytes,
    widthPx: rect.width,
    heightPx: rect.height,
    tilePx: Math.max(rect.width, rect.height),
    tileIndices: WHOLE,
    bytesPerPixel: BYTES_PER_PIXEL,
  });
  return { widthPx: rect.width, heightPx: rect.height, pixels };
}

/** How exact a JPEG is. */
export interface JpegOptions {
  /** 1 to 100. */
  readonly quality: number;
  readonly chromaSubsampling: '4:2:0' | '4:4:4';
}

function read(image: RgbImage): Sharp {
  const { widthPx: width, heightPx: height, pixels } = image;
  return sharp(pixels, { raw: { width, height, channels: BYTES_PER_PIXEL } });
}

/** An image as a JPEG file. @throws ERR_KVMFR_IMAGE */
export async function encodeJpeg(image: RgbImage, options: JpegOptions): Promise<Uint8Array> {
  return await coded(
    image,
    'JPEG',
    read(image)
      // Tables of its own for each picture would take longer than all the rest, for 5 % of the bytes.
      .jpeg({ ...options, optimiseCoding: false })
      .toBuffer(),
  );
}

/**
 * An image as a PNG file, exact to the bit.
 *
 * @param turns quarter turns clockwise that it is shown by: those of the picture, so that a person
 *   sees what the guest's screen shows
 * @throws ERR_KVMFR_IMAGE
 */
export async function encodePng(image: RgbImage, turns = 0): Promise<Uint8Array> {
  const upright = turns % 4 === 0 ? read(image) : read(image).rotate((turns % 4) * 90);
  return await coded(image, 'PNG', upright.png({ compressionLevel: 3 }).toBuffer());
}

async function coded(
  image: RgbImage,
  kind: string,
  file: Promise<Uint8Array>,
): Promise<Uint8Array> {
  try {
    return await file;
  } catch (cause) {
    throw new KvmfrError(
      'ERR_KVMFR_IMAGE',
      `a picture of ${image.widthPx} x ${image.heightPx} could not be written as ${kind}`,
      { cause },
    );
  }
}
