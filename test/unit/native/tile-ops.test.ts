import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeTiles, codeTilesInPool } from '../../../native/index.ts';
import { pixelsOfOps } from '../../support/tile-ops.ts';
import { thrownBy } from './scratch.ts';

/** Pixels as `packTiles` packs them, from hex of R, G, B. */
function packed(colours: readonly string[]): Uint32Array {
  return new Uint32Array(
    Uint8Array.from(Buffer.from(colours.map((colour) => `${colour}ff`).join(''), 'hex')).buffer,
  );
}

/** What a picture of one tile is coded to, as hex. */
function coded(colours: readonly string[], widthPx = colours.length): string {
  const heightPx = colours.length / widthPx;
  const out = new Uint8Array(colours.length * 3);
  const grid = { widthPx, heightPx, tilePx: Math.max(widthPx, heightPx) };
  const job = { out, packed: packed(colours), ...grid, tileIndices: Uint32Array.of(0) };
  return Buffer.from(out.subarray(0, codeTiles(job))).toString('hex');
}

const times = (count: number, ...colours: readonly string[]): string[] =>
  Array.from({ length: count }, () => colours).flat();

/** Colours that differ by more than a step, so that nothing but a copy brings them again. */
const [A, B, C] = ['500000', '005000', '000050'] as const;

describe('codeTiles', () => {
  // What follows the op is a run, so that the whole is shorter than the pixels.
  test.each([
    ['a colour', times(9, '0a2030'), 'fe0a2030c7'],
    ['a place of the table', [...times(8, A), ...times(8, '000000')], 'fe500000c600c6'],
    ['a place that a colour took', [A, A, B, B, A, C, C], 'fe500000c0fe005000c030fe000050c0'],
    [
      'small steps, which go around',
      ['fefefe', 'ffffff', '000000', '010101', '010101'],
      '407f007fc0',
    ],
    ['large steps', ['261f26', 'fefffe', 'fefffe'], 'bfff8000c0'],
    ['a step of green alone is large from 2 on', times(4, '000200'), 'a266c2'],
    ['black from the start as a run', times(24, '000000'), 'd7'],
    ['a run of 25', times(25, '000000'), 'd800'],
    ['a run of 2072', times(2072, '000000'), 'dfff'],
    ['a run of 2073', times(2073, '000000'), 'dfffc0'],
    ['a copy of 3', [A, B, C, A, B, C], 'fe500000fe005000fe000050ff0200'],
    [
      'a copy of 17',
      [A, B, C, ...times(6, A, B, C).slice(0, 17)],
      'fe500000fe005000fe000050ff02e0',
    ],
    ['a copy of 18', [A, B, C, ...times(6, A, B, C)], 'fe500000fe005000fe000050ff02f000'],
    ['a copy of 273', [A, B, C, ...times(91, A, B, C)], 'fe500000fe005000fe000050ff02f0ff'],
  ])('writes %s', (_, colours, expected) => {
    expect(coded(colours)).toBe(expected);
  });

  test.each([
    [4, 'e3'],
    [22, 'f5'],
    [23, 'f600'],
    [2070, 'fdff'],
  ])('writes %i pixels as those above', (count, op) => {
    const colours = [
      ...times(1 + Math.ceil(count / 2), A, B).slice(0, count + 2),
      ...times(count % 2, C),
    ];
    const rest = count % 2 === 0 ? '' : 'fe000050';
    expect(coded(colours, 2)).toBe(`fe500000fe005000${op}${rest}`);
  });

  test('copies nothing from the tile before, and knows its colours', () => {
    const colours = [...times(2, A, B, C), ...times(2, A, B, C)];
    const grid = { widthPx: 6, heightPx: 2, tilePx: 3 };
    const out = new Uint8Array(36);
    const job = { out, packed: packed(colours), ...grid, tileIndices: Uint32Array.of(0, 1) };
    // The second row of both is as the first; C took the place of A in the table.
    const expected = 'fe500000fe005000fe000050e2' + 'fe50000010fe000050e2';
    expect(Buffer.from(out.subarray(0, codeTiles(job))).toString('hex')).toBe(expected);
  });

  test('writes the pixels themselves when ops would not be shorter', () => {
    const noise = Array.from({ length: 64 }, (_, i) =>
      ((Math.imul(i + 1, 0x9e3779b1) >>> 0) & 0xffffff).toString(16).padStart(6, '0'),
    );
    expect(coded(noise, 8)).toBe(noise.join(''));
    expect(coded(['0a0b0c'])).toBe('0a0b0c');
    // c0 fe500000 fe000050 would be as long.
    expect(coded(['000000', A, C])).toBe(`000000${A}${C}`);
  });

  test('codes nothing as nothing', () => {
    const nothing = {
      out: new Uint8Array(0),
      packed: new Uint32Array(0),
      tileIndices: new Uint32Array(0),
    };
    expect(codeTiles({ ...nothing, widthPx: 8, heightPx: 8, tilePx: 8 })).toBe(0);
  });

  const grid = { widthPx: 20, heightPx: 10, tilePx: 8 };
  const room = {
    ...grid,
    out: new Uint8Array(64 * 3),
    packed: new Uint32Array(64),
    tileIndices: Uint32Array.of(0),
  };
  test.each([
    ['a tile that the picture does not have', { tileIndices: Uint32Array.of(6) }, 'BOUNDS'],
    ['the tile with the largest number', { tileIndices: Uint32Array.of(0xffffffff) }, 'BOUNDS'],
    ['a pixel too few', { packed: new Uint32Array(63) }, 'BOUNDS'],
    ['a byte too little room', { out: new Uint8Array(64 * 3 - 1) }, 'BOUNDS'],
    ['more tiles than there are', { count: 2 }, 'BOUNDS'],
    ['a picture without pixels', { widthPx: 0 }, 'BOUNDS'],
    ['tiles without pixels', { tilePx: 0 }, 'ARGUMENT'],
    ['a width that is no whole number', { widthPx: 1.5 }, 'ARGUMENT'],
    ['a negative height', { heightPx: -1 }, 'ARGUMENT'],
  ])('refuses %s', async (_, change, code) => {
    const refused = { code: `ERR_KVMFR_${code}` };
    expect(thrownBy(() => codeTiles({ ...room, ...change }))).toMatchObject(refused);
    await expect(codeTilesInPool({ ...room, ...change })).rejects.toMatchObject(refused);
  });

  test('does not write beyond what it needs of its room', () => {
    const out = new Uint8Array(64 * 3 + 8).fill(0xee);
    const used = codeTiles({ ...room, out, packed: new Uint32Array(64).fill(0xff000000) });
    expect(used).toBe(2);
    expect(out.subarray(used).every((byte) => byte === 0xee)).toBe(true);
  });

  test('gives any tiles back, and the same in another thread', async () => {
    const sizes = fc.record({
      widthPx: fc.integer({ min: 1, max: 150 }),
      heightPx: fc.integer({ min: 1, max: 70 }),
      tilePx: fc.constantFrom(1, 8, 64),
    });
    const noise = fc.infiniteStream(fc.nat(0xffffff));
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(12), fc.nat(), noise, async (size, kind, seed, values) => {
        const columns = Math.ceil(size.widthPx / size.tilePx);
        const all = columns * Math.ceil(size.heightPx / size.tilePx);
        const tileIndices = Uint32Array.from({ length: all }, (_, i) => i).filter(
          (i) => (seed >> (i % 20)) % 2 === 0,
        );
        const tiles = [...tileIndices].map((index) => ({
          widthPx: Math.min(size.tilePx, size.widthPx - (index % columns) * size.tilePx),
          heightPx: Math.min(
            size.tilePx,
            size.heightPx - Math.floor(index / columns) * size.tilePx,
          ),
        }));
        const count = tiles.reduce((sum, tile) => sum + tile.widthPx * tile.heightPx, 0);
        const few = Array.from({ length: 1 + (kind % 5) }, () => values.next().value ?? 0);
        const pixels = Uint32Array.from({ length: count }, (_, i) => {
          const turn = Math.imul(i + seed, 0x9e3779b1) >>> 28;
          const own = kind > 9 ? (values.next().value ?? 0) : i * 0x010203;
          return (turn < 1 + kind ? own : (few[(i >> 3) % few.length] ?? 0)) | 0xff000000;
        });
        const job = { packed: pixels, ...size, tileIndices };
        const out = new Uint8Array(count * 3);
        const elsewhere = new Uint8Array(count * 3);
        const used = codeTiles({ ...job, out });
        expect(await codeTilesInPool({ ...job, out: elsewhere })).toBe(used);
        expect(Buffer.compare(out, elsewhere)).toBe(0);
        const wanted = Buffer.alloc(count * 3);
        for (const [i, word] of pixels.entries()) wanted.writeUIntLE(word & 0xffffff, i * 3, 3);
        const ops = out.subarray(0, used);
        const given = used < count * 3 ? pixelsOfOps(ops, tiles) : ops;
        expect(Buffer.compare(given, wanted)).toBe(0);
      }),
    );
  });
});
