import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Picture } from '../../../client/tiles/picture.ts';
import type { Rect } from '../../../protocol/rect.ts';
import { tileRect } from '../../../protocol/wire/index.ts';
import { FORMATS, Screen } from './guest.ts';

/** The pixels of a picture as R, G, B, taken the slow way; fails when a pixel is not opaque. */
function rgbOf(picture: Picture): Uint8Array {
  const { widthPx, heightPx } = picture.grid;
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const at = y * picture.pitchBytes + x * 4;
      const [b = 0, g = 0, r = 0, a = 0] = picture.pixels.subarray(at, at + 4);
      if (a !== 255) throw new Error(`pixel ${x},${y} has alpha ${a}`);
      rgb.set([r, g, b], (y * widthPx + x) * 3);
    }
  return rgb;
}

function changed(picture: Picture, since: number): number[] {
  const out = new Uint32Array(picture.grid.tileCount);
  return [...out.subarray(0, picture.changedSince(since, out))];
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

const ALL_OF = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('Picture before its first frame', () => {
  it('has no geometry, and nothing has changed', () => {
    const picture = new Picture();
    expect(picture.epoch).toBe(0);
    expect(picture.serial).toBe(0);
    expect(picture.geometry).toBeUndefined();
    expect(changed(picture, 0)).toEqual([]);
  });
});

describe('Picture.update()', () => {
  it.each(FORMATS)('takes a whole %s frame exactly, whatever its padding', async (format) => {
    for (const [widthPx, heightPx, paddingBytes] of [
      [200, 130, 0],
      [65, 64, 13],
      [1, 1, 60],
    ] as const) {
      const screen = new Screen(widthPx, heightPx);
      screen.noise(widthPx);
      const picture = new Picture();
      expect(await picture.update(screen.frame({ format, paddingBytes }))).toBe('changed');
      expect(same(rgbOf(picture), screen.rgb)).toBe(true);
      expect(changed(picture, 0)).toEqual(ALL_OF(picture.grid.tileCount));
      expect(picture.epoch).toBe(1);
    }
  });

  it('gives a new serial to the tiles that changed and to no others', async () => {
    const screen = new Screen(200, 130);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    const damage = [{ x: 60, y: 60, width: 10, height: 10 }];
    screen.fill({ x: 63, y: 63, width: 2, height: 1 }, [1, 2, 3]);
    expect(await picture.update(screen.frame({ damage }))).toBe('changed');
    expect(picture.serial).toBeGreaterThan(before);
    expect(changed(picture, before)).toEqual([0, 1]);
    expect(changed(picture, picture.serial)).toEqual([]);
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });

  it('keeps its serial when a frame names damage but no pixel differs', async () => {
    const screen = new Screen(100, 100);
    screen.noise(1);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    const damage = [{ x: 0, y: 0, width: 100, height: 100 }];
    expect(await picture.update(screen.frame({ damage }))).toBe('same');
    expect(await picture.update(screen.frame())).toBe('same');
    expect(picture.serial).toBe(before);
  });

  it('does not look outside of the damage', async () => {
    const screen = new Screen(128, 64);
    const picture = new Picture();
    await picture.update(screen.frame());
    screen.fill({ x: 0, y: 0, width: 128, height: 64 }, [9, 9, 9]);
    const before = picture.serial;
    await picture.update(screen.frame({ damage: [{ x: 0, y: 0, width: 64, height: 64 }] }));
    expect(changed(picture, before)).toEqual([0]);
  });

  it('clips damage that reaches out of the frame', async () => {
    const screen = new Screen(100, 70);
    const picture = new Picture();
    await picture.update(screen.frame());
    screen.noise(3);
    const damage = [
      { x: -50, y: -50, width: 1000, height: 1000 },
      { x: 100, y: 0, width: 5, height: 5 },
      { x: 0, y: 70, width: 5, height: 5 },
    ];
    await picture.update(screen.frame({ damage }));
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });

  it('shows rows that were not transported as black', async () => {
    const screen = new Screen(100, 100);
    screen.noise(5);
    const picture = new Picture();
    await picture.update(screen.frame({ dataHeightPx: 37 }));
    const expected = screen.rgb.slice();
    expected.fill(0, 37 * 100 * 3);
    expect(same(rgbOf(picture), expected)).toBe(true);
    // All of it is told, also what is black.
    expect(changed(picture, 0)).toEqual([0, 1, 2, 3]);
  });

  it('agrees with a plain copy after any sequence of damage', async () => {
    const side = fc.integer({ min: 1, max: 150 });
    const step = fc.record({
      rects: fc.array(fc.record({ x: fc.nat(149), y: fc.nat(149), width: side, height: side }), {
        minLength: 1,
        maxLength: 4,
      }),
      colour: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.record({ widthPx: side, heightPx: side, format: fc.constantFrom(...FORMATS) }),
        fc.array(step, { maxLength: 5 }),
        async ({ widthPx, heightPx, format }, steps) => {
          const screen = new Screen(widthPx, heightPx);
          const picture = new Picture({ tilePx: 32 });
          await picture.update(screen.frame({ format }));
          for (const { rects, colour } of steps) {
            const before = { serial: picture.serial, rgb: rgbOf(picture) };
            const damage = rects.map((rect) => clip(rect, screen));
            for (const rect of damage) screen.fill(rect, colour);
            await picture.update(screen.frame({ format, damage, paddingBytes: 7 }));
            const now = rgbOf(picture);
            expect(same(now, screen.rgb)).toBe(true);
            expect(changed(picture, before.serial)).toEqual(
              tilesThatDiffer(picture, before.rgb, now),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses a second frame while one is being taken', async () => {
    const screen = new Screen(100, 100);
    const picture = new Picture();
    const slow = screen.frame({ arrivedRows: 0 });
    const first = picture.update(slow);
    await expect(picture.update(screen.frame())).rejects.toMatchObject({ code: 'ERR_KVMFR_BUSY' });
    slow.arrive(100);
    expect(await first).toBe('changed');
  });

  it.each([
    [8193, 8192],
    [32769, 1],
    [1, 32769],
    [0, 10],
    [10, 0],
  ])('refuses a frame of %i x %i, keeps what it has, and takes the next', async (w, h) => {
    const screen = new Screen(64, 64);
    screen.noise(1);
    const picture = new Picture();
    await picture.update(screen.frame());
    const { serial, epoch, pixels } = picture;
    const frame = Object.assign(screen.frame(), { widthPx: w, heightPx: h, dataHeightPx: h });
    await expect(picture.update(frame)).rejects.toMatchObject({ code: 'ERR_KVMFR_BOUNDS' });
    expect(picture.serial).toBe(serial);
    expect(picture.epoch).toBe(epoch);
    expect(picture.pixels).toBe(pixels);
    screen.noise(2);
    expect(await picture.update(screen.frame())).toBe('changed');
  });
});

describe('Picture.update() of a frame whose rows still arrive', () => {
  async function settled(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  it('begins with the rows that are there, and publishes when all are', async () => {
    const screen = new Screen(64, 400);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    screen.noise(1);
    const frame = screen.frame({ arrivedRows: 130 });
    const update = picture.update(frame);
    await settled();
    expect(picture.updating).toBe(true);
    expect(picture.serial).toBe(before);
    expect(frame.awaited).toEqual([256]);
    // Two of three bands are not there yet: only the first can have been copied.
    expect(changed(picture, before)).toEqual([0, 1]);
    frame.arrive(399);
    await settled();
    expect(changed(picture, before)).toEqual([0, 1, 2, 3, 4, 5]);
    frame.arrive(400);
    expect(await update).toBe('changed');
    expect(picture.updating).toBe(false);
    expect(changed(picture, before)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });

  it('takes damage in whichever bands it lies', async () => {
    const screen = new Screen(64, 400);
    const picture = new Picture();
    await picture.update(screen.frame());
    const damage = [
      { x: 3, y: 100, width: 20, height: 200 },
      { x: 40, y: 390, width: 9, height: 10 },
    ];
    for (const rect of damage) screen.fill(rect, [7, 8, 9]);
    const frame = screen.frame({ damage, arrivedRows: 0 });
    const update = picture.update(frame);
    for (const rows of [1, 128, 200, 300, 400]) {
      await settled();
      frame.arrive(rows);
    }
    expect(await update).toBe('changed');
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });

  it('publishes nothing of a frame that is given up, and compares all of the next', async () => {
    const screen = new Screen(64, 400);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    screen.noise(4);
    const frame = screen.frame({
      arrivedRows: 128,
      damage: [{ x: 0, y: 0, width: 64, height: 300 }],
    });
    const update = picture.update(frame);
    await settled();
    frame.giveUp();
    expect(await update).toBe('given-up');
    expect(picture.serial).toBe(before);
    // The next frame's own damage is small, but what was lost before it is owed.
    const next = screen.frame({ damage: [{ x: 0, y: 399, width: 1, height: 1 }] });
    expect(await picture.update(next)).toBe('changed');
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
    expect(changed(picture, before)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('does not believe a frame that the guest took back while it was read', async () => {
    const screen = new Screen(64, 64);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    screen.noise(4);
    const frame = screen.frame();
    frame.intact = false;
    expect(await picture.update(frame)).toBe('given-up');
    expect(picture.serial).toBe(before);
    screen.noise(5);
    const damage = [{ x: 0, y: 0, width: 1, height: 1 }];
    expect(await picture.update(screen.frame({ damage }))).toBe('changed');
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });

  it('publishes what a frame that was given up has left when the same frame comes again', async () => {
    const screen = new Screen(128, 64);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    screen.fill({ x: 64, y: 0, width: 1, height: 1 }, [1, 2, 3]);
    const frame = screen.frame();
    frame.intact = false;
    expect(await picture.update(frame)).toBe('given-up');
    // A publisher posts its last frame again for who subscribes anew.
    expect(await picture.update(screen.frame())).toBe('changed');
    expect(changed(picture, before)).toEqual([1]);
    const tiles = Uint32Array.of(0, 1);
    expect(picture.beginRead().end(tiles, 2, tiles)).toBe(0);
    expect(await picture.update(screen.frame())).toBe('same');
  });

  it('keeps the old picture until a frame of a new size is there in full', async () => {
    const screen = new Screen(64, 400);
    screen.noise(1);
    const picture = new Picture();
    await picture.update(screen.frame());
    const { epoch, serial } = picture;
    const other = new Screen(100, 300);
    const frame = other.frame({ arrivedRows: 200 });
    const update = picture.update(frame);
    await settled();
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
    frame.giveUp();
    expect(await update).toBe('given-up');
    expect(picture.epoch).toBe(epoch);
    expect(picture.serial).toBe(serial);
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });
});

describe("Picture's epochs", () => {
  it.each([
    ['size', { width: 65 }],
    ['rows that are transported', { dataHeightPx: 40 }],
    ['rotation', { rotation: 1 }],
    ['format', { format: 'RGBA' }],
  ] as const)('begin with another %s, and all tiles count as changed', async (_, other) => {
    const screen = new Screen(64, 64);
    const picture = new Picture();
    await picture.update(screen.frame());
    const { serial, epoch } = picture;
    const width = 'width' in other ? other.width : 64;
    const options = 'width' in other ? {} : other;
    expect(await picture.update(new Screen(width, 64).frame(options))).toBe('changed');
    expect(picture.epoch).toBe(epoch + 1);
    expect(picture.serial).toBeGreaterThan(serial);
    expect(changed(picture, serial)).toEqual(ALL_OF(picture.grid.tileCount));
  });

  it('begin when the picture starts over, with the next frame and not before', async () => {
    const screen = new Screen(64, 64);
    screen.noise(1);
    const picture = new Picture();
    await picture.update(screen.frame());
    picture.startOver();
    expect(picture.epoch).toBe(1);
    expect(picture.geometry).toBeDefined();
    await picture.update(screen.frame());
    expect(picture.epoch).toBe(2);
    await picture.update(screen.frame());
    expect(picture.epoch).toBe(2);
    expect(same(rgbOf(picture), screen.rgb)).toBe(true);
  });

  it('begin when serials run out, which start again', async () => {
    const screen = new Screen(64, 64);
    const picture = new Picture({ after: { serial: 0xffff_fffd, epoch: 0 } });
    await picture.update(screen.frame());
    expect(picture.serial).toBe(0xffff_fffe);
    screen.noise(1);
    await picture.update(screen.frame());
    expect(picture.serial).toBe(0xffff_ffff);
    expect(picture.epoch).toBe(1);
    screen.noise(2);
    await picture.update(screen.frame());
    expect(picture.serial).toBe(1);
    expect(picture.epoch).toBe(2);
    expect(changed(picture, 0)).toEqual([0]);
  });

  it('use the same memory again when the size comes back', async () => {
    const wide = new Screen(200, 100);
    const narrow = new Screen(100, 100);
    const picture = new Picture();
    await picture.update(wide.frame());
    const memory = picture.pixels.buffer;
    await picture.update(narrow.frame());
    expect(picture.pixels.byteLength).toBe(100 * 100 * 4);
    await picture.update(wide.frame());
    expect(picture.pixels.buffer).toBe(memory);
  });

  it('give memory back when the picture has become much smaller', async () => {
    const picture = new Picture();
    await picture.update(new Screen(400, 400).frame());
    await picture.update(new Screen(64, 64).frame());
    // Two pages more: what is known of the picture, and the serials.
    expect(picture.pixels.buffer.byteLength).toBe(64 * 64 * 4 + 2 * 4096);
  });
});

describe('Picture.changedSince()', () => {
  it('refuses a list that is too short for the picture', async () => {
    const picture = new Picture();
    await picture.update(new Screen(130, 64).frame());
    expect(() => picture.changedSince(0, new Uint32Array(2))).toThrow(/room for 3 tiles/);
  });

  it('merges what several updates changed', async () => {
    const screen = new Screen(192, 64);
    const picture = new Picture();
    await picture.update(screen.frame());
    const before = picture.serial;
    for (const x of [0, 128]) {
      const rect = { x, y: 0, width: 1, height: 1 };
      screen.fill(rect, [1, 1, 1]);
      await picture.update(screen.frame({ damage: [rect] }));
    }
    expect(changed(picture, before)).toEqual([0, 2]);
    expect(changed(picture, before + 1)).toEqual([2]);
  });
});

function clip(rect: Rect, screen: Screen): Rect {
  const x = Math.min(rect.x, screen.widthPx - 1);
  const y = Math.min(rect.y, screen.heightPx - 1);
  return {
    x,
    y,
    width: Math.min(rect.width, screen.widthPx - x),
    height: Math.min(rect.height, screen.heightPx - y),
  };
}

function tilesThatDiffer(picture: Picture, before: Uint8Array, now: Uint8Array): number[] {
  const { grid } = picture;
  return ALL_OF(grid.tileCount).filter((index) => {
    const tile = tileRect(index, grid);
    for (let y = tile.y; y < tile.y + tile.height; y++) {
      const from = (y * grid.widthPx + tile.x) * 3;
      const end = from + tile.width * 3;
      if (!same(before.subarray(from, end), now.subarray(from, end))) return true;
    }
    return false;
  });
}
