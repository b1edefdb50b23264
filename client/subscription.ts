import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { WaitLooks, WatchedWord } from '../native/index.ts';
import { hex, KvmfrError } from '../protocol/error.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { LOCK_TIMEOUT_MS } from '../protocol/limits.ts';
import type { ClientStats } from './client-stats.ts';
import type { Pace } from './pace.ts';
import { Queue, type QueueStatus, type SubscribeRefusal } from './queue.ts';
import { readClientIds } from './ring.ts';
import type { Session } from './session.ts';
import { type ClientState, stateOfError } from './state.ts';

/** What a stream needs of its client. */
export interface StreamHost {
  readonly stats: ClientStats;
  /** What the publisher is asked for. */
  readonly pace: Pace;
  /** The live session; waits for one. Undefined once the client closed or the signal fired. */
  whenSession(signal: AbortSignal | undefined): Promise<Session | undefined>;
  /** Says what keeps a stream from giving what it should, or that nothing does. */
  setIssue(stream: Subscription, issue: ClientState | undefined): void;
  register(stream: Subscription): void;
  /** The stream is closed, and its issue of no interest any more. */
  unregister(stream: Subscription): void;
}

/** A client that is not told of this stream's troubles: the picture goes on without it. */
export function quietHost(host: StreamHost): StreamHost {
  return {
    stats: host.stats,
    pace: host.pace,
    whenSession: (signal) => host.whenSession(signal),
    setIssue: () => undefined,
    register: (stream) => host.register(stream),
    unregister: (stream) => host.unregister(stream),
  };
}

/** Queues that are read along with the one that a stream subscribes to. */
export interface Companions {
  /** Takes them or gives them back, as it should be now; never waits. */
  attend(session: Session, queue: Queue): void;
  /** Adds those that have a message. */
  ready(into: Queue[]): void;
  /** Adds the words that change when something is posted. */
  watch(into: WatchedWord[]): void;
  /** Gives them back, because the region goes away; undefined when there are none. */
  leave(): Promise<void> | undefined;
  /** Gives them back for good. */
  close(): Promise<void> | undefined;
}

/** How often a queue that is not there, full or locked is tried again, at first and later. */
const RETRY_MS = 20;
const LATER_RETRY_MS = 250;
/** How long a queue may refuse us before a person is told. Publishers need a moment to set up. */
const REFUSAL_MS = LOCK_TIMEOUT_MS;
/** Longest native wait in one piece: the session is looked at in between. */
const WAIT_MS = 250;
/** Bad messages in a row after which a person is told. */
const MAX_BAD_RUN = 16;
/**
 * Messages after which the event loop gets its turn: a publisher that posts as fast as we read must
 * not keep everything else from running.
 */
const MESSAGES_PER_TURN = 32;

/**
 * A subscription that renews itself: after a time-out, a new session, a new region.
 *
 * Ownership: holds a subscriber slot between the first {@link message} and {@link close}. One caller
 * at a time may wait for a message.
 */
export class Subscription {
  readonly #host: StreamHost;
  readonly #queueId: number;
  readonly #stop: AbortController = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #session: Session | undefined;
  #queue: Queue | undefined;
  /** A queue that was lost: its slot is given back if the region turns out to know it still. */
  #lost: Queue | undefined;
  #refusedSinceMs: number | undefined;
  #refusal: ClientState | undefined;
  #contentIssue: ClientState | undefined;
  #badRun = 0;
  #sinceTurn = 0;
  #renews = false;
  readonly #looks: WaitLooks = { beforeMs: Number.NaN };
  readonly #companions: Companions | undefined;
  readonly #ready: Queue[] = [];
  #wake: AbortController = new AbortController();
  #closing: Promise<void> | undefined;

  /** `companions` are read along. Ownership: theirs is this subscription's. */
  constructor(
    host: StreamHost,
    queueId: number,
    signal: AbortSignal | undefined,
    companions?: Companions,
  ) {
    this.#host = host;
    this.#queueId = queueId;
    this.#signal = signal;
    this.#companions = companions;
    this.#onAbort = () => void this.close();
    host.register(this);
    if (signal?.aborted) void this.close();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Ends a wait, so that the companions are attended to. */
  nudge(): void {
    const wake = this.#wake;
    this.#wake = new AbortController();
    wake.abort();
  }

  /** Subscribes anew when no message is there: the publisher then sends its newest again. */
  renew(): void {
    this.#renews = true;
  }

  /** The session this subscription is on. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** The slot that is held now; undefined while there is none. */
  get queue(): Queue | undefined {
    return this.#queue;
  }

  /** Fires when the subscription closes. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Says what is wrong with what the messages name, or that nothing is. */
  setContentIssue(issue: ClientState | undefined): void {
    if (issue === this.#contentIssue) return;
    this.#contentIssue = issue;
    this.#tell();
  }

  /**
   * Waits for a message that is not finished yet, subscribing as often as it takes.
   *
   * @returns the queue, its entry read; undefined once closed
   */
  async message(): Promise<Queue | undefined> {
    this.#looks.beforeMs = Number.NaN;
    while (!this.closed) {
      this.#sinceTurn += 1;
      if (this.#sinceTurn >= MESSAGES_PER_TURN) {
        this.#sinceTurn = 0;
        await turn();
        if (this.closed) break;
      }
      const queue = this.#queue ?? (await this.#subscribe());
      if (queue === undefined) continue;
      if (this.#session !== undefined) this.#companions?.attend(this.#session, queue);
      const status = this.#poll(queue);
      this.#ready.length = 0;
      if (status === 'ok') this.#ready.push(queue);
      this.#companions?.ready(this.#ready);
      const first = this.#ready[0];
      const renews = this.#renews;
      this.#renews = false;
      if (first !== undefined) return first;
      if (status === 'empty' && !renews) await this.#wait(queue);
      else if (status === 'empty') this.#lose(status);
      else if (status === 'refused') await this.#pause(RETRY_MS);
      else if (queue === this.#queue) this.#lose(status);
    }
    return undefined;
  }

  /**
   * The last look at which what {@link message} gave was not there yet; undefined when it was not
   * waited for. Units: milliseconds, as `monotonicMs`.
   */
  get beforeMs(): number | undefined {
    const { beforeMs } = this.#looks;
    return Number.isNaN(beforeMs) ? undefined : beforeMs;
  }

  /** The next message if one is there without waiting, on the queue that is subscribed. */
  tryMessage(): Queue | undefined {
    const queue = this.#queue;
    return queue !== undefined && this.#poll(queue) === 'ok' ? queue : undefined;
  }

  /**
   * The queues that had a message when {@link message} gave the first of them.
   *
   * Ownership: the list is used again.
   */
  get ready(): readonly Queue[] {
    return this.#ready;
  }

  /** Gives the slot back, because the region goes away; the next message needs a new session. */
  async leave(): Promise<void> {
    const queue = this.#queue ?? this.#lost;
    this.#queue = undefined;
    this.#lost = undefined;
    const companions = this.#companions?.leave();
    if (queue !== undefined) await giveBack(queue);
    if (companions !== undefined) await companions;
  }

  /** Gives the slot back and ends {@link message}. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    const companions = this.#companions?.close();
    await this.leave();
    if (companions !== undefined) await companions;
    this.#host.unregister(this);
  }

  /** Looks for a message; `refused` when what is there cannot be. */
  #poll(queue: Queue): QueueStatus | 'refused' {
    try {
      const status = queue.next();
      if (status === 'ok' && this.#badRun > 0) this.#goodAgain();
      return status;
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#host.stats.messagesRefused += 1;
      this.#badRun += 1;
      if (this.#badRun === MAX_BAD_RUN) this.#setRefusal(stateOfError(error));
      return 'refused';
    }
  }

  #goodAgain(): void {
    this.#badRun = 0;
    this.#setRefusal(undefined);
  }

  #lose(status: QueueStatus): void {
    if (status === 'timed-out') this.#host.stats.timedOut += 1;
    this.#lost = this.#queue;
    this.#queue = undefined;
  }

  async #subscribe(): Promise<Queue | undefined> {
    this.#looks.beforeMs = Number.NaN;
    const session = await this.#host.whenSession(this.#stop.signal);
    if (session === undefined || this.closed) {
      // The client closed, or we were stopped.
      await this.close();
      return undefined;
    }
    if (session !== this.#session) this.#beginSession(session);
    this.#lost?.unsubscribe();
    this.#lost = undefined;
    const found = this.#trySubscribe(session);
    if (found instanceof Queue) {
      this.#refusedSinceMs = undefined;
      this.#goodAgain();
      this.#queue = found;
      return found;
    }
    await this.#pauseAfter(found, session);
    return undefined;
  }

  #beginSession(session: Session): void {
    this.#session = session;
    this.#refusedSinceMs = undefined;
    this.#goodAgain();
    this.setContentIssue(undefined);
  }

  #trySubscribe(session: Session): Queue | SubscribeRefusal | KvmfrError {
    try {
      return Queue.subscribe(session, this.#queueId);
    } catch (error) {
      if (KvmfrError.is(error)) return error;
      throw error;
    }
  }

  async #pauseAfter(refusal: SubscribeRefusal | KvmfrError, session: Session): Promise<void> {
    const nowMs = performance.now();
    this.#refusedSinceMs ??= nowMs;
    const late = nowMs - this.#refusedSinceMs > REFUSAL_MS;
    const error = this.#reason(refusal, session);
    if (late && error !== undefined) this.#setRefusal(stateOfError(error));
    await this.#pause(late ? LATER_RETRY_MS : RETRY_MS);
  }

  #reason(refusal: SubscribeRefusal | KvmfrError, session: Session): KvmfrError | undefined {
    if (typeof refusal !== 'string') return refusal;
    const name = this.#queueId === QUEUE_IDS.frame ? 'frame' : 'pointer';
    switch (refusal) {
      case 'busy':
        return new KvmfrError(
          'ERR_KVMFR_LOCK',
          `the lock of the ${name} queue of session ${hex(session.info.id)} was not given back for ${LOCK_TIMEOUT_MS} ms: it is held by ${holders(session, this.#queueId)}, who died with it`,
          { hint: 'Restart the Looking Glass host in the guest.' },
        );
      case 'full':
        return new KvmfrError(
          'ERR_KVMFR_QUEUE_FULL',
          `all ${session.lgmp.maxSubscribers} subscriber slots of the ${name} queue are taken`,
          { hint: 'Close another program that reads this guest.' },
        );
      case 'no-queue':
        // A guest without a pointer still has a screen.
        if (this.#queueId !== QUEUE_IDS.frame) return undefined;
        return new KvmfrError(
          'ERR_KVMFR_NO_QUEUE',
          `session ${hex(session.info.id)} has no ${name} queue`,
          { hint: 'Restart the Looking Glass host in the guest.' },
        );
      case 'session-lost':
        return undefined;
    }
  }

  #setRefusal(refusal: ClientState | undefined): void {
    // The first of a kind stays: what differs is an address at most.
    if (refusal?.code === this.#refusal?.code) return;
    this.#refusal = refusal;
    this.#tell();
  }

  #tell(): void {
    if (!this.closed) this.#host.setIssue(this, this.#refusal ?? this.#contentIssue);
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#stop.signal });
    } catch {
      // Stopped: the loop sees it.
    }
  }

  async #wait(queue: Queue): Promise<void> {
    const session = this.#session;
    if (session === undefined || session.region.detached) return;
    const words = queue.watch();
    this.#companions?.watch(words);
    await session.mapping.wait(words, {
      timeoutMs: WAIT_MS,
      cadence: true,
      signal: this.#wake.signal,
      looks: this.#looks,
    });
  }
}

/** Who may hold the lock of a queue, which does not say it: the publisher, or one of its clients. */
function holders(session: Session, queueId: number): string {
  let ids: readonly number[] = [];
  try {
    ids = readClientIds(session, queueId);
  } catch (error) {
    if (!KvmfrError.is(error)) throw error;
  }
  const clients = ids.map((id) => hex(id)).join(', ');
  return clients === ''
    ? 'the publisher or a client without a slot'
    : `the publisher, a client without a slot, or one of the clients ${clients}`;
}

/** Gives a subscriber slot back, trying for as long as a lock may be held. */
export async function giveBack(queue: Queue): Promise<void> {
  const untilMs = performance.now() + LOCK_TIMEOUT_MS;
  while (queue.unsubscribe() === 'busy' && performance.now() < untilMs) await sleep(1);
}
