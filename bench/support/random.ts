/** Numbers from 0 to 1 that look like chance, and are the same for the same seed. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next one. Source: mulberry32, public domain. */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number below this one. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** The same things in another order. */
  shuffled<Item>(items: readonly Item[]): Item[] {
    const mixed = [...items];
    for (let at = mixed.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      const [a, b] = [mixed[at], mixed[other]];
      if (a === undefined || b === undefined) continue;
      mixed[at] = b;
      mixed[other] = a;
    }
    return mixed;
  }
}
