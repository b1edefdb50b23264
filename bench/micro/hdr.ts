import {
  convertRows,
  copyRows,
  createToneMap,
  type KernelFormat,
  kernelVariant,
  type ToneMapTable,
  type ToneMapTransfer,
  updateTiles,
} from '../../native/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { type Row, row } from '../support/report.ts';
import { median, nowNs } from '../support/stats.ts';
import type { BenchRow } from './kernels.ts';

const WIDTH_PX = 1920;
const HEIGHT_PX = 1080;
const TILE_PX = 64;
const SDR_WHITE_NITS = 203;
const PEAK = 1000 / SDR_WHITE_NITS;
/** Of a frame at 60 Hz, what is left for everything else is most of it. Without AVX2, too. */
const PQ_AT_MOST_MS = 6;

const REFERENCE_REPEATS = 3;

/** The benches of this file, as the runner takes them. */
export const HDR_CASES: readonly BenchCase[] = [{ name: 'hdr', run: benchHdr }];

/** A kernel: what it reads, and the tone map that it needs. */
export interface HdrKernel {
  readonly name: string;
  readonly format: KernelFormat;
  readonly transfer?: ToneMapTransfer;
  /** Nits of a 1.0. */
  readonly unitNits?: number;
  readonly atMostMs?: number;
}

/** The kernels for pixels of more than 8 bits. */
export const HDR_KERNELS: readonly HdrKernel[] = [
  { name: 'RGBA10 SDR', format: 'RGBA10' },
  {
    name: 'RGBA10 PQ',
    format: 'RGBA10',
    transfer: 'pq',
    unitNits: 10_000,
    atMostMs: PQ_AT_MOST_MS,
  },
  { name: 'RGBA10 linear', format: 'RGBA10', transfer: 'linear', unitNits: SDR_WHITE_NITS },
  { name: 'RGBA16F scRGB', format: 'RGBA16F', transfer: 'scrgb', unitNits: 80 },
];

/**
 * What it costs to show pixels of more than 8 bits, per 1080p frame beside a memcpy of that frame:
 * a desktop (areas of one colour, all below SDR white), a film (each pixel another, two in a
 * hundred highlights, which lie together), and noise over all codes, which is the worst there can be.
 */
export async function benchHdr(options: RunOptions = { quick: false }): Promise<BenchRow[]> {
  const repeats = options.quick ? 5 : 40;
  return HDR_KERNELS.flatMap((kernel) =>
    CONTENTS.flatMap((content) => kernelRows(kernel, content, repeats)),
  );
}

/** Codes of the pixel at (x, y), as shares of the range of a format. */
interface Content {
  readonly name: 'desktop' | 'film' | 'noise';
  readonly pixel: (x: number, y: number, next: () => number) => readonly [number, number, number];
}

const CONTENTS: readonly Content[] = [
  {
    name: 'desktop',
    pixel: (x, y) => {
      // Windows 240 pixels wide, and something like text in a tenth of them.
      const paper = ((x / 240) | 0) % 2 === 0 ? 0.52 : 0.1;
      const text = y % 180 < 18 && (x * 7 + y * 13) % 5 < 2;
      return text ? [0.3, 0.3, 0.3] : [paper, paper, paper];
    },
  },
  {
    name: 'film',
    pixel: (x, y, next) => {
      const base = (x / WIDTH_PX) * 0.4 + (y / HEIGHT_PX) * 0.1 + (x % 480 < 10 ? 0.2 : 0);
      return [base + next() * 0.03, base + 0.01 + next() * 0.03, base + 0.02 + next() * 0.03];
    },
  },
  { name: 'noise', pixel: (_x, _y, next) => [next(), next(), next()] },
];

function kernelRows(kernel: HdrKernel, content: Content, repeats: number): Row[] {
  const { format } = kernel;
  const pixelBytes = format === 'RGBA16F' ? 8 : 4;
  // A second frame below the first, in which every pixel is another.
  const src = frames(kernel, content);
  const frameBytes = WIDTH_PX * HEIGHT_PX * pixelBytes;
  const picture = new Uint8Array(WIDTH_PX * HEIGHT_PX * 4);
  const toneMap = tableOf(kernel);
  const source = { src, srcOffset: 0, srcPitchBytes: WIDTH_PX * pixelBytes, format, toneMap };
  const to = { dst: picture, dstOffset: 0, dstPitchBytes: WIDTH_PX * 4 };
  const shape = { ...source, ...to, widthPx: WIDTH_PX, rows: HEIGHT_PX };
  const screen = {
    ...{ picture, picturePitchBytes: WIDTH_PX * 4, widthPx: WIDTH_PX, heightPx: HEIGHT_PX },
    ...{ tilePx: TILE_PX, serials: new Uint32Array(30 * 17), ...source },
    ...{ x: 0, y: 0, width: WIDTH_PX, height: HEIGHT_PX },
  };
  const copy = new Uint8Array(frameBytes);
  const memcpyMs = medianMs(repeats, () =>
    copyRows({
      ...{ dst: copy, dstOffset: 0, dstPitchBytes: frameBytes, src, srcOffset: 0 },
      ...{ srcPitchBytes: frameBytes, rowBytes: frameBytes, rows: 1 },
    }),
  );
  const note = `${kernelVariant()}; memcpy of the frame ${memcpyMs.toFixed(2)} ms`;
  const figure = (what: string, value: number, atMost?: number, samples = repeats): Row =>
    row({
      name: `hdr/1080p/${kernel.name}/${content.name}/${what}`,
      unit: 'ms',
      value,
      samples,
      note,
      ...(atMost === undefined ? {} : { atMost }),
    });
  const rows = [
    figure(
      'convertRows',
      medianMs(repeats, () => convertRows(shape)),
      content.name === 'noise' ? undefined : kernel.atMostMs,
    ),
    figure(
      'updateTiles, all changed',
      medianMs(repeats, (i) =>
        updateTiles({ ...screen, serial: i, srcOffset: (i % 2) * frameBytes }),
      ),
    ),
    figure(
      'updateTiles, nothing changed',
      medianMs(repeats, () => updateTiles({ ...screen, serial: 1 })),
    ),
  ];
  if (content.name !== 'film') return rows;
  const scalarMs = medianMs(repeats, () => convertRows({ ...shape, portable: true }));
  const referenceMs = medianMs(REFERENCE_REPEATS, () => convertRows({ ...shape, reference: true }));
  return [
    ...rows,
    figure('convertRows, without AVX2', scalarMs, kernel.atMostMs),
    figure('convertRows, one pixel at a time', referenceMs, undefined, REFERENCE_REPEATS),
  ];
}

/** The tone map of a kernel. */
export function tableOf({ transfer, unitNits = 0 }: HdrKernel): ToneMapTable | undefined {
  if (transfer === undefined) return undefined;
  const peak = transfer === 'linear' ? 1 : PEAK;
  return createToneMap({ transfer, gain: unitNits / SDR_WHITE_NITS, peak });
}

/** Two frames of a content, one below the other; the second has R and B exchanged, and R moved. */
function frames({ format }: HdrKernel, { pixel }: Content): Uint8Array {
  const count = WIDTH_PX * HEIGHT_PX;
  const next = generator();
  const half = format === 'RGBA16F';
  const bytes = new Uint8Array(count * 2 * (half ? 8 : 4));
  const halves = new Uint16Array(bytes.buffer);
  const words = new Uint32Array(bytes.buffer);
  // Half floats up to 12.5, which is 1000 nits.
  const top = half ? 0x4a40 : 1023;
  for (let i = 0; i < count; i++) {
    const light = pixel(i % WIDTH_PX, (i / WIDTH_PX) | 0, next);
    const [r = 0, g = 0, b = 0] = light.map((share) => Math.floor(share * top));
    for (const [at, red, blue] of [
      [i, r, b],
      [i + count, b, r < 64 ? r + 64 : r - 64],
    ] as const) {
      if (half) halves.set([red, g, blue, 0x3c00], at * 4);
      else words[at] = red | (g << 10) | (blue << 20);
    }
  }
  return bytes;
}

/** Two frames of a film, one below the other; each pixel of the second is another. */
export function filmFrames(kernel: HdrKernel): Uint8Array {
  const film = CONTENTS.find(({ name }) => name === 'film');
  if (film === undefined) throw new Error('there is no film');
  return frames(kernel, film);
}

/** Numbers from 0 to 1, the same in every run. */
function generator(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Milliseconds of the middle one of some calls, after two that do not count. */
function medianMs(repeats: number, call: (i: number) => unknown): number {
  const samples: number[] = [];
  for (let i = -2; i < repeats; i++) {
    const startNs = nowNs();
    call(i + 2);
    if (i >= 0) samples.push(Number(nowNs() - startNs) / 1e6);
  }
  return median(samples);
}
