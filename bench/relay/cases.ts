import { setTimeout as sleep } from 'node:timers/promises';
import type { PatternContent } from '../../host/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf } from '../support/messages.ts';
import { processCounts, processMemory, threadsCpuSeconds } from '../support/process.ts';
import { type Row, row } from '../support/report.ts';
import { median } from '../support/stats.ts';
import { GUEST, Stage } from './stage.ts';

const MIB = 2 ** 20;
const SAMPLE_MS = 200;
/** Longer than the relay goes on watching the guest after the last viewer has left. */
const UNWATCHED_MS = 3000;
const MANY = 8;
/** What design and README promise. */
const NOBODY_CPU_PERCENT = 0.5;
const MANY_CPU_RATIO = 1.5;
const STALL_GROWTH_MIB = 16;
const SOAK_GROWTH_MIB = 8;

/** What the relay was like for a while. */
interface Watched {
  readonly viewers: number;
  readonly samples: number;
  /** Memory of its own, without the region. */
  readonly ownMib: number;
  readonly ownMaxMib: number;
  readonly residentMib: number;
  readonly cpuPercent: number;
  readonly mbPerSecond: number;
  /** Updates that one viewer got in a second. */
  readonly updatesPerSecond: number;
  readonly firstUpdatesPerSecond: number;
  readonly served: number;
  readonly around: string;
}

async function watch(stage: Stage, viewers: number, ms: number): Promise<Watched> {
  const disturbance = new Disturbance(stage.pids);
  const startCpu = threadsCpuSeconds(stage.relayPid);
  const before = await stage.viewers.ask('count');
  const startMs = performance.now();
  const own: number[] = [];
  const resident: number[] = [];
  while (performance.now() - startMs < ms) {
    await sleep(SAMPLE_MS);
    const memory = processMemory(stage.relayPid);
    own.push(memory.ownBytes / MIB);
    resident.push(memory.residentBytes / MIB);
  }
  const after = await stage.viewers.ask('count');
  const seconds = (performance.now() - startMs) / 1000;
  const rate = (name: string): number => (numberOf(after, name) - numberOf(before, name)) / seconds;
  return {
    viewers,
    samples: own.length,
    ownMib: median(own),
    ownMaxMib: Math.max(...own),
    residentMib: median(resident),
    cpuPercent: ((threadsCpuSeconds(stage.relayPid) - startCpu) * 100) / seconds,
    mbPerSecond: rate('bytes') / 1e6,
    updatesPerSecond: viewers === 0 ? 0 : rate('updates') / viewers,
    firstUpdatesPerSecond: rate('firstUpdates'),
    served: numberOf(after, 'served'),
    around: disturbance.text(),
  };
}

function rowsOf(name: string, watched: Watched): readonly Row[] {
  const { viewers, samples } = watched;
  const sent = `${watched.mbPerSecond.toFixed(1)} MB/s in all, ${watched.updatesPerSecond.toFixed(1)} updates/s each`;
  return [
    row({
      name: `${name}/${viewers}-viewers/memory`,
      unit: 'MiB',
      value: watched.ownMib,
      samples,
      note: `resident without the region (with it ${watched.residentMib.toFixed(0)}), at most ${watched.ownMaxMib.toFixed(0)}`,
    }),
    row({
      name: `${name}/${viewers}-viewers/cpu`,
      unit: '% of a core',
      value: watched.cpuPercent,
      samples,
      ...(viewers === 0 ? { atMost: NOBODY_CPU_PERCENT } : {}),
      note: `${viewers === 0 ? 'nobody looks' : sent}; ${watched.around}`,
    }),
  ];
}

/** None, one and eight viewers, one after the other, then none again. */
async function runViewers(content: PatternContent, options: RunOptions): Promise<readonly Row[]> {
  const settleMs = options.quick ? 1500 : 10_000;
  const measureMs = options.quick ? 3500 : 20_000;
  const name = `relay/${content}`;
  await using stage = await Stage.open(content);
  const rows: Row[] = [];
  const watches: Watched[] = [];
  for (const viewers of [0, 1, MANY]) {
    await stage.viewers.ask('attach', { count: viewers });
    await sleep(settleMs);
    const watched = await watch(stage, viewers, measureMs);
    rows.push(...rowsOf(name, watched));
    watches.push(watched);
  }
  await stage.viewers.ask('leave');
  await sleep(Math.max(settleMs, UNWATCHED_MS));
  const left = await watch(stage, 0, measureMs);
  const [, one, many] = watches;
  if (one === undefined || many === undefined) throw new Error('three counts must be measured');
  return [
    ...rows,
    row({
      name: `${name}/${MANY}-viewers/cpu-ratio`,
      unit: 'x one viewer',
      value: many.cpuPercent / one.cpuPercent,
      samples: 1,
      atMost: MANY_CPU_RATIO,
      note: `the relay's; ${many.updatesPerSecond.toFixed(1)} updates/s each against ${one.updatesPerSecond.toFixed(1)}, of ${GUEST.fps} frames/s; guest and viewers work on the same cores`,
    }),
    row({
      name: `${name}/left/memory`,
      unit: 'MiB',
      value: left.ownMib,
      samples: left.samples,
      note: `after all have left; cpu ${left.cpuPercent.toFixed(1)} % of a core`,
    }),
  ];
}

/** Two viewers, of which one stops to read. */
async function runStall(content: PatternContent, options: RunOptions): Promise<readonly Row[]> {
  const ms = options.quick ? 6000 : 60_000;
  await using stage = await Stage.open(content);
  await stage.viewers.ask('attach', { count: 2 });
  await sleep(options.quick ? 2000 : 10_000);
  const before = await watch(stage, 2, ms);
  await stage.viewers.ask('stallLast');
  const during = await watch(stage, 2, ms);
  const seconds = ms / 1000;
  const name = `relay/${content}/stall`;
  return [
    row({
      name: `${name}/memory-growth`,
      unit: 'MiB',
      value: during.ownMaxMib - before.ownMaxMib,
      samples: during.samples,
      atMost: STALL_GROWTH_MIB,
      note: `most in ${seconds} s with one of two viewers not reading, over most in ${seconds} s before (${before.ownMaxMib.toFixed(0)} MiB); ${during.around}`,
    }),
    row({
      name: `${name}/other-viewer`,
      unit: 'updates/s',
      value: during.firstUpdatesPerSecond,
      samples: Math.round(during.firstUpdatesPerSecond * seconds),
      note: `the viewer that reads; ${before.firstUpdatesPerSecond.toFixed(1)} before; still served: ${during.served} of 2`,
    }),
  ];
}

/** More viewers of one guest, and more guests with a viewer each. */
async function runScale(content: PatternContent, options: RunOptions): Promise<readonly Row[]> {
  const settleMs = options.quick ? 1500 : 5000;
  const measureMs = options.quick ? 3500 : 10_000;
  const rows: Row[] = [];
  {
    await using stage = await Stage.open(content);
    for (const viewers of [1, 2, 4, 8, 16]) {
      await stage.viewers.ask('attach', { count: viewers });
      await sleep(settleMs);
      rows.push(...rowsOf(`scale/${content}`, await watch(stage, viewers, measureMs)));
    }
  }
  const stages: Stage[] = [];
  try {
    for (const guests of [1, 2, 4]) {
      while (stages.length < guests) {
        const stage = await Stage.open(content);
        stages.push(stage);
        await stage.viewers.ask('attach', { count: 1 });
      }
      await sleep(settleMs);
      const watched = await Promise.all(stages.map((stage) => watch(stage, 1, measureMs)));
      rows.push(
        row({
          name: `scale/${content}/${guests}-guests/updates`,
          unit: 'updates/s each',
          value: watched.reduce((sum, each) => sum + each.updatesPerSecond, 0) / guests,
          samples: guests,
          note: `of ${GUEST.fps} frames/s; relays ${watched.map((each) => each.cpuPercent.toFixed(0)).join(', ')} % of a core; ${watched[0]?.around}`,
        }),
      );
    }
  } finally {
    for (const stage of stages) await stage[Symbol.asyncDispose]();
  }
  return rows;
}

/** Guests that end and start again while viewers come and go: what is left over at the end. */
async function runSoak(options: RunOptions): Promise<readonly Row[]> {
  const rounds = options.quick ? 6 : 30;
  await using stage = await Stage.open('demo');
  await stage.viewers.ask('attach', { count: 1 });
  const memory: number[] = [];
  let descriptors = 0;
  let threads = 0;
  const startMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    await stage.viewers.ask('attach', { count: 4 });
    await sleep(1500);
    await stage.restartGuest();
    await sleep(1500);
    await stage.viewers.ask('leaveAllButOne');
    await sleep(1000);
    const own = processMemory(stage.relayPid).ownBytes / MIB;
    const counts = processCounts(stage.relayPid);
    memory.push(own);
    // Of the first rounds all is made that is kept: pools, encoders, compiled code.
    if (round === 2) ({ descriptors, threads } = counts);
  }
  const after = processCounts(stage.relayPid);
  const minutes = (performance.now() - startMs) / 60_000;
  const half = Math.floor(memory.length / 2);
  const growth = median(memory.slice(-half)) - median(memory.slice(2, 2 + half));
  return [
    row({
      name: 'relay/soak/memory-growth',
      unit: 'MiB',
      value: growth,
      samples: rounds,
      atMost: SOAK_GROWTH_MIB,
      note: `median of the second half over that of the first, ${minutes.toFixed(1)} minutes, ${rounds} restarts of the guest; ${memory.at(-1)?.toFixed(0)} MiB at the end`,
    }),
    row({
      name: 'relay/soak/descriptors-left',
      unit: '',
      value: after.descriptors - descriptors,
      samples: rounds,
      atMost: 0,
    }),
    row({
      name: 'relay/soak/threads-left',
      unit: '',
      value: after.threads - threads,
      samples: rounds,
      atMost: 0,
    }),
  ];
}

/** What takes long, or is of interest only now and then. */
export const RELAY_LONG_CASES: readonly BenchCase[] = [
  { name: 'scale/demo', run: (options) => runScale('demo', options) },
  { name: 'relay/soak', run: (options) => runSoak(options) },
];

/** What the relay needs, as `kvmfr view` runs it: 1080p at 30 Hz. */
export const RELAY_CASES: readonly BenchCase[] = [
  { name: 'relay/demo', run: (options) => runViewers('demo', options) },
  { name: 'relay/scroll', run: (options) => runViewers('scroll', options) },
  { name: 'relay/scroll/stall', run: (options) => runStall('scroll', options) },
];
