import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf } from '../support/messages.ts';
import { processCpuSeconds } from '../support/process.ts';
import { type Row, row } from '../support/report.ts';
import { median } from '../support/stats.ts';
import { GUEST, Stage } from './stage.ts';

const HALF_OPEN = 100;
const GUESSES = 1000;
const PARTS = 10;
const GARBAGE_EVERY = 3;
const RATE_RATIO = 0.9;

/** What one viewer got, and what the relay took for it. */
interface Served {
  readonly updatesPerSecond: number;
  readonly cpuPercent: number;
}

async function serveFor(stage: Stage, ms: number): Promise<Served> {
  const before = await stage.viewers.ask('count');
  const cpuSeconds = processCpuSeconds(stage.relayPid);
  const startMs = performance.now();
  await sleep(ms);
  const after = await stage.viewers.ask('count');
  const seconds = (performance.now() - startMs) / 1000;
  if (numberOf(after, 'served') !== 1) throw new Error('the viewer that looks was sent away');
  return {
    updatesPerSecond:
      (numberOf(after, 'firstUpdates') - numberOf(before, 'firstUpdates')) / seconds,
    cpuPercent: ((processCpuSeconds(stage.relayPid) - cpuSeconds) * 100) / seconds,
  };
}

/** All of it, over the whole time. @returns how many wrong tokens were refused */
async function attack(strangers: Child, ms: number): Promise<number> {
  const startMs = performance.now();
  await strangers.ask('halfOpen', { count: HALF_OPEN });
  let refused = 0;
  for (let part = 1; part <= PARTS; part++) {
    refused += numberOf(await strangers.ask('guess', { count: GUESSES / PARTS }), 'refused');
    if (part % GARBAGE_EVERY === 0) await strangers.ask('garbage');
    await sleep(Math.max(0, (ms * part) / PARTS - (performance.now() - startMs)));
  }
  await strangers.ask('leave');
  return refused;
}

/** One viewer looks, and strangers do what they can: does its picture go on? */
async function runAbuse(options: RunOptions): Promise<readonly Row[]> {
  const ms = options.quick ? 4000 : 10_000;
  const rounds = options.quick ? 3 : 6;
  await using stage = await Stage.open('demo');
  await stage.viewers.ask('attach', { count: 1 });
  await using strangers = Child.start('relay/attackers.js', [stage.socketUrl]);
  await sleep(options.quick ? 1500 : 5000);
  const disturbance = new Disturbance([...stage.pids, strangers.pid]);
  const still: Served[] = [];
  const abused: Served[] = [];
  for (let round = 0; round < rounds; round++) {
    still.push(await serveFor(stage, ms));
    const [served, refused] = await Promise.all([serveFor(stage, ms), attack(strangers, ms)]);
    if (refused !== GUESSES) throw new Error(`${GUESSES - refused} wrong tokens were not refused`);
    abused.push(served);
  }
  const rates = [still, abused].map((all) => median(all.map((each) => each.updatesPerSecond)));
  const cpus = [still, abused].map((all) => median(all.map((each) => each.cpuPercent)));
  const [stillRate = 0, abusedRate = 0] = rates;
  const [stillCpu = 0, abusedCpu = 0] = cpus;
  const abuse = `${HALF_OPEN} connections opened and left, ${GUESSES} wrong tokens and ${(2 * Math.floor(PARTS / GARBAGE_EVERY) * 8).toFixed(0)} MB of garbage in ${ms / 1000} s`;
  return [
    row({
      name: 'relay/abuse/frame-rate',
      unit: 'x undisturbed',
      value: abusedRate / stillRate,
      samples: rounds,
      atLeast: RATE_RATIO,
      note: `${abusedRate.toFixed(1)} updates/s against ${stillRate.toFixed(1)}, of ${GUEST.fps} frames/s, with ${abuse}; ${disturbance.text()}`,
    }),
    row({
      name: 'relay/abuse/cpu',
      unit: '% of a core more',
      value: abusedCpu - stillCpu,
      samples: rounds,
      note: `the relay's: ${abusedCpu.toFixed(1)} against ${stillCpu.toFixed(1)}`,
    }),
  ];
}

/** What strangers can do to those who look. */
export const ABUSE_CASES: readonly BenchCase[] = [
  { name: 'relay/abuse', run: (options) => runAbuse(options) },
];
