import { PictureMemory } from '../../client/tiles/memory.ts';
import { Picture } from '../../client/tiles/picture.ts';
import type { PictureFrame } from '../../client/tiles/picture-frame.ts';
import { createRegionFile, Mapping } from '../../native/index.ts';
import type { Rect } from '../../protocol/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Disturbance } from '../support/disturbance.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { median, nowNs, quantile } from '../support/stats.ts';

/** A size of frame, and how many times its memcpy the reader's work may cost. */
interface Size {
  readonly name: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly ratioAtMost: number;
}

const SIZES: readonly Size[] = [
  { name: '1080p', widthPx: 1920, heightPx: 1080, ratioAtMost: 3 },
  { name: '4k', widthPx: 3840, heightPx: 2160, ratioAtMost: 2 },
];
/** What a small change is at least to be cheaper by than a full one. */
const SMALL_AT_LEAST = 20;
/** As when a window's caret or a clock changes; not on the grid of tiles. */
const SMALL: Rect = { x: 1000, y: 500, width: 256, height: 64 };
const SMALL_REPEATS = 20;
/** Even, so that the first round brings a frame that the picture does not show. */
const WARM_UP_ROUNDS = 6;
const BYTES_PER_PIXEL = 4;

/** Frames in shared memory that differ from each other in every pixel. */
class FrameStore implements Disposable {
  readonly #size: Size;
  readonly #mapping: Mapping;

  constructor(path: string, size: Size, count: number) {
    const frameBytes = size.widthPx * size.heightPx * BYTES_PER_PIXEL;
    createRegionFile(path, Math.ceil((frameBytes * count) / 4096) * 4096);
    this.#size = size;
    this.#mapping = Mapping.open(path);
    const noise = Uint8Array.from({ length: 8191 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);
    for (let i = 0; i < count; i++) {
      const pixels = this.pixels(i);
      for (let at = 0; at < pixels.byteLength; at += noise.byteLength)
        pixels.set(noise.subarray(0, pixels.byteLength - at), at);
      // The noise has a period that is no multiple of a pixel: a shift changes every one.
      for (let at = i; at < pixels.byteLength; at += BYTES_PER_PIXEL)
        pixels[at] = ((pixels[at] ?? 0) + 1 + i) & 0xff;
    }
  }

  /** The memory of a frame. */
  pixels(index: number): Uint8Array {
    const frameBytes = this.#size.widthPx * this.#size.heightPx * BYTES_PER_PIXEL;
    return new Uint8Array(this.#mapping.buffer, index * frameBytes, frameBytes);
  }

  /** A frame all of whose rows have arrived, as the client lends it. */
  frame(index: number, damage: readonly Rect[]): PictureFrame {
    const { widthPx, heightPx } = this.#size;
    return {
      pixels: this.pixels(index),
      format: 'BGRA',
      widthPx,
      heightPx,
      dataHeightPx: heightPx,
      screenWidthPx: widthPx,
      screenHeightPx: heightPx,
      pitchBytes: widthPx * BYTES_PER_PIXEL,
      rotation: 0,
      damage,
      complete: heightPx,
      intact: true,
      whenRows: () => Promise.resolve(true),
    };
  }

  [Symbol.dispose](): void {
    this.#mapping.close();
  }
}

/** Milliseconds of every call, by what was done. */
interface Timings {
  readonly memcpy: number[];
  readonly full: number[];
  /** As full, in shared memory and with I420 planes: what a relay's reader does for video. */
  readonly video: number[];
  readonly same: number[];
  readonly small: number[];
}

async function timed(into: number[], work: () => Promise<unknown> | undefined): Promise<void> {
  const startNs = nowNs();
  await work();
  into.push(Number(nowNs() - startNs) / 1e6);
}

async function update(picture: Picture, frame: PictureFrame, expected: string): Promise<void> {
  const outcome = await picture.update(frame);
  if (outcome !== expected) throw new Error(`an update must be ${expected}, but is ${outcome}`);
}

/** Everything in turns. Sources and targets are apart, and each was last touched equally long ago. */
async function measure(store: FrameStore, size: Size, rounds: number): Promise<Timings> {
  const target = new Uint8Array(size.widthPx * size.heightPx * BYTES_PER_PIXEL);
  const full = new Picture();
  const video = new Picture({ memory: new PictureMemory({ shared: true }) });
  video.keepPlanes(true);
  const small = new Picture();
  const frames = [store.frame(0, []), store.frame(1, [])] as const;
  const smallFrames = [store.frame(0, [SMALL]), store.frame(1, [SMALL])] as const;
  const sources = [store.pixels(2), store.pixels(3)] as const;
  await full.update(frames[1]);
  await video.update(frames[1]);
  await small.update(frames[1]);
  const timings: Timings = { memcpy: [], full: [], video: [], same: [], small: [] };
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    if (round === 0) for (const list of Object.values(timings)) list.length = 0;
    const turn = round % 2 === 0 ? 0 : 1;
    await timed(timings.memcpy, () => {
      target.set(sources[turn]);
      return undefined;
    });
    await timed(timings.full, () => update(full, frames[turn], 'changed'));
    await timed(timings.video, () => update(video, frames[turn], 'changed'));
    await timed(timings.same, () => update(full, frames[turn], 'same'));
    for (let i = 0; i < SMALL_REPEATS; i++)
      await timed(timings.small, () => update(small, smallFrames[i % 2 === 0 ? 0 : 1], 'changed'));
  }
  video.close();
  return timings;
}

function rowsOf(size: Size, timings: Timings, around: string): readonly Row[] {
  const name = `reader/${size.name}`;
  const memcpyMs = median(timings.memcpy);
  const fullMs = median(timings.full);
  const ms = (samples: readonly number[]): string =>
    `p50 ${median(samples).toFixed(3)} ms, p99 ${quantile(samples, 0.99).toFixed(3)} ms`;
  const ratio = (samples: readonly number[]): number => median(samples) / memcpyMs;
  return [
    row({
      name: `${name}/memcpy`,
      unit: 'ms',
      value: memcpyMs,
      samples: timings.memcpy.length,
      note: `Uint8Array.set, region -> private, all of the frame; p99 ${quantile(timings.memcpy, 0.99).toFixed(3)} ms; ${around}`,
    }),
    row({
      name: `${name}/full`,
      unit: 'x memcpy',
      value: ratio(timings.full),
      samples: timings.full.length,
      note: `Picture.update, every pixel changed: compare + copy; ${ms(timings.full)}`,
    }),
    row({
      name: `${name}/video`,
      unit: 'x memcpy',
      value: ratio(timings.video),
      samples: timings.video.length,
      atMost: size.ratioAtMost,
      note: `the same into shared memory, with I420 in the same pass; ${ms(timings.video)}`,
    }),
    row({
      name: `${name}/same`,
      unit: 'x memcpy',
      value: ratio(timings.same),
      samples: timings.same.length,
      note: `Picture.update, full damage, no pixel changed; the frame was read just before; ${ms(timings.same)}`,
    }),
    row({
      name: `${name}/small`,
      unit: 'x cheaper than full',
      value: fullMs / median(timings.small),
      samples: timings.small.length,
      atLeast: SMALL_AT_LEAST,
      note: `Picture.update, one rect of ${SMALL.width} x ${SMALL.height} changed; ${ms(timings.small)}`,
    }),
  ];
}

async function runReader(size: Size, options: RunOptions): Promise<readonly Row[]> {
  using scratch = new Scratch();
  using store = new FrameStore(scratch.path('frames'), size, 4);
  const disturbance = new Disturbance([]);
  const timings = await measure(store, size, options.quick ? 60 : 400);
  return rowsOf(size, timings, disturbance.text());
}

/** What the reader does with a frame once it has it. */
export const READER_CASES: readonly BenchCase[] = SIZES.map((size) => ({
  name: `reader/${size.name}`,
  run: (options) => runReader(size, options),
}));
