import { createRegionFile } from '../../native/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child, Children } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { STAMPS_BYTES } from './stamps.ts';

const REGION_BYTES = 32 * 2 ** 20;
/** What design and README promise for frames at 60 Hz. */
const P50_LIMIT_US = 100;
const P99_LIMIT_US = 500;
const CPU_LIMIT_PERCENT = 3;
const IDLE_LIMIT_PERCENT = 1;

/** Frames until both sides are compiled, as they are after the first minute of a real guest. */
const WARM_UP_FPS = 250;
const WARM_UP_MS = 6000;

/** One way of measuring. */
interface Setup {
  readonly name: string;
  /** 0: the publisher is there, and publishes nothing. */
  readonly fps: number;
  /** How far from its time each frame is published, at random. */
  readonly jitterUs: number;
  /** The frame's header is enough; else all of its rows have to have arrived. */
  readonly partial: boolean;
}

/** What was measured. */
interface Measured {
  readonly reader: (name: string) => number;
  readonly publisher: Report;
  readonly around: string;
}

async function measure(setup: Setup, options: RunOptions): Promise<Measured> {
  using scratch = new Scratch();
  const path = scratch.path('region');
  const stampsPath = scratch.path('stamps');
  createRegionFile(path, REGION_BYTES);
  createRegionFile(stampsPath, STAMPS_BYTES);
  await using children = new Children();
  const publisher = Child.start('latency/publisher.js', [path, stampsPath]);
  children.add(publisher);
  await publisher.ask('start', { fps: WARM_UP_FPS, jitterUs: 0 });
  const reader = Child.start('latency/reader.js', [path, stampsPath]);
  children.add(reader);
  await reader.ask('follow', { partial: setup.partial ? 1 : 0, warmUpMs: WARM_UP_MS, ms: 0 });
  await publisher.ask('stop');
  if (setup.fps > 0) await publisher.ask('start', { fps: setup.fps, jitterUs: setup.jitterUs });
  const disturbance = new Disturbance([publisher.pid, reader.pid]);
  const report = await reader.ask('follow', {
    partial: setup.partial ? 1 : 0,
    warmUpMs: 2000,
    ms: options.quick ? 8000 : 30_000,
  });
  const around = disturbance.text();
  return {
    reader: (name) => numberOf(report, name),
    publisher: await publisher.ask('stop'),
    around,
  };
}

async function runFrames(setup: Setup, options: RunOptions): Promise<readonly Row[]> {
  const { reader, publisher, around } = await measure(setup, options);
  const name = `latency/${setup.name}`;
  const samples = reader('frames');
  const us = (from: string): number => reader(from) / 1000;
  const copyMs = (numberOf(publisher, 'copyP50Ns') / 1e6).toFixed(1);
  const what = setup.partial
    ? 'posted -> frame in hand, rows still arriving'
    : `posted -> all rows there; the publisher copies them in ${copyMs} ms (p50)`;
  const missed =
    reader('skipped') + reader('givenUp') + numberOf(publisher, 'dropped') === 0
      ? 'no frame missed'
      : `${reader('skipped')} skipped, ${reader('givenUp')} given up, ${numberOf(publisher, 'dropped')} not published`;
  const limits = setup.partial && setup.jitterUs === 0;
  return [
    row({
      name: `${name}/p50`,
      unit: 'us',
      value: us('p50Ns'),
      samples,
      ...(limits ? { atMost: P50_LIMIT_US } : {}),
      note: what,
    }),
    row({
      name: `${name}/p99`,
      unit: 'us',
      value: us('p99Ns'),
      samples,
      ...(limits ? { atMost: P99_LIMIT_US } : {}),
      note: `${missed}; publisher up to ${(numberOf(publisher, 'lateP99Ns') / 1000).toFixed(0)} us off its time (p99)`,
    }),
    row({ name: `${name}/max`, unit: 'us', value: us('maxNs'), samples }),
    row({
      name: `${name}/cpu`,
      unit: '% of a core',
      value: reader('cpuPercent'),
      samples,
      atMost: CPU_LIMIT_PERCENT,
      note: `all threads of the reader; ${around}`,
    }),
  ];
}

async function runIdle(setup: Setup, options: RunOptions): Promise<readonly Row[]> {
  const { reader, around } = await measure(setup, options);
  return [
    row({
      name: `latency/${setup.name}/cpu`,
      unit: '% of a core',
      value: reader('cpuPercent'),
      samples: 1,
      atMost: IDLE_LIMIT_PERCENT,
      note: `subscribed, the publisher alive, no frames; ${around}`,
    }),
  ];
}

const SETUPS: readonly Setup[] = [
  { name: 'held', fps: 60, jitterUs: 0, partial: true },
  { name: 'whole', fps: 60, jitterUs: 0, partial: false },
  { name: 'held-jitter', fps: 60, jitterUs: 1000, partial: true },
  { name: 'idle', fps: 0, jitterUs: 0, partial: true },
];

/** From the guest's publishing to a program that holds the frame: 1080p at 60 Hz. */
export const LATENCY_CASES: readonly BenchCase[] = SETUPS.map((setup) => ({
  name: `latency/${setup.name}`,
  run: (options) => (setup.fps === 0 ? runIdle(setup, options) : runFrames(setup, options)),
}));
