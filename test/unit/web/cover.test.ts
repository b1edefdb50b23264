import { describe, expect, it } from 'vitest';
import { TileSet, tileCount } from '../../../viewer/web/core/decode/cover.ts';

// 4 x 3 tiles; those of the last column and row are cut.
const GRID = { widthPx: 7, heightPx: 5, tilePx: 2 };

function tiles(...indices: readonly number[]): TileSet {
  const bits = new Uint8Array(2);
  for (const index of indices) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  return new TileSet(GRID, bits);
}

describe('TileSet', () => {
  it('has a bit for each tile, tile 0 in bit 0 of the first byte', () => {
    expect(tileCount(GRID)).toBe(12);
    const set = new TileSet(GRID, Uint8Array.of(0x05, 0x08));
    expect([...Array(12).keys()].filter((index) => set.has(index))).toEqual([0, 2, 11]);
  });

  it('keeps a copy: the message it came in may be used again', () => {
    const bits = Uint8Array.of(1, 0);
    const set = new TileSet(GRID, bits);
    bits[0] = 0;
    expect(set.has(0)).toBe(true);
  });

  it('is few rects, cut to the picture', () => {
    expect(tiles(1, 2, 5, 6, 11).blocks).toEqual([
      { x: 2, y: 0, width: 4, height: 4 },
      { x: 6, y: 4, width: 1, height: 1 },
    ]);
    expect(tiles().blocks).toEqual([]);
    expect(tiles().isEmpty).toBe(true);
    expect(tiles(11).isEmpty).toBe(false);
  });

  it('knows what is within it, and what is left without another', () => {
    expect(tiles(1, 9).isWithin(tiles(0, 1, 9))).toBe(true);
    expect(tiles(1, 9).isWithin(tiles(1))).toBe(false);
    expect(tiles(1, 9, 11).without(tiles(0, 9)).bits).toEqual(tiles(1, 11).bits);
    const set = tiles(1);
    set.add(tiles(9));
    expect(set.bits).toEqual(tiles(1, 9).bits);
  });

  it('knows which of its tiles a rect touches', () => {
    const set = tiles(0, 1, 5, 11);
    expect(set.touching({ x: 1, y: 1, width: 3, height: 2 }).bits).toEqual(tiles(0, 1, 5).bits);
    expect(set.bits).toEqual(tiles(0, 1, 5, 11).bits);
  });

  it('loses each tile that a rect touches, if only by a pixel', () => {
    const set = tiles(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    set.removeRect({ x: 1, y: 1, width: 2, height: 1 });
    set.removeRect({ x: 6, y: 4, width: 1, height: 1 });
    expect(set.bits).toEqual(tiles(2, 3, 4, 5, 6, 7, 8, 9, 10).bits);
  });

  it('is full only with every tile of its grid, whatever is beyond the last', () => {
    for (const [widthPx, heightPx] of [
      [64, 64],
      [512, 64],
      [576, 64],
      [1920, 1080],
    ] as const) {
      const grid = { widthPx, heightPx, tilePx: 64 };
      const count = tileCount(grid);
      const set = new TileSet(grid);
      expect(set.isFull).toBe(false);
      for (let tile = 0; tile < count; tile++) {
        expect(set.isFull).toBe(false);
        set.bits[tile >> 3] = (set.bits[tile >> 3] ?? 0) | (1 << (tile & 7));
      }
      expect(set.isFull).toBe(true);
      set.removeRect({ x: widthPx - 1, y: heightPx - 1, width: 1, height: 1 });
      expect(set.isFull).toBe(false);
    }
  });
});
