import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TileGrid, tileGrid } from '../../../client/tiles/grid.ts';
import { Picture } from '../../../client/tiles/picture.ts';
import type { PictureStep, StepMove } from '../../../client/tiles/steps.ts';
import { tileRect } from '../../../protocol/wire/index.ts';
import { MoveLog, tilesOfBits } from '../../../viewer/relay/move-log.ts';

const GRID = tileGrid({ widthPx: 45, heightPx: 38, tilePx: 10 });
const AREA = GRID.widthPx * GRID.heightPx;

/** A picture that has come to its serial by steps that the test makes up. */
class Story extends Picture {
  readonly steps: { readonly serial: number; readonly base: number; readonly step: PictureStep }[] =
    [];
  #serial = 1;

  override get serial(): number {
    return this.#serial;
  }

  override get grid(): TileGrid {
    return GRID;
  }

  tell(serial: number, move: StepMove | undefined, tiles: readonly number[]): void {
    const step = { serial, base: this.#serial, move, rest: bitsOf(tiles) };
    this.steps.push({ serial, base: this.#serial, step });
    this.#serial = serial;
  }

  override readStep(serial: number, into: PictureStep): boolean {
    const told = this.steps.find((one) => one.serial === serial);
    if (told === undefined) return false;
    Object.assign(into, told.step, { rest: told.step.rest.slice() });
    return true;
  }
}

function bitsOf(tiles: readonly number[]): Uint32Array {
  const bits = new Uint32Array(Math.ceil(GRID.tileCount / 32));
  for (const tile of tiles) bits[tile >> 5] = (bits[tile >> 5] ?? 0) | (1 << (tile & 31));
  return bits;
}

function tilesOf(bits: Uint32Array): number[] {
  const out = new Uint32Array(GRID.tileCount);
  return [...out.subarray(0, tilesOfBits(bits, out))];
}

/** Tiles of which a pixel is marked. */
function marked(marks: Uint8Array): number[] {
  const tiles: number[] = [];
  for (let tile = 0; tile < GRID.tileCount; tile++) {
    const { x, y, width, height } = tileRect(tile, GRID);
    let isMarked = false;
    for (let row = y; row < y + height; row++)
      for (let column = x; column < x + width; column++)
        isMarked ||= marks[row * GRID.widthPx + column] === 1;
    if (isMarked) tiles.push(tile);
  }
  return tiles;
}

function mark(marks: Uint8Array, tile: number): void {
  const { x, y, width, height } = tileRect(tile, GRID);
  for (let row = y; row < y + height; row++)
    marks.fill(1, row * GRID.widthPx + x, row * GRID.widthPx + x + width);
}

function moveMarks(marks: Uint8Array, move: StepMove): void {
  const before = marks.slice();
  for (let y = 0; y < move.height; y++)
    for (let x = 0; x < move.width; x++)
      marks[(move.y + y) * GRID.widthPx + move.x + x] =
        before[(move.fromY + y) * GRID.widthPx + move.fromX + x] ?? 0;
}

const span = (end: number): fc.Arbitrary<readonly [at: number, from: number, size: number]> =>
  fc
    .integer({ min: 1, max: end })
    .chain((size) => fc.tuple(fc.nat(end - size), fc.nat(end - size), fc.constant(size)));
const aMove: fc.Arbitrary<StepMove> = fc
  .tuple(span(GRID.widthPx), span(GRID.heightPx))
  .map(([[x, fromX, width], [y, fromY, height]]) => ({ x, y, width, height, fromX, fromY }));
const someTiles = fc.uniqueArray(fc.nat(GRID.tileCount - 1), { maxLength: 3 });

describe('MoveLog', () => {
  it('never calls a tile right of which a single pixel may be wrong, and few others wrong', () => {
    const steps = fc.array(
      fc.record({ move: fc.option(aMove, { nil: undefined }), rest: someTiles }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(steps, someTiles, (all, lacks) => {
        const story = new Story();
        const log = new MoveLog();
        const marks = new Uint8Array(AREA);
        for (const tile of lacks) mark(marks, tile);
        for (const [at, { move, rest }] of all.entries()) {
          story.tell(at + 2, move, rest);
          log.follow(story);
          if (move !== undefined) moveMarks(marks, move);
          // What is wrong anywhere in a tile is taken to be wrong all over: it moves on like that.
          const wrong = [...marked(marks), ...rest];
          for (const tile of wrong) mark(marks, tile);
        }
        const plan = log.plan(GRID, { from: 1, to: story.serial }, bitsOf(lacks));
        if (all.every(({ move }) => move === undefined)) expect(plan).toBeUndefined();
        else {
          expect(plan?.moves).toHaveLength(all.filter(({ move }) => move !== undefined).length);
          expect(tilesOf(plan?.rest ?? new Uint32Array(0))).toEqual(marked(marks));
          expect(plan?.restTiles).toBe(marked(marks).length);
        }
      }),
    );
  });

  const move = { x: 0, y: 0, width: 45, height: 30, fromX: 0, fromY: 8 };

  it('catches up with steps that it was not told of one by one', () => {
    const story = new Story();
    const log = new MoveLog();
    for (const serial of [3, 4, 9]) story.tell(serial, move, [19]);
    log.follow(story);
    expect(log.plan(GRID, { from: 1, to: 9 })?.moves).toHaveLength(3);
    expect(log.plan(GRID, { from: 4, to: 9 })?.moves).toHaveLength(1);
  });

  it('has no plan from a serial that is no picture, that is too old, or after it was cleared', () => {
    const story = new Story();
    const log = new MoveLog();
    for (let serial = 2; serial < 12; serial += 2) story.tell(serial, move, []);
    log.follow(story);
    expect(log.plan(GRID, { from: 3, to: 10 })).toBeUndefined();
    expect(log.plan(GRID, { from: 10, to: 10 })).toBeUndefined();
    expect(log.plan(GRID, { from: 2, to: 11 })).toBeUndefined();
    story.steps.splice(0, 2);
    const late = new MoveLog();
    late.follow(story);
    expect(late.plan(GRID, { from: 2, to: 10 })).toBeUndefined();
    expect(late.plan(GRID, { from: 4, to: 10 })?.moves).toHaveLength(3);
    log.clear();
    expect(log.plan(GRID, { from: 2, to: 10 })).toBeUndefined();
  });

  it('has no plan of more moves than an update may have', () => {
    const story = new Story();
    const log = new MoveLog();
    for (let serial = 2; serial <= 30; serial++) {
      story.tell(serial, move, []);
      log.follow(story);
    }
    expect(log.plan(GRID, { from: 14, to: 30 })?.moves).toHaveLength(16);
    expect(log.plan(GRID, { from: 13, to: 30 })).toBeUndefined();
  });
});
