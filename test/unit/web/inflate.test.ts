import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { canInflate, inflateRaw } from '../../../viewer/web/core/decode/inflate.ts';

// "kvmfr kvmfr kvmfr", deflated without a header: fixed codes, one match.
const CODED = Uint8Array.of(0xcb, 0x2e, 0xcb, 0x4d, 0x2b, 0x52, 0xc8, 0x46, 0x90, 0x00);
const PLAIN = new TextEncoder().encode('kvmfr kvmfr kvmfr');

describe('inflateRaw()', () => {
  it('inflates literal bytes', async () => {
    const target = new Uint8Array(PLAIN.byteLength);
    await inflateRaw(CODED, target);
    expect(target).toEqual(PLAIN);
    expect(canInflate()).toBe(true);
  });

  it('inflates megabytes that come in many slices', async () => {
    const plain = new Uint8Array(3_000_000);
    for (let i = 0, seed = 1; i < plain.length; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      plain[i] = seed >>> 24;
    }
    const target = new Uint8Array(plain.byteLength);
    await inflateRaw(new Uint8Array(deflateRawSync(plain)), target);
    expect(Buffer.compare(target, plain)).toBe(0);
  });

  it('refuses a stream that yields more than it may', async () => {
    const bomb = new Uint8Array(deflateRawSync(Buffer.alloc(50_000_000)));
    await expect(inflateRaw(bomb, new Uint8Array(1000))).rejects.toMatchObject({
      code: 'ERR_KVMFR_WIRE',
      message: 'a deflate stream must yield 1000 bytes, but yields more',
    });
    await expect(inflateRaw(CODED, new Uint8Array(16))).rejects.toMatchObject({
      code: 'ERR_KVMFR_WIRE',
    });
  });

  it('refuses a stream that yields less', async () => {
    await expect(inflateRaw(CODED, new Uint8Array(18))).rejects.toMatchObject({
      code: 'ERR_KVMFR_WIRE',
      message: 'a deflate stream must yield 18 bytes, but yields 17',
    });
  });

  it('refuses a damaged, a cut and an empty stream', async () => {
    const target = () => new Uint8Array(PLAIN.byteLength);
    const damaged = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
    for (const bytes of [damaged, CODED.slice(0, 5), new Uint8Array(0)])
      await expect(inflateRaw(bytes, target())).rejects.toMatchObject({ code: 'ERR_KVMFR_WIRE' });
  });
});
