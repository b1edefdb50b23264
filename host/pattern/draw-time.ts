// Timers fire up to so much late.
const TIMER_LATE_MS = 1;
/** Weight of a new measurement in the mean. */
const DRAW_SHARE = 1 / 8;

/** How long drawing takes, and when it is to be begun so that a frame is there when it is due. */
export class DrawTime {
  #meanMs = 0;
  /** Whether the frame of the last turn was left out. */
  #waits = false;

  /**
   * A frame was drawn. One that was held up says nothing of the others: it counts as a period at the
   * most, since who begins half a period too early draws for no deadline at all.
   */
  drew(tookMs: number, periodMs: number): void {
    this.#meanMs += (Math.min(tookMs, periodMs) - this.#meanMs) * DRAW_SHARE;
  }

  /** How long until the next frame is to be begun. */
  untilNextMs(dueInMs: number): number {
    return Math.max(0, Math.floor(dueInMs - this.#meanMs - TIMER_LATE_MS));
  }

  /** Woken too late for a deadline: what is drawn for the next one is newer. Not twice in a row. */
  leavesOut(dueInMs: number): boolean {
    this.#waits = !this.#waits && dueInMs > this.#meanMs + 2 * TIMER_LATE_MS;
    return this.#waits;
  }
}
