import { KvmfrError } from '../../../../protocol/error.ts';
import { IMAGE_KINDS, type ImageMessage, wireError } from '../../../../protocol/wire/index.ts';
import { plainBytes } from './bytes.ts';

/** Turns an image file into a bitmap; the browser's `createImageBitmap`, or a test's. */
export type MakeBitmap = (file: Blob, options: ImageBitmapOptions) => Promise<ImageBitmap>;

/**
 * Width and height that a PNG or JPEG file says it has, read before anything is allocated for it.
 *
 * @throws ERR_KVMFR_WIRE when the file is neither
 */
export function imageSize(
  kind: number,
  file: Uint8Array,
): { readonly width: number; readonly height: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return kind === IMAGE_KINDS.png ? pngSize(view) : jpegSize(view);
}

const PNG_SIGNATURE_HIGH = 0x89504e47;
const PNG_SIGNATURE_LOW = 0x0d0a1a0a;
const PNG_IHDR = 0x49484452;

function pngSize(view: DataView): { readonly width: number; readonly height: number } {
  if (
    view.byteLength < 24 ||
    view.getUint32(0) !== PNG_SIGNATURE_HIGH ||
    view.getUint32(4) !== PNG_SIGNATURE_LOW ||
    view.getUint32(12) !== PNG_IHDR
  )
    throw wireError('an image of kind 2 must be a PNG file');
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

function jpegSize(view: DataView): { readonly width: number; readonly height: number } {
  const end = view.byteLength;
  if (end < 4 || view.getUint16(0) !== 0xffd8)
    throw wireError('an image of kind 1 must be a JPEG file');
  let at = 2;
  while (at + 4 <= end) {
    const marker = view.getUint16(at);
    if (marker >> 8 !== 0xff) break;
    // Start of frame: C0 to CF, without the Huffman, arithmetic and reserved markers among them.
    const isFrame =
      marker >= 0xffc0 &&
      marker <= 0xffcf &&
      marker !== 0xffc4 &&
      marker !== 0xffc8 &&
      marker !== 0xffcc;
    if (isFrame && at + 9 <= end)
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    at += 2 + Math.max(2, view.getUint16(at + 2));
  }
  throw wireError('a JPEG file must have a frame header');
}

/**
 * Decodes the image of a message that has already been checked against its picture.
 *
 * Ownership: the caller closes the bitmap.
 *
 * @throws ERR_KVMFR_WIRE when it is not an image of exactly its rect
 */
export async function decodeBitmap(
  message: ImageMessage,
  makeBitmap: MakeBitmap,
): Promise<ImageBitmap> {
  const { rect, kind, data } = message;
  const size = imageSize(kind, data);
  if (size.width !== rect.width || size.height !== rect.height)
    throw wireError(
      `an image for ${rect.width} x ${rect.height} pixels must have them, but has ${size.width} x ${size.height}`,
    );
  const type = kind === IMAGE_KINDS.png ? 'image/png' : 'image/jpeg';
  try {
    // The samples are already the guest's: a conversion between profiles could only change them.
    return await makeBitmap(new Blob([plainBytes(data)], { type }), {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
    });
  } catch (cause) {
    throw new KvmfrError('ERR_KVMFR_WIRE', `an ${type} image could not be decoded`, { cause });
  }
}
