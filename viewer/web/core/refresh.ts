import type { Clock } from './clock.ts';

/** What the measuring of a display needs. */
export interface RefreshMeterOptions {
  readonly clock: Clock;
  /** Asks for a call at the next refresh of the display, with its time in milliseconds. */
  readonly onRefresh: (run: (atMs: number) => void) => void;
  /** Told when the rate is known, and when it is another one. */
  readonly told: (refreshHz: number) => void;
}

/** Refreshes of one measurement: half a second at 60 Hz. */
const REFRESHES = 31;
/** The window may be moved to another display. */
const AGAIN_AFTER_MS = 10_000;
/** Less than this is no other display. */
const CHANGE = 0.02;
/** Longer than this between two refreshes is a page that was hidden, or busy. */
const LONGEST_MS = 250;

/**
 * Measures how often the display is refreshed: the median of the times between refreshes throws out
 * those that were missed, and the mean of the rest makes up for clocks that are coarse.
 */
export class RefreshMeter {
  readonly #options: RefreshMeterOptions;
  readonly #gaps: number[] = [];
  #run = 0;
  #lastMs: number | undefined;
  #cancelPause: (() => void) | undefined;
  #refreshHz: number | undefined;

  constructor(options: RefreshMeterOptions) {
    this.#options = options;
  }

  /** What was measured last. */
  get refreshHz(): number | undefined {
    return this.#refreshHz;
  }

  /** Measures now, and again and again until {@link stop}. */
  start(): void {
    this.stop();
    const run = this.#run;
    const tick = (atMs: number): void => {
      if (run !== this.#run) return;
      this.#take(atMs);
      if (this.#gaps.length < REFRESHES) this.#options.onRefresh(tick);
      else this.#conclude();
    };
    this.#options.onRefresh(tick);
  }

  /** Stops measuring: the page cannot be seen, or there is nobody to tell. */
  stop(): void {
    this.#run += 1;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#gaps.length = 0;
    this.#lastMs = undefined;
  }

  #take(atMs: number): void {
    const gapMs = this.#lastMs === undefined ? 0 : atMs - this.#lastMs;
    this.#lastMs = atMs;
    if (gapMs > 0 && gapMs <= LONGEST_MS) this.#gaps.push(gapMs);
  }

  #conclude(): void {
    const sorted = [...this.#gaps].sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    const usual = sorted.filter((gap) => gap > median * 0.5 && gap < median * 1.5);
    const refreshHz = (1000 * usual.length) / usual.reduce((sum, gap) => sum + gap, 0);
    this.stop();
    this.#cancelPause = this.#options.clock.after(AGAIN_AFTER_MS, () => this.start());
    const before = this.#refreshHz;
    if (before !== undefined && Math.abs(refreshHz - before) <= before * CHANGE) return;
    this.#refreshHz = Math.round(refreshHz * 100) / 100;
    this.#options.told(this.#refreshHz);
  }
}
