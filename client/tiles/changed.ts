import { KvmfrError } from '../../protocol/error.ts';
import type { TileGrid } from './grid.ts';

/** When each tile of a picture changed, and the newest change in each row of tiles. */
export interface TileAges {
  readonly grid: TileGrid;
  readonly tileSerials: Uint32Array;
  /** The highest serial in each row of tiles: an idle picture is known to be idle by these alone. */
  readonly rowSerials: Uint32Array;
}

/**
 * Writes the tiles that changed after a serial to `out`, in rising order. Allocates nothing.
 *
 * @returns how many there are
 * @throws ERR_KVMFR_ARGUMENT when `out` has less room than the picture has tiles
 */
export function changedTiles(ages: TileAges, serial: number, out: Uint32Array): number {
  const { grid, tileSerials, rowSerials } = ages;
  const { columns, rows, tileCount } = grid;
  if (out.length < tileCount)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `out must have room for ${tileCount} tiles, but has room for ${out.length}`,
    );
  let count = 0;
  for (let row = 0; row < rows; row++) {
    if ((rowSerials[row] ?? 0) <= serial) continue;
    const end = (row + 1) * columns;
    for (let index = row * columns; index < end; index++) {
      if ((tileSerials[index] ?? 0) > serial) out[count++] = index;
    }
  }
  return count;
}

/** Writes a bit for each tile that changed after a serial, tile 0 in bit 0 of the first word. */
export function changedBits(ages: TileAges, serial: number, out: Uint32Array): void {
  const { grid, tileSerials, rowSerials } = ages;
  out.fill(0);
  for (let row = 0; row < grid.rows; row++) {
    if ((rowSerials[row] ?? 0) <= serial) continue;
    const end = (row + 1) * grid.columns;
    for (let index = row * grid.columns; index < end; index++)
      if ((tileSerials[index] ?? 0) > serial)
        out[index >> 5] = (out[index >> 5] ?? 0) | (1 << (index & 31));
  }
}

/** Keeps those of a list of tiles that changed after a serial. `out` may be `tiles` itself. */
export function tilesAfter(
  tileSerials: Uint32Array,
  serial: number,
  tiles: { readonly list: Uint32Array; readonly count: number },
  out: Uint32Array,
): number {
  let kept = 0;
  for (let i = 0; i < tiles.count; i++) {
    const tile = tiles.list[i] ?? 0;
    if ((tileSerials[tile] ?? 0) > serial) out[kept++] = tile;
  }
  return kept;
}
