import { channel } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { hex, KvmfrError } from '../protocol/error.ts';
import { lgmpVersionName } from '../protocol/lgmp/detect.ts';
import { type CursorOptions, type CursorState, CursorStream } from './cursor.ts';
import { HeartbeatWatch, type Sighting } from './detect.ts';
import type { Frame } from './frame.ts';
import { FrameStream, type FramesOptions } from './frames.ts';
import { defaultRegionPath, type OpenRegion, openRegion } from './open.ts';
import { type QueueInfo, readQueues } from './ring.ts';
import { Session, type SessionInfo, unsupportedLgmp } from './session.ts';
import { type ClientState, sameState, stateOfError, stateOfOpenError } from './state.ts';
import type { ClientStats, StreamHost, Subscription } from './subscription.ts';

/** How a client is made. */
export interface ClientOptions {
  /** Closes the client when it fires. */
  readonly signal?: AbortSignal;
}

/** Between two looks for a publisher. */
const SEARCH_MS = 20;
/** Between two looks at the heartbeat of the publisher we are attached to. */
const PULSE_MS = 100;
/** Between two attempts to open a region that is not there. */
const OPEN_MS = 250;
/** Between two looks at whether the path still names what is mapped. */
const PRESENCE_MS = 500;
/** How long a session that could not be used is left alone. */
const ABANDONED_MS = 1000;

const states = channel('kvmfr:client:state');

/**
 * A reader of one region. It never gives up by itself: no region yet, no publisher yet, guest
 * started again, region replaced: it says so in {@link state}, waits, and goes on.
 *
 * Ownership: {@link close} gives back every subscriber slot, thread and mapping.
 */
export class Client implements AsyncDisposable {
  readonly path: string;
  readonly stats: ClientStats = {
    sessions: 0,
    framesSeen: 0,
    framesSkipped: 0,
    framesGivenUp: 0,
    framesRefused: 0,
    messagesRefused: 0,
    timedOut: 0,
    cursorMessages: 0,
    cursorRefused: 0,
  };
  readonly #stop: AbortController = new AbortController();
  readonly #subscriptions: Set<Subscription> = new Set();
  readonly #running: Promise<void>;
  #open: OpenRegion | undefined;
  #session: Session | undefined;
  #lastInfo: SessionInfo | undefined;
  #base: ClientState;
  #frameIssue: ClientState | undefined;
  #shown: ClientState;
  #changed: PromiseWithResolvers = resolvers();
  #abandoned:
    | { readonly id: number; readonly untilMs: number; readonly state: ClientState }
    | undefined;

  /** Starts reading; returns at once, in state `waiting`. Most programs want {@link connect}. */
  constructor(path: string = defaultRegionPath(), options: ClientOptions = {}) {
    this.path = path;
    this.#base = { name: 'waiting', message: `opening ${path}` };
    this.#shown = this.#base;
    const { signal } = options;
    if (signal?.aborted) this.#stop.abort();
    signal?.addEventListener('abort', () => void this.close(), { once: true });
    this.#running = this.#run();
  }

  /** What is known of the guest now. */
  get state(): ClientState {
    return this.#shown;
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

  /** The queues of the live session and who reads them. */
  queues(): readonly QueueInfo[] {
    const session = this.#session;
    return session?.holds() === true ? readQueues(session) : [];
  }

  /** The state now, then each change, until the client closes or the signal fires. */
  async *states(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<ClientState, void> {
    let seen: ClientState | undefined;
    while (!this.closed && options.signal?.aborted !== true) {
      if (this.#shown !== seen) {
        seen = this.#shown;
        yield seen;
        continue;
      }
      await this.#change(options.signal);
    }
  }

  /**
   * The guest's frames, newest only. Subscribed while iterated; each call is a subscriber of its
   * own.
   */
  frames(options: FramesOptions = {}): AsyncIterableIterator<Frame> {
    return new FrameStream(this.#host, options);
  }

  /** The guest's pointer, after each change. Subscribed while iterated. */
  cursor(options: CursorOptions = {}): AsyncIterableIterator<CursorState> {
    return new CursorStream(this.#host, options);
  }

  /** Waits until a publisher is attached. @throws what the signal was aborted with; ERR_KVMFR_CLOSED */
  async attached(signal?: AbortSignal): Promise<SessionInfo> {
    const session = await this.#whenSession(signal);
    if (session !== undefined) return session.info;
    signal?.throwIfAborted();
    throw new KvmfrError('ERR_KVMFR_CLOSED', `the client of ${this.path} was closed`);
  }

  /** Gives everything back. A second call waits for the first. */
  async close(): Promise<void> {
    if (!this.closed) {
      this.#stop.abort();
      await Promise.all([...this.#subscriptions].map((stream) => stream.close()));
      this.#notify();
    }
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #host: StreamHost = {
    stats: this.stats,
    whenSession: (signal) => this.#whenSession(signal),
    setFrameIssue: (issue) => {
      this.#frameIssue = issue;
      this.#show();
    },
    abandon: (session, why) => this.#abandon(session, why),
    describe: stateOfError,
    register: (stream) => void this.#subscriptions.add(stream),
    unregister: (stream) => void this.#subscriptions.delete(stream),
  };

  async #run(): Promise<void> {
    while (!this.closed) {
      const open = this.#tryOpen();
      if (open === undefined) {
        await this.#pause(OPEN_MS);
        continue;
      }
      this.#open = open;
      try {
        await this.#watch(open);
      } catch (error) {
        // Whatever a region did to us, the next look starts afresh.
        this.#setBase(stateOfError(error));
      } finally {
        await this.#letGo(open);
      }
      if (!this.closed) await this.#pause(SEARCH_MS);
    }
  }

  #tryOpen(): OpenRegion | undefined {
    try {
      return openRegion(this.path);
    } catch (error) {
      const state = KvmfrError.is(error) ? stateOfOpenError(error) : stateOfError(error);
      this.#setBase(state);
      return undefined;
    }
  }

  async #letGo(open: OpenRegion): Promise<void> {
    if (this.closed) await Promise.all([...this.#subscriptions].map((stream) => stream.close()));
    this.#session?.end();
    this.#session = undefined;
    this.#open = undefined;
    open.mapping.close();
  }

  /** Looks after one mapping until the path names something else. */
  async #watch(open: OpenRegion): Promise<void> {
    let heartbeats = new HeartbeatWatch(open.region);
    let presenceMs = performance.now();
    while (!this.closed) {
      const nowMs = performance.now();
      if (nowMs - presenceMs >= PRESENCE_MS) {
        presenceMs = nowMs;
        if (open.mapping.stillThere() !== 'same') return;
      }
      const session = this.#session;
      if (session === undefined) {
        this.#search(open, heartbeats.look(nowMs), nowMs);
      } else {
        const pulse = session.pulse(nowMs);
        if (pulse === 'ended') {
          this.#session = undefined;
          heartbeats = new HeartbeatWatch(open.region);
          this.#setBase(stale('its publisher has ended'));
          continue;
        }
        this.#setBase(
          pulse === 'alive' ? showing(session.info) : stale('its heartbeat has stopped'),
        );
      }
      await this.#pause(this.#session === undefined ? SEARCH_MS : PULSE_MS);
    }
  }

  #search(open: OpenRegion, sighting: Sighting, nowMs: number): void {
    if (sighting.kind !== 'alive') {
      const waiting = noHost(this.path, sighting);
      this.#setBase(this.stats.sessions === 0 ? waiting : stale('no publisher runs'));
      return;
    }
    const { candidate } = sighting;
    if (candidate.layout === undefined) {
      this.#setBase({ ...stateOfError(unsupportedLgmp(candidate)), name: 'incompatible' });
      return;
    }
    try {
      const session = Session.attach({ ...open, lgmp: candidate.layout }, nowMs);
      if (session !== undefined) this.#attach(session, nowMs);
    } catch (error) {
      const state = stateOfError(error);
      const isVersion = KvmfrError.is(error) && error.code === 'ERR_KVMFR_KVMFR_VERSION';
      this.#setBase(isVersion ? { ...state, name: 'incompatible' } : state);
    }
  }

  #attach(session: Session, nowMs: number): void {
    const left = this.#abandoned;
    if (left !== undefined && left.id === session.info.id && nowMs < left.untilMs) {
      this.#setBase(left.state);
      return;
    }
    this.#abandoned = undefined;
    this.#session = session;
    this.#lastInfo = session.info;
    this.#frameIssue = undefined;
    this.stats.sessions += 1;
    this.#setBase(showing(session.info));
    this.#notify();
  }

  #abandon(session: Session, why: unknown): void {
    session.end();
    if (this.#session !== session) return;
    this.#session = undefined;
    const state = stateOfError(why);
    this.#abandoned = { id: session.info.id, untilMs: performance.now() + ABANDONED_MS, state };
    this.#setBase(state);
  }

  async #whenSession(signal: AbortSignal | undefined): Promise<Session | undefined> {
    for (;;) {
      if (this.closed || signal?.aborted) return undefined;
      const session = this.#session;
      if (session?.holds() === true) return session;
      await this.#change(signal);
    }
  }

  #setBase(state: ClientState): void {
    if (sameState(state, this.#base)) return;
    this.#base = state;
    this.#show();
  }

  #show(): void {
    // What is wrong with the frames only matters while frames come.
    const state = this.#base.name === 'showing' ? (this.#frameIssue ?? this.#base) : this.#base;
    if (sameState(state, this.#shown)) return;
    this.#shown = state;
    if (states.hasSubscribers) states.publish({ path: this.path, state });
    this.#notify();
  }

  #notify(): void {
    const waiting = this.#changed;
    this.#changed = resolvers();
    waiting.resolve();
  }

  /** Waits for any change: of state, session, or the end. */
  async #change(signal: AbortSignal | undefined): Promise<void> {
    const change = this.#changed.promise;
    if (signal === undefined) return change;
    let onAbort = (): void => {};
    const aborted = new Promise<void>((resolve) => {
      onAbort = resolve;
      signal.addEventListener('abort', onAbort, { once: true });
    });
    await Promise.race([change, aborted]);
    signal.removeEventListener('abort', onAbort);
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#stop.signal });
    } catch {
      // Closed: the loop sees it.
    }
  }
}

/**
 * Opens a region and waits for a live publisher in it.
 *
 * @throws what the signal was aborted with
 */
export async function connect(
  path: string = defaultRegionPath(),
  options: ClientOptions = {},
): Promise<Client> {
  options.signal?.throwIfAborted();
  const client = new Client(path, options);
  try {
    await client.attached(options.signal);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function resolvers(): PromiseWithResolvers {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function showing(info: SessionInfo): ClientState {
  return { name: 'showing', message: `showing a guest with Looking Glass ${info.release}` };
}

function stale(why: string): ClientState {
  return {
    name: 'stale',
    code: 'ERR_KVMFR_NO_HOST',
    message: `the guest does not answer: ${why}`,
    hint: 'The last picture stays; it goes on by itself when the guest does.',
  };
}

function noHost(path: string, sighting: Sighting): ClientState {
  const dead =
    sighting.kind === 'silent'
      ? `; ${sighting.candidates
          .map((found) => `${lgmpVersionName(found.version)} at ${hex(found.magicAt)}`)
          .join(' and ')} ran here and is gone`
      : '';
  return {
    name: 'waiting',
    code: 'ERR_KVMFR_NO_HOST',
    message: `no Looking Glass host runs in ${path}${dead}`,
    hint: 'Start the guest and the Looking Glass host in it. If it runs and the file stays empty, the device lacks share=on.',
  };
}
