/** Who gets a message: asked by the queue under its lock, once per live subscriber. */
export interface Audience {
  wants(slot: number, clientId: number): boolean;
  /** The message was posted to this subscriber. */
  delivered(slot: number, clientId: number): void;
}

const NOBODY = -1;

/**
 * Remembers which subscriber of a queue has had the newest frame, so that each gets it once.
 *
 * A subscriber is its slot together with its client id; ids alone repeat.
 */
export class NewestFor implements Audience {
  // Float64: NOBODY beside every u32.
  readonly #owner: Float64Array<ArrayBuffer>;
  /** Subscribers that were served before their subscription was counted. */
  #early = 0;

  constructor(maxSubscribers: number) {
    this.#owner = new Float64Array(maxSubscribers).fill(NOBODY);
  }

  wants(slot: number, clientId: number): boolean {
    return this.#owner[slot] !== clientId;
  }

  delivered(slot: number, clientId: number): void {
    this.#owner[slot] = clientId;
    this.#early++;
  }

  /** There is a newer frame: nobody has had it. */
  renew(): void {
    this.#owner.fill(NOBODY);
    this.#early = 0;
  }

  /** Forgets those who are gone: they get the newest frame again when they come back. */
  keepOnly(liveBits: number): void {
    for (let slot = 0; slot < this.#owner.length; slot++)
      if (((liveBits >>> slot) & 1) === 0) this.#owner[slot] = NOBODY;
  }

  /**
   * Somebody subscribed. When none of the slots has an owner without the newest frame, one of those
   * who had it left and came back within a moment: all get it again.
   */
  joined(count: number, waiting: number): void {
    if (count > waiting + this.#early) this.#owner.fill(NOBODY);
    this.#early = 0;
  }
}
