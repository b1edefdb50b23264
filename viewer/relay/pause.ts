import { setTimeout as sleep } from 'node:timers/promises';

/** Waits so long, or until the signal fires. Units: milliseconds. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // The signal fired: whoever waits looks at it.
  }
}
