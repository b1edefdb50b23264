import type { InputEvent } from '../../../protocol/wire/index.ts';

/** What a gate works with. */
export interface InputGateOptions {
  readonly send: (events: readonly InputEvent[], atMs: number) => void;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after: (ms: number, run: () => void) => () => void;
}

/** Events that wait; more let the gate open. */
const MAX_WAITING = 256;

/** Lets input pass, or holds it back for a moment in its order: what is pasted goes first. */
export class InputGate {
  readonly #options: InputGateOptions;
  #waiting: { readonly events: readonly InputEvent[]; readonly atMs: number }[] = [];
  #count = 0;
  #cancel: (() => void) | undefined;

  constructor(options: InputGateOptions) {
    this.#options = options;
  }

  /** Whether it is closed. */
  get isClosed(): boolean {
    return this.#cancel !== undefined;
  }

  /** Takes what was done. Units: milliseconds since 1970 by the page's monotonic clock. */
  pass(events: readonly InputEvent[], atMs: number): void {
    if (!this.isClosed) {
      this.#options.send(events, atMs);
      return;
    }
    // Of places that follow each other the newest counts: they come by the hundred.
    const last = this.#waiting.at(-1)?.events;
    const replaces = isPlace(events) && last !== undefined && isPlace(last);
    if (replaces) this.#waiting.pop();
    else this.#count += events.length;
    this.#waiting.push({ events, atMs });
    if (this.#count > MAX_WAITING) this.open();
  }

  /** Holds all back until it is opened, or so much time has passed. Units: milliseconds. */
  hold(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.after(ms, () => this.open());
  }

  /** Lets pass what waits, and all after it. */
  open(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#count = 0;
    for (const { events, atMs } of waiting) this.#options.send(events, atMs);
  }
}

function isPlace(events: readonly InputEvent[]): boolean {
  return events.length === 1 && events[0]?.kind === 'position';
}
