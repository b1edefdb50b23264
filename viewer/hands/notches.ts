/** Parts of a notch in the wire's wheel events. */
const PARTS = 120;
/** Notches a second that a free-running wheel does not reach. */
export const MAX_NOTCHES_PER_SECOND: number = 200;

/** Small parts of a wheel's turn, put together to the notches that devices of a guest know. */
export class Notches {
  readonly #nowMs: () => number;
  #rest = 0;
  #second = { startMs: 0, notches: 0 };

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Adds a turn. What is left of a notch waits for the next one, unless that goes the other way.
   *
   * Units: 1/120 of a notch.
   *
   * @returns whole notches, with the sign of the turn; fewer when there were too many in a second
   */
  add(parts: number): number {
    if (Math.sign(parts) !== Math.sign(this.#rest)) this.#rest = 0;
    this.#rest += parts;
    const whole = Math.trunc(this.#rest / PARTS);
    this.#rest -= whole * PARTS;
    const allowed = this.#allowed(Math.abs(whole));
    return whole < 0 ? 0 - allowed : allowed;
  }

  /** Forgets what is left of a notch. */
  forget(): void {
    this.#rest = 0;
  }

  #allowed(notches: number): number {
    if (notches === 0) return 0;
    const nowMs = this.#nowMs();
    if (nowMs - this.#second.startMs >= 1000) this.#second = { startMs: nowMs, notches: 0 };
    const allowed = Math.min(notches, MAX_NOTCHES_PER_SECOND - this.#second.notches);
    this.#second.notches += allowed;
    return allowed;
  }
}
