import { describe, expect, it } from 'vitest';
import { KvmfrError, Region } from '../../../../protocol/index.ts';

describe('Region', () => {
  it('has views of every width over the same bytes', () => {
    const region = new Region(new ArrayBuffer(32));
    region.view.setUint32(8, 0x8000_0001, true);
    expect([...region.bytes.subarray(8, 12)]).toEqual([1, 0, 0, 0x80]);
    expect(region.words[2]).toBe(0x8000_0001 | 0);
    expect(region.longs[1]).toBe(0x8000_0001n);
    expect(region.octets[11]).toBe(-128);
  });

  it.each([0, 1, 3, 4, 7, 9, 4097])('can be %i bytes long', (length) => {
    const region = new Region(new ArrayBuffer(length));
    expect(region.byteLength).toBe(length);
    expect(region.words.length).toBe(Math.floor(length / 4));
    expect(region.longs.length).toBe(Math.floor(length / 8));
    expect(region.detached).toBe(false);
  });

  it('copies what it is made of, and what is taken out', () => {
    const source = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
    const region = Region.copyOf(source);
    source[0] = 77;
    expect([...region.bytes]).toEqual([1, 2, 3]);
    const out = region.copyOut(1, 2);
    region.bytes[1] = 88;
    expect([...out]).toEqual([2, 3]);
  });

  it('accepts a span up to its last byte and refuses the next one', () => {
    const region = new Region(new ArrayBuffer(64));
    region.check({ at: 0, bytes: 64, what: 'all' });
    region.check({ at: 64, bytes: 0, what: 'nothing' });
    for (const [at, bytes] of [
      [0, 65],
      [64, 1],
      [1, 64],
      [-1, 1],
      [0, -1],
      [0xffff_ffff, 0xffff_ffff],
      [Number.MAX_SAFE_INTEGER, 1],
    ] as const) {
      const refused = (): void => region.check({ at, bytes, what: 'a ring' });
      expect(refused).toThrow(KvmfrError);
      expect(refused).toThrow(/^a ring at .*0x40$/);
    }
  });

  it('knows when its memory is gone, and gives no byte of it', () => {
    const region = new Region(new ArrayBuffer(64));
    structuredClone(region.buffer, { transfer: [region.buffer] });
    expect(region.detached).toBe(true);
    expect(() => region.view.getUint8(0)).toThrow(TypeError);
    expect(region.bytes.length).toBe(0);
  });
});
