import { Turns } from '../turns.ts';

/**
 * A stream of which only the newest value counts: one that was not asked for in time is replaced.
 * Ends when its signal fires, and at {@link end}.
 */
export class NewestStream<T extends object> implements AsyncIterableIterator<T> {
  readonly #signal: AbortSignal | undefined;
  readonly #turns: Turns = new Turns();
  readonly #onAbort: () => void = () => this.end();
  readonly #ended: () => Promise<void> | undefined;
  #value: T | undefined;
  #resolve: ((result: IteratorResult<T, undefined>) => void) | undefined;
  #over = false;
  #leaving: Promise<void> | undefined;

  /**
   * @param signal when it has fired already the stream is over from the start
   * @param ended is called once, when a stream that had begun is over: whoever feeds it can stop
   */
  constructor(signal: AbortSignal | undefined, ended: () => Promise<void> | undefined) {
    this.#signal = signal;
    this.#ended = ended;
    this.#over = signal?.aborted ?? false;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#over;
  }

  /** Gives a value to who waits, or keeps it in place of an older one. */
  put(value: T): void {
    if (this.#over) return;
    const resolve = this.#resolve;
    this.#resolve = undefined;
    if (resolve === undefined) this.#value = value;
    else resolve({ done: false, value });
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#turns.take(() => this.#next());
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    const value = this.#value;
    this.#value = undefined;
    if (!this.#over && value !== undefined) return { done: false, value };
    if (!this.#over)
      return await new Promise((resolve) => {
        this.#resolve = resolve;
      });
    await this.#leaving;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    await this.#leaving;
    return { done: true, value: undefined };
  }

  /** Ends the stream for whoever iterates it. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#value = undefined;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#leaving = this.#ended();
    if (resolve === undefined) return;
    const done = { done: true, value: undefined } as const;
    if (this.#leaving === undefined) resolve(done);
    else
      void this.#leaving.then(
        () => resolve(done),
        () => resolve(done),
      );
  }
}
