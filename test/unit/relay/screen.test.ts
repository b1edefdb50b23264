import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Screen, type TileAges } from '../../../viewer/relay/screen.ts';

function picture(...serials: number[]): TileAges {
  return { tileSerials: Uint32Array.from(serials), grid: gridOf(serials.length, 1) };
}

/** Tiles of 64 x 64 in rows. */
function gridOf(tileCount: number, rows: number): TileAges['grid'] {
  return { tileCount, columns: tileCount / rows, tilePx: 64 };
}

function screenOf(tileCount: number): Screen {
  const screen = new Screen();
  screen.reset(tileCount);
  return screen;
}

function missing(screen: Screen, ages: TileAges): number[] {
  const out = new Uint32Array(ages.grid.tileCount);
  return [...out.subarray(0, screen.missing(ages, out))];
}

function inexact(screen: Screen, ages: TileAges, restSerial: number, most = 99): number[] {
  const out = new Uint32Array(ages.grid.tileCount);
  return [...out.subarray(0, screen.inexact(ages, { restSerial, most, missing: 'all' }, out))];
}

describe('a screen', () => {
  it('lacks everything at first, and what changes later', () => {
    const screen = screenOf(3);
    expect(missing(screen, picture(1, 1, 1))).toEqual([0, 1, 2]);
    screen.tookTiles(Uint32Array.of(0, 1, 2), 1, true);
    expect(missing(screen, picture(1, 1, 1))).toEqual([]);
    expect(missing(screen, picture(1, 2, 1))).toEqual([1]);
    expect(screen.isExact(picture(1, 1, 1))).toBe(true);
    expect(screen.isExact(picture(1, 2, 1))).toBe(false);
  });

  it('shows the video only where a tile is not exact', () => {
    const screen = screenOf(10);
    screen.tookTiles(Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 1, true);
    const ages = picture(1, 3, 1, 1, 1, 1, 1, 1, 1, 2);
    expect(screen.tookVideo(ages, 3)).toBe(true);
    expect([...screen.cover]).toEqual([0b10, 0b10]);
    expect(missing(screen, ages)).toEqual([]);
    expect(screen.tookVideo(ages, 3)).toBe(false);
  });

  it('is owed exact tiles for what video has blurred, once that is at rest, and newest pixels first', () => {
    const screen = screenOf(4);
    const ages = picture(5, 6, 7, 8);
    screen.tookVideo(ages, 7);
    expect(inexact(screen, ages, 0)).toEqual([3]);
    expect(inexact(screen, ages, 6)).toEqual([0, 1, 3]);
    expect(inexact(screen, ages, 6, 1)).toEqual([0, 3]);
    screen.tookTiles(Uint32Array.of(0, 1), 7, true);
    expect(inexact(screen, ages, 7)).toEqual([2, 3]);
  });

  describe('with video of a region', () => {
    // Two rows of five tiles; the region is the tiles 1, 2, 6 and 7.
    const REGION = { x: 64, y: 0, width: 128, height: 128 };
    const ages = (...serials: number[]): TileAges => ({
      tileSerials: Uint32Array.from(serials),
      grid: gridOf(10, 2),
    });
    const owed = (screen: Screen, of: TileAges): number[] => {
      const out = new Uint32Array(10);
      const limits = { restSerial: 0, most: 0, missing: 'outside' as const };
      return [...out.subarray(0, screen.inexact(of, limits, out))];
    };

    it('shows it in the region only, and is owed at once what is new around it', () => {
      const screen = screenOf(10);
      screen.tookTiles(Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 1, true);
      const now = ages(2, 2, 1, 1, 1, 1, 1, 2, 1, 2);
      expect(screen.tookVideo(now, 2, 1, REGION)).toBe(true);
      expect([...screen.cover]).toEqual([0b1000_0010, 0]);
      expect(owed(screen, now)).toEqual([0, 9]);
      expect(screen.awaitsVideo(now)).toBe(false);
      expect(screen.awaitsVideo(ages(2, 3, 1, 1, 1, 1, 1, 2, 1, 2))).toBe(true);
      screen.tookTiles(Uint32Array.of(0, 9), 2, true);
      expect(owed(screen, now)).toEqual([]);
      expect(missing(screen, now)).toEqual([]);
    });

    it('is owed what the video showed and shows no more when the region is another one', () => {
      const screen = screenOf(10);
      const now = ages(2, 2, 2, 2, 2, 2, 2, 2, 2, 2);
      screen.tookVideo(now, 2);
      expect([...screen.cover]).toEqual([0xff, 0b11]);
      expect(screen.tookVideo(now, 2, 1, REGION)).toBe(true);
      expect([...screen.cover]).toEqual([0b1100_0110, 0]);
      expect(owed(screen, now)).toEqual([0, 3, 4, 5, 8, 9]);
      expect(screen.tookVideo(now, 2, 1)).toBe(true);
      expect(owed(screen, now)).toEqual([]);
    });

    it('is all video there while nearly all of it moves', () => {
      const screen = screenOf(10);
      screen.tookTiles(Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 5, true);
      screen.tookVideo(ages(1, 6, 6, 1, 1, 1, 6, 6, 1, 1), 6, 5, REGION);
      expect(screen.flooded).toBe(true);
      screen.tookVideo(ages(1, 7, 7, 1, 1, 1, 7, 5, 1, 1), 7, 6, REGION);
      expect(screen.flooded).toBe(false);
    });
  });

  it('is all video while nearly all of it moves, and keeps what is exact once less does', () => {
    const screen = screenOf(20);
    const all = Uint32Array.from({ length: 20 }, (_, tile) => tile);
    screen.tookTiles(all, 1, true);
    const moved = (count: number, serial: number): TileAges =>
      picture(...Array.from({ length: 20 }, (_, tile) => (tile < count ? serial : 1)));
    screen.tookVideo(moved(17, 5), 5, 4);
    expect(screen.flooded).toBe(false);
    expect([...screen.cover]).toEqual([0xff, 0xff, 0x01]);
    screen.tookVideo(moved(18, 6), 6, 4);
    expect(screen.flooded).toBe(true);
    expect([...screen.cover]).toEqual([0xff, 0xff, 0x0f]);
    // What the video has covered is owed again.
    expect(inexact(screen, moved(18, 6), 6)).toEqual([...all]);
    screen.tookVideo(moved(18, 6), 6, 6);
    expect(screen.flooded).toBe(false);
  });

  it('tells the cover again after a tile was drawn over the video, and changed again', () => {
    const screen = screenOf(1);
    expect(screen.tookVideo(picture(1), 1)).toBe(true);
    screen.tookTiles(Uint32Array.of(0), 1, true);
    expect([...screen.cover]).toEqual([0]);
    expect(screen.tookVideo(picture(1), 2)).toBe(true);
    expect([...screen.cover]).toEqual([0]);
    expect(screen.tookVideo(picture(3), 3)).toBe(true);
    expect([...screen.cover]).toEqual([1]);
  });

  it('is exact where a move made it so, and is known to lack the rest', () => {
    const screen = screenOf(34);
    const all = Uint32Array.from({ length: 34 }, (_, tile) => tile);
    const bits = new Uint32Array(2);
    screen.tookTiles(all, 1, true);
    screen.distrust(Uint32Array.of(33), 1);
    const moved = picture(...[...all].map(() => 2));
    screen.lacking(picture(...[...all].map((tile) => (tile === 31 ? 2 : 1))), bits);
    expect([...bits]).toEqual([0x8000_0000, 0b10]);
    screen.tookMoves(bits, 2);
    expect(missing(screen, moved)).toEqual([31, 33]);
    expect(inexact(screen, moved, 2)).toEqual([31, 33]);
    expect(screen.hasVideo).toBe(false);
    screen.tookVideo(moved, 2);
    expect(screen.hasVideo).toBe(true);
    screen.tookTiles(Uint32Array.of(31, 33), 2, true);
    expect(screen.hasVideo).toBe(false);
  });

  it('is owed again what may have been torn, and what came as a JPEG when it rests', () => {
    const screen = screenOf(2);
    screen.tookTiles(Uint32Array.of(0, 1), 4, true);
    screen.distrust(Uint32Array.of(1), 1);
    expect(missing(screen, picture(4, 4))).toEqual([1]);
    screen.tookTiles(Uint32Array.of(0, 1), 5, false);
    expect(missing(screen, picture(5, 5))).toEqual([]);
    expect(inexact(screen, picture(5, 5), 5)).toEqual([0, 1]);
  });

  it('becomes exact whatever came before, once all it is owed was sent', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('change' as const), tile: fc.nat(19) }),
      fc.record({ kind: fc.constant('video' as const) }),
      fc.record({ kind: fc.constant('jpeg' as const) }),
      fc.record({ kind: fc.constant('tiles' as const), most: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const screen = screenOf(20);
        const serials = new Uint32Array(20).fill(1);
        const ages: TileAges = { tileSerials: serials, grid: gridOf(20, 1) };
        // A model: what each tile really shows, 'v' for video and 'j' for a JPEG.
        const shows: string[] = new Array<string>(20).fill('');
        let serial = 1;
        const send = (tiles: readonly number[], exact: boolean): void => {
          screen.tookTiles(Uint32Array.from(tiles), serial, exact);
          for (const tile of tiles) shows[tile] = exact ? `${serials[tile]}` : 'j';
        };
        for (const one of steps) {
          if (one.kind === 'change') serials[one.tile] = ++serial;
          else if (one.kind === 'jpeg') send(missing(screen, ages), false);
          else if (one.kind === 'tiles') send(inexact(screen, ages, serial, one.most), true);
          else {
            screen.tookVideo(ages, serial);
            for (let tile = 0; tile < 20; tile++)
              if (((screen.cover[tile >> 3] ?? 0) >> (tile & 7)) & 1) shows[tile] = 'v';
          }
        }
        send(inexact(screen, ages, serial), true);
        expect(screen.isExact(ages)).toBe(true);
        expect(shows).toEqual([...serials].map(String));
      }),
    );
  });
});
