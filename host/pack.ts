import { KvmfrError, type PixelFormat, rowBytes, unitBytes } from '../protocol/index.ts';
import { type PackRow, packHalfRow, packTenBitRow } from './pack-deep.ts';

/** The pixel formats this publisher can send. */
export type PublishedFormat = PixelFormat;

/** The pixel formats by name, with the first KVMFR version that has them. */
export const PUBLISHED_FORMATS: { readonly [K in PublishedFormat]: { readonly since: 19 | 20 } } = {
  BGRA: { since: 19 },
  RGBA: { since: 19 },
  RGBA10: { since: 19 },
  RGBA16F: { since: 19 },
  BGR_32: { since: 20 },
  RGB_24: { since: 20 },
};

/** Bytes from one pixel to the next in a row. */
export function pixelBytes(format: PixelFormat): number {
  return rowBytes(format, 1);
}

/**
 * The 32-bit words in which one row of BGR_32 travels.
 *
 * Source: B7's packing, `roundUp(roundUp(3 * width, 4) / 4, 64)`.
 */
export function packedWords(widthPx: number): number {
  return Math.ceil(Math.ceil((3 * widthPx) / 4) / 64) * 64;
}

/** The row length that real publishers would use, without the rounding of a graphics card. */
export function defaultPitchBytes(format: PublishedFormat, widthPx: number): number {
  switch (format) {
    case 'BGR_32':
      return packedWords(widthPx) * 4;
    case 'RGB_24':
      // A whole number of pixels and of 32-bit words.
      return Math.ceil(widthPx / 4) * 12;
    default:
      return widthPx * unitBytes(format);
  }
}

/**
 * Checks a row length against its format.
 *
 * @throws ERR_KVMFR_ARGUMENT
 */
export function checkPitch(format: PublishedFormat, widthPx: number, pitchBytes: number): void {
  const least = rowBytes(format, widthPx);
  const step = format === 'RGB_24' ? 12 : unitBytes(format);
  if (!Number.isInteger(pitchBytes) || pitchBytes < least || pitchBytes % step !== 0)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `the pitch of ${widthPx} pixels of ${format} must be a multiple of ${step} and at least ${least} bytes, but is ${pitchBytes}`,
    );
}

/** Pixels of one size in two formats, for {@link packPixels}. */
export interface PackRequest {
  /** Rows of B, G, R, A. */
  readonly source: Uint8Array;
  readonly sourcePitchBytes: number;
  readonly target: Uint8Array;
  readonly targetPitchBytes: number;
  readonly format: PublishedFormat;
  /** Which part; all coordinates in pixels. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Writes a rect of BGRA pixels in another format, at the same place of another picture.
 *
 * RGBA10 gets the same curve in more steps; RGBA16F gets linear light in which white is 203 nits.
 */
export function packPixels(request: PackRequest): void {
  const { source, target, format, width } = request;
  const step = pixelBytes(format);
  const pack = PACK_ROW[format];
  for (let row = request.y; row < request.y + request.height; row++) {
    const from = row * request.sourcePitchBytes + request.x * 4;
    const to = row * request.targetPitchBytes + request.x * step;
    pack(source, from, target, to, width);
  }
}

/**
 * Makes a picture in any of the formats from BGRA pixels.
 *
 * Shape: rows of {@link defaultPitchBytes} unless a pitch is given; padding is 0.
 */
export function packPicture(picture: {
  readonly bgra: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly format: PublishedFormat;
  readonly pitchBytes?: number | undefined;
}): { readonly pixels: Uint8Array<ArrayBuffer>; readonly pitchBytes: number } {
  const { widthPx, heightPx, format } = picture;
  const pitchBytes = picture.pitchBytes ?? defaultPitchBytes(format, widthPx);
  checkPitch(format, widthPx, pitchBytes);
  const pixels = new Uint8Array(pitchBytes * heightPx);
  packPixels({
    source: picture.bgra,
    sourcePitchBytes: widthPx * 4,
    target: pixels,
    targetPitchBytes: pitchBytes,
    format,
    x: 0,
    y: 0,
    width: widthPx,
    height: heightPx,
  });
  return { pixels, pitchBytes };
}

const copyRow: PackRow = (from, at, to, out, pixels) => {
  to.set(from.subarray(at, at + pixels * 4), out);
};

const swapRow: PackRow = (from, at, to, out, pixels) => {
  for (let end = at + pixels * 4, i = at, o = out; i < end; i += 4, o += 4) {
    to[o] = from[i + 2] ?? 0;
    to[o + 1] = from[i + 1] ?? 0;
    to[o + 2] = from[i] ?? 0;
    to[o + 3] = from[i + 3] ?? 0;
  }
};

const tripleRow: PackRow = (from, at, to, out, pixels) => {
  for (let end = at + pixels * 4, i = at, o = out; i < end; i += 4, o += 3) {
    to[o] = from[i] ?? 0;
    to[o + 1] = from[i + 1] ?? 0;
    to[o + 2] = from[i + 2] ?? 0;
  }
};

const swappedTripleRow: PackRow = (from, at, to, out, pixels) => {
  for (let end = at + pixels * 4, i = at, o = out; i < end; i += 4, o += 3) {
    to[o] = from[i + 2] ?? 0;
    to[o + 1] = from[i + 1] ?? 0;
    to[o + 2] = from[i] ?? 0;
  }
};

const PACK_ROW: { readonly [K in PublishedFormat]: PackRow } = {
  BGRA: copyRow,
  RGBA: swapRow,
  RGBA10: packTenBitRow,
  RGBA16F: packHalfRow,
  BGR_32: tripleRow,
  RGB_24: swappedTripleRow,
};
