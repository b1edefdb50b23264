import type { Host } from '../publisher.ts';

const WORK_SHARE = 1 / 8;
// Timers fire up to so much late.
const TIMER_LATE_MS = 1;
// What stands still, and does not say when it changes, is looked at less often.
const STILL_MS = 1000;
const STILL_PERIOD_MS = 50;

/**
 * When a screen is looked at next: so many times a second, or when the display of the client that
 * paces the frames wants one.
 */
export class Rhythm {
  readonly #periodMs: number;
  #beganMs = -Infinity;
  #changedMs = 0;
  #workMs = 0;

  constructor(fps: number) {
    this.#periodMs = 1000 / fps;
  }

  /** A look begins. */
  begin(): void {
    this.#beganMs = performance.now();
  }

  /** It has ended; whether there was something new. */
  end(isChanged: boolean): void {
    const nowMs = performance.now();
    this.#workMs += (nowMs - this.#beganMs - this.#workMs) * WORK_SHARE;
    if (isChanged) this.#changedMs = nowMs;
  }

  /** How long until the next one, of a screen that may rest when nothing changes. Units: milliseconds. */
  untilNextMs(host: Host, mayRest: boolean): number {
    const nowMs = performance.now();
    const rests = mayRest && nowMs - this.#changedMs > STILL_MS;
    const { pace } = host;
    if (pace !== undefined && !rests)
      return Math.max(1, Math.floor(pace.dueInMs - this.#workMs - TIMER_LATE_MS));
    const periodMs = rests ? Math.max(this.#periodMs, STILL_PERIOD_MS) : this.#periodMs;
    return Math.max(0, this.#beganMs + periodMs - nowMs);
  }
}
