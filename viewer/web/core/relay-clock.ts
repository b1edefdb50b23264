import type { Clock } from './clock.ts';

/** What of the relay's time is known. Units: milliseconds. */
export interface RelayTime {
  /** Add it to a time of this side's clock for the relay's. */
  readonly offsetMs: number;
  /** The true offset is no further away than this. */
  readonly boundMs: number;
}

/** What a relay clock works with. */
export interface RelayClockOptions {
  readonly clock: Clock;
  /** Sends a ping that carries this side's time. */
  readonly ping: (viewerMs: number) => void;
}

/** Questions one after the other when a connection begins: one alone may have met a busy moment. */
const BURST = 5;
/** How far two clocks may drift apart: 100 millionths is more than any that is in order. */
const DRIFT = 100e-6;

/**
 * The relay's clock as this side knows it. The answer to a ping was written between the ping's
 * sending and the answer's arrival: half of that span bounds the error. The best answer is kept, and
 * trusted less with every second it ages.
 */
export class RelayClock {
  readonly #options: RelayClockOptions;
  #best: { readonly offsetMs: number; readonly boundMs: number; readonly atMs: number } | undefined;
  #burst = 0;

  constructor(options: RelayClockOptions) {
    this.#options = options;
  }

  /** A connection begins: asks a few times in a row. */
  start(): void {
    this.#best = undefined;
    this.#burst = BURST;
    this.#ask();
  }

  /** The connection has ended: the next may be to another relay. */
  stop(): void {
    this.#best = undefined;
    this.#burst = 0;
  }

  /** Takes the answer to a ping. The answer: the time there and back, undefined when it is none. */
  take(pong: { readonly viewerMs: number; readonly relayMs: number }): number | undefined {
    const atMs = this.#options.clock.now();
    const roundTripMs = atMs - pong.viewerMs;
    if (!(roundTripMs >= 0) || !Number.isFinite(pong.relayMs)) return undefined;
    const boundMs = roundTripMs / 2;
    const offsetMs = pong.relayMs - (pong.viewerMs + boundMs);
    const kept = this.now();
    // Beyond both bounds, one of the clocks was set: what was known is worth nothing.
    const wasSet =
      kept !== undefined && Math.abs(offsetMs - kept.offsetMs) > boundMs + kept.boundMs;
    if (kept === undefined || wasSet || boundMs <= kept.boundMs)
      this.#best = { offsetMs, boundMs, atMs };
    if (this.#burst > 0) this.#ask();
    return roundTripMs;
  }

  /** The relay's time as known now; undefined before the first answer. */
  now(): RelayTime | undefined {
    const best = this.#best;
    if (best === undefined) return undefined;
    const ageMs = this.#options.clock.now() - best.atMs;
    return { offsetMs: best.offsetMs, boundMs: best.boundMs + ageMs * DRIFT };
  }

  #ask(): void {
    this.#burst -= 1;
    this.#options.ping(this.#options.clock.now());
  }
}
