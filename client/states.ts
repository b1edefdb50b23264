import type { ClientState } from './state.ts';
import { Turns } from './turns.ts';

/** What a stream of states needs of its client. */
export interface StateSource {
  readonly state: ClientState;
  readonly closed: boolean;
  /** Waits for any change, or until the signal fires. */
  change(signal: AbortSignal): Promise<void>;
}

/** The state now, then each change; one that did not last until it was asked for is left out. */
export class StateStream implements AsyncIterableIterator<ClientState> {
  readonly #source: StateSource;
  readonly #turns: Turns = new Turns();
  readonly #stop: AbortController = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void = () => this.#end();
  #seen: ClientState | undefined;

  constructor(source: StateSource, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
    if (signal?.aborted) this.#stop.abort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<ClientState, undefined>> {
    return this.#turns.take(() => this.#next());
  }

  return(): Promise<IteratorResult<ClientState, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  async #next(): Promise<IteratorResult<ClientState, undefined>> {
    while (!this.#stop.signal.aborted && !this.#source.closed) {
      const { state } = this.#source;
      if (state !== this.#seen) {
        this.#seen = state;
        return { done: false, value: state };
      }
      await this.#source.change(this.#stop.signal);
    }
    this.#end();
    return { done: true, value: undefined };
  }

  #end(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#stop.abort();
  }
}
