import { describe, expect, it } from 'vitest';
import { layout, Region } from '../../../../protocol/index.ts';

describe('layout', () => {
  it('refuses a field that is not where C puts it', () => {
    expect(() => layout({ a: ['u8', 0], b: ['u32', 1] }, 8)).toThrow(
      'b is declared at 1, but its place is 4',
    );
    expect(() => layout({ a: ['u32', 0], b: ['u64', 4] }, 16)).toThrow('its place is 8');
    expect(() => layout({ a: ['u32', 4] }, 8)).toThrow('a is declared at 4, but its place is 0');
  });

  it('refuses a size that is not what C makes it', () => {
    expect(() => layout({ a: ['u64', 0], b: ['u8', 8] }, 9)).toThrow('needs 16');
    expect(() => layout({ a: ['u32', 0, 3] }, 16)).toThrow('declared 16 bytes, but needs 12');
  });

  it('counts arrays, embedded structures and larger alignments', () => {
    const made = layout(
      { a: ['u8', 0, 3], b: ['u32', 64, 2, 64], c: ['struct', 72, 12, 8], d: ['u16', 84] },
      128,
    );
    expect(made.$offsets).toEqual({ a: 0, b: 64, c: 72, d: 84 });
    expect([made.a.sizeBytes, made.b.sizeBytes, made.c.sizeBytes]).toEqual([3, 8, 12]);
  });

  it('lets a tail begin inside the padding', () => {
    const made = layout({ a: ['u64', 0], b: ['u32', 8], tail: ['u8', 12, 'tail'] }, 16);
    expect(made.tail.offsetBytes).toBe(12);
    expect(made.tail.sizeBytes).toBe(0);
    expect(made.$sizeBytes).toBe(16);
  });

  it('has no padding in a packed structure', () => {
    const made = layout({ a: ['u8', 0], b: ['u32', 1], c: ['u64', 5] }, 13, { packed: true });
    expect(made.$offsets).toEqual({ a: 0, b: 1, c: 5 });
  });

  it('reads little-endian numbers of every type, from wherever the structure starts', () => {
    const All = layout(
      {
        u8: ['u8', 0],
        i8: ['i8', 1],
        u16: ['u16', 2],
        i16: ['i16', 4],
        u32: ['u32', 8],
        i32: ['i32', 12],
        u64: ['u64', 16],
      },
      24,
    );
    const region = new Region(new ArrayBuffer(32));
    region.bytes.set(
      [0xff, 0x80, 0xfe, 0xff, 0x00, 0x80, 0, 0, 1, 2, 3, 0x84, 0xff, 0xff, 0xff, 0xff],
      3,
    );
    region.bytes.set([1, 0, 0, 0, 0, 0, 0, 0x80], 19);
    expect(All.u8(region, 3)).toBe(255);
    expect(All.i8(region, 3)).toBe(-128);
    expect(All.u16(region, 3)).toBe(65534);
    expect(All.i16(region, 3)).toBe(-32768);
    expect(All.u32(region, 3)).toBe(0x8403_0201);
    expect(All.i32(region, 3)).toBe(-1);
    expect(All.u64(region, 3)).toBe(0x8000_0000_0000_0001n);
  });

  it('writes what it reads, one element of an array at a time', () => {
    const Pair = layout({ id: ['u32', 0, 2], at: ['u64', 8, 2] }, 24);
    const region = new Region(new ArrayBuffer(24));
    Pair.id.write(region, 0, 0xffff_ffff, 1);
    Pair.at.write(region, 0, 0x8000_0000_0000_0000n, 1);
    expect([...region.bytes]).toEqual([
      0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128,
    ]);
    expect(Pair.id(region, 0, 1)).toBe(0xffff_ffff);
    expect(Pair.at(region, 0, 1)).toBe(0x8000_0000_0000_0000n);
  });

  it('throws rather than reading past the region', () => {
    const One = layout({ a: ['u32', 0] }, 4);
    expect(() => One.a(new Region(new ArrayBuffer(8)), 5)).toThrow(RangeError);
  });
});
