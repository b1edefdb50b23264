import type { Host } from '../publisher.ts';

const WORK_SHARE = 1 / 8;
// Timers fire up to so much late.
const TIMER_LATE_MS = 1;

/**
 * When a screen is looked at next: so many times a second, or when the display of the client that
 * paces the frames wants one.
 */
export class Rhythm {
  readonly periodMs: number;
  #beganMs = 0;
  #workMs = 0;

  constructor(fps: number) {
    this.periodMs = 1000 / fps;
  }

  /** A look begins. */
  begin(): void {
    this.#beganMs = performance.now();
  }

  /** It has ended. */
  end(): void {
    this.#workMs += (performance.now() - this.#beganMs - this.#workMs) * WORK_SHARE;
  }

  /** How long until the next one. Units: milliseconds. */
  untilNextMs(host: Host, periodMs: number = this.periodMs): number {
    const { pace } = host;
    if (pace !== undefined && periodMs === this.periodMs)
      return Math.max(1, Math.floor(pace.dueInMs - this.#workMs - TIMER_LATE_MS));
    return Math.max(0, this.#beganMs + periodMs - performance.now());
  }
}
