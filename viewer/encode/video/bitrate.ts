/** Smaller changes are not worth the key frame that each change costs. */
const WORTH_UP = 1.2;
const WORTH_DOWN = 0.8;
/** Between a change and the next one upwards. */
const UP_AFTER_MS = 1000;

/**
 * The bit rate in use and the one that is wanted: down at once, because what is too much stands in
 * a queue somewhere; up at most once a second; small changes not at all.
 */
export class Bitrate {
  #kbits: number;
  #wantedKbits: number;
  #changedMs = Number.NEGATIVE_INFINITY;

  constructor(kbits: number) {
    this.#kbits = kbits;
    this.#wantedKbits = kbits;
  }

  /** Wants another one. */
  want(kbits: number): void {
    this.#wantedKbits = kbits;
  }

  /** The one to code the next picture in. */
  at(nowMs: number): number {
    const wanted = this.#wantedKbits;
    const down = wanted <= this.#kbits * WORTH_DOWN;
    const up = wanted >= this.#kbits * WORTH_UP && nowMs - this.#changedMs >= UP_AFTER_MS;
    if (down || up) {
      this.#kbits = wanted;
      this.#changedMs = nowMs;
    }
    return this.#kbits;
  }
}
