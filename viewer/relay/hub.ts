import type { ClientState } from '../../client/index.ts';
import { stateOfError } from '../../client/state.ts';
import { Picture, type PictureOutcome } from '../../client/tiles/picture.ts';
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
import { pause } from './pause.ts';
import type { GuestCursor, GuestCursorShape, GuestFrame, GuestSource } from './source.ts';
import { summariseState } from './summary.ts';
import { monotonicMs } from './timeline.ts';

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
  readonly client: GuestSource;
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

/** After a stream ended with an error it is asked for again. */
const RETRY_MS = 500;

/**
 * One guest, many viewers: keeps the picture, the cursor and the state current while somebody looks,
 * and lets go of the guest's queues when nobody does.
 */
export class Hub {
  readonly client: GuestSource;
  readonly picture: Picture = new Picture();
  readonly #options: HubOptions;
  readonly coding: Coding;
  readonly #viewers = new Set<Attached>();
  readonly #pacing: Pacing;
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
  #session: GuestSource['session'];
  #state: State;
  /** What is wrong on our side with frames that the client takes for good. */
  #refusal: ClientState | undefined;
  #shape: GuestCursorShape | undefined;
  #shapeId = 0;
  readonly #messages: { [what in Notice]: Uint8Array | undefined };
  #pictureMessage: Uint8Array | undefined;
  #pictureEpoch = 0;
  readonly #outcomes: { [outcome in PictureOutcome]: number } = {
    changed: 0,
    same: 0,
    'given-up': 0,
  };
  #counted: { readonly atMs: number; readonly frames: number } = { atMs: 0, frames: 0 };

  constructor(options: HubOptions) {
    this.#options = options;
    this.client = options.client;
    this.#pacing = new Pacing(options.client, options.maxFps);
    this.#state = summariseState(options.client.state, options.client.session);
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
      planes: { current: undefined, want: () => {} },
      pump: () => this.#pumpAll(),
      log: options.log,
      ...(options.bitrateKbits === undefined ? {} : { bitrateKbits: options.bitrateKbits }),
      ...(options.maxFps === undefined ? {} : { maxFps: options.maxFps }),
    });
    const { signal } = this.#closing;
    this.#statesDone = this.#keepUp('states', signal, () => this.#followStates(signal));
  }

  /** The state of the guest's screen. */
  get state(): State {
    return this.#state;
  }

  /** What became of the frames that were taken. */
  get outcomes(): { readonly [outcome in PictureOutcome]: number } {
    return this.#outcomes;
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
    return this.picture.epoch > 0 && !this.picture.updating;
  }

  /** A viewer has come. */
  attach(viewer: Attached): void {
    this.#viewers.add(viewer);
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
    this.#pacing.follow(this.#viewers);
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
  async copyPicture<T>(timeoutMs: number, copy: (picture: Picture) => T): Promise<T | undefined> {
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

  /** Ends all that runs. The client is left to whoever made it. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#graceTimer);
    clearInterval(this.#tickTimer);
    this.#viewers.clear();
    this.#pacing.release();
    this.#unwatch();
    await Promise.all([this.#statesDone, this.#watched]);
    await this.coding.close();
  }

  #watch(): void {
    const watching = new AbortController();
    const { signal } = watching;
    const before = this.#watched;
    this.#watching = watching;
    this.#fresh = false;
    const stream = async (what: string, follow: () => Promise<void>): Promise<void> => {
      // Two loops on one picture would be one too many.
      await before;
      await this.#keepUp(what, signal, follow);
    };
    this.#watched = Promise.all([
      stream('frames', () => this.#followFrames(signal)),
      stream('cursor', () => this.#followCursor(signal)),
    ]);
  }

  #unwatch(): void {
    this.#graceTimer = undefined;
    this.#watching?.abort();
    this.#watching = undefined;
    this.#fresh = false;
    this.coding.rest();
  }

  /** Follows a stream until it ends, as it does when the client closes, and again after an error. */
  async #keepUp(what: string, signal: AbortSignal, follow: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await follow();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log(`${what}: ${stateOfError(error).message}`);
        await pause(RETRY_MS, signal);
      }
    }
  }

  async #followStates(signal: AbortSignal): Promise<void> {
    for await (const state of this.client.states({ signal })) this.#show(this.#refusal ?? state);
  }

  async #followFrames(signal: AbortSignal): Promise<void> {
    const gapMs = this.#options.maxFps === undefined ? 0 : 1000 / this.#options.maxFps;
    let dueMs = 0;
    for await (const frame of this.client.frames({ signal, partial: true })) {
      const takenMs = performance.now();
      await this.#take(frame);
      if (signal.aborted) break;
      if (gapMs === 0) continue;
      // Counted from when the frame was due, so that timers that are a little late do not add up.
      dueMs = (takenMs - dueMs < gapMs ? dueMs : takenMs) + gapMs;
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await pause(leftMs, signal);
    }
  }

  async #take(frame: GuestFrame): Promise<void> {
    const session = this.client.session;
    if (session !== undefined && session !== this.#session) {
      this.picture.startOver();
      this.#session = session;
      this.#show(this.#refusal ?? this.client.state);
    }
    try {
      const seenMs = monotonicMs();
      const outcome = await this.picture.update(frame);
      const appliedMs = monotonicMs();
      if (outcome === 'changed')
        this.coding.pictureChanged({ seenMs, arrivedMs: appliedMs, appliedMs });
      this.#outcomes[outcome]++;
      if (outcome !== 'given-up') this.#fresh = true;
      this.#refuse(undefined);
    } catch (error) {
      this.#outcomes['given-up']++;
      this.#refuse(stateOfError(error));
    } finally {
      frame.release();
    }
    this.#wake();
    this.#pumpAll();
  }

  async #followCursor(signal: AbortSignal): Promise<void> {
    for await (const cursor of this.client.cursor({ signal })) this.#point(cursor);
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

  /** Says that frames cannot be shown and why, once, or that they can again. */
  #refuse(refusal: ClientState | undefined): void {
    if (refusal?.message === this.#refusal?.message) return;
    this.#refusal = refusal;
    if (refusal !== undefined) this.#options.log(`frames: ${refusal.message}`);
    this.#show(refusal ?? this.client.state);
  }

  #show(state: ClientState): void {
    this.#state = summariseState(state, this.client.session);
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
    const { framesSkipped, framesGivenUp } = this.client.stats;
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
    const { framesSeen, framesSkipped } = this.client.stats;
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
