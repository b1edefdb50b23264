import { afterEach, describe, expect, it } from 'vitest';
import { beginWrite, endWrite } from '../../../../client/tiles/shared-planes.ts';
import { SharedPicture } from '../../../../viewer/encode/video/shared-picture.ts';
import { plaid, testPicture } from '../../../support/video.ts';

const reader = new SharedPicture();
afterEach(() => reader.close());

/** A copy of the pixels that knows whether it was thrown away. */
class Copy {
  readonly pixels: Uint8Array;
  closed = false;

  constructor(pixels: Uint8Array) {
    this.pixels = pixels.slice();
  }

  close(): void {
    this.closed = true;
  }
}

describe('SharedPicture.take', () => {
  it.each([0, 5])('gives the planes as one run of bytes (%i bytes between rows)', async (pad) => {
    using picture = testPicture(32, 20, pad);
    picture.draw(plaid(3));
    const copy = await reader.take(picture.planes, (pixels) => new Copy(pixels));
    const { y, u, v } = picture.pixels();
    expect(Buffer.compare(copy?.pixels ?? y, Buffer.concat([y, u, v]))).toBe(0);
  });

  it('takes a picture again that was written while it was copied', async () => {
    using picture = testPicture(32, 20);
    const copies: Copy[] = [];
    const taken = await reader.take(picture.planes, (pixels) => {
      const copy = new Copy(pixels);
      if (copies.push(copy) === 1) picture.draw(plaid(1));
      return copy;
    });
    expect(copies.map(({ closed }) => closed)).toEqual([true, false]);
    expect(taken).toBe(copies[1]);
    expect(taken?.pixels.subarray(0, 640)).toEqual(picture.pixels().y);
  });

  it('waits for a write to end', async () => {
    using picture = testPicture(32, 20);
    beginWrite(picture.epoch);
    const taking = reader.take(picture.planes, (pixels) => new Copy(pixels));
    picture.draw(plaid(2));
    expect((await taking)?.pixels.subarray(0, 640)).toEqual(picture.pixels().y);
  });

  it('gives up when a write does not end, and keeps no copy', async () => {
    using picture = testPicture(32, 20);
    beginWrite(picture.epoch);
    const copies: Copy[] = [];
    const taken = await reader.take(picture.planes, (pixels) => {
      const copy = new Copy(pixels);
      copies.push(copy);
      return copy;
    });
    expect([taken, copies]).toEqual([undefined, []]);
  });

  it('gives up when each copy was written meanwhile', async () => {
    using picture = testPicture(32, 20);
    const copies: Copy[] = [];
    const taken = await reader.take(picture.planes, (pixels) => {
      const copy = new Copy(pixels);
      copies.push(copy);
      beginWrite(picture.epoch);
      endWrite(picture.epoch);
      return copy;
    });
    expect(taken).toBeUndefined();
    expect(copies).toHaveLength(20);
    expect(copies.every(({ closed }) => closed)).toBe(true);
  });

  it('finds that the memory has gone', async () => {
    const picture = testPicture(32, 20);
    const { path, inode, byteLength } = picture.memory;
    picture.memory.close();
    const planes = { ...picture.planes, memory: { path, inode, byteLength } };
    expect(await reader.take(planes, (pixels) => new Copy(pixels))).toBeUndefined();
  });

  it('does not take other memory that is found at the same path', async () => {
    const old = testPicture(32, 20);
    const { path, inode, byteLength } = old.memory;
    old.memory.close();
    using fresh = testPicture(32, 20);
    // The lowest free number is given to the next file that is opened.
    expect(fresh.memory.path).toBe(path);
    const planes = { ...old.planes, memory: { path, inode, byteLength } };
    expect(await reader.take(planes, (pixels) => new Copy(pixels))).toBeUndefined();
    fresh.draw(plaid(4));
    const taken = await reader.take(fresh.planes, (pixels) => new Copy(pixels));
    expect(taken?.pixels.subarray(0, 640)).toEqual(fresh.pixels().y);
  });
});
