import type { Rect } from '../../protocol/rect.ts';

/**
 * The tiles a picture is divided into: squares of `tilePx`, numbered row by row from the left upper
 * corner. Tiles at the right and lower edge are cut to the picture.
 *
 * Units: pixels, tiles.
 */
export interface TileGrid {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
  /** Tiles in a row. */
  readonly columns: number;
  /** Rows of tiles. */
  readonly rows: number;
  /** Tiles in all: columns x rows. */
  readonly tileCount: number;
}

/** The grid of a picture. */
export function tileGrid(size: {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
}): TileGrid {
  const { widthPx, heightPx, tilePx } = size;
  const columns = Math.ceil(widthPx / tilePx);
  const rows = Math.ceil(heightPx / tilePx);
  return { widthPx, heightPx, tilePx, columns, rows, tileCount: columns * rows };
}

/** Pixels of a tile, cut to the picture. */
export function tileAreaPx(grid: TileGrid, index: number): number {
  const column = index % grid.columns;
  const row = (index - column) / grid.columns;
  const width = Math.min(grid.tilePx, grid.widthPx - column * grid.tilePx);
  const height = Math.min(grid.tilePx, grid.heightPx - row * grid.tilePx);
  return width * height;
}

/** Pixels of the first `count` tiles of a list, each cut to the picture. */
export function tilesAreaPx(grid: TileGrid, tiles: Uint32Array, count: number): number {
  let areaPx = 0;
  for (let i = 0; i < count; i++) areaPx += tileAreaPx(grid, tiles[i] ?? 0);
  return areaPx;
}

/** The height of a band: rows of tiles that are walked together while a frame still arrives. */
export const BAND_TILES: number = 2;

/**
 * Where the next band of a frame ends: the last whole band within the rows that have arrived, or the
 * end of the data; at least one band further than `fromRow`, so that waiting for it makes progress.
 *
 * Units: rows of pixels.
 */
export function bandEnd(options: {
  readonly fromRow: number;
  readonly arrivedRows: number;
  readonly dataRows: number;
  readonly tilePx: number;
}): number {
  const { fromRow, arrivedRows, dataRows, tilePx } = options;
  if (arrivedRows >= dataRows) return dataRows;
  const bandPx = tilePx * BAND_TILES;
  const whole = Math.floor(arrivedRows / bandPx) * bandPx;
  return Math.min(dataRows, whole > fromRow ? whole : (Math.floor(fromRow / bandPx) + 1) * bandPx);
}

/** Calls of {@link mergeTiles} never return more rects than this. */
export const MAX_MERGED_RECTS: number = 8;

/** A rect in tiles that can grow. */
interface TileSpan {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/**
 * A few rects that hold all tiles of a list, for encodings that code rectangles and not tiles.
 * Runs of neighbours are joined when what is added unchanged stays below a quarter of the result.
 *
 * Units: pixels; the rects are cut to the picture and lie on tile borders. They may overlap, and
 * hold tiles that are not in the list: {@link tilesInRects} tells which.
 */
export function mergeTiles(
  grid: TileGrid,
  tiles: Uint32Array,
  count: number,
  maxRects: number = MAX_MERGED_RECTS,
): Rect[] {
  const spans: TileSpan[] = [];
  let i = 0;
  while (i < count) {
    const first = tiles[i] ?? 0;
    const row = Math.floor(first / grid.columns);
    const rowEnd = (row + 1) * grid.columns;
    let last = first;
    i++;
    while (i < count && tiles[i] === last + 1 && last + 1 < rowEnd) {
      last++;
      i++;
    }
    const left = first - row * grid.columns;
    addSpan(
      spans,
      { left, top: row, right: last - row * grid.columns + 1, bottom: row + 1 },
      maxRects,
    );
  }
  return joinSpans(spans).map((span) => spanRect(grid, span));
}

/** All tiles that rects touch, in rising order, each once. */
export function tilesInRects(grid: TileGrid, rects: readonly Rect[]): Uint32Array<ArrayBuffer> {
  const { tilePx, columns } = grid;
  const found = new Set<number>();
  for (const { x, y, width, height } of rects)
    for (let row = Math.floor(y / tilePx); row * tilePx < y + height; row++)
      for (let column = Math.floor(x / tilePx); column * tilePx < x + width; column++)
        found.add(row * columns + column);
  return Uint32Array.from(found).sort();
}

function spanArea(span: TileSpan): number {
  return (span.right - span.left) * (span.bottom - span.top);
}

function unionArea(a: TileSpan, b: TileSpan): number {
  return (
    (Math.max(a.right, b.right) - Math.min(a.left, b.left)) *
    (Math.max(a.bottom, b.bottom) - Math.min(a.top, b.top))
  );
}

function grow(into: TileSpan, span: TileSpan): void {
  into.left = Math.min(into.left, span.left);
  into.top = Math.min(into.top, span.top);
  into.right = Math.max(into.right, span.right);
  into.bottom = Math.max(into.bottom, span.bottom);
}

function addSpan(spans: TileSpan[], span: TileSpan, maxRects: number): void {
  let best: TileSpan | undefined;
  let bestWaste = Number.POSITIVE_INFINITY;
  for (const candidate of spans) {
    const waste = unionArea(candidate, span) - spanArea(candidate) - spanArea(span);
    if (waste < bestWaste) {
      best = candidate;
      bestWaste = waste;
    }
  }
  const cheap = best !== undefined && bestWaste * 4 <= unionArea(best, span);
  if (best !== undefined && (cheap || spans.length >= maxRects)) grow(best, span);
  else spans.push(span);
}

/** Joins spans that have grown into each other; at most MAX_MERGED_RECTS of them, so three loops do no harm. */
function joinSpans(spans: TileSpan[]): TileSpan[] {
  for (let a = 0; a < spans.length; a++) {
    for (let b = a + 1; b < spans.length; b++) {
      const one = spans[a];
      const other = spans[b];
      if (one === undefined || other === undefined) continue;
      if (unionArea(one, other) > spanArea(one) + spanArea(other)) continue;
      grow(one, other);
      spans.splice(b, 1);
      a = -1;
      break;
    }
  }
  return spans;
}

function spanRect(grid: TileGrid, span: TileSpan): Rect {
  const x = span.left * grid.tilePx;
  const y = span.top * grid.tilePx;
  return {
    x,
    y,
    width: Math.min(grid.widthPx, span.right * grid.tilePx) - x,
    height: Math.min(grid.heightPx, span.bottom * grid.tilePx) - y,
  };
}
