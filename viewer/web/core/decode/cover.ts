import type { Rect } from '../../../../protocol/rect.ts';
import { coverBytes } from '../../../../protocol/wire/index.ts';
import { type Grid, tileBlocks } from './plan.ts';

/** How many tiles a picture has. */
export function tileCount(grid: Grid): number {
  return Math.ceil(grid.widthPx / grid.tilePx) * Math.ceil(grid.heightPx / grid.tilePx);
}

/**
 * A set of tiles of a picture.
 *
 * Shape: a bit for each tile, tile 0 in bit 0 of the first byte, as cover messages have it.
 */
export class TileSet {
  readonly grid: Grid;
  readonly bits: Uint8Array;
  #blocks: readonly Rect[] | undefined;

  /** @param bits what is in it, copied; nothing when left out */
  constructor(grid: Grid, bits?: Uint8Array) {
    this.grid = grid;
    this.bits = bits === undefined ? new Uint8Array(coverBytes(tileCount(grid))) : bits.slice();
  }

  /** The tiles as few rects; worked out once, so a set that has been asked must not change. */
  get blocks(): readonly Rect[] {
    this.#blocks ??= tileBlocks(this.#indices(), this.grid);
    return this.#blocks;
  }

  get isEmpty(): boolean {
    return this.bits.every((byte) => byte === 0);
  }

  /** Whether every tile is in it. */
  get isFull(): boolean {
    const count = tileCount(this.grid);
    const whole = count >> 3;
    for (let at = 0; at < whole; at++) if (this.bits[at] !== 0xff) return false;
    return (count & 7) === 0 || this.bits[whole] === (1 << (count & 7)) - 1;
  }

  /** Whether a tile is in it. */
  has(index: number): boolean {
    return ((this.bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** Whether it has no tile that the other one has not. */
  isWithin(other: TileSet): boolean {
    return this.bits.every((byte, at) => (byte & ~(other.bits[at] ?? 0)) === 0);
  }

  /** Its tiles that are not in another set of the same picture. */
  without(other: TileSet): TileSet {
    const rest = new TileSet(this.grid, this.bits);
    for (let at = 0; at < rest.bits.length; at++)
      rest.bits[at] = (rest.bits[at] ?? 0) & ~(other.bits[at] ?? 0);
    return rest;
  }

  /** Adds all tiles of another set. */
  add(other: TileSet): void {
    for (let at = 0; at < this.bits.length; at++)
      this.bits[at] = (this.bits[at] ?? 0) | (other.bits[at] ?? 0);
  }

  /** Its tiles of which a rect, in whole tiles, has all. */
  inside(rect: Rect): TileSet {
    const { widthPx, heightPx } = this.grid;
    if (rect.width >= widthPx && rect.height >= heightPx) return this;
    return this.touching(rect);
  }

  /** Its tiles that a rect touches. */
  touching(rect: Rect): TileSet {
    const rest = new TileSet(this.grid, this.bits);
    rest.removeRect(rect);
    return this.without(rest);
  }

  /** Takes out all tiles that a rect touches. */
  removeRect(rect: Rect): void {
    const { tilePx, widthPx } = this.grid;
    const columns = Math.ceil(widthPx / tilePx);
    const lastRow = Math.floor((rect.y + rect.height - 1) / tilePx);
    const lastColumn = Math.floor((rect.x + rect.width - 1) / tilePx);
    for (let row = Math.floor(rect.y / tilePx); row <= lastRow; row++)
      for (let column = Math.floor(rect.x / tilePx); column <= lastColumn; column++) {
        const index = row * columns + column;
        this.bits[index >> 3] = (this.bits[index >> 3] ?? 0) & ~(1 << (index & 7));
      }
  }

  #indices(): Uint32Array {
    const indices: number[] = [];
    const count = tileCount(this.grid);
    for (let index = 0; index < count; index++) if (this.has(index)) indices.push(index);
    return Uint32Array.from(indices);
  }
}
