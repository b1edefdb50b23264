import { describe, expect, it } from 'vitest';
import { KEYS, keyOfCode, keyOfUsage } from '../../../protocol/keys.ts';

describe('the table of keys', () => {
  it('has every key once, by each of its numbers', () => {
    for (const of of ['code', 'set1', 'evdev'] as const)
      expect(new Set(KEYS.map((key) => key[of])).size).toBe(KEYS.length);
    expect(new Set(KEYS.map(({ page, usage }) => `${page}/${usage}`)).size).toBe(KEYS.length);
    const names = KEYS.map(({ qcode }) => qcode).filter((name) => name !== undefined);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    ['KeyA', 7, 0x04, 0x1e, 30, 'a'],
    ['Digit0', 7, 0x27, 0x0b, 11, '0'],
    ['F12', 7, 0x45, 0x58, 88, 'f12'],
    ['ArrowLeft', 7, 0x50, 0xe04b, 105, 'left'],
    ['NumpadEnter', 7, 0x58, 0xe01c, 96, 'kp_enter'],
    ['IntlBackslash', 7, 0x64, 0x56, 86, 'less'],
    ['IntlRo', 7, 0x87, 0x73, 89, 'ro'],
    ['IntlYen', 7, 0x89, 0x7d, 124, 'yen'],
    ['Lang1', 7, 0x90, 0x72, 122, 'lang1'],
    ['NumpadComma', 7, 0x85, 0x7e, 121, 'kp_comma'],
    ['AltRight', 7, 0xe6, 0xe038, 100, 'alt_r'],
    ['MetaLeft', 7, 0xe3, 0xe05b, 125, 'meta_l'],
    ['AudioVolumeUp', 12, 0xe9, 0xe030, 115, 'volumeup'],
  ])('knows %s', (code, page, usage, set1, evdev, qcode) => {
    const key = { code, page, usage, set1, evdev, qcode };
    expect(keyOfCode(code)).toEqual(key);
    expect(keyOfUsage(page, usage)).toEqual(key);
  });

  it('knows no others', () => {
    expect(keyOfCode('Fn')).toBeUndefined();
    expect(keyOfUsage(7, 0)).toBeUndefined();
    expect(keyOfUsage(9, 4)).toBeUndefined();
  });
});
