import { setTimeout as sleep } from 'node:timers/promises';
import { KvmfrError, type KvmfrErrorCode } from '../protocol/error.ts';
import type { AssumedWire } from '../protocol/lgmp/detect.ts';
import { HEARTBEAT_TIMEOUT_MS } from '../protocol/limits.ts';
import { type ClientStats, newClientStats } from './client-stats.ts';
import { GuestClipboardLine, type GuestClipboardOptions } from './clipboard.ts';
import { type CursorOptions, CursorStream } from './cursor.ts';
import type { Frame } from './frame.ts';
import { FrameStream, type FramesOptions } from './frames.ts';
import { GuestInputLine, type InputOptions } from './input.ts';
import {
  defaultRegionPath,
  isAway,
  isServed,
  type OpenRegion,
  openRegion,
  reachRegion,
} from './open.ts';
import { type FrameDeadline, Pace, type Pacing, type ScheduleOptions } from './pace.ts';
import { GuestPointerLine, type GuestPointerOptions } from './pointer-line.ts';
import { type QueueInfo, readQueues } from './ring.ts';
import type { Session, SessionInfo } from './session.ts';
import { type Look, SessionWatch } from './session-watch.ts';
import {
  type ClientState,
  noHost,
  showing,
  stale,
  stateOfAttachError,
  stateOfError,
  stateOfOpenError,
} from './state.ts';
import { StateBoard } from './state-board.ts';
import { StateStream } from './states.ts';
import type { StreamHost, Subscription } from './subscription.ts';

/** How a client is made. */
export interface ClientOptions {
  /** Closes the client when it fires. */
  readonly signal?: AbortSignal;
  /** Read an unknown newer wire by the rules of a known one, with all checks, at one's own risk. */
  readonly assume?: AssumedWire | undefined;
  /**
   * Who looks at the region: a `thread` of its own (the default), which sees a frame also while this
   * thread is busy; or the event `loop` of this thread, sooner and at less cost.
   */
  readonly looks?: 'thread' | 'loop';
}

/** Between two looks for a publisher. */
const SEARCH_MS = 20;
/** Between two looks at the heartbeat of the publisher we are attached to, or cannot read. */
const PULSE_MS = 100;
/** The same while no stream waits for what it tells. */
const IDLE_PULSE_MS = 250;
/** Between two attempts to open a region that is not there. */
const OPEN_MS = 250;
/** Between two looks at whether the path still names what is mapped. */
const PRESENCE_MS = 500;

/** Errors that time does not mend: the machine or the call is wrong, not the region. */
const LASTING: ReadonlySet<KvmfrErrorCode> = new Set([
  'ERR_KVMFR_ARGUMENT',
  'ERR_KVMFR_NATIVE',
  'ERR_KVMFR_UNSUPPORTED',
]);

const HOST_ENDED = stale('its Looking Glass host has ended');
const HEART_STOPPED = stale('the heartbeat of its Looking Glass host has stopped');

/**
 * A reader of one region. It never gives up by itself: no region yet, no publisher yet, guest
 * started again, region replaced: it says so in {@link state}, waits, and goes on.
 *
 * Ownership: {@link close} gives back every subscriber slot, thread and mapping.
 */
export class Client implements AsyncDisposable {
  readonly path: string;
  readonly stats: ClientStats = newClientStats();
  readonly #stop: AbortController = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void = () => void this.close();
  readonly #subscriptions: Set<Subscription> = new Set();
  readonly #pace: Pace = new Pace();
  readonly #running: Promise<void>;
  #open: OpenRegion | undefined;
  #session: Session | undefined;
  #lastInfo: SessionInfo | undefined;
  readonly #assume: AssumedWire | undefined;
  readonly #looks: 'thread' | 'loop';
  readonly #served: boolean;
  readonly #board: StateBoard;
  #lasting: KvmfrError | undefined;

  /** Starts reading; returns at once, in state `waiting`. Most programs want {@link connect}. */
  constructor(path: string = defaultRegionPath(), options: ClientOptions = {}) {
    this.path = path;
    this.#assume = options.assume;
    this.#looks = options.looks ?? 'thread';
    this.#served = isServed(path);
    this.#board = new StateBoard(path, { name: 'waiting', message: `opening ${path}` });
    this.#signal = options.signal;
    if (this.#signal?.aborted) this.#stop.abort();
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#running = this.#run();
  }

  /** What is known of the guest now. */
  get state(): ClientState {
    return this.#board.shown;
  }

  /** What the publisher told of itself; the last one's while none is alive. */
  get session(): SessionInfo | undefined {
    return this.#lastInfo;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Bytes of the region; undefined while it is not mapped. */
  get regionBytes(): number | undefined {
    return this.#open?.mapping.byteLength;
  }

  /**
   * The queues of the live session and who reads them; none while no publisher is attached.
   *
   * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when their number cannot be
   */
  queues(): readonly QueueInfo[] {
    const session = this.#session;
    return session?.holds() === true ? readQueues(session) : [];
  }

  /** The state now, then each change, until the client closes or the signal fires. */
  states(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<ClientState> {
    const client = this;
    const source = {
      get state(): ClientState {
        return client.state;
      },
      get closed(): boolean {
        return client.closed;
      },
      change: (signal: AbortSignal) => this.#board.change(signal),
    };
    return new StateStream(source, options.signal);
  }

  /**
   * The guest's frames, newest only. Subscribed while iterated; each call is a subscriber of its
   * own.
   */
  frames(options: FramesOptions = {}): AsyncIterableIterator<Frame> {
    return new FrameStream(this.#host, options);
  }

  /** The guest's pointer, after each change. Subscribed while iterated. */
  cursor(options: CursorOptions = {}): CursorStream {
    return new CursorStream(this.#host, options);
  }

  /**
   * The guest's keyboard and pointer, where its features say that it has them (KVMFR 34). A subscriber
   * of its own until it is closed.
   */
  input(options: InputOptions = {}): GuestInputLine {
    return new GuestInputLine(this.#host, options);
  }

  /**
   * Places of the guest's pointer, where its features say that it takes them, in every version. A
   * subscriber of the pointer queue from the first place until it is closed.
   */
  pointer(options: GuestPointerOptions = {}): GuestPointerLine {
    return new GuestPointerLine(this.#host, options);
  }

  /**
   * The guest's clipboard, where its features say that it shares one (KVMFR 34). A subscriber of its own,
   * and its owner as soon as nobody else is, until it is closed.
   */
  clipboard(options: GuestClipboardOptions = {}): GuestClipboardLine {
    return new GuestClipboardLine(this.#host, options);
  }

  /** How frames come. */
  get pacing(): Pacing {
    return this.#pace.pacing;
  }

  /**
   * Asks the publisher for a frame in time for each refresh of a display, from now on and after each
   * restart of the guest; `undefined` lets it go its own pace again.
   *
   * It is asked while {@link frames} are iterated, by the first loop that runs, and where it can be
   * (KVMFR 34). Of all clients the publisher follows the one with the shortest period: {@link pacing}
   * says whether that is us. Frames come in any case.
   *
   * @throws ERR_KVMFR_ARGUMENT for a period outside of 2 ms to 1 s
   */
  schedule(options: ScheduleOptions | undefined): void {
    this.#pace.set(options);
  }

  /**
   * Tells how long a frame was ready before it was shown, so that the publisher can move its times.
   * Only for what was measured: how long it lay in the memory of who shows it, until its refresh.
   *
   * Units: nanoseconds.
   */
  presented(deadline: FrameDeadline, waitedNs: number): void {
    this.#pace.presented(deadline, waitedNs);
  }

  /**
   * Waits until a publisher is attached.
   *
   * @throws what the signal was aborted with; ERR_KVMFR_CLOSED; and what time does not mend:
   *   ERR_KVMFR_ARGUMENT, ERR_KVMFR_NATIVE, ERR_KVMFR_UNSUPPORTED
   */
  async attached(signal?: AbortSignal): Promise<SessionInfo> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#lasting !== undefined) throw this.#lasting;
      if (this.closed)
        throw new KvmfrError('ERR_KVMFR_CLOSED', `the client of ${this.path} was closed`);
      const session = this.#session;
      if (session?.holds() === true) return session.info;
      await this.#board.change(signal);
    }
  }

  /** Gives everything back. A second call waits for the first. */
  async close(): Promise<void> {
    if (!this.closed) {
      this.#stop.abort();
      this.#signal?.removeEventListener('abort', this.#onAbort);
      this.#board.notify();
      await this.#closeStreams();
    }
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #host: StreamHost = {
    stats: this.stats,
    pace: this.#pace,
    whenSession: (signal) => this.#whenSession(signal),
    setIssue: (stream, issue) => this.#board.setIssue(stream, issue),
    register: (stream) => void this.#subscriptions.add(stream),
    unregister: (stream) => {
      this.#subscriptions.delete(stream);
      this.#board.setIssue(stream, undefined);
    },
  };

  async #run(): Promise<void> {
    while (!this.closed) {
      const open = this.#served ? await this.#tryReach() : this.#tryOpen();
      if (open === undefined) {
        if (this.#lasting !== undefined) return;
        await this.#pause(OPEN_MS);
        continue;
      }
      this.#open = open;
      let pauseMs = SEARCH_MS;
      try {
        await this.#watch(open);
      } catch (error) {
        // Whatever a region did to us, the next look starts afresh.
        this.#board.set(stateOfError(error));
        pauseMs = OPEN_MS;
      } finally {
        await this.#letGo(open);
      }
      await this.#pause(pauseMs);
    }
  }

  #tryOpen(): OpenRegion | undefined {
    try {
      return openRegion(this.path, { looks: this.#looks });
    } catch (error) {
      this.#board.set(this.#stateWithoutRegion(error));
      return undefined;
    }
  }

  async #tryReach(): Promise<OpenRegion | undefined> {
    try {
      const { signal } = this.#stop;
      const open = await reachRegion(this.path, { looks: this.#looks, signal });
      if (!this.closed) return open;
      open.mapping.close();
    } catch (error) {
      if (!this.closed) this.#board.set(this.#stateWithoutRegion(error));
    }
    return undefined;
  }

  #stateWithoutRegion(error: unknown): ClientState {
    if (!KvmfrError.is(error)) return stateOfError(error);
    if (LASTING.has(error.code)) {
      this.#lasting = error;
      // Whoever waits for a publisher need not wait any longer.
      this.#board.notify();
    }
    // Who has seen a picture keeps it, also while the file is away.
    if (error.code === 'ERR_KVMFR_ABSENT' && this.stats.sessions > 0) return HOST_ENDED;
    return stateOfOpenError(error);
  }

  async #letGo(open: OpenRegion): Promise<void> {
    this.#session?.end();
    this.#session = undefined;
    this.#open = undefined;
    if (this.closed) await this.#closeStreams();
    else await Promise.all([...this.#subscriptions].map((stream) => stream.leave()));
    open.mapping.close();
  }

  async #closeStreams(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((stream) => stream.close()));
  }

  /**
   * Looks after one mapping until the path names something else.
   *
   * @throws ERR_KVMFR_REGION_LOST when its memory went away
   */
  async #watch(open: OpenRegion): Promise<void> {
    const watch = new SessionWatch({ ...open, assume: this.#assume });
    let presenceMs = performance.now();
    const settledMs = presenceMs + HEARTBEAT_TIMEOUT_MS;
    while (!this.closed) {
      const nowMs = performance.now();
      const look = watch.look(nowMs);
      // What was seen may be zeros in the place of what is gone.
      if (open.mapping.lost) throw open.mapping.lossError();
      // Behind the look: memory that went away is said to be lost, and not that its host has ended.
      if (nowMs - presenceMs >= PRESENCE_MS) {
        presenceMs = nowMs;
        if (isAway(open)) {
          if (this.stats.sessions > 0) this.#board.set(HOST_ENDED);
          return;
        }
      }
      // A header whose heart has not had the time to beat is not dead yet.
      const early = look.kind === 'none' && look.sighting.kind === 'silent' && nowMs < settledMs;
      if (!early || this.stats.sessions > 0) this.#seen(look);
      const pulseMs = this.#subscriptions.size === 0 ? IDLE_PULSE_MS : PULSE_MS;
      await this.#pause(look.kind === 'none' ? SEARCH_MS : pulseMs);
    }
  }

  #seen(look: Look): void {
    if (look.kind === 'attached') {
      if (look.session !== this.#session) this.#attach(look.session);
      else this.#board.set(look.pulse === 'alive' ? showing(look.session.info) : HEART_STOPPED);
      return;
    }
    this.#session = undefined;
    if (look.kind === 'none')
      this.#board.set(this.stats.sessions > 0 ? HOST_ENDED : noHost(this.path, look.sighting));
    else if (look.error !== undefined) this.#board.set(stateOfAttachError(look.error));
  }

  #attach(session: Session): void {
    this.#session = session;
    this.#lastInfo = session.info;
    // What was wrong with the streams was wrong with the session before.
    this.#board.dropIssues();
    this.stats.sessions += 1;
    this.#board.set(showing(session.info));
    this.#board.notify();
  }

  async #whenSession(signal: AbortSignal | undefined): Promise<Session | undefined> {
    for (;;) {
      if (this.closed || signal?.aborted) return undefined;
      const session = this.#session;
      if (session?.holds() === true) return session;
      await this.#board.change(signal);
    }
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#stop.signal });
    } catch {
      // Closed: the loop sees it.
    }
  }
}
