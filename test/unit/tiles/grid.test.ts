import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bandEnd,
  MAX_MERGED_RECTS,
  mergeTiles,
  tileAreaPx,
  tileGrid,
  tilesAreaPx,
  tilesInRects,
} from '../../../client/tiles/grid.ts';
import { containsRect } from '../../../protocol/rect.ts';
import { tileRect } from '../../../protocol/wire/index.ts';

describe('tileGrid()', () => {
  it('counts tiles that are cut at the edges', () => {
    expect(tileGrid({ widthPx: 1920, heightPx: 1080, tilePx: 64 })).toEqual({
      widthPx: 1920,
      heightPx: 1080,
      tilePx: 64,
      columns: 30,
      rows: 17,
      tileCount: 510,
    });
    expect(tileGrid({ widthPx: 1, heightPx: 65, tilePx: 64 })).toMatchObject({
      columns: 1,
      rows: 2,
    });
  });

  it('has tiles whose areas add up to the picture, and are those of tileRect()', () => {
    const sizes = fc.record({
      widthPx: fc.integer({ min: 1, max: 300 }),
      heightPx: fc.integer({ min: 1, max: 300 }),
      tilePx: fc.integer({ min: 8, max: 64 }),
    });
    fc.assert(
      fc.property(sizes, (size) => {
        const grid = tileGrid(size);
        const all = Uint32Array.from({ length: grid.tileCount }, (_, index) => index);
        for (const index of all) {
          const rect = tileRect(index, size);
          expect(tileAreaPx(grid, index)).toBe(rect.width * rect.height);
        }
        expect(tilesAreaPx(grid, all, grid.tileCount)).toBe(size.widthPx * size.heightPx);
      }),
    );
  });
});

describe('bandEnd()', () => {
  it('is the end of the data when all of it has arrived', () => {
    expect(bandEnd({ fromRow: 0, arrivedRows: 1080, dataRows: 1080, tilePx: 64 })).toBe(1080);
    expect(bandEnd({ fromRow: 256, arrivedRows: 5000, dataRows: 1080, tilePx: 64 })).toBe(1080);
  });

  it('is the last whole band of what has arrived', () => {
    expect(bandEnd({ fromRow: 0, arrivedRows: 300, dataRows: 1080, tilePx: 64 })).toBe(256);
    expect(bandEnd({ fromRow: 128, arrivedRows: 512, dataRows: 1080, tilePx: 64 })).toBe(512);
  });

  it('is the next band when not even that has arrived', () => {
    expect(bandEnd({ fromRow: 0, arrivedRows: 0, dataRows: 1080, tilePx: 64 })).toBe(128);
    expect(bandEnd({ fromRow: 1024, arrivedRows: 1030, dataRows: 1080, tilePx: 64 })).toBe(1080);
    expect(bandEnd({ fromRow: 256, arrivedRows: 7, dataRows: 1080, tilePx: 64 })).toBe(384);
  });

  it('always leads on, and to the end in the end', () => {
    const rows = fc.integer({ min: 0, max: 2000 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.infiniteStream(rows),
        (dataRows, arrive) => {
          let row = 0;
          for (let turns = 0; row < dataRows; turns++) {
            expect(turns).toBeLessThan(17);
            const end = bandEnd({
              fromRow: row,
              arrivedRows: arrive.next().value ?? 0,
              dataRows,
              tilePx: 64,
            });
            expect(end).toBeGreaterThan(row);
            expect(end).toBeLessThanOrEqual(dataRows);
            row = end;
          }
        },
      ),
    );
  });
});

describe('mergeTiles()', () => {
  const grid = tileGrid({ widthPx: 1000, heightPx: 600, tilePx: 64 });

  function merge(tiles: readonly number[]): ReturnType<typeof mergeTiles> {
    return mergeTiles(grid, Uint32Array.from(tiles), tiles.length);
  }

  it('makes one rect of one tile, cut to the picture', () => {
    expect(merge([17])).toEqual([{ x: 64, y: 64, width: 64, height: 64 }]);
    expect(merge([159])).toEqual([{ x: 960, y: 576, width: 40, height: 24 }]);
  });

  it('makes one rect of a whole picture', () => {
    const all = Array.from({ length: grid.tileCount }, (_, index) => index);
    expect(merge(all)).toEqual([{ x: 0, y: 0, width: 1000, height: 600 }]);
  });

  it('keeps two far corners apart', () => {
    expect(merge([0, 159])).toHaveLength(2);
  });

  it('does not take the end of a row and the start of the next for neighbours', () => {
    expect(merge([15, 16])).toEqual([
      { x: 960, y: 0, width: 40, height: 64 },
      { x: 0, y: 64, width: 64, height: 64 },
    ]);
  });

  it('makes nothing of nothing', () => {
    expect(merge([])).toEqual([]);
  });

  it('makes few rects that lie in the picture and hold every tile', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(grid.tileCount - 1)), (picked) => {
        const tiles = picked.sort((a, b) => a - b);
        const rects = merge(tiles);
        expect(rects.length).toBeLessThanOrEqual(MAX_MERGED_RECTS);
        const picture = { x: 0, y: 0, width: grid.widthPx, height: grid.heightPx };
        for (const rect of rects) expect(containsRect(picture, rect)).toBe(true);
        for (const index of tiles) {
          const tile = tileRect(index, grid);
          expect(rects.some((rect) => containsRect(rect, tile))).toBe(true);
        }
      }),
    );
  });

  it('makes rects of which it is known what else they hold', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(grid.tileCount - 1)), (picked) => {
        const rects = merge(picked.sort((a, b) => a - b));
        const held = Array.from({ length: grid.tileCount }, (_, index) => index).filter((index) =>
          rects.some((rect) => containsRect(rect, tileRect(index, grid))),
        );
        expect([...tilesInRects(grid, rects)]).toEqual(held);
      }),
    );
  });
});
