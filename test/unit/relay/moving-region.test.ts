import { beforeEach, describe, expect, it } from 'vitest';
import { MovingRegion, type RegionGrid } from '../../../viewer/relay/moving-region.ts';

// 1080p: the last row of tiles is cut.
const GRID: RegionGrid = { columns: 30, rows: 17, tilePx: 64, widthPx: 1920, heightPx: 1080 };
const EVERYTHING = box(0, 0, 30, 17);
const FILM = box(15, 3, 30, 10);
const FILM_RECT = { x: 960, y: 192, width: 960, height: 448 };
/** A clock that counts frames in the corner. */
const CLOCK = [16 * 30 + 29];
const FRAME_MS = 1000 / 60;

function box(left: number, top: number, right: number, bottom: number): number[] {
  const tiles: number[] = [];
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++) tiles.push(row * 30 + column);
  return tiles;
}

let moving: MovingRegion;
let nowMs: number;
let serial: number;

beforeEach(() => {
  moving = new MovingRegion();
  moving.reset(GRID);
  nowMs = 1000;
  serial = 0;
});

/** Lets tiles change in each frame for so long. */
function play(ms: number, ...tiles: readonly (readonly number[])[]): void {
  const all = Uint32Array.from(tiles.flat());
  for (const endMs = nowMs + ms; nowMs < endMs; nowMs += FRAME_MS)
    moving.changed(all, all.length, { serial: ++serial, nowMs });
}

describe('the region that moves', () => {
  it('is the film, not the clock beside it', () => {
    play(1000, FILM, CLOCK);
    expect(moving.region).toEqual(FILM_RECT);
  });

  it('is cut to the picture', () => {
    play(1000, box(4, 12, 9, 17));
    expect(moving.region).toEqual({ x: 256, y: 768, width: 320, height: 312 });
  });

  it('is all of the picture when nearly all of it moves, or nothing does for long', () => {
    play(1000, EVERYTHING);
    expect(moving.region).toBeUndefined();
    play(1000, CLOCK);
    expect(moving.region).toBeUndefined();
  });

  it('holds two films at once', () => {
    play(1000, box(1, 1, 6, 6), box(10, 4, 16, 8));
    expect(moving.region).toEqual({ x: 64, y: 64, width: 960, height: 448 });
  });

  it('is no window that opened, and no caret', () => {
    play(FRAME_MS * 3, EVERYTHING);
    for (let blink = 0; blink < 8; blink++) {
      play(FRAME_MS, FILM);
      nowMs += 500;
    }
    expect(moving.region).toBeUndefined();
  });

  it('grows soon, shrinks late, and stays the same object while it stays', () => {
    play(1000, FILM);
    const { region } = moving;
    play(3000, FILM);
    expect(moving.region).toBe(region);
    // Of a film that pauses for a moment, or of which a part stands still, another stream is not made.
    play(1500, CLOCK);
    play(3000, box(15, 3, 29, 9));
    expect(moving.region).toBe(region);
    play(3000, box(16, 4, 20, 8));
    expect(moving.region).toEqual({ x: 1024, y: 256, width: 256, height: 256 });
    play(1200, FILM);
    expect(moving.region).toEqual(FILM_RECT);
    play(1200, EVERYTHING);
    expect(moving.region).toBeUndefined();
  });

  it('counts what changes in it, and all while it is everything', () => {
    play(1000, FILM, CLOCK);
    const before = moving.serial;
    expect(before).toBe(serial);
    play(FRAME_MS * 3, CLOCK);
    expect(moving.serial).toBe(before);
    play(FRAME_MS, [FILM[0] ?? 0]);
    expect(moving.serial).toBe(serial);
    moving.reset(GRID);
    expect(moving.serial).toBe(0);
    play(FRAME_MS, CLOCK);
    expect(moving.serial).toBe(serial);
    expect(moving.region).toBeUndefined();
  });

  it('counts what changed where it is now before it was there', () => {
    play(2000, FILM);
    const before = moving.region;
    // Below the film, for too short a time to be one at once.
    play(300, box(15, 12, 25, 16));
    while (moving.region === before) play(FRAME_MS, CLOCK);
    expect(moving.region).toMatchObject({ x: 960, height: 832 });
    expect(moving.serial).toBe(serial);
  });
});
