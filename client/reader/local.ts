import type { FrameDeadline, ScheduleOptions } from '../pace.ts';
import type { SessionInfo } from '../session.ts';
import type { ClientState } from '../state.ts';
import { PictureMemory } from '../tiles/memory.ts';
import { Picture } from '../tiles/picture.ts';
import type { SharedPlanes } from '../tiles/shared-planes.ts';
import { StateBoard } from './board.ts';
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
  readonly picture: Picture;
  readonly #source: GuestSource;
  readonly #closing: AbortController = new AbortController();
  readonly #statesDone: Promise<void>;
  readonly #board: StateBoard;
  readonly #streams: Set<NewestStream<PictureUpdate>> = new Set();
  readonly #loop: PictureLoop;
  #base: ClientState;
  /** What is wrong on our side with frames that the source takes for good. */
  #refusal: ClientState | undefined;

  /**
   * @param options `after`: the serial and epoch that the picture counts on from; `mustShare`: a
   * picture that others cannot read is of no use
   */
  constructor(
    source: GuestSource,
    options: {
      readonly log?: (line: string) => void;
      readonly after?: { readonly serial: number; readonly epoch: number };
      readonly mustShare?: boolean;
    } = {},
  ) {
    const { after = { serial: 0, epoch: 0 } } = options;
    const shared = options.mustShare === true ? 'must' : true;
    this.picture = new Picture({ memory: new PictureMemory({ shared }), after });
    const log = options.log ?? (() => {});
    this.#source = source;
    this.#base = source.state;
    this.#board = new StateBoard(source.state);
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
    return this.#board.state;
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
    return this.#board.states(options);
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

  attend(): void {
    this.#source.attend?.();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const stream of [...this.#streams]) stream.end();
    this.#board.close();
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
    this.#board.show(this.#refusal ?? this.#base);
  }
}
