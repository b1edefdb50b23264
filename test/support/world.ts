import { setImmediate as turn } from 'node:timers';
import { onTestFinished, vi } from 'vitest';
import type { WaitOutcome, WatchedWord } from '../../native/index.ts';
import type { Region } from '../../protocol/memory/region.ts';

/** Between two moments of a world. Units: milliseconds. */
const STEP_MS = 10;
/** Turns of the event loop that everybody gets in each moment. */
const TURNS = 3;

let current: World | undefined;

/**
 * Time that passes only when the test lets it: for waits, pauses and `performance.now()`. Everything
 * that is done in it ends within a stated time of its own, or the test fails.
 */
export class World {
  nowMs = 1_000_000;
  /** What the others do in each moment. */
  readonly peers: (() => void)[] = [];
  readonly #due: Set<() => void> = new Set();

  constructor() {
    current = this;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => this.nowMs);
    onTestFinished(() => clock.mockRestore());
  }

  #until<T>(
    look: () => T | undefined,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<T | 'late' | 'aborted'> {
    const untilMs = this.nowMs + timeoutMs;
    return new Promise((resolve) => {
      const due = (): void => {
        const found = signal?.aborted ? 'aborted' : look();
        const outcome = found ?? (this.nowMs >= untilMs ? 'late' : undefined);
        if (outcome === undefined) return;
        this.#due.delete(due);
        resolve(outcome);
      };
      this.#due.add(due);
      due();
    });
  }

  /** Settles at the first moment at which something holds. */
  async when(holds: () => boolean): Promise<void> {
    await this.#until(() => (holds() ? true : undefined), Number.POSITIVE_INFINITY, undefined);
  }

  /** A pause of this world's time, in the place of `node:timers/promises`. */
  async elapse(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if ((await this.#until(() => undefined, ms, signal)) === 'aborted')
      throw new Error('the pause was aborted');
  }

  /** A wait for words of a region, in the place of the native one. */
  async wait(
    region: Region,
    words: readonly WatchedWord[],
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<WaitOutcome | 'cancelled'> {
    const changed = (): 'changed' | undefined => {
      for (const { offsetBytes, value, reaches } of words) {
        const found = region.view.getUint32(offsetBytes, true);
        if (reaches === true ? found >= value : found !== value >>> 0) return 'changed';
      }
      return undefined;
    };
    const outcome = await this.#until(changed, options.timeoutMs, options.signal);
    if (outcome === 'late') return 'timed-out';
    return outcome === 'aborted' ? 'cancelled' : outcome;
  }

  /** One moment: who waits is looked after, then the others do what they do. */
  async step(): Promise<void> {
    this.nowMs += STEP_MS;
    for (const act of this.peers) act();
    for (const due of [...this.#due]) due();
    for (let i = 0; i < TURNS; i++) await new Promise((resolve) => turn(resolve));
  }

  /** Lets time pass until something has happened, and fails when it has not by then. */
  async within<T>(ms: number, something: Promise<T>): Promise<T> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    something.then(end, end);
    for (let passedMs = 0; passedMs <= ms && !settled; passedMs += STEP_MS) await this.step();
    if (!settled) throw new Error(`nothing came of it within ${ms} ms`);
    return await something;
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) await this.step();
  }
}

/** `node:timers/promises` of the present world. For `vi.mock`. */
export const worldTimers = {
  setTimeout: async (
    ms: number,
    value?: unknown,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> => {
    if (current === undefined) throw new Error('no world has begun');
    await current.elapse(ms, options.signal);
    return value;
  },
  setImmediate: (): Promise<void> => new Promise((resolve) => turn(resolve)),
} as const;
