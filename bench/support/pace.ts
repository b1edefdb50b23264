import { setTimeout as sleep, setImmediate as yieldToLoop } from 'node:timers/promises';
import { nowNs } from './stats.ts';

/** Timers of the event loop are exact to a millisecond; the rest is slept in the kernel. */
const TIMER_MARGIN_NS = 2_500_000n;
/** Sleeps end late, by up to this on a virtual machine; the rest is spun. */
const SLEEP_MARGIN_NS = 200_000n;

const never = new Int32Array(new SharedArrayBuffer(4));

/** Returns at a moment of the shared clock, exact to some microseconds, at little processor time. */
export async function waitUntil(dueNs: bigint): Promise<void> {
  const farNs = dueNs - nowNs() - TIMER_MARGIN_NS;
  if (farNs > 0n) await sleep(Number(farNs) / 1e6);
  else await yieldToLoop();
  const nearNs = dueNs - nowNs() - SLEEP_MARGIN_NS;
  if (nearNs > 0n) Atomics.wait(never, 0, 0, Number(nearNs) / 1e6);
  while (nowNs() < dueNs);
}
