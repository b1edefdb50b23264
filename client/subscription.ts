import { setTimeout as sleep } from 'node:timers/promises';
import { hex, KvmfrError } from '../protocol/error.ts';
import { LOCK_TIMEOUT_MS } from '../protocol/limits.ts';
import { Queue } from './queue.ts';
import type { Session } from './session.ts';
import type { ClientState } from './state.ts';

/** Numbers a client keeps while it lives. They only grow. */
export interface ClientStats {
  /** Publishers attached to, one after the other. */
  sessions: number;
  framesSeen: number;
  /** Frames the guest published that were passed over for newer ones. */
  framesSkipped: number;
  /** Frames whose rows never arrived. */
  framesGivenUp: number;
  /** Frames whose header was not to be believed, or whose format is not read. */
  framesRefused: number;
  /** Entries of a queue that name something outside of the region. */
  messagesRefused: number;
  /** Times the publisher stopped waiting for us. */
  timedOut: number;
  cursorMessages: number;
  cursorRefused: number;
}

/** What a stream needs of its client. */
export interface StreamHost {
  readonly stats: ClientStats;
  /** The live session; waits for one. Undefined once the client closed or the signal fired. */
  whenSession(signal: AbortSignal | undefined): Promise<Session | undefined>;
  /** Says what is wrong with the frames, or that nothing is. */
  setFrameIssue(issue: ClientState | undefined): void;
  /** Says that a session cannot be used, and why; the client looks for it anew. */
  abandon(session: Session, why: unknown): void;
  describe(error: unknown): ClientState;
  register(stream: Subscription): void;
  unregister(stream: Subscription): void;
}

/** How often a queue that is not there, full or locked is tried again. */
const RETRY_MS = 20;
const FULL_RETRY_MS = 250;
/** Longest native wait in one piece: the session is looked at in between. */
const WAIT_MS = 250;
/** Bad messages in a row after which the session is looked at anew. */
const MAX_BAD_RUN = 64;

/**
 * A subscription that renews itself: after a time-out, a new session, a new region.
 *
 * Ownership: holds a subscriber slot between the first {@link message} and {@link close}.
 */
export class Subscription {
  readonly #host: StreamHost;
  readonly #queueId: number;
  readonly #stop: AbortController = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #session: Session | undefined;
  #queue: Queue | undefined;
  #busySinceMs: number | undefined;
  #badRun = 0;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(host: StreamHost, queueId: number, signal: AbortSignal | undefined) {
    this.#host = host;
    this.#queueId = queueId;
    this.#signal = signal;
    this.#onAbort = () => void this.close();
    host.register(this);
    if (signal?.aborted) void this.close();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The session this subscription is on. */
  get session(): Session | undefined {
    return this.#session;
  }

  /**
   * Waits for a message that is not finished yet, subscribing as often as it takes.
   *
   * @returns the queue, its entry read; undefined once closed
   */
  async message(): Promise<Queue | undefined> {
    while (!this.#closed) {
      const queue = this.#queue ?? (await this.#subscribe());
      if (queue === undefined) continue;
      let status: ReturnType<Queue['next']>;
      try {
        status = queue.next();
        this.#badRun = 0;
      } catch (error) {
        this.#bad(error);
        continue;
      }
      switch (status) {
        case 'ok':
          return queue;
        case 'empty':
          await this.#wait(queue);
          break;
        case 'timed-out':
          this.#host.stats.timedOut += 1;
          this.#queue = undefined;
          break;
        default:
          this.#queue = undefined;
      }
    }
    return undefined;
  }

  /** Whether a message is there without waiting, on the queue that is subscribed. */
  tryMessage(): Queue | undefined {
    try {
      return this.#queue?.next() === 'ok' ? this.#queue : undefined;
    } catch (error) {
      this.#bad(error);
      return undefined;
    }
  }

  /** Gives the slot back and ends {@link message}. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    const untilMs = performance.now() + LOCK_TIMEOUT_MS;
    while (this.#leave() === 'busy' && performance.now() < untilMs) await sleep(1);
    this.#queue = undefined;
    this.#host.unregister(this);
  }

  #leave(): string {
    if (this.#queue === undefined || this.#session?.ended !== false) return 'gone';
    return this.#queue.unsubscribe();
  }

  async #subscribe(): Promise<Queue | undefined> {
    const session = await this.#host.whenSession(this.#stop.signal);
    if (session === undefined || this.#closed) {
      // The client closed, or we were stopped.
      await this.close();
      return undefined;
    }
    this.#session = session;
    let found: ReturnType<typeof Queue.subscribe>;
    try {
      found = Queue.subscribe(session, this.#queueId);
    } catch (error) {
      this.#host.abandon(session, error);
      return undefined;
    }
    if (typeof found !== 'string') {
      this.#busySinceMs = undefined;
      this.#queue = found;
      return found;
    }
    await this.#pauseAfter(found, session);
    return undefined;
  }

  async #pauseAfter(refusal: string, session: Session): Promise<void> {
    if (refusal === 'busy') {
      const nowMs = performance.now();
      this.#busySinceMs ??= nowMs;
      if (nowMs - this.#busySinceMs > LOCK_TIMEOUT_MS) {
        this.#busySinceMs = undefined;
        this.#host.abandon(session, lockHeld(session));
      }
    }
    await this.#pause(refusal === 'full' ? FULL_RETRY_MS : RETRY_MS);
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#stop.signal });
    } catch {
      // Stopped: the loop sees it.
    }
  }

  async #wait(queue: Queue): Promise<void> {
    const { mapping } = this.#session ?? {};
    if (mapping === undefined) return;
    await mapping.wait([{ offsetBytes: queue.positionAt, value: queue.position }], {
      timeoutMs: WAIT_MS,
      cadence: true,
      signal: this.#stop.signal,
    });
  }

  #bad(error: unknown): void {
    this.#host.stats.messagesRefused += 1;
    this.#badRun += 1;
    if (this.#badRun < MAX_BAD_RUN || this.#session === undefined) return;
    this.#badRun = 0;
    this.#leave();
    this.#queue = undefined;
    this.#host.abandon(this.#session, error);
  }
}

function lockHeld(session: Session): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_LOCK',
    `a queue lock of session ${hex(session.info.id)} was not given back for ${LOCK_TIMEOUT_MS} ms: a client or the publisher died with it`,
    { hint: 'Restart the Looking Glass host in the guest.' },
  );
}
