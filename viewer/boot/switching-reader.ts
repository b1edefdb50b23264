import { monotonicMs } from '../../client/clock.ts';
import { StateBoard } from '../../client/reader/board.ts';
import { keepUp } from '../../client/reader/keep-up.ts';
import { NewestStream } from '../../client/reader/newest.ts';
import type {
  OutcomeCounts,
  PictureReader,
  PicturesOptions,
  PictureUpdate,
} from '../../client/reader/reader.ts';
import type { GuestCursor, StreamOptions } from '../../client/reader/source.ts';
import type { ClientState } from '../../client/state.ts';
import { joinedState } from './joined-state.ts';
import { SwitchingView } from './switching-view.ts';

/** What is switched between. */
export interface SwitchingReaderOptions {
  /** What is shown whenever it has something to show. Ownership: closed with this. */
  readonly main: PictureReader;
  /** What is shown while that has nothing. Ownership: closed with this. */
  readonly boot: PictureReader;
  /** How long `main` may be away before the other one takes its place. Units: milliseconds. */
  readonly graceMs?: number;
  /** How long it may be there without a frame. Units: milliseconds. */
  readonly firstFrameMs?: number;
  readonly log?: (line: string) => void;
}

/** A publisher that starts again within it is not left. */
const GRACE_MS = 400;
/** A publisher on a busy machine has sent a frame by then. */
const FIRST_FRAME_MS = 2000;
const NO_POINTER: GuestCursor = { visible: false, x: 0, y: 0, shape: undefined };

/** Follows one stream at a time, until it is told otherwise. */
class Following {
  #run: AbortController | undefined;

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  start(follow: (signal: AbortSignal) => Promise<void>, log: (line: string) => void): void {
    this.stop();
    const run = new AbortController();
    this.#run = run;
    void keepUp({ what: 'pictures', signal: run.signal, follow, log });
  }

  stop(): void {
    this.#run?.abort();
    this.#run = undefined;
  }
}

/**
 * Two readers behind one face: the picture of the first whenever it has one, that of the second while
 * it has not. A switch happens when a frame of the other one is there, never before, so nobody sees
 * an empty picture in between, nor the last one of a guest that is gone as if it were alive.
 *
 * While the first is shown, nothing of the second is copied.
 */
export class SwitchingReader implements PictureReader {
  readonly picture: SwitchingView;
  readonly #main: PictureReader;
  readonly #boot: PictureReader;
  readonly #graceMs: number;
  readonly #firstFrameMs: number;
  readonly #log: (line: string) => void;
  readonly #board: StateBoard;
  readonly #closing = new AbortController();
  readonly #streams = new Set<NewestStream<PictureUpdate>>();
  readonly #pointers = new Set<NewestStream<GuestCursor>>();
  readonly #mainRun = new Following();
  readonly #bootRun = new Following();
  readonly #pointing = new Following();
  #shown: PictureReader;
  #maxFps: number | undefined;
  #i420 = false;
  #cursor: GuestCursor | undefined;
  /** Whether `main` is alive, and whether a frame has come since. */
  #isAlive = false;
  #hasFrame = false;
  /** Whose frame came last. */
  #frameSession: PictureReader['session'];
  /** Runs while `main` has nothing to show. */
  #patience: NodeJS.Timeout | undefined;
  #isLacking = false;

  constructor(options: SwitchingReaderOptions) {
    this.#main = options.main;
    this.#boot = options.boot;
    this.#graceMs = options.graceMs ?? GRACE_MS;
    this.#firstFrameMs = options.firstFrameMs ?? FIRST_FRAME_MS;
    this.#log = options.log ?? (() => {});
    this.#shown = options.main;
    this.picture = new SwitchingView(options.main.picture);
    this.#board = new StateBoard(this.#joined());
    this.#look();
    const { signal } = this.#closing;
    for (const reader of [this.#main, this.#boot])
      void (async () => {
        for await (const _ of reader.states({ signal })) this.#look();
      })();
  }

  get planes(): PictureReader['planes'] {
    return this.#shown.planes;
  }

  get state(): ClientState {
    return this.#board.state;
  }

  get session(): PictureReader['session'] {
    return this.#shown.session;
  }

  get stats(): PictureReader['stats'] {
    const [main, boot] = [this.#main.stats, this.#boot.stats];
    return {
      sessions: main.sessions + boot.sessions,
      framesSeen: main.framesSeen + boot.framesSeen,
      framesSkipped: main.framesSkipped + boot.framesSkipped,
      framesGivenUp: main.framesGivenUp + boot.framesGivenUp,
    };
  }

  get outcomes(): OutcomeCounts {
    const [main, boot] = [this.#main.outcomes, this.#boot.outcomes];
    return {
      changed: main.changed + boot.changed,
      same: main.same + boot.same,
      'given-up': main['given-up'] + boot['given-up'],
    };
  }

  states(options: StreamOptions = {}): AsyncIterableIterator<ClientState> {
    return this.#board.states(options);
  }

  cursor(options: StreamOptions = {}): AsyncIterableIterator<GuestCursor> {
    const stream = this.#stream(this.#pointers, options, () => {
      if (this.#pointers.size === 0) this.#pointing.stop();
    });
    if (stream.over) return stream;
    if (!this.#pointing.isRunning) this.#point();
    else if (this.#cursor !== undefined) stream.put(this.#cursor);
    return stream;
  }

  pictures(options: PicturesOptions = {}): AsyncIterableIterator<PictureUpdate> {
    const stream = this.#stream(this.#streams, options, () => this.#look());
    if (stream.over) return stream;
    if (options.maxFps !== this.#maxFps) {
      this.#maxFps = options.maxFps;
      this.#mainRun.stop();
      this.#bootRun.stop();
    }
    this.#look();
    return stream;
  }

  setI420(on: boolean): void {
    this.#i420 = on;
    this.#main.setI420(on);
    if (this.#bootRun.isRunning) this.#boot.setI420(on);
  }

  schedule(wish: { readonly periodNs: number } | undefined): void {
    this.#main.schedule(wish);
  }

  presented(...told: Parameters<NonNullable<PictureReader['presented']>>): void {
    this.#main.presented?.(...told);
  }

  attend(): void {
    this.#main.attend?.();
    this.#boot.attend?.();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#patience);
    for (const run of [this.#mainRun, this.#bootRun, this.#pointing]) run.stop();
    for (const stream of [...this.#streams, ...this.#pointers]) stream.end();
    this.#board.close();
    await Promise.all([this.#main.close(), this.#boot.close()]);
  }

  #stream<T extends object>(
    streams: Set<NewestStream<T>>,
    { signal }: StreamOptions,
    left: () => void,
  ): NewestStream<T> {
    const ended = new AbortController();
    const stream: NewestStream<T> = new NewestStream(undefined, () => {
      ended.abort();
      if (streams.delete(stream)) left();
      return undefined;
    });
    if (this.#closing.signal.aborted || signal?.aborted === true) {
      stream.end();
      return stream;
    }
    streams.add(stream);
    signal?.addEventListener('abort', () => stream.end(), { once: true, signal: ended.signal });
    return stream;
  }

  get #isWatched(): boolean {
    return this.#streams.size > 0;
  }

  /** Something has changed of what there is, or of who looks: sees to what follows from it. */
  #look(): void {
    if (this.#closing.signal.aborted) return;
    this.#lookAtMain();
    this.#waitForMain();
    if (!this.#isWatched) this.#chooseUnseen();
    this.#follow();
    this.#board.show(this.#joined());
  }

  #lookAtMain(): void {
    const { name } = this.#main.state;
    const isAlive = name === 'showing' || name === 'too-small';
    if (isAlive === this.#isAlive) return;
    this.#isAlive = isAlive;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (!isAlive) return;
    const { session } = this.#main;
    this.#hasFrame = session !== undefined && session === this.#frameSession;
    // The same publisher goes on: its picture has all that it has sent.
    if (this.#hasFrame && this.#isWatched) this.#switch(this.#main, this.#nothingNew());
  }

  /** Lets the other one in after a while in which there was nothing to show. */
  #waitForMain(): void {
    const hasAll = this.#isAlive && (this.#hasFrame || !this.#isWatched);
    if (hasAll) {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      this.#isLacking = false;
    } else if (!this.#isLacking)
      this.#patience ??= setTimeout(
        () => {
          this.#patience = undefined;
          this.#isLacking = true;
          this.#look();
        },
        this.#isAlive ? this.#firstFrameMs : this.#graceMs,
      );
  }

  /** Nobody sees a picture, so none is waited for. */
  #chooseUnseen(): void {
    if (this.#isAlive) this.#show(this.#main);
    else if (this.#isLacking && this.#boot.state.name === 'showing') this.#show(this.#boot);
  }

  #follow(): void {
    const isWatched = this.#isWatched;
    if (!isWatched) this.#mainRun.stop();
    else if (!this.#mainRun.isRunning) this.#start(this.#mainRun, this.#main);
    const isWanted = isWatched && (this.#isLacking || this.#shown === this.#boot);
    if (isWanted === this.#bootRun.isRunning) return;
    if (isWanted) this.#start(this.#bootRun, this.#boot);
    else this.#bootRun.stop();
    this.#boot.setI420(isWanted && this.#i420);
  }

  #start(run: Following, reader: PictureReader): void {
    const maxFps = this.#maxFps;
    run.start(async (signal) => {
      for await (const update of reader.pictures({ signal, maxFps })) this.#updated(reader, update);
    }, this.#log);
  }

  #updated(reader: PictureReader, update: PictureUpdate): void {
    const isWhole = update.outcome !== 'given-up' && reader.picture.epoch > 0;
    if (isWhole && reader === this.#main) {
      this.#frameSession = reader.session;
      if (this.#isAlive && !this.#hasFrame) {
        this.#hasFrame = true;
        this.#waitForMain();
        this.#follow();
      }
    }
    if (reader === this.#shown) this.#tell(update);
    else if (isWhole && (reader === this.#main ? this.#isAlive : this.#isLacking))
      this.#switch(reader, update);
  }

  /** Shows the picture of a reader, which has one. To who has seen the other all of it is new. */
  #switch(reader: PictureReader, update: PictureUpdate): void {
    if (reader === this.#shown) return;
    this.#show(reader);
    this.#tell({ ...update, outcome: 'changed' });
    this.#follow();
    this.#board.show(this.#joined());
  }

  #tell(update: PictureUpdate): void {
    // By the epochs of the picture that is shown.
    const epoch = update.epoch === this.#shown.picture.epoch ? this.picture.epoch : 0;
    const told = epoch === update.epoch ? update : { ...update, epoch };
    for (const stream of [...this.#streams]) stream.put(told);
  }

  /** Tells of a picture that is as it was. */
  #nothingNew(): PictureUpdate {
    const { epoch, serial } = this.#main.picture;
    const now = monotonicMs();
    const times = { producerMs: undefined, beforeMs: undefined, seenMs: now };
    return { outcome: 'same', epoch, serial, times: { ...times, arrivedMs: now, appliedMs: now } };
  }

  #show(reader: PictureReader): void {
    if (reader === this.#shown) return;
    this.#shown = reader;
    this.picture.show(reader.picture);
    if (this.#pointing.isRunning) this.#point();
  }

  #point(): void {
    const reader = this.#shown;
    this.#pointer(NO_POINTER);
    this.#pointing.start(async (signal) => {
      for await (const cursor of reader.cursor({ signal }))
        if (!signal.aborted) this.#pointer(cursor);
    }, this.#log);
  }

  #pointer(cursor: GuestCursor): void {
    this.#cursor = cursor;
    for (const stream of [...this.#pointers]) stream.put(cursor);
  }

  #joined(): ClientState {
    const [main, boot] = [this.#main.state, this.#boot.state];
    return joinedState({
      main,
      boot,
      showsBoot: this.#shown === this.#boot,
      // What is about to be shown is waited for with the words of before.
      keeps: this.#isWatched && this.#shown === this.#main ? this.#board?.state : undefined,
    });
  }
}
