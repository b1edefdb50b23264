/** A page that has just begun to play is busy: what runs out then says nothing. Units: milliseconds. */
const SETTLE_MS = 2000;
const WINDOW_MS = 10_000;
/** As many times in a window are heard as crackling. */
const ROUGH = 3;

/** Whether this browser tells how often its output has run out. */
export function tellsUnderruns(): boolean {
  return 'playbackStats' in AudioContext.prototype;
}

/** How often the output of a context has run out; undefined where the browser does not tell. */
export function underrunsOf(context: AudioContext): number | undefined {
  const stats: unknown = Reflect.get(context, 'playbackStats');
  if (typeof stats !== 'object' || stats === null) return undefined;
  const count: unknown = Reflect.get(stats, 'underrunEvents');
  return typeof count === 'number' ? count : undefined;
}

/**
 * Judges whether an output that keeps very little in advance is too much for this machine: its
 * audio thread came too late again and again.
 */
export class OutputWatch {
  #beganMs: number | undefined;
  #sinceMs = 0;
  #base = 0;

  /** Takes how often it has run out by now, of any clock. The answer is whether it is rough. */
  look(underruns: number, nowMs: number): boolean {
    this.#beganMs ??= nowMs;
    if (nowMs - this.#beganMs < SETTLE_MS || nowMs - this.#sinceMs > WINDOW_MS) {
      this.#sinceMs = nowMs;
      this.#base = underruns;
    }
    return underruns - this.#base >= ROUGH;
  }
}
