import { answer, argument, needPicture, needRows, needWords, variantNumber } from './arguments.ts';
import { addon } from './load.ts';

/** Where a plane is: row y begins at `offset + y * pitchBytes`. */
export interface I420Plane {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly pitchBytes: number;
}

/**
 * A picture as a video encoder takes it: I420, BT.709, limited range (Y 16 to 235, U and V 16 to
 * 240, where 128 is grey).
 *
 * Each block of two by two pixels shares a U and a V, those of its average colour, so chroma sits in
 * the middle of it. In a picture of odd width or height the last column or row is a block of its
 * own, and its average is that of the pixels that are there.
 *
 * Shape: Y is as large as the picture, U and V have half its width and height, rounded up. The
 * planes may lie in one buffer or in three.
 */
export interface I420Planes {
  readonly y: I420Plane;
  readonly u: I420Plane;
  readonly v: I420Plane;
}

/** A rect of a picture, and the planes that it becomes part of. */
export interface ConvertToI420Arguments {
  /** Pixels as B, G, R, and a byte that is ignored. */
  readonly picture: Uint8Array;
  readonly picturePitchBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /**
   * The rect, in pixels of the picture; what lies outside of the picture is ignored. It begins at
   * even places, and ends at even places or at the picture's edge.
   */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Planes of the whole picture; only the rect's part of them is written. */
  readonly planes: I420Planes;
  /** Use the code for processors without AVX2 or NEON; for tests and benches. */
  readonly portable?: boolean;
  /** Use the plain reference code; for tests. */
  readonly reference?: boolean;
}

/** Bytes of the planes of a picture, without padding. */
export function i420ByteLength(widthPx: number, heightPx: number): number {
  needWords(widthPx, heightPx, 0, 0);
  return widthPx * heightPx + 2 * Math.ceil(widthPx / 2) * Math.ceil(heightPx / 2);
}

/** Planes one after the other without padding, as a `VideoFrame` takes them when it is not told. */
export function i420Planes(
  bytes: Uint8Array,
  size: { readonly widthPx: number; readonly heightPx: number; readonly offset?: number },
): I420Planes {
  const { widthPx, heightPx, offset = 0 } = size;
  const chromaPitch = Math.ceil(widthPx / 2);
  const u = offset + widthPx * heightPx;
  const v = u + chromaPitch * Math.ceil(heightPx / 2);
  return {
    y: { bytes, offset, pitchBytes: widthPx },
    u: { bytes, offset: u, pitchBytes: chromaPitch },
    v: { bytes, offset: v, pitchBytes: chromaPitch },
  };
}

/**
 * Converts a rect of a picture. Integer arithmetic, the same to the bit on every processor; against
 * exact arithmetic Y is at most 0.54 off, U and V 0.51 (`src/i420.h` has the formula).
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when the picture or a plane leaves its buffer
 */
export function convertToI420(o: ConvertToI420Arguments): void {
  needPicture(o);
  needWords(o.x, o.y, o.width, o.height);
  needEven('x', o.x, o.width, o.widthPx);
  needEven('y', o.y, o.height, o.heightPx);
  needI420(o.planes, o.widthPx, o.heightPx);
  const { y, u, v } = o.planes;
  answer(
    addon().convertToI420(
      o.picture,
      o.picturePitchBytes,
      o.widthPx,
      o.heightPx,
      o.x,
      o.y,
      o.width,
      o.height,
      variantNumber(o),
      y.bytes,
      y.offset,
      y.pitchBytes,
      u.bytes,
      u.offset,
      u.pitchBytes,
      v.bytes,
      v.offset,
      v.pitchBytes,
    ),
  );
}

/**
 * Checks the planes of a picture.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when one leaves its buffer
 */
export function needI420(planes: I420Planes, widthPx: number, heightPx: number): void {
  if (!isObject(planes)) throw argument(`expected planes y, u and v, got ${String(planes)}`);
  needPlane('y', planes.y, widthPx, heightPx);
  const chromaWidth = Math.ceil(widthPx / 2);
  const chromaHeight = Math.ceil(heightPx / 2);
  needPlane('u', planes.u, chromaWidth, chromaHeight);
  needPlane('v', planes.v, chromaWidth, chromaHeight);
}

function needPlane(name: string, plane: I420Plane, width: number, height: number): void {
  if (!isObject(plane)) throw argument(`expected plane ${name} to be one, got ${String(plane)}`);
  needWords(plane.pitchBytes, 0, 0, 0);
  needRows(`plane ${name}`, plane.bytes, plane.offset, plane.pitchBytes, width, height);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function needEven(name: string, start: number, extent: number, end: number): void {
  if (start >= end || extent === 0) return;
  if (start % 2 === 0 && (extent % 2 === 0 || start + extent >= end)) return;
  throw argument(
    `expected a rect of I420 to begin at even places and end at even ones or at the edge, got ${name} from ${start} to ${start + extent} of ${end}`,
  );
}
