import { containsRect, type Rect } from '../../../../protocol/rect.ts';
import { tileRect } from '../../../../protocol/wire/index.ts';

/** The size of a picture and of its tiles. Units: pixels. */
export interface Grid {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
}

/** Tiles of a picture, and the rects that they make up. */
export interface TilePlan {
  readonly tiles: Uint32Array;
  /** As {@link tileBlocks} gives them; their pixels lie one after the other. */
  readonly blocks: readonly Rect[];
  readonly grid: Grid;
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
 * Goes through the tiles of a plan.
 *
 * @param visit gets the tile, where its first pixel lies among those of all blocks, and how many
 *   pixels further its next row begins
 */
export function visitTiles(
  plan: TilePlan,
  visit: (tile: Rect, to: number, stride: number) => void,
): void {
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
    visit(tile, blockStart + (tile.y - block.y) * block.width + (tile.x - block.x), block.width);
  }
}
