import { setTimeout as sleep } from 'node:timers/promises';
import { stateOfError } from '../state.ts';

/** After a stream ended with an error it is asked for again. */
const RETRY_MS = 500;

/** Follows a stream until it ends, as it does when its source closes, and again after an error. */
export async function keepUp(options: {
  /** Names the stream in the log. */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly follow: (signal: AbortSignal) => Promise<void>;
  readonly log: (line: string) => void;
}): Promise<void> {
  const { what, signal, follow, log } = options;
  while (!signal.aborted) {
    try {
      await follow(signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      log(`${what}: ${stateOfError(error).message}`);
      await pause(RETRY_MS, signal);
    }
  }
}

/** Waits so long, or until the signal fires. Units: milliseconds. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // The signal fired: whoever waits looks at it.
  }
}
