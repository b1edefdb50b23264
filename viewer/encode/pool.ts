/**
 * Buffers that are used again, so that coding at 60 Hz does not make the collector run.
 *
 * Ownership: what {@link take} returns is the caller's until {@link give}; a buffer that is never
 * given back is simply collected.
 */
export class BufferPool {
  readonly #bytes: number;
  readonly #most: number;
  #spare: Uint8Array<ArrayBuffer>[] = [];

  /** A pool of buffers of `bytes`, of which at most `most` are kept while unused. */
  constructor(options: { readonly bytes: number; readonly most: number }) {
    this.#bytes = options.bytes;
    this.#most = options.most;
  }

  /** Buffers that are kept unused. */
  get spare(): number {
    return this.#spare.length;
  }

  /** A buffer; what is in it is left over from its last use. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#spare.pop() ?? new Uint8Array(this.#bytes);
  }

  /** Gives a buffer back. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#spare.length < this.#most && buffer.byteLength === this.#bytes)
      this.#spare.push(buffer);
  }

  /** Lets go of all that is unused. */
  drain(): void {
    this.#spare = [];
  }
}

/** Runs jobs with at most so many at the same time, in the order in which they were given. */
export class Lanes {
  readonly #most: number;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs a job when a lane is free; settles as the job does. */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    else this.#running++;
    try {
      return await job();
    } finally {
      // The lane goes from hand to hand, so nobody who comes later can overtake.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
