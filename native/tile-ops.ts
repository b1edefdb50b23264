import { KvmfrError } from '../protocol/error.ts';
import { bounds, needArray, needTiles, needWords } from './arguments.ts';
import { addon } from './load.ts';

/** Tiles of a picture, and where they are coded to. */
export interface CodeTilesArguments {
  /** Takes what is coded: has three bytes of room for each pixel. */
  readonly out: Uint8Array;
  /** The pixels of the tiles, as `packTiles` packs them at four bytes each. */
  readonly packed: Uint32Array;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
  /** Numbers of tiles, row by row from the top left. */
  readonly tileIndices: Uint32Array;
  /** How many of them to code; all when left out. */
  readonly count?: number;
}

/**
 * Codes packed tiles as ops (coding 2 of docs/wire.md) when those are shorter than the pixels at
 * three bytes each, and else as R, G, B: the number of bytes says which.
 *
 * @returns the bytes written
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when the picture does not have a tile, or there are
 *   too few pixels in `packed` or too little room in `out`
 */
export function codeTiles(o: CodeTilesArguments): number {
  const count = needCount(o);
  const { out, packed, widthPx, heightPx, tilePx, tileIndices } = o;
  return written(addon().codeTiles(out, packed, widthPx, heightPx, tilePx, tileIndices, count), o);
}

/**
 * As {@link codeTiles}, in another thread.
 *
 * Ownership: all three arrays are that thread's until the promise settles. They must not be detached
 * before.
 */
export async function codeTilesInPool(o: CodeTilesArguments): Promise<number> {
  const count = needCount(o);
  const { out, packed, widthPx, heightPx, tilePx, tileIndices } = o;
  return written(
    await addon().codeTilesInPool(out, packed, widthPx, heightPx, tilePx, tileIndices, count),
    o,
  );
}

function needCount(o: CodeTilesArguments): number {
  needTiles(o);
  const { count = o.tileIndices.length } = o;
  needArray('out', o.out, Uint8Array);
  needArray('packed', o.packed, Uint32Array);
  needArray('tileIndices', o.tileIndices, Uint32Array);
  needWords(o.widthPx, o.heightPx, count, 0);
  if (count > o.tileIndices.length)
    throw bounds('tileIndices', count, o.tileIndices.length, 'elements');
  return count;
}

function written(result: number, o: CodeTilesArguments): number {
  if (result >= 0) return result;
  throw new KvmfrError(
    'ERR_KVMFR_BOUNDS',
    `expected tiles of a picture of ${o.widthPx} x ${o.heightPx} pixels with their pixels and room for them, but one is not in it, or ${o.packed.length} pixels or ${o.out.length} bytes are too few`,
  );
}
