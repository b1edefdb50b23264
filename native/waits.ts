import { KvmfrError } from '../protocol/error.ts';
import type { NativeMapping } from './addon.ts';
import { isWord, misfit } from './arguments.ts';
import { errorName } from './failure.ts';

/** A word of the region that a wait watches: the wait ends when the word is no longer `value`. */
export interface WatchedWord {
  /** Offset of the word, a multiple of 4. Units: bytes. */
  readonly offsetBytes: number;
  /** The unsigned 32-bit value the caller last saw; or, with `reaches`, the one it needs. */
  readonly value: number;
  /** End when the word is at least `value` instead, whatever steps it takes until then. */
  readonly reaches?: boolean;
}

/** What a wait tells of its looks. The same object may be used for one wait after the other. */
export interface WaitLooks {
  /**
   * The last look at which no word had changed: what has changed since came later than this. NaN when
   * there was none: the words differed at the call, or are not looked at because a doorbell tells.
   *
   * Units: milliseconds of the clock of `process.hrtime`.
   */
  beforeMs: number;
}

/** How a wait waits. */
export interface WaitOptions {
  /** Longest wait; 0 only looks, Infinity never times out. Units: milliseconds. */
  readonly timeoutMs: number;
  /**
   * Learn the rhythm in which these words change, and look closely when the next change is due.
   * For words that move at a frame rate; others are looked at every two milliseconds.
   */
  readonly cadence?: boolean;
  /**
   * The change is expected within milliseconds: look closely at first, then less and less, so that
   * it is seen late by a quarter of the time that it took.
   */
  readonly soon?: boolean;
  /** Whether this wait keeps the process alive, as a timer does; true when left out. */
  readonly keepAlive?: boolean;
  /** Is told when the change was not there yet. */
  readonly looks?: WaitLooks;
}

/** A wait that can be given up. */
export interface CancellableWaitOptions extends WaitOptions {
  /** Ends the wait as `cancelled`; no listener stays on it. */
  readonly signal: AbortSignal;
}

/** How a wait ended. */
export type WaitOutcome = 'changed' | 'timed-out' | 'closed';

/** Most words that one wait can watch. */
export const MAX_WATCHED_WORDS: number = 32;

const CHANGED = 1;
const TIMED_OUT = 2;

interface PendingWait {
  /** The mapping: it is not to be collected while somebody waits on it. */
  readonly owner: object;
  readonly settle: (outcome: WaitOutcome | 'cancelled') => void;
  readonly looks: WaitLooks | undefined;
}

/** The waits of one mapping, pending until a word changes, time is over or the mapping is closed. */
export class Waits {
  readonly #native: NativeMapping;
  readonly #path: string;
  /** Also after the end. */
  readonly #byteLength: number;
  /** Who looks: the event loop of this thread, or a thread that the first wait makes. */
  readonly #inLoop: boolean;
  /** Shared with the native waiter; it must not lead from there to the mapping when empty. */
  readonly #pending: Map<number, PendingWait> = new Map();
  readonly #words: Uint32Array = new Uint32Array(2 * MAX_WATCHED_WORDS);
  #isStarted = false;
  #nextId = 0;
  #keptAlive = 0;
  #ended = false;

  constructor(native: NativeMapping, path: string, inLoop: boolean) {
    this.#native = native;
    this.#path = path;
    this.#byteLength = native.byteLength;
    this.#inLoop = inLoop;
  }

  /** See `Mapping.wait`; `owner` stays for as long as the wait is pending. */
  wait(
    owner: object,
    words: readonly WatchedWord[],
    options: WaitOptions & { readonly signal?: AbortSignal },
  ): Promise<WaitOutcome | 'cancelled'> {
    const { timeoutMs, cadence = false, soon = false, keepAlive = true, signal, looks } = options;
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      throw misfit('timeoutMs', 'a number that is not negative', timeoutMs);
    }
    this.#takeWords(words);
    if (looks !== undefined) looks.beforeMs = Number.NaN;
    if (this.#ended) return Promise.resolve('closed');
    if (signal?.aborted) return Promise.resolve('cancelled');
    this.#startWaiter();

    const id = this.#freeId();
    const outcome = this.#native.wait(
      id,
      this.#words,
      words.length,
      timeoutMs,
      cadence === true,
      soon === true,
    );
    if (outcome === undefined) throw misfit('words', 'words of the region', words);
    if (outcome === CHANGED) return Promise.resolve('changed');
    if (outcome === TIMED_OUT) return Promise.resolve('timed-out');
    return new Promise((resolve) => {
      const cancel = signal === undefined ? undefined : () => this.#cancel(id);
      const settle = (result: WaitOutcome | 'cancelled'): void => {
        if (cancel !== undefined) signal?.removeEventListener('abort', cancel);
        if (keepAlive) this.#keep(-1);
        resolve(result);
      };
      if (cancel !== undefined) signal?.addEventListener('abort', cancel);
      if (keepAlive) this.#keep(1);
      this.#pending.set(id, { owner, settle, looks });
    });
  }

  /** The mapping is closed: every wait ends. */
  end(): void {
    this.#ended = true;
    const waits = [...this.#pending.values()];
    this.#pending.clear();
    for (const wait of waits) wait.settle('closed');
  }

  #takeWords(words: readonly WatchedWord[]): void {
    if (!Array.isArray(words) || words.length === 0 || words.length > MAX_WATCHED_WORDS) {
      throw misfit('words', `1 to ${MAX_WATCHED_WORDS} words`, words);
    }
    const byteLength = this.#byteLength;
    let at = 0;
    for (const { offsetBytes, value, reaches } of words) {
      if (!isWord(offsetBytes) || offsetBytes % 4 !== 0 || offsetBytes + 4 > byteLength) {
        throw misfit(
          'offsetBytes',
          `a multiple of 4 up to ${byteLength - 4} (the region has ${byteLength} bytes)`,
          offsetBytes,
        );
      }
      if (!isWord(value)) throw misfit('value', 'an unsigned 32-bit number', value);
      this.#words[at++] = offsetBytes + (reaches === true ? 1 : 0);
      this.#words[at++] = value;
    }
  }

  #startWaiter(): void {
    if (this.#isStarted) return;
    // This closure is reachable for as long as the native waiter lives, so it holds the table of
    // waits alone; a mapping that is forgotten without a wait can then be collected.
    const pending = this.#pending;
    const errorNumber = this.#native.startWaiter((id, outcome, beforeMs) => {
      const wait = pending.get(id);
      if (wait === undefined) return;
      pending.delete(id);
      if (wait.looks !== undefined) wait.looks.beforeMs = beforeMs;
      wait.settle(outcome === CHANGED ? 'changed' : 'timed-out');
    }, this.#inLoop);
    if (errorNumber !== 0) {
      const errno = errorName(errorNumber);
      const what = this.#inLoop ? 'timer' : 'thread';
      throw new KvmfrError('ERR_KVMFR_SYSCALL', `no ${what} could be made to wait: ${errno}`, {
        syscall: this.#inLoop ? 'timerfd_create' : 'pthread_create',
        errno,
        path: this.#path,
      });
    }
    this.#isStarted = true;
  }

  #freeId(): number {
    do {
      this.#nextId = (this.#nextId + 1) >>> 0;
    } while (this.#pending.has(this.#nextId));
    return this.#nextId;
  }

  #cancel(id: number): void {
    const wait = this.#pending.get(id);
    if (wait === undefined) return;
    this.#pending.delete(id);
    this.#native.cancelWait(id);
    wait.settle('cancelled');
  }

  #keep(change: 1 | -1): void {
    this.#keptAlive += change;
    if (this.#ended) return;
    if (change === 1 && this.#keptAlive === 1) this.#native.keepAlive(true);
    if (change === -1 && this.#keptAlive === 0) this.#native.keepAlive(false);
  }
}
