import { describe, expect, it } from 'vitest';
import { pixelFormatName, rowBytes, unitBytes } from '../../../protocol/index.ts';

describe('pixel formats', () => {
  it.each([
    [1, 'BGRA', 4, 400],
    [2, 'RGBA', 4, 400],
    [3, 'RGBA10', 4, 400],
    [4, 'RGBA16F', 8, 800],
    [5, 'BGR_32', 4, 300],
    [6, 'RGB_24', 3, 300],
  ] as const)('%i is %s: units of %i bytes, 100 pixels in %i', (value, name, unit, row) => {
    expect(pixelFormatName(value)).toBe(name);
    expect(unitBytes(name)).toBe(unit);
    expect(rowBytes(name, 100)).toBe(row);
  });

  it.each([0, 7, -1, 1.5, 0xffff_ffff, Number.NaN])('%d is none', (value) => {
    expect(pixelFormatName(value)).toBeUndefined();
  });
});
