import {
  convertToI420,
  copyRows,
  createSharedMemory,
  i420ByteLength,
  i420Planes,
  type KernelFormat,
  kernelVariant,
  type ToneMapTable,
  updateTiles,
} from '../../native/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Disturbance } from '../support/disturbance.ts';
import { type Row, row } from '../support/report.ts';
import { quantile } from '../support/stats.ts';
import { filmFrames, HDR_KERNELS, tableOf } from './hdr.ts';

const TILE_PX = 64;
const SIZES = [
  { name: '1080p', widthPx: 1920, heightPx: 1080, repeats: 200, atMost: 3 },
  { name: '4K', widthPx: 3840, heightPx: 2160, repeats: 100, atMost: 2 },
] as const;
type Size = (typeof SIZES)[number];
const IN_A_ROW = 5;

/** The benches of this file, as the runner takes them. */
export const I420_CASES: readonly BenchCase[] = [{ name: 'i420', run: benchI420 }];

interface Source {
  readonly name: string;
  readonly format: KernelFormat;
  readonly pixelBytes: number;
  readonly toneMap?: ToneMapTable | undefined;
  /** Two frames of 1080p, one below the other; each pixel of the second is another. */
  readonly frames: () => Uint8Array;
}

const SOURCES: readonly Source[] = [
  ...(['BGRA', 'RGBA', 'BGR_32', 'RGB_24'] as const).map((format): Source => {
    const pixelBytes = format === 'BGRA' || format === 'RGBA' ? 4 : 3;
    return { name: format, format, pixelBytes, frames: () => noise(1920 * 1080 * pixelBytes * 2) };
  }),
  ...HDR_KERNELS.map((kernel) => ({
    ...{ name: kernel.name, format: kernel.format, toneMap: tableOf(kernel) },
    pixelBytes: kernel.format === 'RGBA16F' ? 8 : 4,
    frames: (): Uint8Array => filmFrames(kernel),
  })),
];

/**
 * What it costs to bring a picture up to a frame and to have it as I420, too: frame and planes in
 * shared memory, every call beside a memcpy of as many bytes as the picture has, in turns.
 */
export async function benchI420(options: RunOptions = { quick: false }): Promise<readonly Row[]> {
  const repeats = (size: Size): number => (options.quick ? 20 : size.repeats);
  return [
    ...SOURCES.flatMap((source) => formatRows(source, SIZES[0], repeats(SIZES[0]))),
    ...SIZES.flatMap((size) => passRows(size, repeats(size))),
  ];
}

/** Frames, a picture and its planes, and what can be done with them. */
class Stage implements Disposable {
  readonly #memory;
  readonly #job;
  readonly #copy: Uint8Array;
  readonly #frameBytes: number;
  #turn = 0;
  #shown = 0;
  #serial = 1;

  constructor({ widthPx, heightPx }: Size, source: Source, frames: Uint8Array) {
    const pixels = widthPx * heightPx;
    this.#frameBytes = pixels * source.pixelBytes;
    this.#memory = createSharedMemory(frames.length + i420ByteLength(widthPx, heightPx));
    const bytes = new Uint8Array(this.#memory.buffer);
    bytes.set(frames);
    this.#copy = new Uint8Array(pixels * 4).fill(1);
    const tiles = Math.ceil(widthPx / TILE_PX) * Math.ceil(heightPx / TILE_PX);
    this.#job = {
      picture: new Uint8Array(pixels * 4).fill(1),
      picturePitchBytes: widthPx * 4,
      widthPx,
      heightPx,
      ...{ tilePx: TILE_PX, serials: new Uint32Array(tiles), format: source.format },
      ...{ src: bytes, srcPitchBytes: widthPx * source.pixelBytes, toneMap: source.toneMap },
      ...{ x: 0, y: 0, width: widthPx, height: heightPx },
      planes: i420Planes(bytes, { widthPx, heightPx, offset: frames.length }),
    };
  }

  /** A copy of as many bytes as the picture has. */
  memcpy(): void {
    const { src, picture } = this.#job;
    const srcOffset = (this.#turn++ % 2) * this.#frameBytes;
    const rows = { srcOffset, srcPitchBytes: picture.length, rowBytes: picture.length, rows: 1 };
    copyRows({ dst: this.#copy, dstOffset: 0, dstPitchBytes: picture.length, src, ...rows });
  }

  /** Takes over the frame that the picture does not have, or the one that it has. */
  update(change: {
    readonly i420: boolean;
    readonly portable?: boolean;
    readonly same?: boolean;
  }): void {
    const { portable = false, same = false } = change;
    if (!same) this.#shown = 1 - this.#shown;
    const { planes, ...job } = this.#job;
    const i420 = change.i420 ? planes : undefined;
    const srcOffset = this.#shown * this.#frameBytes;
    const serial = this.#serial++;
    const changed = updateTiles({ ...job, srcOffset, serial, i420, portable });
    // But for the four of `updateRect`, which may be there already, and a film's black corner.
    const meant = same ? 0 : job.serials.length;
    const room = job.toneMap === undefined ? 4 : job.serials.length / 4;
    if (Math.abs(changed - meant) > room) throw new Error(`${changed} tiles changed, not ${meant}`);
  }

  /** Takes over a rect from one frame, then from the other. */
  updateRect(): void {
    const { planes, ...job } = this.#job;
    const rect = { x: 640, y: 320, width: 256, height: 64 };
    const serial = this.#serial++;
    const srcOffset = (serial % 2) * this.#frameBytes;
    updateTiles({ ...job, ...rect, srcOffset, serial, i420: planes });
  }

  /** Walks through the whole picture by itself. */
  convert(portable = false): void {
    const { picture, picturePitchBytes, widthPx, heightPx, x, y, width, height, planes } =
      this.#job;
    const shape = { picture, picturePitchBytes, widthPx, heightPx, x, y, width, height };
    convertToI420({ ...shape, planes, portable });
  }

  [Symbol.dispose](): void {
    this.#memory.close();
  }
}

function formatRows(source: Source, size: Size, repeats: number): readonly Row[] {
  using stage = new Stage(size, source, source.frames());
  return inTurns(`i420/${size.name}/${source.name}`, repeats, () => stage.memcpy(), [
    ['picture', () => stage.update({ i420: false })],
    ['picture and I420', () => stage.update({ i420: true })],
    ['picture, without AVX2', () => stage.update({ i420: false, portable: true })],
    ['picture and I420, without AVX2', () => stage.update({ i420: true, portable: true })],
  ]);
}

function passRows(size: Size, repeats: number): readonly Row[] {
  const { name, widthPx, heightPx, atMost } = size;
  const source: Source = { name, format: 'BGRA', pixelBytes: 4, frames: () => new Uint8Array(0) };
  using stage = new Stage(size, source, noise(widthPx * heightPx * 8));
  const whole = 'compare, copy and I420, all changed';
  const part = 'compare, copy and I420, one rect of 256 x 64';
  const samples = new Map<string, readonly number[]>();
  const rows = inTurns(
    `i420/${name}/pass`,
    repeats,
    () => stage.memcpy(),
    [
      [whole, () => stage.update({ i420: true }), atMost],
      ['compare, copy and I420, nothing changed', () => stage.update({ i420: true, same: true })],
      ['compare and copy, all changed', () => stage.update({ i420: false })],
      ['I420 of the whole picture', () => stage.convert()],
      ['I420 of the whole picture, without AVX2', () => stage.convert(true)],
      [part, () => stage.updateRect()],
    ],
    samples,
  );
  const ratio = p50(samples.get(whole)) / p50(samples.get(part));
  const cheaper = row({
    ...{ name: `i420/${name}/pass/${part}`, unit: 'x cheaper than all', value: ratio },
    ...{ samples: repeats, atLeast: 20 },
  });
  return [...rows, cheaper];
}

type Call = readonly [what: string, call: () => void, atMostRatio?: number];

/**
 * Milliseconds of processor time of calls that are made in turns, and of each its ratio to the
 * memcpy. None of them waits for anything, so this is how long they take where no neighbour is in
 * the way. Some of each in a row after one that does not count: caches are as the call itself leaves
 * them, which is best for the memcpy.
 */
function inTurns(
  prefix: string,
  repeats: number,
  memcpy: () => void,
  calls: readonly Call[],
  samples: Map<string, readonly number[]> = new Map(),
): readonly Row[] {
  const disturbance = new Disturbance([]);
  const all: readonly Call[] = [['memcpy', memcpy], ...calls];
  const times = all.map((): number[] => []);
  for (let done = 0; done < repeats; done += IN_A_ROW) {
    for (const [at, [, call]] of all.entries()) {
      for (let i = -1; i < IN_A_ROW; i++) {
        const start = process.cpuUsage();
        call();
        const { user, system } = process.cpuUsage(start);
        if (i >= 0) times[at]?.push((user + system) / 1000);
      }
    }
  }
  const baseMs = p50(times[0]);
  const beside = `${kernelVariant()}; memcpy ${baseMs.toFixed(2)} ms; ${disturbance.text()}`;
  return all.flatMap(([what, , atMost], at): readonly Row[] => {
    const found = times[at] ?? [];
    samples.set(what, found);
    const ms = (name: string, share: number): Row =>
      row({
        ...{ name: `${prefix}/${what}, ${name}`, unit: 'ms', value: quantile(found, share) },
        ...{ samples: repeats, note: beside },
      });
    const rows = [ms('p50', 0.5), ms('p99', 0.99)];
    if (at === 0) return rows;
    const value = p50(found) / baseMs;
    const limit = atMost === undefined ? {} : { atMost };
    const name = `${prefix}/${what}, p50 of both`;
    return [...rows, row({ name, unit: 'x memcpy', value, samples: repeats, ...limit })];
  });
}

function p50(samples: readonly number[] = []): number {
  return quantile(samples, 0.5);
}

/** Content that differs from its neighbours, as a frame in motion does. */
function noise(byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let state = 1;
  for (let i = 0; i < byteLength; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
