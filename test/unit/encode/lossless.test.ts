import { describe, expect, it } from 'vitest';
import { TILE_CODINGS, type TileCodingName } from '../../../protocol/wire/index.ts';
import { LosslessEncoder, PART_RAW_BYTES } from '../../../viewer/encode/index.ts';
import { Screen } from '../tiles/guest.ts';
import { drawTiles, messagesOf, pictureOf, readTiles } from './pictures.ts';

async function draw(
  encoder: LosslessEncoder,
  picture: Awaited<ReturnType<typeof pictureOf>>,
  into: { readonly rgb: Uint8Array; from: number },
  coding?: TileCodingName,
): Promise<number[]> {
  const messages = await messagesOf(encoder.encode(picture, into.from, coding));
  const drawn = messages.flatMap((message, index) => {
    const tiles = readTiles(message, picture.grid);
    expect(tiles.last).toBe(index === messages.length - 1);
    expect(tiles.serial).toBe(picture.serial);
    expect(tiles.epoch).toBe(picture.epoch);
    return drawTiles(tiles, picture.grid, into.rgb);
  });
  into.from = picture.serial;
  return drawn;
}

const SIZES = [
  [1920, 1080],
  [65, 1],
  [1, 1],
  [130, 70],
] as const;

describe('LosslessEncoder', () => {
  it.each(SIZES.flatMap(([w, h]) => [[w, h, undefined] as const, [w, h, 'ops'] as const]))(
    'brings a viewer of %i x %i to the exact picture, and then to the next, by %s',
    async (w, h, coding) => {
      const encoder = new LosslessEncoder();
      const screen = new Screen(w, h);
      screen.noise(1);
      screen.fill({ x: 0, y: 0, width: w, height: Math.ceil(h / 2) }, [10, 20, 30]);
      const picture = await pictureOf(screen);
      const viewer = { rgb: new Uint8Array(screen.rgb.length), from: 0 };
      expect(await draw(encoder, picture, viewer, coding)).toHaveLength(picture.grid.tileCount);
      expect(Buffer.compare(viewer.rgb, screen.rgb)).toBe(0);
      const rect = { x: w - 1, y: h - 1, width: 1, height: 1 };
      screen.fill(rect, [201, 202, 203]);
      await picture.update(screen.frame({ damage: [rect] }));
      expect(await draw(encoder, picture, viewer, coding)).toEqual([picture.grid.tileCount - 1]);
      expect(Buffer.compare(viewer.rgb, screen.rgb)).toBe(0);
      await encoder.close();
    },
  );

  it.each([undefined, 'ops'] as const)(
    'sends as they are the pixels that would not shrink, in parts of bounded size, by %s',
    async (coding) => {
      const screen = new Screen(640, 640);
      screen.noise(7);
      const encoder = new LosslessEncoder();
      const picture = await pictureOf(screen);
      const messages = await messagesOf(encoder.encode(picture, 0, coding));
      expect(messages.length).toBeGreaterThan(4);
      for (const message of messages) {
        expect(readTiles(message, picture.grid).coding).toBe(TILE_CODINGS.raw);
        expect(message.byteLength).toBeLessThan(PART_RAW_BYTES + 1024);
      }
      await encoder.close();
    },
  );

  it.each([undefined, 'ops'] as const)(
    'shrinks a flat picture to a fraction, by %s',
    async (coding) => {
      const encoder = new LosslessEncoder();
      const picture = await pictureOf(new Screen(1920, 1080));
      await messagesOf(encoder.encode(picture, 0, coding));
      expect(encoder.stats.rawBytes).toBe(1920 * 1080 * 3);
      expect(encoder.stats.codedBytes * 50).toBeLessThan(encoder.stats.rawBytes);
      expect(encoder.stats.seconds).toBeGreaterThan(0);
      await encoder.close();
    },
  );

  it.each([undefined, 'ops'] as const)(
    'has the pixels of its serial, whatever the picture becomes meanwhile, by %s',
    async (coding) => {
      const screen = new Screen(640, 640);
      screen.noise(1);
      const encoder = new LosslessEncoder();
      const picture = await pictureOf(screen);
      const update = encoder.encode(picture, 0, coding);
      const before = screen.rgb.slice();
      screen.noise(2);
      await picture.update(screen.frame());
      const rgb = new Uint8Array(before.length);
      for (const message of await messagesOf(update)) {
        const tiles = readTiles(message, picture.grid);
        expect(tiles.serial).toBeLessThan(picture.serial);
        drawTiles(tiles, picture.grid, rgb);
      }
      expect(Buffer.compare(rgb, before)).toBe(0);
      await encoder.close();
    },
  );

  it('codes once for all who ask for the same, and take the same', async () => {
    const encoder = new LosslessEncoder();
    const picture = await pictureOf(new Screen(640, 640));
    const first = encoder.encode(picture, 0);
    expect(encoder.encode(picture, 0)).toBe(first);
    const second = encoder.encode(picture, 0, 'ops');
    expect(encoder.encode(picture, 0, 'ops')).toBe(second);
    for (const [update, coding] of [
      [first, TILE_CODINGS.deflateRaw],
      [second, TILE_CODINGS.ops],
    ] as const)
      for (const message of await messagesOf(update))
        expect(readTiles(message, picture.grid).coding).toBe(coding);
    expect(encoder.stats).toMatchObject({ updates: 2, shared: 2 });
    await encoder.close();
  });

  it('gives a viewer that has a little more the same, and one that has much more its own', async () => {
    const screen = new Screen(1920, 1080);
    const encoder = new LosslessEncoder();
    const picture = await pictureOf(screen);
    const serials: number[] = [];
    for (const height of [1080, 64]) {
      serials.push(picture.serial);
      screen.fill({ x: 0, y: 0, width: 1920, height }, [height & 255, 1, serials.length]);
      await picture.update(screen.frame());
    }
    const [older = 0, newer = 0] = serials;
    const all = encoder.encode(picture, 0);
    await messagesOf(all);
    expect(encoder.encode(picture, older)).toBe(all);
    const own = encoder.encode(picture, newer);
    expect(own).not.toBe(all);
    expect(own?.tileCount).toBe(30);
    await encoder.close();
  });

  it('does not keep what leads to an older serial', async () => {
    const screen = new Screen(64, 64);
    const encoder = new LosslessEncoder();
    const picture = await pictureOf(screen);
    const first = encoder.encode(picture, 0);
    screen.noise(1);
    await picture.update(screen.frame());
    const second = encoder.encode(picture, 0);
    expect(second?.to).toBe(picture.serial);
    expect(second).not.toBe(first);
    await encoder.close();
  });

  it('refuses a second large update until the first is done, says so, and lets small ones pass', async () => {
    let idle = 0;
    const encoder = new LosslessEncoder({ onIdle: () => idle++ });
    const screen = new Screen(1024, 1024);
    screen.noise(1);
    const picture = await pictureOf(screen);
    const first = encoder.encode(picture, 0);
    screen.noise(2);
    await picture.update(screen.frame());
    expect(encoder.encode(picture, 0)).toBeUndefined();
    const serial = picture.serial;
    screen.fill({ x: 0, y: 0, width: 1, height: 1 }, [0, 0, 0]);
    await picture.update(screen.frame());
    expect(encoder.encode(picture, serial)?.tileCount).toBe(1);
    expect(idle).toBe(0);
    await messagesOf(first);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(idle).toBe(1);
    expect(encoder.encode(picture, 0)).toBeDefined();
    await encoder.close();
  });

  it('is closed only when all it codes is coded, and takes nothing more', async () => {
    const encoder = new LosslessEncoder();
    const picture = await pictureOf(new Screen(1024, 1024));
    const update = encoder.encode(picture, 0);
    let done = 0;
    for (const part of update?.parts ?? []) void part.then(() => done++);
    await encoder.close();
    expect(done).toBe(update?.parts.length);
    expect(() => encoder.encode(picture, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_CLOSED' }),
    );
  });
});
