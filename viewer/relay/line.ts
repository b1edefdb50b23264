/** What a viewer's line was found to carry. */
export interface LineState {
  /** Rate at which bytes arrived while there were always some on the way. Units: kilobits per second. */
  readonly kbits: number;
  /** How much longer an update takes to be acknowledged than the quickest one. Units: milliseconds. */
  readonly delayMs: number;
  /** Whether more is sent than the line carries. */
  readonly congested: boolean;
  /** Whether it is so quick, and carries so much, that small things need no coding. */
  readonly near: boolean;
}

/** Delay beyond the line's own at which updates pile up somewhere on the way. */
const CONGESTED_MS = 60;
/** There and back in a house, by air too. */
const NEAR_MS = 8;
/** A line that is full and carries less has better uses for it; one that carries more is full of pictures. */
const NEAR_KBITS = 5000;
/** Lines change: the quickest round trip is that of this time and of the one before. */
const BASE_WINDOW_MS = 10_000;
/** Fewer round trips than this say nothing of how quick a line is: one may have been held up. */
const BASE_SAMPLES = 8;
/** Weight of a new sample. */
const WEIGHT = 0.25;
/** Rates are told from this many bytes on: less says more about the delay than about the line. */
const RATE_BYTES = 16 * 1024;
const MAX_TOLD_MS = 60_000;

/**
 * Judges a viewer's line by when it acknowledged what. What the viewer tells of its own decoding is
 * taken off the delay, and only ever makes its own line look better or worse.
 */
export class Line {
  #leastMs = Number.POSITIVE_INFINITY;
  #leastBeforeMs = Number.POSITIVE_INFINITY;
  #samples = 0;
  #windowAtMs = Number.NEGATIVE_INFINITY;
  #delayMs = 0;
  #kbits = 0;
  #ackedAtMs = 0;
  #runBytes = 0;
  #runSinceMs = 0;

  /** The quickest round trip. */
  get #baseMs(): number {
    return Math.min(this.#leastMs, this.#leastBeforeMs);
  }

  /** What is known now. */
  get state(): LineState {
    return {
      kbits: this.#kbits,
      delayMs: this.#delayMs,
      congested: this.#delayMs > CONGESTED_MS,
      near:
        this.#baseMs <= NEAR_MS &&
        (this.#delayMs <= CONGESTED_MS || this.#kbits === 0 || this.#kbits >= NEAR_KBITS),
    };
  }

  /**
   * An update was acknowledged.
   *
   * @param ack `sentMs` and `nowMs` of one clock; `ownMs` what the viewer did with it itself;
   * `busy` whether another update is still on the way
   */
  acknowledged(ack: {
    readonly bytes: number;
    readonly sentMs: number;
    readonly nowMs: number;
    readonly ownMs: number;
    readonly busy: boolean;
  }): void {
    const { nowMs } = ack;
    const ownMs = Math.min(Math.max(ack.ownMs, 0), MAX_TOLD_MS);
    const tripMs = Math.max(0, nowMs - ack.sentMs - ownMs);
    this.#tripped(tripMs, nowMs);
    this.#delayMs += (tripMs - this.#baseMs - this.#delayMs) * WEIGHT;
    if (this.#runSinceMs > 0) this.#rate(ack.bytes, nowMs);
    // A rate is measured from one acknowledgement to another while the line was never idle.
    if (!ack.busy) this.#runSinceMs = 0;
    else if (this.#runSinceMs === 0) this.#beginRun(nowMs);
    this.#ackedAtMs = nowMs;
  }

  /** Time passes without acknowledgements while something is on the way: that is delay, too. */
  waiting(sentMs: number, nowMs: number): void {
    if (nowMs - this.#ackedAtMs < CONGESTED_MS || this.#baseMs === Number.POSITIVE_INFINITY) return;
    const waitedMs = nowMs - sentMs - this.#baseMs;
    if (waitedMs > this.#delayMs) this.#delayMs = waitedMs;
  }

  #tripped(tripMs: number, nowMs: number): void {
    if (nowMs - this.#windowAtMs > BASE_WINDOW_MS && this.#samples >= BASE_SAMPLES) {
      this.#leastBeforeMs = this.#leastMs;
      this.#leastMs = Number.POSITIVE_INFINITY;
      this.#samples = 0;
    }
    if (this.#samples === 0) this.#windowAtMs = nowMs;
    this.#samples += 1;
    this.#leastMs = Math.min(this.#leastMs, tripMs);
  }

  #beginRun(nowMs: number): void {
    this.#runSinceMs = nowMs;
    this.#runBytes = 0;
  }

  #rate(bytes: number, nowMs: number): void {
    this.#runBytes += bytes;
    const ms = nowMs - this.#runSinceMs;
    if (this.#runBytes < RATE_BYTES || ms <= 0) return;
    const kbits = (this.#runBytes * 8) / ms;
    this.#kbits = this.#kbits === 0 ? kbits : this.#kbits + (kbits - this.#kbits) * WEIGHT;
    this.#beginRun(nowMs);
  }
}
