import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  copyChangedTiles,
  type FoundMove,
  findMove,
  type PictureStates,
} from '../../../native/index.ts';
import type { Rect } from '../../../protocol/rect.ts';

const OPAQUE = 0xff000000;

/** A picture of words, before and after something was done to it. */
class Stage {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
  readonly before: Uint32Array<ArrayBuffer>;
  readonly now: Uint32Array<ArrayBuffer>;
  #state: number;

  constructor(widthPx: number, heightPx: number, tilePx: number, seed: number) {
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.tilePx = tilePx;
    this.#state = seed * 2 + 1;
    this.before = new Uint32Array(widthPx * heightPx).map(() => this.#noise());
    this.now = this.before.slice();
  }

  #noise(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (OPAQUE | (this.#state >>> 8)) >>> 0;
  }

  /** Lines of text on a page: most rows are like others, and some are the same. */
  write(colours: number): void {
    for (let y = 0; y < this.heightPx; y++)
      for (let x = 0; x < this.widthPx; x++)
        this.before[y * this.widthPx + x] =
          y % 7 < 2 ? OPAQUE : (OPAQUE | (this.#noise() % colours)) >>> 0;
    this.now.set(this.before);
  }

  /** What is in an area goes up by so many rows (down when negative); what comes in is new. */
  scroll(area: Rect, rows: number): void {
    for (let y = area.y; y < area.y + area.height; y++)
      for (let x = area.x; x < area.x + area.width; x++) {
        const from = y + rows;
        const inside = from >= area.y && from < area.y + area.height;
        this.now[y * this.widthPx + x] = inside
          ? (this.before[from * this.widthPx + x] ?? 0)
          : this.#noise();
      }
  }

  touch(x: number, y: number): void {
    const at = y * this.widthPx + x;
    this.now[at] = ((this.now[at] ?? 0) ^ 1) >>> 0;
  }

  get columns(): number {
    return Math.ceil(this.widthPx / this.tilePx);
  }

  get tileCount(): number {
    return this.columns * Math.ceil(this.heightPx / this.tilePx);
  }

  /** Tiles in which two pictures differ, found the slow way. */
  differing(a: Uint32Array, b: Uint32Array): number[] {
    const tiles = new Set<number>();
    for (let y = 0; y < this.heightPx; y++)
      for (let x = 0; x < this.widthPx; x++) {
        const at = y * this.widthPx + x;
        if (a[at] !== b[at])
          tiles.add(Math.floor(y / this.tilePx) * this.columns + Math.floor(x / this.tilePx));
      }
    return [...tiles].sort((one, other) => one - other);
  }

  get states(): PictureStates {
    const serials = new Uint32Array(this.tileCount).fill(3);
    for (const tile of this.differing(this.before, this.now)) serials[tile] = 4;
    return {
      picture: new Uint8Array(this.now.buffer),
      picturePitchBytes: this.widthPx * 4,
      widthPx: this.widthPx,
      heightPx: this.heightPx,
      tilePx: this.tilePx,
      serials,
      base: 3,
      copy: new Uint8Array(this.before.buffer),
    };
  }

  /** What a move makes of what was before, pixel by pixel. */
  moved(move: FoundMove): Uint32Array {
    const moved = this.before.slice();
    for (let y = 0; y < move.height; y++)
      for (let x = 0; x < move.width; x++)
        moved[(move.y + y) * this.widthPx + move.x + x] =
          this.before[(move.fromY + y) * this.widthPx + move.fromX + x] ?? 0;
    return moved;
  }

  find(): { readonly move: FoundMove | undefined; readonly rest: number[] } {
    const bits = new Uint32Array(Math.ceil(this.tileCount / 32)).fill(0xffffffff);
    const move = findMove(this.states, bits);
    const rest: number[] = [];
    for (let tile = 0; tile < bits.length * 32; tile++)
      if (((bits[tile >> 5] ?? 0) >>> (tile & 31)) & 1) rest.push(tile);
    return { move, rest };
  }
}

const WINDOW = { x: 37, y: 29, width: 301, height: 203 };

describe('findMove()', () => {
  test.each([1, 12, 64, 100, -1, -12, -64, -100])(
    'finds what was scrolled by %i rows, to the pixel',
    (rows) => {
      const stage = new Stage(390, 277, 32, 1);
      stage.scroll(WINDOW, rows);
      const { move } = stage.find();
      const { x, y, width, height } = WINDOW;
      const kept = height - Math.abs(rows);
      expect(move).toMatchObject({
        ...{ x, width, y: rows > 0 ? y : y - rows, height: kept },
        ...{ fromX: x, fromY: rows > 0 ? y + rows : y },
      });
    },
  );

  test('leaves exactly the tiles that the move alone makes wrong', () => {
    const random = fc.record({
      seed: fc.nat(9999),
      widthPx: fc.integer({ min: 150, max: 260 }),
      heightPx: fc.integer({ min: 150, max: 260 }),
      tilePx: fc.constantFrom(16, 21, 32),
      colours: fc.constantFrom(2, 1000),
      rows: fc.integer({ min: -90, max: 90 }),
      inset: fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30), fc.nat(30)),
      touched: fc.array(fc.tuple(fc.nat(149), fc.nat(149)), { maxLength: 5 }),
    });
    let found = 0;
    fc.assert(
      fc.property(random, (one) => {
        const stage = new Stage(one.widthPx, one.heightPx, one.tilePx, one.seed);
        stage.write(one.colours);
        const [left, top, right, bottom] = one.inset;
        const area = { x: left, y: top, width: one.widthPx - left - right, height: 0 };
        stage.scroll({ ...area, height: one.heightPx - top - bottom }, one.rows);
        for (const [x, y] of one.touched) stage.touch(x, y);
        const { move, rest } = stage.find();
        if (move === undefined) return;
        found++;
        expect(rest).toEqual(stage.differing(stage.moved(move), stage.now));
        expect(move.restTiles).toBe(rest.length);
        expect(move.changedTiles).toBe(stage.differing(stage.before, stage.now).length);
        expect(move.restTiles).toBeLessThan(move.changedTiles);
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(100);
  });

  test('takes one other pixel for what it is', () => {
    const stage = new Stage(320, 320, 32, 5);
    stage.scroll({ x: 0, y: 0, width: 320, height: 320 }, 32);
    const { rest } = stage.find();
    const last = [90, 91, 92, 93, 94, 95, 96, 97, 98, 99];
    expect(rest).toEqual(last);
    stage.touch(63, 64);
    expect(stage.find().rest).toEqual([21, ...last]);
  });

  test('finds nothing in what is new, in what is still, and in what is small', () => {
    const noise = new Stage(320, 320, 32, 7);
    noise.now.set(new Stage(320, 320, 32, 8).now);
    expect(noise.find().move).toBeUndefined();
    const still = new Stage(320, 320, 32, 7);
    expect(still.find().move).toBeUndefined();
    const small = new Stage(320, 320, 32, 7);
    small.scroll({ x: 0, y: 0, width: 128, height: 128 }, 12);
    expect(small.find().move).toBeUndefined();
  });

  test('goes by what moved beside a film that plays', () => {
    const stage = new Stage(640, 480, 32, 9);
    stage.scroll({ x: 0, y: 0, width: 640, height: 480 }, 24);
    const film = new Stage(640, 480, 32, 10).now;
    for (let y = 96; y < 192; y++)
      stage.now.set(film.subarray(y * 640 + 64, y * 640 + 256), y * 640 + 64);
    const { move, rest } = stage.find();
    expect(move).toMatchObject({ x: 0, y: 0, width: 640, height: 456, fromY: 24 });
    // Three rows of six tiles of the film, and the last line of tiles.
    expect(rest).toHaveLength(3 * 6 + 20);
  });

  test('refuses what leaves its buffer', () => {
    const { states } = new Stage(64, 64, 32, 1);
    const rest = new Uint32Array(1);
    const code = 'ERR_KVMFR_BOUNDS';
    const short = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, -1);
    const found = [
      () => findMove({ ...states, copy: short(states.copy) }, rest),
      () => findMove({ ...states, picture: short(states.picture) }, rest),
      () => findMove({ ...states, serials: new Uint32Array(3) }, rest),
      () => findMove(states, new Uint32Array(0)),
      () => copyChangedTiles({ ...states, copy: short(states.copy) }),
      () => copyChangedTiles({ ...states, serials: new Uint32Array(3) }),
    ];
    for (const call of found) expect(call).toThrowError(expect.objectContaining({ code }));
  });
});

test('copyChangedTiles() copies the tiles that changed and no others', () => {
  const stage = new Stage(75, 70, 32, 3);
  const { states } = stage;
  for (const [x, y] of [
    [0, 0],
    [74, 0],
    [33, 40],
    [70, 69],
  ] as const)
    stage.touch(x, y);
  // In tile 7 something differs of which nobody has said so.
  stage.touch(40, 66);
  states.serials.set([4, 3, 4, 3, 4, 3, 3, 3, 4]);
  expect(copyChangedTiles(states)).toBe(4);
  expect(stage.differing(stage.before, stage.now)).toEqual([7]);
});
