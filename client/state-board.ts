import { channel } from 'node:diagnostics_channel';
import { type ClientState, sameState } from './state.ts';

const states = channel('kvmfr:client:state');

/** What a client tells of the guest, and who waits for that to change. */
export class StateBoard {
  readonly #path: string;
  /** What keeps single streams from giving what they should. */
  readonly #issues: Map<object, ClientState> = new Map();
  readonly #waiting: Set<() => void> = new Set();
  #base: ClientState;
  #shown: ClientState;

  /** `state` is told until there is another. */
  constructor(path: string, state: ClientState) {
    this.#path = path;
    this.#base = state;
    this.#shown = state;
  }

  /** What is told now. */
  get shown(): ClientState {
    return this.#shown;
  }

  /** How it stands with the guest. */
  set(state: ClientState): void {
    if (sameState(state, this.#base)) return;
    this.#base = state;
    this.#show();
  }

  /** What keeps a stream from giving what it should; undefined when nothing does. */
  setIssue(stream: object, issue: ClientState | undefined): void {
    if (issue === undefined) this.#issues.delete(stream);
    else this.#issues.set(stream, issue);
    this.#show();
  }

  /** What was wrong with the streams is over. What is told changes with the next {@link set}. */
  dropIssues(): void {
    this.#issues.clear();
  }

  /** Wakes whoever waits for a change. */
  notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Waits for any change: of state, session, or the end; or for the signal. */
  change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  #show(): void {
    // What is wrong with single streams only matters while a publisher is alive.
    const [issue] = this.#base.name === 'showing' ? this.#issues.values() : [];
    const state = issue ?? this.#base;
    if (sameState(state, this.#shown)) return;
    this.#shown = state;
    if (states.hasSubscribers) states.publish({ path: this.#path, state });
    this.notify();
  }
}
