import { describe, expect, it } from 'vitest';
import {
  addU32,
  andU32,
  compareExchangeU32,
  exchangeU8,
  exchangeU32,
  loadU8,
  loadU32,
  loadU64,
  orU32,
  Region,
  storeU8,
  storeU32,
  storeU64,
} from '../../../../protocol/index.ts';

const filled = (): Region => {
  const region = new Region(new ArrayBuffer(32));
  region.bytes.fill(0x11);
  return region;
};

const words = (region: Region): readonly string[] =>
  [0, 4, 8, 12].map((at) => region.view.getUint32(at, true).toString(16));

describe('32-bit words', () => {
  it('are unsigned, at their offset, and alone', () => {
    const region = filled();
    storeU32(region, 4, 0xffff_fffe);
    expect(loadU32(region, 4)).toBe(0xffff_fffe);
    expect(words(region)).toEqual(['11111111', 'fffffffe', '11111111', '11111111']);
  });

  it.each([
    ['addU32', addU32, 0xffff_ffff, 2, 1],
    ['addU32 of a negative number', addU32, 0, -1, 0xffff_ffff],
    ['orU32', orU32, 0x8000_0000, 0x0000_0001, 0x8000_0001],
    ['andU32', andU32, 0xffff_0000, ~0x8000_0000, 0x7fff_0000],
    ['exchangeU32', exchangeU32, 0xffff_ffff, 0x8000_0000, 0x8000_0000],
  ] as const)(
    '%s gives what was there and leaves what was asked for',
    (_, change, before, by, after) => {
      const region = filled();
      storeU32(region, 8, before);
      expect(change(region, 8, by)).toBe(before);
      expect(loadU32(region, 8)).toBe(after);
      expect(loadU32(region, 4)).toBe(0x1111_1111);
      expect(loadU32(region, 12)).toBe(0x1111_1111);
    },
  );

  it('are swapped only when they are as expected', () => {
    const region = filled();
    storeU32(region, 0, 0xffff_ffff);
    const refused = compareExchangeU32(region, 0, { expected: 0, value: 1 });
    expect([refused, loadU32(region, 0)]).toEqual([0xffff_ffff, 0xffff_ffff]);
    const taken = compareExchangeU32(region, 0, { expected: 0xffff_ffff, value: 0x8000_0000 });
    expect([taken, loadU32(region, 0)]).toEqual([0xffff_ffff, 0x8000_0000]);
  });
});

it('bytes are unsigned and leave their neighbours alone', () => {
  const region = filled();
  storeU8(region, 5, 0xfe);
  expect(loadU8(region, 5)).toBe(0xfe);
  expect(exchangeU8(region, 5, 0x80)).toBe(0xfe);
  expect(words(region)).toEqual(['11111111', '11118011', '11111111', '11111111']);
});

it('64-bit words are unsigned', () => {
  const region = filled();
  storeU64(region, 8, 0xffff_ffff_ffff_fffen);
  expect(loadU64(region, 8)).toBe(0xffff_ffff_ffff_fffen);
  expect([...region.bytes.subarray(7, 17)]).toEqual([
    0x11, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x11,
  ]);
});
