import type { PlaneLayout, SharedPlanes } from '../../../client/tiles/shared-planes.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import { MAX_DIMENSION_PX, MAX_PICTURE_PX } from '../../../protocol/limits.ts';

/** Size of a coded picture. */
export interface CodedSize {
  readonly codedWidthPx: number;
  readonly codedHeightPx: number;
}

/** Codecs work in blocks of 16 pixels; smaller pictures are refused by some. */
const MIN_CODED_PX = 16;

/** The size in which a picture is coded: even, because chroma is halved. */
export function codedSize(picture: {
  readonly widthPx: number;
  readonly heightPx: number;
}): CodedSize {
  const even = (px: number): number => Math.max(MIN_CODED_PX, px + (px & 1));
  return { codedWidthPx: even(picture.widthPx), codedHeightPx: even(picture.heightPx) };
}

/** Refuses planes that do not lie in their memory. @throws ERR_KVMFR_ARGUMENT */
export function checkPlanes(planes: SharedPlanes): void {
  const { widthPx, heightPx, memory, epochOffsetBytes, y, u, v } = planes;
  const isSide = (px: number): boolean => Number.isInteger(px) && px >= 1 && px <= MAX_DIMENSION_PX;
  if (!isSide(widthPx) || !isSide(heightPx) || widthPx * heightPx > MAX_PICTURE_PX)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a picture must be 1 to ${MAX_DIMENSION_PX} pixels wide and high and have at most ` +
        `${MAX_PICTURE_PX} in all, but is ${widthPx} x ${heightPx}`,
    );
  const chroma = { widthPx: half(widthPx), heightPx: half(heightPx) };
  const fits =
    planeFits(y, planes, memory.byteLength) &&
    planeFits(u, chroma, memory.byteLength) &&
    planeFits(v, chroma, memory.byteLength);
  const hasEpoch =
    Number.isInteger(epochOffsetBytes) &&
    epochOffsetBytes >= 0 &&
    epochOffsetBytes % 4 === 0 &&
    epochOffsetBytes + 4 <= memory.byteLength;
  if (!fits || !hasEpoch)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `the planes of ${widthPx} x ${heightPx} and their epoch must lie in the ` +
        `${memory.byteLength} bytes of their memory, but do not`,
    );
}

function planeFits(
  plane: PlaneLayout,
  size: { readonly widthPx: number; readonly heightPx: number },
  byteLength: number,
): boolean {
  const { offsetBytes, pitchBytes } = plane;
  if (!Number.isSafeInteger(offsetBytes) || offsetBytes < 0) return false;
  if (!Number.isSafeInteger(pitchBytes) || pitchBytes < size.widthPx) return false;
  return offsetBytes + (size.heightPx - 1) * pitchBytes + size.widthPx <= byteLength;
}

/** Bytes of a coded picture without padding. */
export function packedBytes(size: CodedSize): number {
  return (size.codedWidthPx * size.codedHeightPx * 3) / 2;
}

/**
 * The planes as one run of bytes without padding, if that is how they lie in memory.
 *
 * Ownership: a view of the memory, which may be written at any time.
 */
export function packedView(planes: SharedPlanes, memory: ArrayBuffer): Uint8Array | undefined {
  const { widthPx, heightPx, y, u, v } = planes;
  const size = codedSize(planes);
  const chromaBytes = half(widthPx) * half(heightPx);
  const packed =
    size.codedWidthPx === widthPx &&
    size.codedHeightPx === heightPx &&
    y.pitchBytes === widthPx &&
    u.pitchBytes === half(widthPx) &&
    v.pitchBytes === half(widthPx) &&
    u.offsetBytes === y.offsetBytes + widthPx * heightPx &&
    v.offsetBytes === u.offsetBytes + chromaBytes;
  return packed ? new Uint8Array(memory, y.offsetBytes, packedBytes(size)) : undefined;
}

/**
 * Copies the planes without padding between rows; where the coded picture is larger, the last
 * column and the last row are repeated.
 *
 * @param out has {@link packedBytes} of the coded size
 */
export function packPlanes(planes: SharedPlanes, memory: ArrayBuffer, out: Buffer): void {
  const { widthPx, heightPx, y, u, v } = planes;
  const { codedWidthPx, codedHeightPx } = codedSize(planes);
  const source = Buffer.from(memory);
  const luma = { widthPx, heightPx, outWidthPx: codedWidthPx, outHeightPx: codedHeightPx };
  const chroma = {
    widthPx: half(widthPx),
    heightPx: half(heightPx),
    outWidthPx: codedWidthPx / 2,
    outHeightPx: codedHeightPx / 2,
  };
  const lumaBytes = codedWidthPx * codedHeightPx;
  packPlane({ source, plane: y, ...luma, out, outOffset: 0 });
  packPlane({ source, plane: u, ...chroma, out, outOffset: lumaBytes });
  packPlane({ source, plane: v, ...chroma, out, outOffset: lumaBytes + lumaBytes / 4 });
}

function packPlane(job: {
  readonly source: Buffer;
  readonly plane: PlaneLayout;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly outWidthPx: number;
  readonly outHeightPx: number;
  readonly out: Buffer;
  readonly outOffset: number;
}): void {
  const { source, plane, widthPx, heightPx, outWidthPx, outHeightPx, out, outOffset } = job;
  for (let row = 0; row < outHeightPx; row++) {
    const from = plane.offsetBytes + Math.min(row, heightPx - 1) * plane.pitchBytes;
    const to = outOffset + row * outWidthPx;
    source.copy(out, to, from, from + widthPx);
    if (outWidthPx > widthPx) out.fill(out[to + widthPx - 1] ?? 0, to + widthPx, to + outWidthPx);
  }
}

function half(px: number): number {
  return (px + 1) >> 1;
}
