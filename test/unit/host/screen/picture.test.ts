import { describe, expect, it } from 'vitest';
import { ComparedPicture } from '../../../../host/screen/picture.ts';
import type { Rect } from '../../../../protocol/index.ts';

const WIDTH = 200;
const HEIGHT = 150;
const PITCH = 1024;

function screen(): { readonly bytes: Uint8Array; put(x: number, y: number, value: number): void } {
  const bytes = new Uint8Array(PITCH * HEIGHT);
  return {
    bytes,
    put: (x, y, value) => bytes.fill(value, y * PITCH + x * 4, y * PITCH + x * 4 + 4),
  };
}

function look(picture: ComparedPicture, bytes: Uint8Array): readonly Rect[] {
  return picture.update({ bytes, offsetBytes: 0, pitchBytes: PITCH, format: 'BGRA' });
}

describe('ComparedPicture', () => {
  it('takes over every pixel, and nothing of it is transparent', () => {
    const { bytes } = screen();
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7) & 0xff;
    const picture = new ComparedPicture(WIDTH, HEIGHT);
    expect([...picture.pixels.subarray(0, 4)]).toEqual([0, 0, 0, 255]);
    look(picture, bytes);
    const wanted = new Uint8Array(WIDTH * HEIGHT * 4);
    for (let y = 0; y < HEIGHT; y++)
      wanted.set(bytes.subarray(y * PITCH, y * PITCH + WIDTH * 4), y * WIDTH * 4);
    for (let i = 3; i < wanted.length; i += 4) wanted[i] = 255;
    expect(Buffer.compare(picture.pixels, wanted)).toBe(0);
  });

  it('tells the tiles in which a pixel changed, cut at the edges, and then nothing', () => {
    const { bytes, put } = screen();
    const picture = new ComparedPicture(WIDTH, HEIGHT);
    look(picture, bytes);
    put(199, 149, 9);
    put(63, 0, 9);
    expect(look(picture, bytes)).toEqual([
      { x: 0, y: 0, width: 64, height: 64 },
      { x: 192, y: 128, width: 8, height: 22 },
    ]);
    expect(look(picture, bytes)).toEqual([]);
  });

  it('joins tiles beside and below each other', () => {
    const { bytes, put } = screen();
    const picture = new ComparedPicture(WIDTH, HEIGHT);
    look(picture, bytes);
    for (const [x, y] of [
      [0, 0],
      [70, 0],
      [10, 70],
      [70, 80],
    ] as const)
      put(x, y, 1);
    expect(look(picture, bytes)).toEqual([{ x: 0, y: 0, width: 128, height: 128 }]);
  });

  it('never tells more than 64 rects, and leaves out no change', () => {
    // Every second tile, like a chessboard: 17 x 17 of them.
    const side = 17 * 64;
    const bytes = new Uint8Array(side * side * 4);
    const picture = new ComparedPicture(side, side);
    const update = (): readonly Rect[] =>
      picture.update({ bytes, offsetBytes: 0, pitchBytes: side * 4, format: 'BGRA' });
    const places: [number, number][] = [];
    for (let y = 0; y < 17; y++)
      for (let x = y & 1; x < 17; x += 2) {
        places.push([x * 64 + 5, y * 64 + 6]);
        bytes[((y * 64 + 6) * side + x * 64 + 5) * 4] = 77;
      }
    const rects = update();
    expect(rects.length).toBeLessThanOrEqual(64);
    const holds = (x: number, y: number): boolean =>
      rects.some((r) => x >= r.x && y >= r.y && x < r.x + r.width && y < r.y + r.height);
    expect(places.filter(([x, y]) => !holds(x, y))).toEqual([]);
  });
});
