import type { Rect } from '../../protocol/rect.ts';

/** How a picture is cut into tiles, as far as it matters here. */
export interface RegionGrid {
  readonly columns: number;
  readonly rows: number;
  readonly tilePx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Changes of a tile are counted for so long, in two halves of which the older is forgotten. */
const HALF_MS = 400;
/** A tile that changes this often within that time moves; a caret or a clock does not. */
const HOT_CHANGES = 6;
/** Fewer moving tiles than this in one place are no film: they are sent exactly. */
const SMALL_TILES = 12;
/** A part of the picture this large is taken for all of it. */
const NEARLY_ALL = 0.7;
/** A region is made smaller when what moves takes less than this part of it, */
const LOOSE = 0.6;
/** and not sooner than this after the last change: each begins another stream. */
const SHRINK_AFTER_MS = 2000;
const GROW_AFTER_MS = 500;

/** In tiles; `right` and `bottom` are the first outside. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Finds the part of the picture that moves all the time: a film in a window is coded as video by
 * itself, and everything around it is sent exactly.
 *
 * What moves in a few tiles only, as a clock that counts frames does, is left out of it: a box around
 * that and the film would be the whole screen.
 */
export class MovingRegion {
  #recent: Uint16Array<ArrayBuffer> = new Uint16Array(0);
  #before: Uint16Array<ArrayBuffer> = new Uint16Array(0);
  #marks: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #grid: RegionGrid | undefined;
  #turnMs = Number.NEGATIVE_INFINITY;
  #changedMs = Number.NEGATIVE_INFINITY;
  #box: Box | undefined;
  #region: Rect | undefined;
  #serial = 0;

  /** The part that moves; undefined when that is the whole picture, or not known yet. */
  get region(): Rect | undefined {
    return this.#region;
  }

  /** The newest serial at which anything changed in it; of the whole picture while that is it. */
  get serial(): number {
    return this.#serial;
  }

  /** Begins again: another picture. */
  reset(grid: RegionGrid): void {
    const tiles = grid.columns * grid.rows;
    this.#grid = grid;
    this.#recent = new Uint16Array(tiles);
    this.#before = new Uint16Array(tiles);
    this.#marks = new Uint8Array(tiles);
    this.#turnMs = Number.NEGATIVE_INFINITY;
    this.#changedMs = Number.NEGATIVE_INFINITY;
    this.#box = undefined;
    this.#region = undefined;
    this.#serial = 0;
  }

  /** Some tiles have a new serial. Units: `nowMs` in milliseconds of any clock that does not jump. */
  changed(
    tiles: Uint32Array,
    count: number,
    at: { readonly serial: number; readonly nowMs: number },
  ): void {
    if (this.#grid === undefined) return;
    const { serial, nowMs } = at;
    const before = this.#box;
    this.#count(tiles, count, nowMs, this.#grid);
    const box = this.#box;
    // What has changed in another part until now was not counted.
    if (box === undefined || box !== before || this.#holdsOneOf(tiles, count, box))
      this.#serial = serial;
  }

  #holdsOneOf(tiles: Uint32Array, count: number, box: Box): boolean {
    const columns = this.#grid?.columns ?? 1;
    for (let i = 0; i < count; i++) {
      const tile = tiles[i] ?? 0;
      const column = tile % columns;
      const row = Math.floor(tile / columns);
      const across = column >= box.left && column < box.right;
      if (across && row >= box.top && row < box.bottom) return true;
    }
    return false;
  }

  #count(tiles: Uint32Array, count: number, nowMs: number, grid: RegionGrid): void {
    const recent = this.#recent;
    const sinceMs = nowMs - this.#turnMs;
    if (sinceMs >= 2 * HALF_MS) {
      // After a pause what was counted before says nothing of what moves now.
      this.#before.fill(0);
      recent.fill(0);
      this.#turnMs = nowMs;
    } else if (sinceMs >= HALF_MS) {
      this.#judge(grid, nowMs);
      this.#before.set(recent);
      recent.fill(0);
      this.#turnMs = nowMs;
    }
    for (let i = 0; i < count; i++) {
      const tile = tiles[i] ?? 0;
      recent[tile] = (recent[tile] ?? 0) + 1;
    }
  }

  #judge(grid: RegionGrid, nowMs: number): void {
    const found = this.#moving(grid);
    const all = grid.columns * grid.rows;
    // Nothing that moves for long: what there is stays until something else does.
    if (found === undefined) return;
    const wanted = area(found) >= all * NEARLY_ALL ? undefined : found;
    const box = this.#box;
    const sinceMs = nowMs - this.#changedMs;
    const fits = wanted !== undefined && (box === undefined || within(wanted, box));
    if (fits && area(wanted) >= (box === undefined ? all : area(box)) * LOOSE) return;
    if (wanted === undefined && box === undefined) return;
    if (sinceMs < (fits ? SHRINK_AFTER_MS : GROW_AFTER_MS)) return;
    this.#changedMs = nowMs;
    this.#box = wanted;
    this.#region = wanted === undefined ? undefined : rectOf(wanted, grid);
  }

  /** The box around all places of many tiles that move. */
  #moving({ columns, rows }: RegionGrid): Box | undefined {
    const marks = this.#marks;
    for (let tile = 0; tile < marks.length; tile++) {
      const changes = (this.#recent[tile] ?? 0) + (this.#before[tile] ?? 0);
      marks[tile] = changes >= HOT_CHANGES ? 1 : 0;
    }
    let box: Box | undefined;
    for (let tile = 0; tile < marks.length; tile++) {
      if (marks[tile] !== 1) continue;
      const place = takePlace(marks, tile, columns, rows);
      if (place.tiles < SMALL_TILES) continue;
      box = box === undefined ? place : around(box, place);
    }
    return box;
  }
}

/** Takes all marks that hang together with one, and answers the box around them. */
function takePlace(
  marks: Uint8Array,
  first: number,
  columns: number,
  rows: number,
): Box & { readonly tiles: number } {
  const open = [first];
  marks[first] = 0;
  let tiles = 0;
  let left = columns;
  let top = rows;
  let right = 0;
  let bottom = 0;
  for (let tile = open.pop(); tile !== undefined; tile = open.pop()) {
    const column = tile % columns;
    const row = Math.floor(tile / columns);
    tiles++;
    left = Math.min(left, column);
    top = Math.min(top, row);
    right = Math.max(right, column + 1);
    bottom = Math.max(bottom, row + 1);
    const neighbours = [
      column > 0 ? tile - 1 : -1,
      column + 1 < columns ? tile + 1 : -1,
      row > 0 ? tile - columns : -1,
      row + 1 < rows ? tile + columns : -1,
    ];
    for (const next of neighbours) {
      if (marks[next] !== 1) continue;
      marks[next] = 0;
      open.push(next);
    }
  }
  return { left, top, right, bottom, tiles };
}

function area({ left, top, right, bottom }: Box): number {
  return (right - left) * (bottom - top);
}

function within(inner: Box, outer: Box): boolean {
  return (
    inner.left >= outer.left &&
    inner.top >= outer.top &&
    inner.right <= outer.right &&
    inner.bottom <= outer.bottom
  );
}

function around(a: Box, b: Box): Box {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

function rectOf(box: Box, { tilePx, widthPx, heightPx }: RegionGrid): Rect {
  const x = box.left * tilePx;
  const y = box.top * tilePx;
  return {
    x,
    y,
    width: Math.min(widthPx, box.right * tilePx) - x,
    height: Math.min(heightPx, box.bottom * tilePx) - y,
  };
}
