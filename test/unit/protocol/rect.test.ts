import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clipRect,
  containsRect,
  type Rect,
  rectsOverlap,
  unionRect,
} from '../../../protocol/index.ts';

const rect = (x: number, y: number, width: number, height: number): Rect => ({
  x,
  y,
  width,
  height,
});

const side = fc.integer({ min: 1, max: 12 });
const place = fc.integer({ min: -4, max: 12 });
const someRect: fc.Arbitrary<Rect> = fc.record({ x: place, y: place, width: side, height: side });

function pixels({ x, y, width, height }: Rect): Set<string> {
  const found = new Set<string>();
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) found.add(`${column},${row}`);
  return found;
}

describe('clipRect', () => {
  it.each([
    ['inside', rect(1, 2, 3, 4), rect(1, 2, 3, 4)],
    ['over the right and bottom edge', rect(6, 5, 10, 10), rect(6, 5, 2, 1)],
    ['over the left and top edge', rect(-2, -3, 5, 5), rect(0, 0, 3, 2)],
    ['larger than the picture', rect(-1, -1, 100, 100), rect(0, 0, 8, 6)],
    ['beside it', rect(8, 0, 1, 1), undefined],
    ['below it', rect(0, 6, 1, 1), undefined],
    ['without width', rect(1, 1, 0, 5), undefined],
    ['without height', rect(1, 1, 5, 0), undefined],
    ['at the far end of 32 bits', rect(0xffff_ffff, 0, 0xffff_ffff, 1), undefined],
    ['with a sum beyond 32 bits', rect(7, 5, 0xffff_ffff, 0xffff_ffff), rect(7, 5, 1, 1)],
  ])('clips a rect %s', (_, from, to) => {
    expect(clipRect(from, 8, 6)).toEqual(to);
  });

  it('keeps exactly the pixels inside', () => {
    fc.assert(
      fc.property(someRect, (one) => {
        const clipped = clipRect(one, 8, 6);
        const inside = pixels(rect(0, 0, 8, 6));
        const expected = [...pixels(one)].filter((pixel) => inside.has(pixel));
        expect([...(clipped === undefined ? [] : pixels(clipped))].sort()).toEqual(expected.sort());
      }),
    );
  });
});

it('unionRect is the smallest rect that holds both', () => {
  expect(unionRect(rect(0, 0, 2, 2), rect(5, 1, 1, 4))).toEqual(rect(0, 0, 6, 5));
  fc.assert(
    fc.property(someRect, someRect, (a, b) => {
      const both = unionRect(a, b);
      expect(containsRect(both, a) && containsRect(both, b)).toBe(true);
      for (const smaller of [
        rect(both.x + 1, both.y, both.width - 1, both.height),
        rect(both.x, both.y + 1, both.width, both.height - 1),
        rect(both.x, both.y, both.width - 1, both.height),
        rect(both.x, both.y, both.width, both.height - 1),
      ])
        expect(containsRect(smaller, a) && containsRect(smaller, b)).toBe(false);
    }),
  );
});

it('containsRect and rectsOverlap say what the pixels say', () => {
  fc.assert(
    fc.property(someRect, someRect, (a, b) => {
      const ofA = pixels(a);
      const ofB = [...pixels(b)];
      expect(containsRect(a, b)).toBe(ofB.every((pixel) => ofA.has(pixel)));
      expect(rectsOverlap(a, b)).toBe(ofB.some((pixel) => ofA.has(pixel)));
    }),
  );
});
