import { describe, expect, it } from 'vitest';
import { Region, readDamage } from '../../../../protocol/index.ts';
import { layoutOf } from './frame-header.ts';

describe.each([
  [19, 48],
  [20, 56],
  [34, 192],
] as const)('damage rects of KVMFR %i', (version, damageAt) => {
  const layout = layoutOf(version);
  const read = (rects: readonly (readonly number[])[], count = rects.length): unknown => {
    const region = new Region(new ArrayBuffer(2048));
    const words = new Uint32Array(region.buffer);
    for (const [index, rect] of rects.entries()) words.set(rect, (damageAt + 16 * index) / 4);
    return readDamage(region, layout, { at: 0, count, widthPx: 640, heightPx: 480 });
  };

  it('are x, y, width and height in pixels', () => {
    expect(
      read([
        [1, 2, 3, 4],
        [0, 0, 640, 480],
      ]),
    ).toEqual([
      { x: 1, y: 2, width: 3, height: 4 },
      { x: 0, y: 0, width: 640, height: 480 },
    ]);
  });

  it('are clipped to the picture without wrapping', () => {
    expect(
      read([
        [600, 470, 100, 100],
        [639, 479, 0xffff_ffff, 0xffff_ffff],
      ]),
    ).toEqual([
      { x: 600, y: 470, width: 40, height: 10 },
      { x: 639, y: 479, width: 1, height: 1 },
    ]);
  });

  it('are passed over when nothing of them is inside', () => {
    const outside = [
      [640, 0, 1, 1],
      [0xffff_ffff, 0, 0xffff_ffff, 1],
      [5, 5, 0, 5],
    ];
    expect(read([...outside, [5, 5, 1, 1]])).toEqual([{ x: 5, y: 5, width: 1, height: 1 }]);
  });

  it('are at most 64; more, or none, means all of it', () => {
    const many = new Array<readonly number[]>(64).fill([1, 1, 1, 1]);
    expect(read(many)).toHaveLength(64);
    expect(read(many, 65)).toEqual([]);
    expect(read(many, 0xffff_ffff)).toEqual([]);
    expect(read(many, 0)).toEqual([]);
  });
});
