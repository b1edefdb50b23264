import { containsRect, type Rect } from '../../../../protocol/rect.ts';
import { TILE_CODINGS, type TilesMessage, tileRect } from '../../../../protocol/wire/index.ts';
import { plainBytes } from './bytes.ts';
import { inflateRaw } from './inflate.ts';
import type { BufferPool } from './pool.ts';

// Alpha 255 in the highest byte of a pixel.
const OPAQUE = 0xff000000;

/** The size of a picture and of its tiles. Units: pixels. */
export interface Grid {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
}

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
 * Groups tiles into as few rects as tiles in rising order easily give: runs within a row of tiles,
 * and equal runs below each other. A whole picture is one rect.
 */
export function tileBlocks(tiles: Uint32Array, grid: Grid): Rect[] {
  const columns = Math.ceil(grid.widthPx / grid.tilePx);
  const blocks: Rect[] = [];
  let run: Rect | undefined;
  let before = -1;
  for (const index of tiles) {
    const tile = tileRect(index, grid);
    if (run !== undefined && index === before + 1 && index % columns !== 0) {
      run = { ...run, width: run.width + tile.width };
    } else {
      if (run !== undefined) addRun(blocks, run);
      run = tile;
    }
    before = index;
  }
  if (run !== undefined) addRun(blocks, run);
  return blocks;
}

function addRun(blocks: Rect[], run: Rect): void {
  const above = blocks[blocks.length - 1];
  if (
    above !== undefined &&
    above.x === run.x &&
    above.width === run.width &&
    above.y + above.height === run.y
  )
    blocks[blocks.length - 1] = { ...above, height: above.height + run.height };
  else blocks.push(run);
}

/**
 * Spreads R, G, B triples that lie tile by tile into rects of R, G, B, A.
 *
 * Shape: `rgb` has 3 bytes per pixel of the tiles; `rgba` one little-endian word per pixel, block
 * after block. Every browser runs on little-endian machines.
 */
export function spreadTiles(
  rgb: Uint8Array,
  rgba: Uint32Array,
  plan: { readonly tiles: Uint32Array; readonly blocks: readonly Rect[]; readonly grid: Grid },
): void {
  const words = wordsOf(rgb);
  let from = 0;
  let blockIndex = 0;
  let blockStart = 0;
  for (const index of plan.tiles) {
    const tile = tileRect(index, plan.grid);
    let block = plan.blocks[blockIndex];
    while (block !== undefined && !containsRect(block, tile)) {
      blockStart += block.width * block.height;
      block = plan.blocks[++blockIndex];
    }
    if (block === undefined) return;
    const to = blockStart + (tile.y - block.y) * block.width + (tile.x - block.x);
    const rows = { from, to, stride: block.width, width: tile.width, height: tile.height };
    const isWhole = words !== undefined && from % 4 === 0 && tile.width % 4 === 0;
    if (isWhole) spreadWords(words, rgba, rows);
    else spreadBytes(rgb, rgba, rows);
    from += tile.width * tile.height * 3;
  }
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
 * @throws ERR_KVMFR_WIRE when its deflate stream does not give exactly its pixels
 */
export async function decodeTilePixels(
  message: TilesMessage,
  grid: Grid,
  pool: BufferPool,
): Promise<DecodedTiles> {
  let rgb: Uint8Array = message.pixels;
  let scratch: ArrayBuffer | undefined;
  if (message.coding === TILE_CODINGS.deflateRaw) {
    scratch = pool.take(message.rawBytes);
    const target = new Uint8Array(scratch, 0, message.rawBytes);
    await inflateRaw(plainBytes(message.pixels), target);
    rgb = target;
  }
  const pixelCount = message.rawBytes / 3;
  const buffer = pool.take(pixelCount * 4);
  const rects = tileBlocks(message.tiles, grid);
  spreadTiles(rgb, new Uint32Array(buffer, 0, pixelCount), {
    tiles: message.tiles,
    blocks: rects,
    grid,
  });
  if (scratch !== undefined) pool.give(scratch);
  let at = 0;
  const blocks = rects.map((rect) => {
    const bytes = rect.width * rect.height * 4;
    const rgba = new Uint8ClampedArray(buffer, at, bytes);
    at += bytes;
    return { rect, rgba };
  });
  return { blocks, release: () => pool.give(buffer) };
}
