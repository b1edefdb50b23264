import { describe, expect, it } from 'vitest';
import type { SharedPlanes } from '../../../../client/tiles/shared-planes.ts';
import {
  checkPlanes,
  codedSize,
  packedBytes,
  packedView,
  packPlanes,
} from '../../../../viewer/encode/video/planes.ts';

/** Planes of a memory that is only spoken of. */
function planes(widthPx: number, heightPx: number, over: Partial<SharedPlanes> = {}): SharedPlanes {
  const chroma = ((widthPx + 1) >> 1) * ((heightPx + 1) >> 1);
  const luma = widthPx * heightPx;
  const pitchBytes = (widthPx + 1) >> 1;
  return {
    memory: { path: '/proc/1/fd/9', inode: 7n, byteLength: 4 + luma + 2 * chroma },
    epochOffsetBytes: 0,
    widthPx,
    heightPx,
    y: { offsetBytes: 4, pitchBytes: widthPx },
    u: { offsetBytes: 4 + luma, pitchBytes },
    v: { offsetBytes: 4 + luma + chroma, pitchBytes },
    ...over,
  };
}

/** Bytes 0, 1, 2 and so on. */
function counted(byteLength: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: byteLength }, (_, index) => index & 0xff);
}

describe('codedSize', () => {
  it.each([
    [1920, 1080, 1920, 1080],
    [1365, 767, 1366, 768],
    [1, 1, 16, 16],
    [17, 16, 18, 16],
  ])('of %i x %i is %i x %i', (widthPx, heightPx, codedWidthPx, codedHeightPx) => {
    expect(codedSize({ widthPx, heightPx })).toEqual({ codedWidthPx, codedHeightPx });
  });
});

describe('packPlanes', () => {
  it('leaves out what lies between rows', () => {
    const picture = planes(16, 16, {
      y: { offsetBytes: 4, pitchBytes: 20 },
      u: { offsetBytes: 400, pitchBytes: 9 },
      v: { offsetBytes: 500, pitchBytes: 8 },
      memory: { path: '', inode: 1n, byteLength: 600 },
    });
    const memory = new Uint8Array(600);
    memory.fill(99);
    for (let row = 0; row < 16; row++) memory.fill(row, 4 + row * 20, 4 + row * 20 + 16);
    for (let row = 0; row < 8; row++) memory.fill(100 + row, 400 + row * 9, 408 + row * 9);
    for (let row = 0; row < 8; row++) memory.fill(200 + row, 500 + row * 8, 508 + row * 8);
    const out = Buffer.alloc(packedBytes(codedSize(picture)), 77);
    packPlanes(picture, memory.buffer, out);
    const expected = [
      ...Array.from({ length: 256 }, (_, at) => at >> 4),
      ...Array.from({ length: 64 }, (_, at) => 100 + (at >> 3)),
      ...Array.from({ length: 64 }, (_, at) => 200 + (at >> 3)),
    ];
    expect([...out]).toEqual(expected);
  });

  it('repeats the last column and row where the coded picture is larger', () => {
    const picture = planes(17, 17);
    const memory = counted(picture.memory.byteLength);
    const out = Buffer.alloc(packedBytes({ codedWidthPx: 18, codedHeightPx: 18 }));
    packPlanes(picture, memory.buffer, out);
    const luma = (x: number, y: number): number => (4 + y * 17 + x) & 0xff;
    expect([...out.subarray(0, 18)]).toEqual([...memory.subarray(4, 21), luma(16, 0)]);
    expect([...out.subarray(17 * 18, 18 * 18)]).toEqual([
      ...memory.subarray(4 + 16 * 17, 4 + 17 * 17),
      luma(16, 16),
    ]);
    // Nine by nine samples of colour are enough for both sizes.
    expect([...out.subarray(18 * 18)]).toEqual([...memory.subarray(4 + 17 * 17)]);
  });

  it('fills a picture of one pixel', () => {
    const memory = Uint8Array.of(0, 0, 0, 0, 50, 60, 70);
    const out = Buffer.alloc(packedBytes({ codedWidthPx: 16, codedHeightPx: 16 }));
    packPlanes(planes(1, 1), memory.buffer, out);
    expect(out.subarray(0, 256).every((value) => value === 50)).toBe(true);
    expect(out.subarray(256, 320).every((value) => value === 60)).toBe(true);
    expect(out.subarray(320).every((value) => value === 70)).toBe(true);
  });
});

describe('packedView', () => {
  it('is a view of planes that lie one behind the other', () => {
    const memory = counted(4 + 384);
    const view = packedView(planes(16, 16), memory.buffer);
    expect([view?.byteOffset, view?.byteLength]).toEqual([4, 384]);
  });

  it.each([
    ['an odd width', planes(17, 16)],
    ['an odd height', planes(16, 17)],
    ['a small picture', planes(16, 14)],
    ['a gap between rows', planes(16, 16, { y: { offsetBytes: 4, pitchBytes: 32 } })],
    ['colours the other way round', planes(16, 16, { u: { offsetBytes: 324, pitchBytes: 8 } })],
  ])('is none for %s', (_, picture) => {
    expect(packedView(picture, new ArrayBuffer(4096))).toBeUndefined();
  });
});

describe('checkPlanes', () => {
  it('takes planes that fill their memory to the last byte', () => {
    expect(() => checkPlanes(planes(17, 15))).not.toThrow();
  });

  const outside = { offsetBytes: 4 + 256 + 65, pitchBytes: 8 };
  it.each([
    ['no width', planes(0, 16)],
    ['half a pixel', planes(16, 16.5)],
    ['more pixels than a picture has', planes(32_768, 16_384)],
    ['a plane that ends behind the memory', planes(16, 16, { v: outside })],
    ['a plane before the memory', planes(16, 16, { y: { offsetBytes: -1, pitchBytes: 16 } })],
    ['rows that overlap', planes(16, 16, { y: { offsetBytes: 4, pitchBytes: 15 } })],
    ['an epoch that is not at a word', planes(16, 16, { epochOffsetBytes: 2 })],
    ['an epoch behind the memory', planes(16, 16, { epochOffsetBytes: 388 })],
  ])('refuses %s', (_, picture) => {
    expect(() => checkPlanes(picture)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });
});
