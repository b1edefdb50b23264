import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tileRect } from '../../../protocol/wire/index.ts';
import { decodeOps } from '../../../viewer/web/core/decode/ops.ts';
import { tileBlocks } from '../../../viewer/web/core/decode/plan.ts';
import { opsOfPixels } from '../../support/tile-ops.ts';
import { bytes, codeOf } from '../wire/literal.ts';

const GUARD = 0x5a5a5a5a;

interface Grid {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
}

/** Decodes ops of tiles; fails when anything beside the pixels was written. */
function decode(ops: Uint8Array, grid: Grid, indices: readonly number[] = [0]): Uint32Array {
  const tiles = Uint32Array.from(indices);
  const blocks = tileBlocks(tiles, grid);
  const pixels = blocks.reduce((sum, { width, height }) => sum + width * height, 0);
  const memory = new Uint32Array(pixels + 2).fill(GUARD);
  const scratch = new Int32Array(grid.tilePx ** 2 + 2).fill(GUARD);
  try {
    const plan = { tiles, blocks, grid };
    const rgba = memory.subarray(1, -1);
    decodeOps(ops, { rgba, scratch: scratch.subarray(1, -1), plan });
    return rgba;
  } finally {
    expect([memory[0], memory.at(-1), scratch[0], scratch.at(-1)]).toEqual(Array(4).fill(GUARD));
  }
}

/** The pixels of a picture of one tile, as hex of R, G, B. */
function read(ops: string, widthPx: number, heightPx = 1): string[] {
  const grid = { widthPx, heightPx, tilePx: Math.max(widthPx, heightPx) };
  return [...decode(bytes(ops), grid)].map(hexOf);
}

function hexOf(word: number): string {
  expect(word >>> 24).toBe(255);
  return Buffer.of(word, word >> 8, word >> 16).toString('hex');
}

const times = (count: number, ...colours: readonly string[]): string[] =>
  Array.from({ length: count }, () => colours).flat();

describe('decodeOps()', () => {
  it.each([
    ['a colour', 'fe010203', ['010203']],
    ['a place of the table that nobody has used', '3f', ['000000']],
    ['a place of the table', 'fe102030 fe000000 20', ['102030', '000000', '102030']],
    ['small steps, which go around', '40 7f', ['fefefe', 'ffffff']],
    ['a small step of each component', 'fe102030 5b', ['102030', '0f2031']],
    ['the largest steps', 'bfff 8000', ['261f26', 'fefffe']],
    ['a small step that goes to the table', '7f 0f', ['010101', '010101']],
    ['a large step that goes to the table', 'a188 0f', ['010101', '010101']],
    ['a run of black before the first colour', 'c0', ['000000']],
    ['a run', 'fe010203 c2', times(4, '010203')],
    ['the longest run in one byte', 'd7', times(24, '000000')],
    ['the shortest run in two', 'd800', times(25, '000000')],
    ['the longest run', 'dfff', times(2072, '000000')],
    ['a copy that overlaps itself', 'fe010203 ff0000', times(4, '010203')],
    [
      'a copy from further back, and a run of its last pixel',
      'fe010203 fe040506 fe070809 ff0200 c0',
      [...times(2, '010203', '040506', '070809'), '070809'],
    ],
    ['a copy of 17', 'c0 ff00e0', times(18, '000000')],
    ['a copy of 18', 'c0 ff00f000', times(19, '000000')],
    ['the longest copy', 'c0 ff00f0ff', times(274, '000000')],
    [
      'a copy from furthest back',
      'fe010203 00 dfff dfcd ffff0f',
      ['010203', ...times(4095, '000000'), '010203', '000000', '000000'],
    ],
  ])('reads %s', (_, ops, expected) => {
    expect(read(ops, expected.length)).toEqual(expected);
  });

  it.each([
    [1, 'e0'],
    [22, 'f5'],
    [23, 'f600'],
    [278, 'f6ff'],
    [279, 'f700'],
    [2070, 'fdff'],
  ])('reads %i pixels as those above', (count, op) => {
    const rest = count % 2 === 0 ? [] : ['c0'];
    const pixels = read(`fe010203 00 ${op} ${rest.join('')}`, 2, 1 + Math.ceil(count / 2));
    const expected = times(1 + Math.floor(count / 2), '010203', '000000');
    expect(pixels).toEqual(count % 2 === 0 ? expected : [...expected, '010203', '010203']);
  });

  it('reads what docs/wire.md draws', () => {
    expect(read('fe102030 c1 7f 20 e1 a38a ff0400 c0 e2 fe000102', 4, 4)).toEqual([
      ...['102030', '102030', '102030', '112131'],
      ...['102030', '102030', '102030', '132335'],
      ...['112131', '102030', '102030', '102030'],
      ...['112131', '102030', '102030', '000102'],
    ]);
  });

  it('knows the colour before, and the table, from tile to tile', () => {
    const grid = { widthPx: 3, heightPx: 1, tilePx: 1 };
    expect([...decode(bytes('fe102030 c0 20'), grid, [0, 1, 2])].map(hexOf)).toEqual(
      times(3, '102030'),
    );
  });

  it.each([
    ['nothing', ''],
    ['half a colour', 'fe0102'],
    ['half a step', '80'],
    ['half a run', 'd8'],
    ['half a row above', 'c1 f6'],
    ['half a copy', 'c1 ff'],
    ['two thirds of a copy', 'c1 ff00'],
    ['three quarters of a long copy', 'c1 ff00f0'],
    ['one pixel too few', 'c2'],
    ['a run that leaves the tile', 'c4'],
    ['a row above that leaves the tile', 'c1 e2'],
    ['a copy that leaves the tile', 'c1 ff0000'],
    ['a row above the first', 'c0 e0 c1'],
    ['a copy from before the tile', 'c0 ff0100'],
    ['a byte too many', 'c3 00'],
  ])('refuses %s', (_, ops) => {
    expect(codeOf(() => read(ops, 2, 2))).toBe('ERR_KVMFR_WIRE');
  });

  it('refuses a copy from the tile before', () => {
    const grid = { widthPx: 8, heightPx: 1, tilePx: 4 };
    expect(codeOf(() => decode(bytes('c3 ff0000 c0'), grid, [0, 1]))).toBe('ERR_KVMFR_WIRE');
    expect(codeOf(() => decode(bytes('c3 e3'), grid, [0, 1]))).toBe('ERR_KVMFR_WIRE');
  });

  it('refuses or reads whatever there is, and writes nothing but the pixels', () => {
    const grid = { widthPx: 20, heightPx: 10, tilePx: 8 };
    const op = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      fc
        .constantFrom('d7', 'dfff', 'f5', 'fdff', 'ff0700', 'ff00f0ff', 'ffffff')
        .map((hex) => bytes(hex)),
    );
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        const code = codeOf(() => decode(Buffer.concat(ops), grid, [0, 2, 3, 5]));
        expect(code === undefined || code === 'ERR_KVMFR_WIRE').toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives any tiles back, those at the edges too', () => {
    const sizes = fc.record({
      widthPx: fc.integer({ min: 1, max: 70 }),
      heightPx: fc.integer({ min: 1, max: 50 }),
      tilePx: fc.constantFrom(8, 16, 64),
    });
    const colours = fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(
        sizes,
        colours,
        fc.nat(),
        fc.infiniteStream(fc.nat(40)),
        (grid, few, seed, picks) => {
          const columns = Math.ceil(grid.widthPx / grid.tilePx);
          const count = columns * Math.ceil(grid.heightPx / grid.tilePx);
          const indices = Array.from({ length: count }, (_, i) => i).filter(
            (i) => (seed >> (i % 20)) % 2 === 0,
          );
          const pixel = (x: number, y: number): number[] => {
            const pick = picks.next().value ?? 0;
            const colour = few[(pick < 20 ? x >> 2 : pick) % few.length] ?? [0, 0, 0];
            return pick === 40 ? [x * 3, y * 5, pick] : [...colour];
          };
          const screen = Array.from({ length: grid.heightPx }, (_, y) =>
            Array.from({ length: grid.widthPx }, (_, x) => pixel(x, y)),
          );
          const tiles = indices.map((index) => tileRect(index, grid));
          const rgb = tiles.flatMap(({ x, y, width, height }) =>
            screen.slice(y, y + height).flatMap((line) => line.slice(x, x + width).flat()),
          );
          const sized = tiles.map(({ width, height }) => ({ widthPx: width, heightPx: height }));
          const ops = opsOfPixels(Uint8Array.from(rgb), sized);
          const expected = tileBlocks(Uint32Array.from(indices), grid).flatMap(
            ({ x, y, width, height }) =>
              screen.slice(y, y + height).flatMap((line) => line.slice(x, x + width)),
          );
          expect([...decode(ops, grid, indices)].map(hexOf)).toEqual(
            expected.map((colour) => Buffer.from(colour).toString('hex')),
          );
        },
      ),
    );
  });
});
