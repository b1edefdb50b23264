import type { ClientState } from '../../client/index.ts';
import { keepUp } from '../../client/reader/keep-up.ts';
import type { OutcomeCounts, PictureReader, PictureUpdate } from '../../client/reader/reader.ts';
import type { PictureView } from '../../client/tiles/view.ts';
import {
  type Codec,
  encodeCursor,
  encodeCursorShape,
  encodePicture,
  encodeState,
  encodeStats,
  type State,
} from '../../protocol/wire/index.ts';
import type { Encoder, VideoEncoder, VideoSettings } from '../encode/index.ts';
import { Coding } from './coding.ts';
import { type PacedViewer, Pacing } from './pacing.ts';
import type { GuestCursor, GuestCursorShape } from './source.ts';
import { summariseState } from './summary.ts';

/** What every viewer is told, each kind coded once into a message that all share. */
export type Notice = 'state' | 'shape' | 'cursor' | 'stats';

/** What the hub needs of a viewer. Nothing here ever throws. */
export interface Attached extends PacedViewer {
  /** Whether it wants pictures. */
  readonly visible: boolean;
  /** Sends whatever is new and there is room for. */
  pump(): void;
  /** A notice has changed. */
  notice(what: Notice): void;
  /** About a second has passed. Units: milliseconds of `performance.now()`. */
  tick(nowMs: number): void;
}

/** What a hub is made with. */
export interface HubOptions {
  /** Ownership: the hub closes it. */
  readonly reader: PictureReader;
  /** Makes the encoders; `onIdle` is what they call when they can be asked again. */
  readonly encoders: (onIdle: () => void) => readonly Encoder[];
  /** Video codecs that may be offered. */
  readonly codecs: readonly Codec[];
  readonly openVideo: (settings: VideoSettings) => VideoEncoder;
  readonly bitrateKbits?: number;
  /** Most frames taken in a second; no bound when left out. */
  readonly maxFps?: number;
  /** How long the guest is still watched after the last viewer has left. */
  readonly idleGraceMs: number;
  readonly tickMs: number;
  readonly log: (line: string) => void;
}

/**
 * One guest, many viewers: keeps the picture, the cursor and the state current while somebody looks,
 * and lets go of the guest's queues when nobody does.
 */
export class Hub {
  readonly reader: PictureReader;
  readonly picture: PictureView;
  readonly #options: HubOptions;
  readonly coding: Coding;
  readonly #viewers = new Set<Attached>();
  readonly pacing: Pacing;
  readonly #closing = new AbortController();
  readonly #statesDone: Promise<void>;
  /** Fires when nobody looks any more; undefined while nobody does. */
  #watching: AbortController | undefined;
  /** Settles when the loops of the last time somebody looked have ended. */
  #watched: Promise<unknown> = Promise.resolve();
  #graceTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #holds = 0;
  /** Whether a frame has come since the guest is watched again. */
  #fresh = false;
  readonly #waiting = new Set<() => void>();
  #session: PictureReader['session'];
  #state: State;
  #shape: GuestCursorShape | undefined;
  #shapeId = 0;
  readonly #messages: { [what in Notice]: Uint8Array | undefined };
  #pictureMessage: Uint8Array | undefined;
  #pictureEpoch = 0;
  #counted: { readonly atMs: number; readonly frames: number } = { atMs: 0, frames: 0 };

  constructor(options: HubOptions) {
    this.#options = options;
    const { reader } = options;
    this.reader = reader;
    this.picture = reader.picture;
    this.pacing = new Pacing(reader, options.maxFps);
    this.#state = summariseState(reader.state, reader.session);
    this.#messages = {
      state: encodeState(this.#state),
      shape: undefined,
      cursor: undefined,
      stats: undefined,
    };
    this.coding = new Coding({
      picture: this.picture,
      encoders: options.encoders(() => this.#pumpAll()),
      codecs: options.codecs,
      openVideo: options.openVideo,
      planes: {
        get current() {
          return reader.planes;
        },
        want: (on) => reader.setI420(on),
      },
      pump: () => this.#pumpAll(),
      log: options.log,
      ...(options.bitrateKbits === undefined ? {} : { bitrateKbits: options.bitrateKbits }),
      ...(options.maxFps === undefined ? {} : { maxFps: options.maxFps }),
    });
    const { signal } = this.#closing;
    this.#statesDone = this.#keepUp('states', signal, (until) => this.#followStates(until));
  }

  /** The state of the guest's screen. */
  get state(): State {
    return this.#state;
  }

  /** What became of the frames that were taken. */
  get outcomes(): OutcomeCounts {
    return this.reader.outcomes;
  }

  /** Whether the guest is being watched. */
  get watching(): boolean {
    return this.#watching !== undefined;
  }

  /** The newest message of a kind, for a viewer to send; undefined when there is none yet. */
  message(what: Notice): Uint8Array | undefined {
    return this.#messages[what];
  }

  /** The picture message of the current epoch. */
  pictureMessage(): Uint8Array | undefined {
    const { geometry, epoch } = this.picture;
    if (geometry !== undefined && this.#pictureEpoch !== epoch) {
      this.#pictureMessage = encodePicture({ ...geometry, epoch });
      this.#pictureEpoch = epoch;
    }
    return this.#pictureMessage;
  }

  /** Whether there is a picture to be sent, and no update is under way that would tear it. */
  get presentable(): boolean {
    if (this.#closing.signal.aborted) return false;
    return this.picture.epoch > 0 && !this.picture.updating;
  }

  /** A viewer has come. */
  attach(viewer: Attached): void {
    this.#viewers.add(viewer);
    this.reader.attend?.();
    if (this.#tickTimer === undefined) {
      this.#counted = this.#count();
      this.#tickTimer = setInterval(() => this.#tick(), this.#options.tickMs);
    }
    this.demandChanged();
  }

  /** A viewer has gone. */
  detach(viewer: Attached): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size === 0) {
      clearInterval(this.#tickTimer);
      this.#tickTimer = undefined;
    }
    this.demandChanged();
  }

  /**
   * A viewer has come, gone, hidden or shown itself, or measured its display: watches the guest
   * while one is visible, at the pace of the fastest.
   */
  demandChanged(): void {
    if (this.#closing.signal.aborted) return;
    this.pacing.follow(this.#viewers);
    let wanted = this.#holds > 0;
    for (const viewer of this.#viewers) wanted ||= viewer.visible;
    if (wanted) {
      clearTimeout(this.#graceTimer);
      this.#graceTimer = undefined;
      if (this.#watching === undefined) this.#watch();
    } else if (this.#watching !== undefined) {
      this.#graceTimer ??= setTimeout(() => this.#unwatch(), this.#options.idleGraceMs);
    }
  }

  /**
   * Copies from a current picture, watching the guest meanwhile if nobody else does. Waits for it
   * while the state lets one expect frames.
   *
   * @param copy is called at once when there is a picture that no update is tearing
   * @returns undefined when there is none: nothing came in this time, and nothing is left from before
   */
  async copyPicture<T>(
    timeoutMs: number,
    copy: (picture: PictureView) => T,
  ): Promise<T | undefined> {
    this.#holds++;
    this.demandChanged();
    const deadline = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]);
    try {
      while (!deadline.aborted && !this.#settled) await this.#nextEvent(deadline);
      return this.presentable ? copy(this.picture) : undefined;
    } finally {
      this.#holds--;
      this.demandChanged();
    }
  }

  /** Ends all that runs, the reader too. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#graceTimer);
    clearInterval(this.#tickTimer);
    this.#viewers.clear();
    this.pacing.release();
    this.#unwatch();
    await this.reader.close();
    await Promise.all([this.#statesDone, this.#watched]);
    await this.coding.close();
  }

  #watch(): void {
    const watching = new AbortController();
    const { signal } = watching;
    const before = this.#watched;
    this.#watching = watching;
    this.#fresh = false;
    const stream = async (
      what: string,
      follow: (signal: AbortSignal) => Promise<void>,
    ): Promise<void> => {
      await before;
      await this.#keepUp(what, signal, follow);
    };
    this.#watched = Promise.all([
      stream('frames', (until) => this.#followPictures(until)),
      stream('cursor', (until) => this.#followCursor(until)),
    ]);
  }

  #unwatch(): void {
    this.#graceTimer = undefined;
    this.#watching?.abort();
    this.#watching = undefined;
    this.#fresh = false;
    this.coding.rest();
  }

  async #keepUp(
    what: string,
    signal: AbortSignal,
    follow: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await keepUp({ what, signal, follow, log: this.#options.log });
  }

  async #followStates(signal: AbortSignal): Promise<void> {
    for await (const state of this.reader.states({ signal })) this.#show(state);
  }

  async #followPictures(signal: AbortSignal): Promise<void> {
    const { maxFps } = this.#options;
    for await (const update of this.reader.pictures({ signal, maxFps })) this.#updated(update);
  }

  #updated(update: PictureUpdate): void {
    const { session, state } = this.reader;
    if (session !== undefined && session !== this.#session) {
      this.#session = session;
      this.#show(state);
    }
    if (update.outcome !== 'given-up') this.#fresh = true;
    this.pacing.updated(update);
    if (update.outcome === 'changed') this.coding.pictureChanged(update.times);
    this.#wake();
    this.#pumpAll();
  }

  async #followCursor(signal: AbortSignal): Promise<void> {
    for await (const cursor of this.reader.cursor({ signal })) this.#point(cursor);
  }

  #point(cursor: GuestCursor): void {
    const { shape } = cursor;
    if (shape !== undefined && shape !== this.#shape) {
      this.#shape = shape;
      this.#shapeId = this.#shapeId < 0xffff_ffff ? this.#shapeId + 1 : 1;
      this.#messages.shape = encodeCursorShape({ ...shape, shapeId: this.#shapeId });
      this.#notify('shape');
    }
    this.#messages.cursor = encodeCursor({ ...cursor, shapeId: this.#shapeId });
    this.#notify('cursor');
  }

  #show(state: ClientState): void {
    this.#state = summariseState(state, this.reader.session);
    this.#messages.state = encodeState(this.#state);
    this.#notify('state');
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #tick(): void {
    const before = this.#counted;
    const now = this.#count();
    this.#counted = now;
    const fps = ((now.frames - before.frames) * 1000) / (now.atMs - before.atMs);
    const { framesSkipped, framesGivenUp } = this.reader.stats;
    this.#messages.stats = encodeStats({
      viewers: this.#viewers.size,
      guestFps: Number.isFinite(fps) ? Math.max(0, Math.round(fps * 10) / 10) : 0,
      framesSkipped,
      framesGivenUp,
    });
    for (const viewer of this.#viewers) viewer.tick(now.atMs);
    this.coding.tick();
    this.#notify('stats');
  }

  #count(): { readonly atMs: number; readonly frames: number } {
    const { framesSeen, framesSkipped } = this.reader.stats;
    return { atMs: performance.now(), frames: framesSeen + framesSkipped };
  }

  #notify(what: Notice): void {
    for (const viewer of this.#viewers) viewer.notice(what);
  }

  #pumpAll(): void {
    for (const viewer of this.#viewers) viewer.pump();
  }

  /** Whether waiting longer would not give a better picture. */
  get #settled(): boolean {
    if (this.picture.updating) return false;
    const { state } = this.#state;
    return this.#fresh || (state !== 'showing' && state !== 'too-small');
  }

  async #nextEvent(deadline: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        deadline.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      deadline.addEventListener('abort', wake);
    });
  }
}
