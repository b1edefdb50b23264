import { createRegionFile, IvshmemServer } from '../../native/index.ts';
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
const UNWATCHED_LIMIT_PERCENT = 0.5;

/** Frames until both sides are compiled, as they are after the first minute of a real guest. */
const WARM_UP_FPS = 250;
const WARM_UP_MS = 6000;
const QUICK_WARM_UP_MS = 2500;

/** One way of measuring. */
interface Setup {
  readonly name: string;
  /** The program that reads. */
  readonly by: 'client' | 'client, its own loop looks' | 'thread';
  /** 0: the publisher is there, and publishes nothing. */
  readonly fps: number;
  /** How far from its time each frame is published, at random. */
  readonly jitterUs?: number;
  /** The frame's header is not enough: all of its rows have to have arrived. */
  readonly whole?: boolean;
  /** A small rect of each frame is new; else all of it, the same as before. */
  readonly rectOnly?: boolean;
  /** Nobody asks for frames. */
  readonly unwatched?: boolean;
  readonly i420?: boolean;
  /** Both are peers of an ivshmem-server, and the publisher rings. */
  readonly doorbell?: boolean;
}

/** What was measured. */
interface Measured {
  readonly reader: (name: string) => number;
  readonly publisher: Report;
  readonly around: string;
}

async function measure(setup: Setup, options: RunOptions): Promise<Measured> {
  using scratch = new Scratch();
  const file = scratch.path('region');
  const socketPath = scratch.path('doorbell');
  const stampsPath = scratch.path('stamps');
  createRegionFile(file, REGION_BYTES);
  await using _server =
    setup.doorbell === true
      ? new IvshmemServer({ socketPath, byteLength: REGION_BYTES, file })
      : undefined;
  const path = setup.doorbell === true ? `ivshmem:unix:${socketPath}` : file;
  createRegionFile(stampsPath, STAMPS_BYTES);
  await using children = new Children();
  const publisher = Child.start('latency/publisher.js', [path, stampsPath]);
  children.add(publisher);
  const rectOnly = setup.rectOnly === true ? 1 : 0;
  await publisher.ask('start', { fps: WARM_UP_FPS, jitterUs: 0, rectOnly });
  const script = setup.by === 'thread' ? 'latency/thread-reader.js' : 'latency/reader.js';
  const looks = setup.by === 'client' ? 'thread' : 'loop';
  const reader = Child.start(script, [path, stampsPath, looks]);
  children.add(reader);
  const how = { partial: setup.whole === true ? 0 : 1, watch: 1, i420: setup.i420 ? 1 : 0 };
  await reader.ask('follow', {
    ...how,
    warmUpMs: options.quick ? QUICK_WARM_UP_MS : WARM_UP_MS,
    ms: 0,
  });
  await publisher.ask('stop');
  const { fps, jitterUs = 0 } = setup;
  if (fps > 0) await publisher.ask('start', { fps, jitterUs, rectOnly });
  const disturbance = new Disturbance([publisher.pid, reader.pid]);
  const report = await reader.ask('follow', {
    ...how,
    watch: setup.unwatched === true ? 0 : 1,
    warmUpMs: 2000,
    ms: options.quick ? 6000 : 30_000,
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
  const what = !setup.whole
    ? `posted -> JavaScript holds the frame, rows still arriving; ${setup.by}`
    : `posted -> all rows there; the publisher copies them in ${copyMs} ms (p50)`;
  const missed =
    reader('skipped') + reader('givenUp') + numberOf(publisher, 'dropped') === 0
      ? 'no frame missed'
      : `${reader('skipped')} skipped, ${reader('givenUp')} given up, ${numberOf(publisher, 'dropped')} not published`;
  const limits = !setup.whole && setup.jitterUs === undefined;
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
    ...(setup.by === 'thread' ? toldRows(name, reader) : []),
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

/** What the main thread of a reader with a thread of its own knows, and when. */
function toldRows(name: string, reader: Measured['reader']): readonly Row[] {
  const samples = reader('frames');
  const applied = `in the picture after ${(reader('appliedP50Ns') / 1000).toFixed(0)} us (p50)`;
  return [
    row({
      name: `${name}/told/p50`,
      unit: 'us',
      value: reader('toldP50Ns') / 1000,
      samples,
      note: `posted -> the main thread is told that it is in the picture; ${applied}`,
    }),
    row({ name: `${name}/told/p99`, unit: 'us', value: reader('toldP99Ns') / 1000, samples }),
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
      atMost: setup.unwatched ? UNWATCHED_LIMIT_PERCENT : IDLE_LIMIT_PERCENT,
      note: `${setup.unwatched ? 'nobody asks for frames' : 'subscribed'}, the publisher alive, no frames; ${setup.by}; ${around}`,
    }),
  ];
}

/**
 * What the machine takes by itself: a reader that sleeps between frames, and a program that is woken,
 * can be no quicker and no cheaper than this.
 */
async function runFloor(options: RunOptions): Promise<readonly Row[]> {
  await using children = new Children();
  const floor = Child.start('latency/floor.js', []);
  children.add(floor);
  const count = options.quick ? 240 : 1200;
  const disturbance = new Disturbance([floor.pid]);
  const slept = await floor.ask('sleep', { count: count * 4 });
  const woken = await floor.ask('wake', { count });
  const timer = await floor.ask('timer', { ms: options.quick ? 4000 : 20_000 });
  const around = disturbance.text();
  const us = (report: Report, name: string): number => numberOf(report, name) / 1000;
  const late = (name: string, report: Report, samples: number, note: string): readonly Row[] => [
    row({ name: `${name}/p50`, unit: 'us', value: us(report, 'p50Ns'), samples, note }),
    row({ name: `${name}/p99`, unit: 'us', value: us(report, 'p99Ns'), samples }),
  ];
  return [
    ...late('latency/floor/sleep', slept, count * 4, 'how late a sleep of 1 ms in the kernel ends'),
    ...late('latency/floor/wake', woken, count, 'a thread posts -> the event loop of another runs'),
    row({
      name: 'latency/floor/timer/cpu',
      unit: '% of a core',
      value: numberOf(timer, 'cpuPercent'),
      samples: 1,
      note: `a bare setInterval of 60 Hz that does nothing; ${around}`,
    }),
  ];
}

/** From the guest's publishing to a program that holds the frame: 1080p at 60 Hz. */
export const LATENCY_CASES: readonly BenchCase[] = [
  { name: 'latency/floor', run: runFloor },
  ...[
    { name: 'held', by: 'client', fps: 60 } as const,
    { name: 'idle', by: 'client', fps: 0 } as const,
    { name: 'loop', by: 'client, its own loop looks', fps: 60 } as const,
    { name: 'thread', by: 'thread', fps: 60, rectOnly: true } as const,
    { name: 'thread-idle', by: 'thread', fps: 0 } as const,
    { name: 'thread-unwatched', by: 'thread', fps: 0, unwatched: true } as const,
  ].map(caseOf),
];

/** The same until all rows are there, or with a publisher that does not keep time. */
export const LATENCY_LONG_CASES: readonly BenchCase[] = [
  { name: 'whole', by: 'client', fps: 60, whole: true } as const,
  { name: 'held-jitter', by: 'client', fps: 60, jitterUs: 1000 } as const,
  { name: 'thread-jitter', by: 'thread', fps: 60, rectOnly: true, jitterUs: 1000 } as const,
  { name: 'thread-full', by: 'thread', fps: 60, i420: true } as const,
].map(caseOf);

/** Sleeping until a doorbell rings, beside looking by rhythm (`latency/loop`, `latency/thread`). */
export const DOORBELL_CASES: readonly BenchCase[] = [
  { name: 'doorbell', by: 'client, its own loop looks', fps: 60, doorbell: true } as const,
  {
    name: 'doorbell-jitter',
    by: 'client, its own loop looks',
    fps: 60,
    jitterUs: 1000,
    doorbell: true,
  } as const,
  { name: 'doorbell-thread', by: 'thread', fps: 60, rectOnly: true, doorbell: true } as const,
  { name: 'doorbell-idle', by: 'thread', fps: 0, doorbell: true } as const,
].map(caseOf);

function caseOf(setup: Setup): BenchCase {
  return {
    name: `latency/${setup.name}`,
    run: (options) => (setup.fps === 0 ? runIdle(setup, options) : runFrames(setup, options)),
  };
}
