import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Frame } from '../../../client/frame.ts';
import { FrameStream } from '../../../client/frames.ts';
import { Picture } from '../../../client/tiles/picture.ts';
import { copyRect, encodePng } from '../../../viewer/encode/index.ts';
import {
  beyondRounding,
  leastPitch,
  type ReferenceFormat,
  type ReferenceRect,
  ReferenceScreen,
  turnedBy,
  unitOf,
} from '../../support/picture-reference.ts';
import { Guest } from './guest.ts';

// Publisher, region, client, picture, PNG: every rotation with every format, damage and awkward size,
// each pixel compared with one that was computed on its own.

const WIRES: readonly {
  readonly wire: 'B6' | 'B7' | 'dev12';
  readonly formats: readonly ReferenceFormat[];
  /** Where dataWidth is in a frame header; KVMFR 19 has none. */
  readonly dataWidthAt: number | undefined;
}[] = [
  { wire: 'B6', formats: ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F'], dataWidthAt: undefined },
  {
    wire: 'B7',
    formats: ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F', 'BGR_32', 'RGB_24'],
    dataWidthAt: 20,
  },
  {
    wire: 'dev12',
    formats: ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F', 'BGR_32', 'RGB_24'],
    dataWidthAt: 20,
  },
];

const FORMAT_NAMES = [undefined, 'BGRA', 'RGBA', 'RGBA10', 'RGBA16F', 'BGR_32', 'RGB_24'] as const;
const ROTATIONS = [0, 1, 2, 3] as const;
/** One pixel, a row, a column, odd numbers, and one more and one less than a tile. */
const SIZES = [
  [1, 1],
  [7, 1],
  [1, 5],
  [3, 5],
  [65, 63],
  [67, 129],
] as const;
/** Bytes of padding behind a row: a multiple of every unit. */
const PADDINGS = [0, 24 * 11] as const;
/** A pitch at which no slot of an 8 MiB region has room for three rows. */
const HUGE_PITCH = 24 * 43_690;

/** Two areas that overlap, one of them at the last row and column. */
function areasOf(widthPx: number, heightPx: number): readonly ReferenceRect[] {
  const [x, y] = [Math.floor(widthPx / 3), Math.floor(heightPx / 3)];
  return [
    { x, y, width: Math.ceil(widthPx / 3), height: Math.ceil(heightPx / 2) },
    {
      x: Math.floor(widthPx / 2),
      y: Math.floor(heightPx / 2),
      width: widthPx - Math.floor(widthPx / 2),
      height: heightPx - Math.floor(heightPx / 2),
    },
  ];
}

/** A guest that is looked at, frame by frame. */
class Run {
  readonly guest: Guest;
  readonly picture: Picture = new Picture();
  readonly #frames: FrameStream;
  readonly #place: (typeof WIRES)[number];
  #subscribed = false;

  constructor(guest: Guest, place: (typeof WIRES)[number]) {
    this.guest = guest;
    this.#frames = new FrameStream(guest, {});
    this.#place = place;
  }

  /** Publishes, reads, and calls back while the frame is lent. */
  async show(
    screen: ReferenceScreen,
    options: {
      readonly rotation: 0 | 1 | 2 | 3;
      readonly pitchBytes: number;
      readonly damage?: readonly ReferenceRect[];
    },
    check: (frame: Frame) => Promise<void>,
  ): Promise<void> {
    const next = this.#frames.next();
    if (!this.#subscribed) await this.guest.subscriber();
    this.#subscribed = true;
    const { format, widthPx, heightPx } = screen;
    const { rotation, pitchBytes, damage } = options;
    const posted = this.guest.host.publish({
      pixels: screen.bytes(pitchBytes),
      format,
      widthPx,
      heightPx,
      pitchBytes,
      rotation,
      damage,
      // Neither the size of the picture nor a multiple of it.
      screenWidthPx: widthPx * 2 + 1,
      screenHeightPx: heightPx + 3,
      // What the reference takes for white; told only by the newest version.
      sdrWhiteLevel: format === 'RGBA16F' ? 200 : 0,
    });
    expect(posted).toBe(true);
    this.#widenData(pitchBytes);
    const { value: frame } = await next;
    if (frame === undefined) throw new Error('the stream has ended');
    await check(frame);
    frame.release();
  }

  /** The publisher counts padding as data, where the pitch has some: some real ones do. */
  #widenData(pitchBytes: number): void {
    const { dataWidthAt, wire } = this.#place;
    const { view } = this.guest.region;
    if (dataWidthAt === undefined) return;
    const dev = wire === 'dev12';
    const queue = dev ? 64 : 32;
    const slots = view.getUint32(queue + (dev ? 300 : 4), true);
    const newest = (view.getUint32(queue + (dev ? 0 : 16), true) + slots - 1) % slots;
    const message = view.getUint32(queue + (dev ? 304 : 20), true) + newest * (dev ? 32 : 16);
    const header = view.getUint32(message + (dev ? 12 : 8), true);
    const format = FORMAT_NAMES[view.getUint32(header + 8, true)];
    if (format === undefined) throw new Error('no frame header was found');
    if (pitchBytes === leastPitch(format, view.getUint32(header + 28, true))) return;
    view.setUint32(
      header + dataWidthAt,
      Math.min(Math.floor(pitchBytes / unitOf(format)), 32768),
      true,
    );
  }

  end(): Promise<unknown> {
    return this.#frames.return();
  }
}

/** What the kernels of half floats may be off by, beyond rounding. */
const toleranceOf = (format: ReferenceFormat): number => (format === 'RGBA16F' ? 0.1 : 0);

/** The picture, and a PNG of it as the guest's screen shows it. */
async function expectSeen(
  run: Run,
  screen: ReferenceScreen,
  rotation: 0 | 1 | 2 | 3,
  extent: { readonly rows: number; readonly heightPx: number },
): Promise<void> {
  const { picture } = run;
  const seen = screen.seen(extent.rows, extent.heightPx);
  const tolerance = toleranceOf(screen.format);
  expect(beyondRounding(picture.pixels, seen, 4)).toBeLessThanOrEqual(tolerance);
  expect(picture.geometry).toMatchObject({
    rotation,
    screenWidthPx: screen.widthPx * 2 + 1,
    screenHeightPx: screen.heightPx + 3,
  });
  const rect = { x: 0, y: 0, width: screen.widthPx, height: extent.heightPx };
  const png = await encodePng(copyRect(picture, rect), rotation);
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const turned = turnedBy(seen, rotation);
  expect(info).toMatchObject({ width: turned.widthPx, height: turned.heightPx, channels: 3 });
  expect(beyondRounding(data, turned)).toBeLessThanOrEqual(tolerance);
}

for (const place of WIRES)
  describe(`pixels of ${place.wire}`, () => {
    const { wire, formats } = place;
    const white = wire === 'dev12' ? 200 : 203;

    it.each(formats)(
      '%s, each rotation, size and pitch: full damage, rects, full again',
      async (format) => {
        const run = new Run(await Guest.start({ wire }), place);
        for (const rotation of ROTATIONS)
          for (const [widthPx, heightPx] of SIZES)
            for (const padding of PADDINGS) {
              const screen = new ReferenceScreen(format, widthPx, heightPx, white);
              const pitchBytes = leastPitch(format, widthPx) + padding;
              const extent = { rows: heightPx, heightPx };
              const all = { x: 0, y: 0, width: widthPx, height: heightPx };
              screen.paint(all, rotation + padding);
              await run.show(screen, { rotation, pitchBytes }, async (frame) => {
                expect(frame).toMatchObject({ rotation, pitchBytes, damage: [], truncated: false });
                expect(await run.picture.update(frame)).toBe('changed');
                await expectSeen(run, screen, rotation, extent);
              });
              const damage = areasOf(widthPx, heightPx);
              for (const [i, area] of damage.entries()) screen.paint(area, 100 + i);
              await run.show(screen, { rotation, pitchBytes, damage }, async (frame) => {
                // Rects may be joined on the way, and never become all of it.
                expect(frame.damage.length).toBeGreaterThan(0);
                expect(await run.picture.update(frame)).toBe('changed');
                await expectSeen(run, screen, rotation, extent);
              });
              screen.paint(all, 200);
              await run.show(screen, { rotation, pitchBytes }, async (frame) => {
                expect(await run.picture.update(frame)).toBe('changed');
                await expectSeen(run, screen, rotation, extent);
              });
            }
        expect(run.guest.stats).toMatchObject({
          framesRefused: 0,
          framesGivenUp: 0,
          framesSkipped: 0,
        });
        await run.end();
      },
    );

    it.each(formats)('%s, each rotation: rows that did not fit are black', async (format) => {
      const run = new Run(await Guest.start({ wire }), place);
      for (const rotation of ROTATIONS)
        for (const [widthPx, heightPx] of [
          [3, 5],
          [67, 4],
        ] as const) {
          const screen = new ReferenceScreen(format, widthPx, heightPx, white);
          screen.paint({ x: 0, y: 0, width: widthPx, height: heightPx }, rotation);
          await run.show(screen, { rotation, pitchBytes: HUGE_PITCH }, async (frame) => {
            const rows = frame.dataHeightPx;
            expect(frame.truncated).toBe(true);
            expect(rows).toBe(wire === 'dev12' ? 1 : 2);
            // KVMFR 19 has one height for both: the picture is lower.
            expect(frame.heightPx).toBe(wire === 'B6' ? rows : heightPx);
            expect(await run.picture.update(frame)).toBe('changed');
            await expectSeen(run, screen, rotation, { rows, heightPx: frame.heightPx });
          });
        }
      await run.end();
    });
  });
