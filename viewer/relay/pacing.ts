import { MAX_PERIOD_NS, MIN_PERIOD_NS } from '../../protocol/limits.ts';

/** Who can be asked for a pace: a reader, or a source that knows how. */
export interface PacedGuest {
  schedule?(wish: { readonly periodNs: number } | undefined): void;
}

/** What the pacing needs of a viewer. */
export interface PacedViewer {
  readonly visible: boolean;
  /** How often its display is refreshed in a second; undefined while it has not said. */
  readonly refreshHz: number | undefined;
}

/** A display that is not faster than this changes nothing: measured periods vary that much. */
const SAME = 0.005;

/**
 * Asks the guest for a frame at each refresh of the fastest display that somebody looks at. With
 * nobody looking, or nobody who knows, the guest is asked for nothing.
 */
export class Pacing {
  readonly #client: PacedGuest;
  readonly #leastNs: number;
  #periodNs: number | undefined;

  /** `maxFps` bounds what is asked for, because more frames than that are not taken. */
  constructor(client: PacedGuest, maxFps: number | undefined) {
    this.#client = client;
    this.#leastNs = maxFps === undefined ? 0 : 1e9 / maxFps;
  }

  /** Period that the guest is asked for now. */
  get periodNs(): number | undefined {
    return this.#periodNs;
  }

  /** A viewer has come, gone, hidden or shown itself, or measured its display. */
  follow(viewers: Iterable<PacedViewer>): void {
    let fastestHz = 0;
    for (const { visible, refreshHz } of viewers)
      if (visible && refreshHz !== undefined) fastestHz = Math.max(fastestHz, refreshHz);
    if (fastestHz === 0) {
      this.release();
      return;
    }
    const wishedNs = Math.max(this.#leastNs, 1e9 / fastestHz);
    const periodNs = Math.round(Math.min(MAX_PERIOD_NS, Math.max(MIN_PERIOD_NS, wishedNs)));
    const before = this.#periodNs;
    if (before !== undefined && Math.abs(periodNs - before) <= before * SAME) return;
    this.#periodNs = periodNs;
    this.#client.schedule?.({ periodNs });
  }

  /** Asks for nothing any more. */
  release(): void {
    if (this.#periodNs === undefined) return;
    this.#periodNs = undefined;
    this.#client.schedule?.(undefined);
  }
}
