import { describe, expect, it } from 'vitest';
import { KvmfrError, Region, tryLock, unlock } from '../../../../protocol/index.ts';

const region = (...bytes: number[]): Region => {
  const made = new Region(new ArrayBuffer(16));
  made.bytes.fill(0xaa);
  made.bytes.set(bytes, 4);
  return made;
};
const around = (made: Region): readonly number[] => [...made.bytes.subarray(3, 9)];

describe('the lock of LGMP 6, a word', () => {
  it('is taken by writing 1 and given back by writing 0', () => {
    const made = region(0, 0, 0, 0);
    expect(tryLock(made, 4, 4)).toBe(true);
    expect(around(made)).toEqual([0xaa, 1, 0, 0, 0, 0xaa]);
    unlock(made, 4, 4);
    expect(around(made)).toEqual([0xaa, 0, 0, 0, 0, 0xaa]);
  });

  it('is not taken while somebody has it', () => {
    const made = region(1, 0, 0, 0);
    expect(tryLock(made, 4, 4, 100)).toBe(false);
    expect(around(made)).toEqual([0xaa, 1, 0, 0, 0, 0xaa]);
  });

  it.each([
    [[2, 0, 0, 0], '0x2'],
    [[0, 1, 0, 0], '0x100'],
    [[0xff, 0xff, 0xff, 0xff], '0xffffffff'],
  ])('is corrupt when it is %j, and stays as it was', (bytes, shown) => {
    const made = region(...bytes);
    const taking = (): boolean => tryLock(made, 4, 4);
    expect(taking).toThrow(KvmfrError);
    expect(taking).toThrow(`a lock word at 0x4 must be 0 or 1, but is ${shown}`);
    expect(around(made)).toEqual([0xaa, ...bytes, 0xaa]);
  });
});

describe('the lock of LGMP 5, a byte', () => {
  it('is one byte: its neighbours keep what they are', () => {
    const made = region(0, 0xbb, 0xbb, 0xbb);
    expect(tryLock(made, 4, 1)).toBe(true);
    expect(around(made)).toEqual([0xaa, 1, 0xbb, 0xbb, 0xbb, 0xaa]);
    unlock(made, 4, 1);
    expect(around(made)).toEqual([0xaa, 0, 0xbb, 0xbb, 0xbb, 0xaa]);
  });

  it.each([1, 2, 0xff])('is not taken while it is %i', (held) => {
    const made = region(held, 0xbb, 0xbb, 0xbb);
    expect(tryLock(made, 4, 1, 100)).toBe(false);
    expect(made.bytes[5]).toBe(0xbb);
  });
});
