import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DamageList } from '../../../host/damage.ts';
import { Region } from '../../../protocol/index.ts';

const rect = fc.record({
  x: fc.nat(30),
  y: fc.nat(30),
  width: fc.nat(20),
  height: fc.nat(20),
});

function rectsOf(list: DamageList): { x: number; y: number; width: number; height: number }[] {
  return Array.from({ length: list.count }, (_, i) => ({
    x: list.x(i),
    y: list.y(i),
    width: list.width(i),
    height: list.height(i),
  }));
}

describe('DamageList', () => {
  it('holds every pixel that was added, and never more than 64 rects', () => {
    fc.assert(
      fc.property(fc.array(rect, { maxLength: 150 }), (rects) => {
        const list = new DamageList();
        list.addClipped(rects, 50, 50);
        const covered = new Set<number>();
        for (const r of rectsOf(list))
          for (let y = r.y; y < r.y + r.height; y++)
            for (let x = r.x; x < r.x + r.width; x++) covered.add(y * 100 + x);
        for (const r of rects)
          for (let y = r.y; y < Math.min(50, r.y + r.height); y++)
            for (let x = r.x; x < Math.min(50, r.x + r.width); x++)
              if (!covered.has(y * 100 + x)) throw new Error(`${x},${y} is lost`);
        expect(list.count).toBeLessThanOrEqual(64);
      }),
      { numRuns: 60 },
    );
  });

  it('drops a rect that another one holds, whichever came first', () => {
    const list = new DamageList();
    const small = { x: 5, y: 5, width: 2, height: 2 };
    const large = { x: 4, y: 4, width: 9, height: 9 };
    list.add(small);
    list.add(large);
    list.add(small);
    expect(rectsOf(list)).toEqual([large]);
  });

  it('of everything takes in nothing more', () => {
    const list = new DamageList();
    list.addAll();
    list.add({ x: 1, y: 1, width: 1, height: 1 });
    expect([list.all, list.count, list.empty]).toEqual([true, 0, false]);
    const other = new DamageList();
    other.add({ x: 1, y: 1, width: 1, height: 1 });
    other.addList(list);
    expect([other.all, other.count]).toEqual([true, 0]);
    other.clear();
    expect(other.empty).toBe(true);
  });

  it('becomes the hull of its rects when a 65th comes', () => {
    const list = new DamageList();
    for (let i = 0; i < 65; i++) list.add({ x: i * 2, y: i, width: 1, height: 1 });
    expect(rectsOf(list)).toEqual([{ x: 0, y: 0, width: 129, height: 65 }]);
  });

  it('covers the pixels that a fractional rect touches', () => {
    const list = new DamageList();
    list.addClipped([{ x: 1.5, y: 2.9, width: 1, height: 0.2 }], 10, 10);
    expect(rectsOf(list)).toEqual([{ x: 1, y: 2, width: 2, height: 2 }]);
  });

  it('is written as four words for each rect', () => {
    const list = new DamageList();
    list.add({ x: 1, y: 2, width: 3, height: 4 });
    const region = new Region(new ArrayBuffer(24));
    list.write(region, 4);
    expect(Buffer.from(region.bytes).toString('hex')).toBe(
      '000000000100000002000000030000000400000000000000',
    );
  });
});
