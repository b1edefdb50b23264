// What the machine itself takes, without anything of ours: sleeping, waking, a bare timer.
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { serve } from '../support/child.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { latencyHistogram, nowNs } from '../support/stats.ts';

/** A sleep of the kernel that a reader may take before it looks again. */
type Numbers = { readonly [name: string]: number };

const SHORT_SLEEP_MS = 1;
const PERIOD_MS = 1000 / 60;

if (isMainThread) serve({ sleep: shortSleeps, wake: wakes, timer: bareTimer });
else await knock(new BigUint64Array(sharedOf(workerData)));

/** How late a sleep of a millisecond ends. */
function shortSleeps(report: Report): Numbers {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const late = latencyHistogram();
  for (let i = 0; i < numberOf(report, 'count'); i++) {
    const startNs = nowNs();
    Atomics.wait(never, 0, 0, SHORT_SLEEP_MS);
    late.record(Math.max(1, Number(nowNs() - startNs) - SHORT_SLEEP_MS * 1e6));
  }
  return percentiles(late);
}

/** From a thread that knocks 60 times a second to the event loop of this one. */
async function wakes(report: Report): Promise<Numbers> {
  const count = numberOf(report, 'count');
  const sent = new BigUint64Array(new SharedArrayBuffer(8));
  const late = latencyHistogram();
  const worker = new Worker(new URL(import.meta.url), { workerData: sent.buffer });
  await new Promise<void>((resolve) => {
    worker.on('message', () => {
      late.record(Math.max(1, Number(nowNs() - Atomics.load(sent, 0))));
      if (late.count === count) resolve();
    });
  });
  await worker.terminate();
  return percentiles(late);
}

/** The knocking thread: sleeps in the kernel, has no other work, and ends with its worker. */
async function knock(sent: BigUint64Array): Promise<void> {
  for (;;) {
    await sleep(PERIOD_MS);
    Atomics.store(sent, 0, nowNs());
    parentPort?.postMessage(0);
  }
}

/** Processor time of an event loop that does nothing, 60 times a second. */
async function bareTimer(report: Report): Promise<Numbers> {
  const timer = setInterval(() => {}, PERIOD_MS);
  await sleep(500);
  const before = process.cpuUsage();
  const startNs = nowNs();
  await sleep(numberOf(report, 'ms'));
  const { user, system } = process.cpuUsage(before);
  clearInterval(timer);
  return { cpuPercent: ((user + system) * 1e5) / Number(nowNs() - startNs) };
}

function percentiles(late: ReturnType<typeof latencyHistogram>): Numbers {
  return { p50Ns: late.percentile(50), p99Ns: late.percentile(99) };
}

function sharedOf(data: unknown): SharedArrayBuffer {
  if (data instanceof SharedArrayBuffer) return data;
  throw new Error('this thread is started with shared memory');
}
