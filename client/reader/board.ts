import { type ClientState, sameState } from '../state.ts';
import { StateStream } from '../states.ts';
import type { StreamOptions } from './source.ts';

/** Shows a state to whoever follows it. */
export class StateBoard {
  readonly #waiting: Set<() => void> = new Set();
  #state: ClientState;
  #closed = false;

  constructor(state: ClientState) {
    this.#state = state;
  }

  get state(): ClientState {
    return this.#state;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Shows a state, unless it says the same as the one that is shown. */
  show(state: ClientState): void {
    if (sameState(state, this.#state)) return;
    this.#state = state;
    this.#notify();
  }

  /** The state now, then each change, until the board closes or the signal fires. */
  states(options: StreamOptions = {}): AsyncIterableIterator<ClientState> {
    const board = this;
    const source = {
      get state(): ClientState {
        return board.state;
      },
      get closed(): boolean {
        return board.closed;
      },
      change: (signal: AbortSignal) => this.#change(signal),
    };
    return new StateStream(source, options.signal);
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    this.#notify();
  }

  #notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
