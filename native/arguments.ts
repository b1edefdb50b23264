import { KvmfrError } from '../protocol/error.ts';

/** Bytes of a picture's pixel: B, G, R, 255. */
export const PICTURE_PIXEL_BYTES: number = 4;
const MAX_WORD = 0xffff_ffff;

/** The variant of a kernel that is asked for, as the addon numbers them. */
export function variantNumber(o: {
  readonly portable?: boolean;
  readonly reference?: boolean;
}): number {
  if (o.reference === true) return 2;
  return o.portable === true ? 1 : 0;
}

/** Checks that a picture lies in its buffer. */
export function needPicture(o: {
  readonly picture: Uint8Array;
  readonly picturePitchBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
}): void {
  needWords(o.picturePitchBytes, o.widthPx, o.heightPx, 0);
  const rowBytes = o.widthPx * PICTURE_PIXEL_BYTES;
  needRows('picture', o.picture, 0, o.picturePitchBytes, rowBytes, o.heightPx);
}

/** Checks the side of a picture's tiles. */
export function needTiles(o: { readonly tilePx: number }): void {
  needWords(o.tilePx, 0, 0, 0);
  if (o.tilePx === 0) throw argument('expected tilePx to be at least 1, got 0');
}

/** Checks for whole numbers of 32 bits; four at a time, so that the usual call allocates nothing. */
export function needWords(a: number, b: number, c: number, d: number): void {
  if (isWord(a) && isWord(b) && isWord(c) && isWord(d)) return;
  const found = [a, b, c, d].find((value) => !isWord(value));
  throw argument(`expected a whole number from 0 to ${MAX_WORD}, got ${String(found)}`);
}

/** Whether something is a whole number of 32 bits. */
export function isWord(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value;
}

/** Checks that rows lie in their buffer and do not overlap. */
export function needRows(
  name: string,
  buffer: Uint8Array,
  offset: number,
  pitchBytes: number,
  rowBytes: number,
  rows: number,
): void {
  needArray(name, buffer, Uint8Array);
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw argument(`expected the offset into ${name} to be a whole number, got ${String(offset)}`);
  }
  if (rows > 1 && pitchBytes < rowBytes) {
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `the pitch of ${name} must be at least its ${rowBytes} bytes per row, but is ${pitchBytes}`,
    );
  }
  // Products above 2^53 are inexact, but far beyond any buffer.
  const end = rows === 0 || rowBytes === 0 ? offset : offset + (rows - 1) * pitchBytes + rowBytes;
  if (end > buffer.length) throw bounds(name, end, buffer.length, 'bytes');
}

/** Checks the type of an array. */
export function needArray(
  name: string,
  found: unknown,
  type: Uint8ArrayConstructor | Uint32ArrayConstructor,
): void {
  if (found instanceof type) return;
  throw argument(`expected ${name} to be a ${type.name}, got ${typeof found}`);
}

/** The native side has checked everything again; what it refuses here would be a bug of ours. */
export function answer(result: number): number {
  if (result >= 0) return result;
  throw new KvmfrError(
    'ERR_KVMFR_BOUNDS',
    'the native module refused a range that JavaScript took',
  );
}

/** The error for an argument that is not what a call takes. */
export function argument(message: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_ARGUMENT', message);
}

/** The error for what leaves its buffer. */
export function bounds(name: string, needed: number, found: number, unit: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_BOUNDS', `${name} needs ${needed} ${unit}, but has ${found}`);
}

/** The error for an argument that is something else. */
export function misfit(name: string, expected: string, found: unknown): KvmfrError {
  const shown = typeof found === 'string' ? JSON.stringify(found) : String(found);
  return argument(`expected ${name} to be ${expected}, got ${shown}`);
}
