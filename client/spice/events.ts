/** How a stream of events ends and what it keeps. */
export interface EventStreamOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Events for one loop. Who does not take them in time loses the oldest, and sees how many.
 *
 * Ownership: leaving the loop, or the signal, ends it; nothing is kept afterwards.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  readonly #limit: number;
  readonly #mayLose: (event: T) => boolean;
  readonly #events: T[] = [];
  readonly #waiting: ((result: IteratorResult<T, undefined>) => void)[] = [];
  readonly #onEnd: (stream: EventStream<T>) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void = () => this.end();
  #ended = false;
  #lost = 0;

  constructor(options: {
    readonly limit: number;
    readonly mayLose: (event: T) => boolean;
    readonly signal: AbortSignal | undefined;
    readonly onEnd: (stream: EventStream<T>) => void;
  }) {
    this.#limit = options.limit;
    this.#mayLose = options.mayLose;
    this.#onEnd = options.onEnd;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#signal?.aborted) this.#ended = true;
  }

  /** Events that were thrown away because nobody took them. */
  get lost(): number {
    return this.#lost;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#events.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Gives an event to the loop. */
  push(event: T): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting({ done: false, value: event });
      return;
    }
    if (this.#events.length >= this.#limit) {
      const oldest = this.#events.findIndex(this.#mayLose);
      this.#events.splice(Math.max(0, oldest), 1);
      this.#lost += 1;
    }
    this.#events.push(event);
  }

  /** No more events; those that were not taken yet still are. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onEnd(this);
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }
}

/** A source of events with any number of loops, each with its own place. */
export class EventSource<T> {
  readonly #streams = new Set<EventStream<T>>();
  readonly #limit: number;
  readonly #mayLose: (event: T) => boolean;
  #closed = false;

  /**
   * @param limit events that are kept for a loop that does not take them; 1 means the newest
   * @param mayLose which of them are thrown away before all others; any when left out
   */
  constructor(limit: number, mayLose: (event: T) => boolean = () => true) {
    this.#limit = limit;
    this.#mayLose = mayLose;
  }

  /** Whether anybody listens. */
  get isHeard(): boolean {
    return this.#streams.size > 0;
  }

  /** A new loop; it begins with `first` when one is given. */
  stream(options: EventStreamOptions = {}, first?: T): EventStream<T> {
    const stream = new EventStream<T>({
      limit: this.#limit,
      mayLose: this.#mayLose,
      signal: options.signal,
      onEnd: (ended) => this.#streams.delete(ended),
    });
    if (first !== undefined) stream.push(first);
    if (this.#closed) stream.end();
    else if (options.signal?.aborted !== true) this.#streams.add(stream);
    return stream;
  }

  /** Gives an event to every loop. */
  emit(event: T): void {
    for (const stream of this.#streams) stream.push(event);
  }

  /** Ends every loop, once it has taken what is left. */
  close(): void {
    this.#closed = true;
    for (const stream of [...this.#streams]) stream.end();
  }
}
