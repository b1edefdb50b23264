import { describe, expect, it } from 'vitest';
import { tileBlocks } from '../../../viewer/web/core/decode/plan.ts';
import { BufferPool } from '../../../viewer/web/core/decode/pool.ts';
import { decodeTilePixels, spreadTiles } from '../../../viewer/web/core/decode/tiles.ts';

// Three by two tiles of 8 pixels; the right column is 4 wide, the lower row 2 high.
const GRID = { widthPx: 20, heightPx: 10, tilePx: 8 };

function tilesMessage(change: {
  readonly coding: number;
  readonly tiles: readonly number[];
  readonly rawBytes: number;
  readonly pixels: Uint8Array;
}) {
  return { epoch: 1, serial: 1, last: true, ...change, tiles: Uint32Array.from(change.tiles) };
}

describe('tileBlocks()', () => {
  it('makes one rect of a whole picture', () => {
    const all = Uint32Array.of(0, 1, 2, 3, 4, 5);
    expect(tileBlocks(all, GRID)).toEqual([{ x: 0, y: 0, width: 20, height: 10 }]);
  });

  it('does not join the end of a row of tiles with the start of the next', () => {
    expect(tileBlocks(Uint32Array.of(2, 3), GRID)).toEqual([
      { x: 16, y: 0, width: 4, height: 8 },
      { x: 0, y: 8, width: 8, height: 2 },
    ]);
  });

  it('joins equal runs below each other, and no others', () => {
    expect(tileBlocks(Uint32Array.of(1, 2, 4, 5), GRID)).toEqual([
      { x: 8, y: 0, width: 12, height: 10 },
    ]);
    expect(tileBlocks(Uint32Array.of(0, 1, 4), GRID)).toEqual([
      { x: 0, y: 0, width: 16, height: 8 },
      { x: 8, y: 8, width: 8, height: 2 },
    ]);
  });

  it('has nothing for no tiles', () => {
    expect(tileBlocks(new Uint32Array(0), GRID)).toEqual([]);
  });
});

describe('spreadTiles()', () => {
  it('puts each triple of two tiles where it belongs, opaque', () => {
    // Tiles of 2 pixels in a picture of 4 x 2: two tiles side by side make one rect of 4 x 2.
    const grid = { widthPx: 4, heightPx: 2, tilePx: 2 };
    const rgb = Uint8Array.of(
      ...[1, 2, 3, 4, 5, 6],
      ...[7, 8, 9, 10, 11, 12],
      ...[13, 14, 15, 16, 17, 18],
      ...[19, 20, 21, 254, 255, 0],
    );
    const rgba = new Uint32Array(8);
    spreadTiles(rgb, rgba, {
      tiles: Uint32Array.of(0, 1),
      blocks: [{ x: 0, y: 0, width: 4, height: 2 }],
      grid,
    });
    expect([...new Uint8Array(rgba.buffer)]).toEqual([
      ...[1, 2, 3, 255, 4, 5, 6, 255, 13, 14, 15, 255, 16, 17, 18, 255],
      ...[7, 8, 9, 255, 10, 11, 12, 255, 19, 20, 21, 255, 254, 255, 0, 255],
    ]);
  });
});

describe('decodeTilePixels()', () => {
  it('gives raw tiles as blocks of their own', async () => {
    const pixels = Uint8Array.from({ length: 8 * 2 * 3 + 4 * 8 * 3 }, (_, index) => index);
    const message = tilesMessage({ coding: 0, tiles: [2, 4], rawBytes: pixels.length, pixels });
    const { blocks } = await decodeTilePixels(message, GRID, new BufferPool());
    expect(blocks.map(({ rect }) => rect)).toEqual([
      { x: 16, y: 0, width: 4, height: 8 },
      { x: 8, y: 8, width: 8, height: 2 },
    ]);
    expect([...(blocks[0]?.rgba.subarray(0, 8) ?? [])]).toEqual([0, 1, 2, 255, 3, 4, 5, 255]);
    const second = 4 * 8 * 3;
    expect([...(blocks[1]?.rgba.subarray(0, 4) ?? [])]).toEqual([
      second,
      second + 1,
      second + 2,
      255,
    ]);
    expect(blocks[1]?.rgba).toHaveLength(8 * 2 * 4);
  });

  it('inflates literal bytes of one red tile', async () => {
    // 8 x 2 pixels of ff 00 00: 48 bytes.
    const coded = Uint8Array.of(0xfb, 0xcf, 0xc0, 0xf0, 0x9f, 0x14, 0x04, 0x00);
    const message = tilesMessage({ coding: 1, tiles: [4], rawBytes: 48, pixels: coded });
    const { blocks } = await decodeTilePixels(message, GRID, new BufferPool());
    expect([...(blocks[0]?.rgba ?? [])]).toEqual(
      Array.from({ length: 16 }, () => [255, 0, 0, 255]).flat(),
    );
  });

  it('refuses a stream that does not have all pixels', async () => {
    const coded = Uint8Array.of(0x03, 0x00);
    const message = tilesMessage({ coding: 1, tiles: [4], rawBytes: 48, pixels: coded });
    await expect(decodeTilePixels(message, GRID, new BufferPool())).rejects.toMatchObject({
      code: 'ERR_KVMFR_WIRE',
      message: 'a deflate stream must yield 48 bytes, but yields 0',
    });
  });
});

describe('BufferPool', () => {
  it('hands a buffer that was given back out again, the smallest that is large enough', () => {
    const pool = new BufferPool();
    const large = pool.take(1_000_000);
    const small = pool.take(10);
    expect(large.byteLength).toBeGreaterThanOrEqual(1_000_000);
    pool.give(large);
    pool.give(small);
    expect(pool.take(100)).toBe(small);
    expect(pool.take(100)).toBe(large);
    expect(pool.take(100)).not.toBe(large);
  });

  it('keeps no more than four', () => {
    const pool = new BufferPool();
    const buffers = Array.from({ length: 6 }, () => pool.take(10));
    for (const buffer of buffers) pool.give(buffer);
    const again = Array.from({ length: 6 }, () => pool.take(10));
    expect(again.filter((buffer) => buffers.includes(buffer))).toHaveLength(4);
  });
});
