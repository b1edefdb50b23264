/** What the picture is doing: changing little, or moving. */
export type Content = 'still' | 'moving';

/** What exact tiles of late have cost. */
export interface TileCost {
  /** Units: milliseconds of work for one tile. */
  readonly msPerTile: number;
  readonly bytesPerTile: number;
}

/** How the meter is made. */
export interface ContentMeterOptions {
  /** Bytes that exact tiles may need in a second before they are too many. */
  readonly bytesPerSecond: number;
}

/**
 * Share of a core that exact tiles may take for as long as they like. Video of a full 1080p screen
 * costs about half a core at 60 Hz, whatever moves; exact tiles cost by what changes.
 */
const MAX_LOAD = 0.4;
/** The picture is still again when the load has been below this part of the bounds... */
const CALM = 0.35;
/** ...for this long: a video that pauses, or a hand between two turns of the wheel, is no rest. */
const CALM_MS = 500;
/** Load is judged over this time, so that a window that opens is no film. */
const WINDOW_MS = 150;
/** Updates within the window that make motion: two are a click and its answer. */
const MIN_UPDATES = 4;
const KEPT = 64;

/**
 * Decides whether changes travel as exact tiles or as video, from what exact tiles would cost: the
 * tiles that changed of late times what a tile of this content was measured to cost.
 *
 * Moving begins when both are true within 150 ms: at least four updates, and tiles that would take
 * more than 40 % of a core or more bytes than the line has. It ends after half a second at
 * less than a third of that.
 */
export class ContentMeter {
  readonly #bytesPerSecond: number;
  readonly #atMs: Float64Array<ArrayBuffer> = new Float64Array(KEPT);
  readonly #tiles: Uint32Array<ArrayBuffer> = new Uint32Array(KEPT);
  #next = 0;
  #content: Content = 'still';
  #calmSinceMs = 0;

  constructor(options: ContentMeterOptions) {
    this.#bytesPerSecond = options.bytesPerSecond;
    this.#atMs.fill(Number.NEGATIVE_INFINITY);
  }

  /** What the picture was found to do last. */
  get content(): Content {
    return this.#content;
  }

  /** Some tiles have changed. Units: `nowMs` in milliseconds of any clock that does not jump. */
  changed(tiles: number, nowMs: number, cost: TileCost): Content {
    this.#atMs[this.#next] = nowMs;
    this.#tiles[this.#next] = tiles;
    this.#next = (this.#next + 1) % KEPT;
    return this.judge(nowMs, cost);
  }

  /** Judges anew, because time has passed. */
  judge(nowMs: number, cost: TileCost): Content {
    let updates = 0;
    let tiles = 0;
    for (let i = 0; i < KEPT; i++) {
      if (nowMs - (this.#atMs[i] ?? 0) > WINDOW_MS) continue;
      updates++;
      tiles += this.#tiles[i] ?? 0;
    }
    const load = (tiles * cost.msPerTile) / WINDOW_MS / MAX_LOAD;
    const flood = (tiles * cost.bytesPerTile * 1000) / WINDOW_MS / this.#bytesPerSecond;
    const pressure = Math.max(load, flood);
    if (this.#content === 'still') {
      if (updates >= MIN_UPDATES && pressure > 1) this.#content = 'moving';
      this.#calmSinceMs = nowMs;
    } else if (pressure > CALM) {
      this.#calmSinceMs = nowMs;
    } else if (nowMs - this.#calmSinceMs >= CALM_MS) {
      this.#content = 'still';
    }
    return this.#content;
  }

  /** Nobody looks any more. */
  rest(): void {
    this.#atMs.fill(Number.NEGATIVE_INFINITY);
    this.#content = 'still';
  }
}
