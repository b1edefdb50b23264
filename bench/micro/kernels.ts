import {
  convertRows,
  copyRows,
  createRegionFile,
  type KernelFormat,
  kernelVariant,
  Mapping,
  packTiles,
  updateTiles,
} from '../../native/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { median, nowNs, quantile } from '../support/stats.ts';

/** A figure of these benches. */
export type BenchRow = Row;

const FORMATS: readonly KernelFormat[] = ['BGRA', 'RGBA', 'BGR_32', 'RGB_24'];
const TILE_PX = 64;
const SIZES = [
  { name: '1080p', widthPx: 1920, heightPx: 1080, repeats: 60, updateAtMost: 3 },
  { name: '4K', widthPx: 3840, heightPx: 2160, repeats: 30, updateAtMost: 2 },
] as const;
type Size = (typeof SIZES)[number];

const HERTZ = 60;
const WARM_UP = 30;

/** The benches of this file, as the runner takes them. */
export const MICRO_CASES: readonly BenchCase[] = [
  { name: 'kernels', run: benchKernels },
  { name: 'wait', run: benchWait },
];

/** What the pixel kernels cost, as a ratio to one plain memcpy of the same frame in the same run. */
export async function benchKernels(options: RunOptions = { quick: false }): Promise<BenchRow[]> {
  using scratch = new Scratch();
  const path = scratch.path('frames');
  createRegionFile(path, 64 * 2 ** 20);
  using mapping = Mapping.open(path);
  const src = new Uint8Array(mapping.buffer);
  fill(src);
  return SIZES.flatMap((size) => kernelRows(size, src, options.quick ? 8 : size.repeats));
}

/** Content that differs from its neighbours, as a frame in motion does. */
function fill(bytes: Uint8Array): void {
  let state = 1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
}

function kernelRows(size: Size, src: Uint8Array, repeats: number): BenchRow[] {
  const { name, widthPx, heightPx } = size;
  const pitch = widthPx * 4;
  const picture = new Uint8Array(pitch * heightPx);
  const out = new Uint8Array(pitch * heightPx);
  const tiles = Math.ceil(widthPx / TILE_PX) * Math.ceil(heightPx / TILE_PX);
  const serials = new Uint32Array(tiles);
  const from = { src, srcOffset: 0 };
  const to = { dst: out, dstOffset: 0, dstPitchBytes: pitch };
  const screen = { picture, picturePitchBytes: pitch, widthPx, heightPx, tilePx: TILE_PX };

  const memcpyMs = medianMs(repeats, () =>
    copyRows({ ...from, ...to, srcPitchBytes: pitch, rowBytes: pitch, rows: heightPx }),
  );
  const note = `${kernelVariant()}; memcpy of the frame ${memcpyMs.toFixed(2)} ms`;
  const ratio = (what: string, ms: number, atMost?: number): BenchRow =>
    row({
      name: `kernels/${name}/${what}`,
      unit: 'x memcpy',
      value: ms / memcpyMs,
      samples: repeats,
      note,
      ...(atMost === undefined ? {} : { atMost }),
    });

  const rows: BenchRow[] = [];
  for (const format of FORMATS) {
    const pixelBytes = format === 'BGRA' || format === 'RGBA' ? 4 : 3;
    const source = { ...from, srcPitchBytes: widthPx * pixelBytes, format };
    const whole = { ...screen, serials, ...source, x: 0, y: 0, width: widthPx, height: heightPx };
    // Every second time another frame: each pixel differs from the picture.
    const update = (i: number): number =>
      updateTiles({ ...whole, serial: i, srcOffset: (i % 2) * 12 });
    const convertMs = medianMs(repeats, () =>
      convertRows({ ...source, ...to, widthPx, rows: heightPx }),
    );
    const changedMs = medianMs(repeats, update);
    const sameMs = medianMs(repeats, () => update(0));
    const rect = { x: 640, y: 320, width: 256, height: 64 };
    const smallMs = medianMs(repeats * 5, (i) =>
      updateTiles({ ...whole, ...rect, serial: i, srcOffset: (i % 2) * 12 }),
    );
    rows.push(
      ratio(`${format} convertRows`, convertMs),
      ratio(`${format} updateTiles, all changed`, changedMs, size.updateAtMost),
      ratio(`${format} updateTiles, nothing changed`, sameMs),
      row({
        name: `kernels/${name}/${format} updateTiles, one rect of 256 x 64`,
        unit: 'x cheaper than all',
        value: changedMs / smallMs,
        samples: repeats * 5,
        note,
        atLeast: 20,
      }),
    );
  }
  const tileIndices = Uint32Array.from({ length: tiles }, (_, i) => i);
  for (const bytesPerPixel of [3, 4] as const) {
    const packMs = medianMs(repeats, () =>
      packTiles({ out, ...screen, tileIndices, bytesPerPixel }),
    );
    rows.push(ratio(`packTiles, all, ${bytesPerPixel} bytes per pixel`, packMs));
  }
  return rows;
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

/** How long after a store of another process a wait ends in JavaScript, and what waiting costs. */
export async function benchWait(options: RunOptions = { quick: false }): Promise<BenchRow[]> {
  using scratch = new Scratch();
  const path = scratch.path('word');
  createRegionFile(path, 64 * 1024);
  await using writer = Child.start('micro/word-writer.js', [path]);
  using mapping = Mapping.open(path);
  const seconds = options.quick ? 3 : 20;
  const rows = await steadyRows(mapping, writer, seconds * HERTZ);
  const words = [{ offsetBytes: 0, value: new Uint32Array(mapping.buffer)[0] ?? 0 }];
  // Until the stream counts as idle.
  await mapping.wait(words, { timeoutMs: 500, cadence: true });
  const idle = await cpuShare(async () => {
    await mapping.wait(words, { timeoutMs: (seconds * 1000) / 4, cadence: true });
    return 1;
  });
  const timer = await bareTimer(Math.ceil(seconds / 4) * HERTZ);
  return [
    ...rows,
    row({ name: 'wait/idle/cpu', unit: '% of a core', value: idle.percent, samples: 1, atMost: 1 }),
    row({
      name: 'wait/floor/cpu of a bare 60 Hz timer',
      unit: '% of a core',
      value: timer.percent,
      samples: timer.samples,
      note: 'setInterval in this process, doing nothing: what a wake-up costs on this machine',
    }),
  ];
}

async function steadyRows(mapping: Mapping, writer: Child, count: number): Promise<BenchRow[]> {
  const words = new Uint32Array(mapping.buffer);
  const stamps = new BigInt64Array(mapping.buffer);
  const delaysUs: number[] = [];
  const disturbance = new Disturbance([writer.pid]);
  const written = writer.ask('write', { count: count + WARM_UP, hertz: HERTZ });
  let value = 0;
  const watch = async (until: number): Promise<void> => {
    while (value < until) {
      const word = [{ offsetBytes: 0, value }];
      await mapping.wait(word, { timeoutMs: 10_000, cadence: true });
      const atNs = nowNs();
      const now = Atomics.load(words, 0);
      // The stamp belongs to the newest store only.
      if (now === value + 1) delaysUs.push(Number(atNs - (stamps[1] ?? 0n)) / 1000);
      value = now;
    }
  };
  await watch(WARM_UP);
  delaysUs.length = 0;
  const cpu = await cpuShare(async () => {
    await watch(count + WARM_UP);
    return count;
  });
  const note = disturbance.text();
  await written;
  const samples = delaysUs.length;
  const delay = (name: string, share: number, limit: { readonly atMost?: number }): BenchRow =>
    row({
      name: `wait/${HERTZ} Hz/${name}`,
      unit: 'us',
      value: quantile(delaysUs, share),
      samples,
      note,
      ...limit,
    });
  return [
    delay('store to promise, p50', 0.5, { atMost: 100 }),
    delay('store to promise, p99', 0.99, { atMost: 500 }),
    delay('store to promise, p99.9', 0.999, {}),
    row({
      name: `wait/${HERTZ} Hz/cpu`,
      unit: '% of a core',
      value: cpu.percent,
      samples: count,
      note: 'waiter thread, event loop and this measurement',
      atMost: 3,
    }),
  ];
}

/** Processor time of this process, all threads, while something runs. */
async function cpuShare(
  work: () => Promise<number>,
): Promise<{ readonly percent: number; readonly samples: number }> {
  const startCpu = process.cpuUsage();
  const startNs = nowNs();
  const samples = await work();
  const { user, system } = process.cpuUsage(startCpu);
  return { percent: ((user + system) * 1000 * 100) / Number(nowNs() - startNs), samples };
}

function bareTimer(count: number): ReturnType<typeof cpuShare> {
  return cpuShare(
    () =>
      new Promise((resolve) => {
        let left = count;
        const timer = setInterval(() => {
          left -= 1;
          if (left > 0) return;
          clearInterval(timer);
          resolve(count);
        }, 1000 / HERTZ);
      }),
  );
}
