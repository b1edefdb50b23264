/** Who holds a key and has been silent for so long is asked for a sign of life. Units: milliseconds. */
export const HELD_SILENCE_MS = 250;
/** What is held by who gives no sign of life for so long is let go. Units: milliseconds. */
export const HELD_GONE_MS = 3000;
const LOOK_MS = 125;
/** After this long without a look the relay itself stood still, and what was said lies unread. */
const STOOD_STILL_MS = 1000;

/** What a watch over a viewer works with. */
export interface HeldWatchOptions {
  /** Whether the viewer holds a key or a button of the guest. */
  readonly holds: () => boolean;
  /** When something of it was heard last. */
  readonly heardMs: () => number;
  /** Asks it for a sign of life. */
  readonly ask: () => void;
  readonly letGo: () => void;
  /** Units: milliseconds of a clock that does not jump. */
  readonly nowMs: () => number;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after: (ms: number, run: () => void) => () => void;
}

/**
 * Watches over a viewer while it holds something. A line that is cut, or a computer that is put to
 * sleep, says nothing, and a key that was down there would go on in the guest for as long as the socket
 * looks open.
 */
export class HeldWatch {
  readonly #options: HeldWatchOptions;
  #cancel: (() => void) | undefined;
  #lookedMs = 0;
  #askedMs = 0;
  /** Silence counts from here at the earliest. */
  #fromMs = 0;

  constructor(options: HeldWatchOptions) {
    this.#options = options;
  }

  /** The viewer has done something: watches, if it holds anything now. */
  look(): void {
    if (this.#cancel !== undefined || !this.#options.holds()) return;
    this.#lookedMs = this.#options.nowMs();
    this.#fromMs = this.#lookedMs;
    this.#wait();
  }

  /** Ends it. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #wait(): void {
    this.#cancel = this.#options.after(LOOK_MS, () => {
      this.#cancel = undefined;
      this.#check();
    });
  }

  #check(): void {
    const { holds, heardMs, ask, letGo, nowMs } = this.#options;
    if (!holds()) return;
    const atMs = nowMs();
    if (atMs - this.#lookedMs > STOOD_STILL_MS) this.#fromMs = atMs;
    this.#lookedMs = atMs;
    const silentMs = atMs - Math.max(heardMs(), this.#fromMs);
    if (silentMs >= HELD_GONE_MS) {
      letGo();
      return;
    }
    if (silentMs >= HELD_SILENCE_MS && atMs - this.#askedMs >= HELD_SILENCE_MS) {
      this.#askedMs = atMs;
      ask();
    }
    this.#wait();
  }
}
