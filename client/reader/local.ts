import type { FrameDeadline, ScheduleOptions } from '../pace.ts';
import type { SessionInfo } from '../session.ts';
import { type ClientState, sameState } from '../state.ts';
import { StateStream } from '../states.ts';
import { PictureMemory } from '../tiles/memory.ts';
import { Picture } from '../tiles/picture.ts';
import type { SharedPlanes } from '../tiles/shared-planes.ts';
import { keepUp } from './keep-up.ts';
import { PictureLoop } from './loop.ts';
import { NewestStream } from './newest.ts';
import type { OutcomeCounts, PictureReader, PicturesOptions, PictureUpdate } from './reader.ts';
import type { GuestCursor, GuestSource, StreamOptions } from './source.ts';

/**
 * Keeps a picture in this thread, from a source that somebody else has made.
 *
 * Ownership: the source stays its maker's to close.
 */
export class LocalReader implements PictureReader {
  readonly picture: Picture = new Picture({ memory: new PictureMemory({ shared: true }) });
  readonly #source: GuestSource;
  readonly #closing: AbortController = new AbortController();
  readonly #statesDone: Promise<void>;
  readonly #changing: Set<() => void> = new Set();
  readonly #streams: Set<NewestStream<PictureUpdate>> = new Set();
  readonly #loop: PictureLoop;
  #base: ClientState;
  /** What is wrong on our side with frames that the source takes for good. */
  #refusal: ClientState | undefined;
  #shown: ClientState;

  constructor(source: GuestSource, options: { readonly log?: (line: string) => void } = {}) {
    const log = options.log ?? (() => {});
    this.#source = source;
    this.#base = source.state;
    this.#shown = source.state;
    this.#loop = new PictureLoop({
      source,
      picture: this.picture,
      log,
      updated: (update) => {
        for (const stream of this.#streams) stream.put(update);
      },
      refused: (refusal) => {
        this.#refusal = refusal;
        this.#show();
      },
      ended: () => {
        for (const stream of this.#streams) stream.end();
      },
    });
    const { signal } = this.#closing;
    this.#statesDone = keepUp({ what: 'states', signal, follow: () => this.#followStates(), log });
  }

  get planes(): SharedPlanes | undefined {
    return this.picture.planes;
  }

  get state(): ClientState {
    return this.#shown;
  }

  get session(): SessionInfo | undefined {
    return this.#source.session;
  }

  get stats(): GuestSource['stats'] {
    return this.#source.stats;
  }

  get outcomes(): OutcomeCounts {
    return this.#loop.outcomes;
  }

  states(options: StreamOptions = {}): AsyncIterableIterator<ClientState> {
    const reader = this;
    const source = {
      get state(): ClientState {
        return reader.state;
      },
      get closed(): boolean {
        return reader.#closing.signal.aborted;
      },
      change: (signal: AbortSignal) => this.#change(signal),
    };
    return new StateStream(source, options.signal);
  }

  cursor(options: StreamOptions = {}): AsyncIterable<GuestCursor> {
    return this.#source.cursor(options);
  }

  pictures(options: PicturesOptions = {}): AsyncIterableIterator<PictureUpdate> {
    const stream: NewestStream<PictureUpdate> = new NewestStream(options.signal, () => {
      this.#streams.delete(stream);
      return this.#streams.size === 0 ? this.#loop.stop() : undefined;
    });
    if (stream.over || this.#closing.signal.aborted) {
      stream.end();
      return stream;
    }
    this.#streams.add(stream);
    this.#loop.maxFps = options.maxFps;
    this.#loop.start();
    return stream;
  }

  setI420(on: boolean): void {
    if (!this.#closing.signal.aborted) this.picture.keepPlanes(on);
  }

  schedule(wish: ScheduleOptions | undefined): void {
    this.#source.schedule?.(wish);
  }

  presented(deadline: FrameDeadline, waitedNs: number): void {
    this.#source.presented?.(deadline, waitedNs);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const stream of [...this.#streams]) stream.end();
    for (const wake of [...this.#changing]) wake();
    await Promise.all([this.#statesDone, this.#loop.stop()]);
    this.picture.close();
  }

  async #followStates(): Promise<void> {
    const { signal } = this.#closing;
    for await (const state of this.#source.states({ signal })) {
      this.#base = state;
      this.#show();
    }
  }

  #show(): void {
    const state = this.#refusal ?? this.#base;
    if (sameState(state, this.#shown)) return;
    this.#shown = state;
    for (const wake of [...this.#changing]) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#changing.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#changing.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
