/** Time and timers, passed in so that tests own them. Units: milliseconds, monotonic. */
export interface Clock {
  now(): number;
  /** Runs something once after a delay; the answer cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** The clock of the browser. */
export const browserClock: Clock = {
  now: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
