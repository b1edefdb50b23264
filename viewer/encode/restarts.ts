/** Faults in a window that are put up with. */
const MOST = 5;
const WINDOW_MS = 60_000;
/** Before the second start in a window; the first comes at once, each later one after twice that. */
const FIRST_PAUSE_MS = 100;

/** When to start again after a fault: at once, then less and less soon, then never. */
export class Restarts {
  #faultsMs: readonly number[] = [];

  /** How long to wait before the next start; undefined when it is no use. Units: milliseconds. */
  pauseAfterFault(nowMs: number): number | undefined {
    this.#faultsMs = [...this.#faultsMs.filter((ms) => nowMs - ms < WINDOW_MS), nowMs];
    const faults = this.#faultsMs.length;
    if (faults > MOST) return undefined;
    return faults === 1 ? 0 : FIRST_PAUSE_MS * 2 ** (faults - 2);
  }
}
