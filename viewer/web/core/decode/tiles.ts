import type { Rect } from '../../../../protocol/rect.ts';
import { TILE_CODINGS, type TilesMessage } from '../../../../protocol/wire/index.ts';
import { plainBytes } from './bytes.ts';
import { inflateRaw } from './inflate.ts';
import { decodeOps } from './ops.ts';
import { type Grid, type TilePlan, tileBlocks, visitTiles } from './plan.ts';
import type { BufferPool } from './pool.ts';

// Alpha 255 in the highest byte of a pixel.
const OPAQUE = 0xff000000;

/** A rect of decoded pixels: R, G, B, A by rows without gaps, A is 255. */
export interface PixelBlock {
  readonly rect: Rect;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** Decoded tiles. Ownership: the blocks lie in pooled memory until `release()`. */
export interface DecodedTiles {
  readonly blocks: readonly PixelBlock[];
  release(): void;
}

/**
 * Spreads R, G, B triples that lie tile by tile into rects of R, G, B, A.
 *
 * Shape: `rgb` has 3 bytes per pixel of the tiles; `rgba` one little-endian word per pixel, block
 * after block. Every browser runs on little-endian machines.
 */
export function spreadTiles(rgb: Uint8Array, rgba: Uint32Array, plan: TilePlan): void {
  const words = wordsOf(rgb);
  let from = 0;
  visitTiles(plan, ({ width, height }, to, stride) => {
    const rows = { from, to, stride, width, height };
    const isWhole = words !== undefined && from % 4 === 0 && width % 4 === 0;
    if (isWhole) spreadWords(words, rgba, rows);
    else spreadBytes(rgb, rgba, rows);
    from += width * height * 3;
  });
}

/** Where the pixels of a tile are: `from` in bytes, the rest in pixels. */
interface TileRows {
  readonly from: number;
  readonly to: number;
  readonly stride: number;
  readonly width: number;
  readonly height: number;
}

function wordsOf(bytes: Uint8Array): Uint32Array | undefined {
  if (bytes.byteOffset % 4 !== 0) return undefined;
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

function spreadBytes(rgb: Uint8Array, rgba: Uint32Array, rows: TileRows): void {
  let from = rows.from;
  for (let y = 0; y < rows.height; y++) {
    const start = rows.to + y * rows.stride;
    for (let to = start; to < start + rows.width; to++) {
      const red = rgb[from] ?? 0;
      const green = rgb[from + 1] ?? 0;
      const blue = rgb[from + 2] ?? 0;
      rgba[to] = OPAQUE | (blue << 16) | (green << 8) | red;
      from += 3;
    }
  }
}

// Three words hold four pixels: a third of the loads, and most tiles are a multiple of four wide.
function spreadWords(words: Uint32Array, rgba: Uint32Array, rows: TileRows): void {
  let from = rows.from >> 2;
  for (let y = 0; y < rows.height; y++) {
    const start = rows.to + y * rows.stride;
    const end = start + rows.width;
    for (let to = start; to < end; to += 4) {
      const a = words[from] ?? 0;
      const b = words[from + 1] ?? 0;
      const c = words[from + 2] ?? 0;
      rgba[to] = OPAQUE | a;
      rgba[to + 1] = OPAQUE | (a >>> 24) | (b << 8);
      rgba[to + 2] = OPAQUE | (b >>> 16) | (c << 16);
      rgba[to + 3] = OPAQUE | (c >>> 8);
      from += 3;
    }
  }
}

/**
 * Decodes a tiles message that has already been checked against its picture.
 *
 * @throws ERR_KVMFR_WIRE when what is coded does not give exactly its pixels
 */
export async function decodeTilePixels(
  message: TilesMessage,
  grid: Grid,
  pool: BufferPool,
): Promise<DecodedTiles> {
  const { tiles, rawBytes } = message;
  const pixelCount = rawBytes / 3;
  const buffer = pool.take(pixelCount * 4);
  const rgba = new Uint32Array(buffer, 0, pixelCount);
  const plan = { tiles, blocks: tileBlocks(tiles, grid), grid };
  await decodeInto(rgba, message, plan, pool);
  let at = 0;
  const blocks = plan.blocks.map((rect) => {
    const bytes = rect.width * rect.height * 4;
    const block = new Uint8ClampedArray(buffer, at, bytes);
    at += bytes;
    return { rect, rgba: block };
  });
  return { blocks, release: () => pool.give(buffer) };
}

async function decodeInto(
  rgba: Uint32Array,
  message: TilesMessage,
  plan: TilePlan,
  pool: BufferPool,
): Promise<void> {
  const { coding, pixels, rawBytes } = message;
  if (coding === TILE_CODINGS.ops) {
    const tileArea = plan.grid.tilePx ** 2;
    const scratch = pool.take(tileArea * 4);
    decodeOps(pixels, { rgba, scratch: new Int32Array(scratch, 0, tileArea), plan });
    pool.give(scratch);
  } else if (coding === TILE_CODINGS.deflateRaw) {
    const scratch = pool.take(rawBytes);
    const rgb = new Uint8Array(scratch, 0, rawBytes);
    await inflateRaw(plainBytes(pixels), rgb);
    spreadTiles(rgb, rgba, plan);
    pool.give(scratch);
  } else spreadTiles(pixels, rgba, plan);
}
