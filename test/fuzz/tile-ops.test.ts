import fc from 'fast-check';
import { expect, it } from 'vitest';
import { codeTiles } from '../../native/index.ts';
import { tileRect } from '../../protocol/wire/index.ts';
import { decodeOps } from '../../viewer/web/core/decode/ops.ts';
import { tileBlocks, visitTiles } from '../../viewer/web/core/decode/plan.ts';
import { Random } from './loop/random.ts';
import { fuzzed, fuzzTimeoutMs } from './runs.ts';

const OPAQUE = 0xff00_0000;

const grid = fc.record({
  widthPx: fc.integer({ min: 1, max: 150 }),
  heightPx: fc.integer({ min: 1, max: 100 }),
  tilePx: fc.constantFrom(8, 16, 64),
});
/** Runs of one colour, of few, of steps from one to the next, of a copy, or of noise. */
const stretch = fc.record({
  kind: fc.constantFrom('one', 'few', 'steps', 'copy', 'noise'),
  length: fc.integer({ min: 1, max: 3000 }),
  value: fc.nat(0xff_ffff),
});

/** Pixels as R, G, B, 255. */
function draw(
  count: number,
  stretches: readonly (typeof stretch extends fc.Arbitrary<infer T> ? T : never)[],
): Uint32Array {
  const words = new Uint32Array(count);
  const random = new Random(count);
  for (let at = 0, turn = 0; at < count; turn++) {
    const { kind, length, value } = stretches[turn % stretches.length] ?? {
      kind: 'one',
      length: 1,
      value: 0,
    };
    const few = [value, value ^ 0x0f0f0f, 0, 0xff_ffff];
    let word = value;
    for (const end = Math.min(count, at + length); at < end; at++) {
      if (kind === 'few') word = random.pick(few);
      else if (kind === 'steps') word += random.pick([1, 0x100, 0x1_0000, 0x1_0101, -1, -0x101]);
      else if (kind === 'copy') word = words[at - 1 - (value % 300)] ?? value;
      else if (kind === 'noise') word = random.next();
      words[at] = (OPAQUE | (word & 0xff_ffff)) >>> 0;
    }
  }
  return words;
}

it(
  'what the native coder writes of any tiles, the page reads as the same pixels',
  () => {
    let coded = 0;
    fc.assert(
      fc.property(
        grid,
        fc.array(stretch, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        (size, stretches, pick) => {
          const columns = Math.ceil(size.widthPx / size.tilePx);
          const all = columns * Math.ceil(size.heightPx / size.tilePx);
          const tiles = Uint32Array.from(
            Array.from({ length: all }, (_, i) => i).filter(
              (i) => all < 3 || (pick >> (i % 23)) % 2 === 0,
            ),
          );
          const pixels = [...tiles].reduce((sum, index) => {
            const { width, height } = tileRect(index, size);
            return sum + width * height;
          }, 0);
          const packed = draw(pixels, stretches);
          const out = new Uint8Array(pixels * 3);
          const bytes = codeTiles({ ...size, out, packed, tileIndices: tiles });
          // So many bytes mean that they are the pixels themselves.
          if (bytes === pixels * 3) return;
          coded += 1;
          const plan = { tiles, blocks: tileBlocks(tiles, size), grid: size };
          const rgba = new Uint32Array(pixels);
          const scratch = new Int32Array(size.tilePx ** 2);
          decodeOps(out.subarray(0, bytes), { rgba, scratch, plan });
          // Blocks lie one after the other, tiles in them row by row.
          let from = 0;
          visitTiles(plan, ({ width, height }, to, stride) => {
            for (let y = 0; y < height; y++, from += width) {
              const row = rgba.subarray(to + y * stride, to + y * stride + width);
              expect(row.every((word, x) => word === packed[from + x])).toBe(true);
            }
          });
        },
      ),
      fuzzed(300),
    );
    expect(coded).toBeGreaterThan(0);
  },
  fuzzTimeoutMs(),
);
