import type { TileGrid } from '../../client/tiles/grid.ts';
import { newStep, type PictureStep, type StepMove } from '../../client/tiles/steps.ts';
import type { PictureView } from '../../client/tiles/view.ts';
import { MAX_MOVES, type Move } from '../../protocol/wire/index.ts';

/** How moves bring a screen to a picture. Ownership: the log's, until it is asked again. */
export interface MovePlan {
  /** To be made one after the other. */
  readonly moves: readonly Move[];
  /** A bit for each tile that is other than the moves make it, tile 0 in bit 0 of the first word. */
  readonly rest: Uint32Array;
  /** How many bits there are. */
  readonly restTiles: number;
}

/** Steps that are remembered, as many as a picture keeps. */
const KEPT = 32;

/** Remembers what has moved in the newest pictures, and adds it up for who was sent an older one. */
export class MoveLog {
  readonly #steps: readonly PictureStep[] = Array.from({ length: KEPT }, newStep);
  #newest = 0;
  /** The steps of a plan, the newest first. */
  readonly #chain: PictureStep[] = [];
  #rest: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #before: Uint32Array<ArrayBuffer> = new Uint32Array(0);

  /** Forgets all: the serials of another picture say nothing here. */
  clear(): void {
    for (const step of this.#steps) step.serial = 0;
    this.#newest = 0;
  }

  /** Takes over the steps to the newest picture. */
  follow(picture: PictureView): void {
    let { serial } = picture;
    for (let i = 0; i < KEPT && serial > this.#newest; i++) {
      const step = this.#slot(serial);
      if (!picture.readStep(serial, step)) {
        step.serial = 0;
        break;
      }
      serial = step.base;
    }
    this.#newest = picture.serial;
  }

  /**
   * How a screen that shows one picture comes to another by moves; undefined when nothing moved, or
   * it is not known what did.
   *
   * @param lacks bits of the tiles that the screen does not show exactly; none when left out
   */
  plan(
    grid: TileGrid,
    way: { readonly from: number; readonly to: number },
    lacks?: Uint32Array,
  ): MovePlan | undefined {
    if (!this.#find(way)) return undefined;
    const words = Math.ceil(grid.tileCount / 32);
    if (this.#rest.length !== words) {
      this.#rest = new Uint32Array(words);
      this.#before = new Uint32Array(words);
    }
    const rest = this.#rest;
    if (lacks === undefined) rest.fill(0);
    else rest.set(lacks);
    const moves: Move[] = [];
    for (let step = this.#chain.pop(); step !== undefined; step = this.#chain.pop()) {
      const { move } = step;
      if (move !== undefined) {
        this.#spread(grid, move);
        moves.push(moveOf(move));
      }
      for (let i = 0; i < words; i++) rest[i] = (rest[i] ?? 0) | (step.rest[i] ?? 0);
    }
    return { moves, rest, restTiles: countBits(rest) };
  }

  /** Whether all steps between are known and some of them are moves, which are in the chain then. */
  #find({ from, to }: { readonly from: number; readonly to: number }): boolean {
    this.#chain.length = 0;
    let moves = 0;
    for (let serial = to; serial !== from; ) {
      const step = this.#slot(serial);
      if (serial < from || step.serial !== serial || this.#chain.length >= KEPT) return false;
      this.#chain.push(step);
      if (step.move !== undefined) moves++;
      serial = step.base;
    }
    return moves > 0 && moves <= MAX_MOVES;
  }

  /** What is wrong before a move is wrong after it, and where it is moved to as well. */
  #spread(grid: TileGrid, move: StepMove): void {
    const rest = this.#rest;
    if (rest.every((word) => word === 0)) return;
    const before = this.#before;
    before.set(rest);
    const { tilePx, columns } = grid;
    const right = move.x + move.width;
    const bottom = move.y + move.height;
    for (let row = Math.floor(move.y / tilePx); row * tilePx < bottom; row++)
      for (let column = Math.floor(move.x / tilePx); column * tilePx < right; column++) {
        const x = Math.max(move.x, column * tilePx);
        const y = Math.max(move.y, row * tilePx);
        const endX = Math.min(right, (column + 1) * tilePx);
        const endY = Math.min(bottom, (row + 1) * tilePx);
        const tileEndX = Math.min(grid.widthPx, (column + 1) * tilePx);
        const tileEndY = Math.min(grid.heightPx, (row + 1) * tilePx);
        const isWhole =
          x === column * tilePx && y === row * tilePx && endX === tileEndX && endY === tileEndY;
        const index = row * columns + column;
        const stays = !isWhole && hasBit(before, index);
        const source = {
          x: x - move.x + move.fromX,
          y: y - move.y + move.fromY,
          endX: endX - move.x + move.fromX,
          endY: endY - move.y + move.fromY,
        };
        if (stays || anyBit(before, grid, source))
          rest[index >> 5] = (rest[index >> 5] ?? 0) | (1 << (index & 31));
        else rest[index >> 5] = (rest[index >> 5] ?? 0) & ~(1 << (index & 31));
      }
  }

  #slot(serial: number): PictureStep {
    return this.#steps[serial % KEPT] ?? newStep();
  }
}

function moveOf({ x, y, width, height, fromX, fromY }: StepMove): Move {
  return { to: { x, y, width, height }, fromX, fromY };
}

function hasBit(bits: Uint32Array, index: number): boolean {
  return (((bits[index >> 5] ?? 0) >>> (index & 31)) & 1) !== 0;
}

/** Whether any tile that an area touches has its bit. */
function anyBit(
  bits: Uint32Array,
  { tilePx, columns }: TileGrid,
  area: { readonly x: number; readonly y: number; readonly endX: number; readonly endY: number },
): boolean {
  for (let row = Math.floor(area.y / tilePx); row * tilePx < area.endY; row++)
    for (let column = Math.floor(area.x / tilePx); column * tilePx < area.endX; column++)
      if (hasBit(bits, row * columns + column)) return true;
  return false;
}

function countBits(bits: Uint32Array): number {
  let count = 0;
  for (let word of bits) for (; word !== 0; word = (word & (word - 1)) >>> 0) count++;
  return count;
}

/** Writes the indices of the tiles that have a bit to `out`, in rising order; returns how many. */
export function tilesOfBits(bits: Uint32Array, out: Uint32Array): number {
  let count = 0;
  for (const [at, word] of bits.entries())
    for (let left = word; left !== 0; left = (left & (left - 1)) >>> 0)
      out[count++] = at * 32 + 31 - Math.clz32(left & -left);
  return count;
}
