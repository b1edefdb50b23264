import { KvmfrError } from '../protocol/error.ts';
import {
  answer,
  argument,
  bounds,
  needArray,
  needPicture,
  needRows,
  needTiles,
  needWords,
  PICTURE_PIXEL_BYTES,
  variantNumber,
} from './arguments.ts';
import { type I420Planes, needI420 } from './i420.ts';
import { addon } from './load.ts';
import { isToneMapTable, type ToneMapTable } from './tone-map.ts';

/**
 * A pixel format that the kernels read: BGRA and RGBA words whose fourth byte is ignored, the
 * packed triples BGR_32 (B, G, R) and RGB_24 (R, G, B) with pixel x at byte 3x of its row, RGBA10
 * words with R in the lowest ten bits, then G, then B, and RGBA16F half floats R, G, B, A.
 */
export type KernelFormat = 'BGRA' | 'RGBA' | 'BGR_32' | 'RGB_24' | 'RGBA10' | 'RGBA16F';

/** Rows of bytes, and where they go. */
export interface CopyRowsArguments {
  readonly dst: Uint8Array;
  readonly dstOffset: number;
  readonly dstPitchBytes: number;
  readonly src: Uint8Array;
  readonly srcOffset: number;
  readonly srcPitchBytes: number;
  readonly rowBytes: number;
  readonly rows: number;
}

/** Rows of source pixels, and the rows of picture pixels that they become. */
export interface ConvertRowsArguments {
  readonly dst: Uint8Array;
  readonly dstOffset: number;
  readonly dstPitchBytes: number;
  readonly src: Uint8Array;
  readonly srcOffset: number;
  readonly srcPitchBytes: number;
  readonly format: KernelFormat;
  readonly widthPx: number;
  readonly rows: number;
  /** For HDR pixels: RGBA16F always, RGBA10 when it is not SDR. */
  readonly toneMap?: ToneMapTable | undefined;
  /** Use the code for processors without AVX2; for tests and benches. */
  readonly portable?: boolean;
  /** Use the plain reference code; for tests. */
  readonly reference?: boolean;
}

/** A picture with a serial per tile, and a rect of a frame that it takes over. */
export interface UpdateTilesArguments {
  /** Pixels as B, G, R, 255. */
  readonly picture: Uint8Array;
  readonly picturePitchBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Side of the square tiles. */
  readonly tilePx: number;
  /** One per tile, row by row from the top left. */
  readonly serials: Uint32Array;
  /** Given to each tile in which a pixel changed. */
  readonly serial: number;
  readonly src: Uint8Array;
  /** Where the frame's first pixel is (not the rect's). */
  readonly srcOffset: number;
  readonly srcPitchBytes: number;
  readonly format: KernelFormat;
  /** The rect, in pixels of the picture; what lies outside of the picture is ignored. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** For HDR pixels: RGBA16F always, RGBA10 when it is not SDR. */
  readonly toneMap?: ToneMapTable | undefined;
  /**
   * Planes that follow the picture: each tile that gets the serial is converted, the whole of it,
   * from what is in the picture then. `tilePx` is even then.
   */
  readonly i420?: I420Planes | undefined;
  /** Use the code for processors without AVX2; for tests and benches. */
  readonly portable?: boolean;
  /** Use the plain reference code; for tests. */
  readonly reference?: boolean;
}

/** Tiles of a picture, and where they are packed. */
export interface PackTilesArguments {
  readonly out: Uint8Array;
  readonly outOffset?: number;
  /** Pixels as B, G, R, 255. */
  readonly picture: Uint8Array;
  readonly picturePitchBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
  /** Numbers of tiles, row by row from the top left. */
  readonly tileIndices: Uint32Array;
  /** How many of them to pack; all when left out. */
  readonly count?: number;
  /** 4 packs R, G, B, 255, as ImageData wants it; 3 packs R, G, B. */
  readonly bytesPerPixel: 3 | 4;
  /** Use the plain reference code; for tests. */
  readonly reference?: boolean;
}

const FORMATS: Readonly<Record<KernelFormat, number>> = {
  BGRA: 0,
  RGBA: 1,
  BGR_32: 2,
  RGB_24: 3,
  RGBA10: 4,
  RGBA16F: 7,
};
const RGBA10_HDR = { pq: 5, linear: 6 } as const;
const SOURCE_PIXEL_BYTES: Readonly<Record<KernelFormat, number>> = {
  BGRA: 4,
  RGBA: 4,
  BGR_32: 3,
  RGB_24: 3,
  RGBA10: 4,
  RGBA16F: 8,
};

/**
 * Copies rows between buffers of different pitch.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when rows leave a buffer
 */
export function copyRows(o: CopyRowsArguments): void {
  needWords(o.dstPitchBytes, o.srcPitchBytes, o.rowBytes, o.rows);
  needRows('dst', o.dst, o.dstOffset, o.dstPitchBytes, o.rowBytes, o.rows);
  needRows('src', o.src, o.srcOffset, o.srcPitchBytes, o.rowBytes, o.rows);
  answer(
    addon().copyRows(
      o.dst,
      o.dstOffset,
      o.dstPitchBytes,
      o.src,
      o.srcOffset,
      o.srcPitchBytes,
      o.rowBytes,
      o.rows,
    ),
  );
}

/**
 * Converts rows of source pixels to rows of B, G, R, 255.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when rows leave a buffer
 */
export function convertRows(o: ConvertRowsArguments): void {
  const format = kernelNumber(o.format, o.toneMap);
  needWords(o.dstPitchBytes, o.srcPitchBytes, o.widthPx, o.rows);
  needRows('dst', o.dst, o.dstOffset, o.dstPitchBytes, o.widthPx * PICTURE_PIXEL_BYTES, o.rows);
  const rowBytes = o.widthPx * SOURCE_PIXEL_BYTES[o.format];
  needRows('src', o.src, o.srcOffset, o.srcPitchBytes, rowBytes, o.rows);
  answer(
    addon().convertRows(
      o.dst,
      o.dstOffset,
      o.dstPitchBytes,
      o.src,
      o.srcOffset,
      o.srcPitchBytes,
      o.widthPx,
      o.rows,
      format,
      variantNumber(o),
      o.toneMap?.words,
    ),
  );
}

/**
 * Compares a rect of a frame with the picture, writes what differs into the picture, and gives
 * each tile in which anything differed the serial. Returns the number of those tiles.
 *
 * What is compared is what the pixels look like, so HDR pixels that look the same keep their
 * serials. Another tone map makes all of them look different: take over the whole picture then,
 * whatever the damage says.
 *
 * The guest may be writing the frame meanwhile: each source pixel is read once, and I420 is made of
 * what was read. A frame that becomes valid row by row is taken over in several calls with the same
 * serial; they may be cut at any row, also with I420, though even ones are cheaper.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when picture, serials, rect or planes leave a buffer
 */
export function updateTiles(o: UpdateTilesArguments): number {
  const format = kernelNumber(o.format, o.toneMap);
  needPicture(o);
  needTiles(o);
  needArray('serials', o.serials, Uint32Array);
  const tiles = Math.ceil(o.widthPx / o.tilePx) * Math.ceil(o.heightPx / o.tilePx);
  if (o.serials.length < tiles) throw bounds('serials', tiles, o.serials.length, 'elements');
  needWords(o.serial, o.srcPitchBytes, o.x, o.y);
  needWords(o.width, o.height, 0, 0);
  const right = Math.min(o.x + o.width, o.widthPx);
  const bottom = Math.min(o.y + o.height, o.heightPx);
  if (right > o.x && bottom > o.y) {
    const rowBytes = right * SOURCE_PIXEL_BYTES[o.format];
    needRows('src', o.src, o.srcOffset, o.srcPitchBytes, rowBytes, bottom);
  }
  const { i420 } = o;
  if (i420 !== undefined) {
    if (o.tilePx % 2 !== 0) throw argument(`expected tilePx to be even for I420, got ${o.tilePx}`);
    needI420(i420, o.widthPx, o.heightPx);
  }
  return answer(
    addon().updateTiles(
      o.picture,
      o.picturePitchBytes,
      o.widthPx,
      o.heightPx,
      o.tilePx,
      o.serials,
      o.serial,
      o.src,
      o.srcOffset,
      o.srcPitchBytes,
      format,
      o.x,
      o.y,
      o.width,
      o.height,
      variantNumber(o),
      o.toneMap?.words,
      i420?.y.bytes,
      i420?.y.offset,
      i420?.y.pitchBytes,
      i420?.u.bytes,
      i420?.u.offset,
      i420?.u.pitchBytes,
      i420?.v.bytes,
      i420?.v.offset,
      i420?.v.pitchBytes,
    ),
  );
}

/**
 * Packs tiles of a picture one after the other, each row by row without padding; a tile at the
 * right or lower edge takes only its visible pixels. Returns the number of bytes written.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when a tile is not in the picture or does not fit
 *   into `out`; what was packed before it stays written
 */
export function packTiles(o: PackTilesArguments): number {
  needPicture(o);
  needTiles(o);
  const { outOffset = 0, count = o.tileIndices.length } = o;
  needArray('out', o.out, Uint8Array);
  needArray('tileIndices', o.tileIndices, Uint32Array);
  needWords(count, 0, 0, 0);
  if (o.bytesPerPixel !== 3 && o.bytesPerPixel !== 4) {
    throw argument(`expected bytesPerPixel to be 3 or 4, got ${String(o.bytesPerPixel)}`);
  }
  if (count > o.tileIndices.length) {
    throw bounds('tileIndices', count, o.tileIndices.length, 'elements');
  }
  if (!Number.isSafeInteger(outOffset) || outOffset < 0 || outOffset > o.out.length) {
    throw bounds('out', outOffset, o.out.length, 'bytes');
  }
  const written = addon().packTiles(
    o.out,
    outOffset,
    o.picture,
    o.picturePitchBytes,
    o.widthPx,
    o.heightPx,
    o.tilePx,
    o.tileIndices,
    count,
    o.bytesPerPixel,
    variantNumber(o),
  );
  if (written >= 0) return written;
  throw new KvmfrError(
    'ERR_KVMFR_BOUNDS',
    `expected tiles of a picture of ${o.widthPx} x ${o.heightPx} pixels that fit into ${o.out.length - outOffset} bytes, but one is not in it or does not fit`,
  );
}

/** The kernels that this processor runs: `avx2`, or `portable` code that the compiler vectorised. */
export function kernelVariant(): 'avx2' | 'portable' {
  return addon().kernelVariant();
}

function kernelNumber(format: KernelFormat, toneMap: ToneMapTable | undefined): number {
  const number = FORMATS[format];
  if (typeof number !== 'number') {
    const known = Object.keys(FORMATS).join(', ');
    throw argument(`expected format to be ${known}, got ${String(format)}`);
  }
  if (toneMap === undefined && format !== 'RGBA16F') return number;
  if (isToneMapTable(toneMap)) {
    const { transfer } = toneMap;
    if (format === 'RGBA16F' && transfer === 'scrgb') return number;
    if (format === 'RGBA10' && transfer !== 'scrgb') return RGBA10_HDR[transfer];
  }
  throw argument(
    `expected a tone map of scrgb for RGBA16F, of pq or linear or none for RGBA10 and none for other formats, got ${String(toneMap?.transfer)} for ${format}`,
  );
}
