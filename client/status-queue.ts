import { KvmfrError } from '../protocol/error.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { quietHost, type StreamHost, Subscription } from './subscription.ts';

/** What is done with what a {@link StatusQueue} reads. */
export interface StatusReader {
  /** The queue is another one now: to the publisher we are another client, of whom it knows nothing. */
  begin(): void;
  /**
   * Takes one message, on loan until this returns.
   *
   * @throws what is wrong with it; it is refused then
   */
  apply(session: Session, queue: Queue): void;
  /** Does what follows, once what was there has been read. */
  pump(): void;
  /** The queue is closed, and its slot about to be given back. */
  leave(): void;
}

/** A queue on which the publisher tells its status, the newest of which counts. */
export interface StatusQueueOptions {
  readonly queueId: number;
  /** Messages that are read in one turn: a publisher that posts as fast must not keep us from sending. */
  readonly maxDrain: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Follows a publisher's status over restarts, time-outs and other regions.
 *
 * Ownership: a subscriber of the queue until {@link close}.
 */
export class StatusQueue {
  readonly #host: StreamHost;
  readonly #reader: StatusReader;
  readonly #maxDrain: number;
  readonly #subscription: Subscription;
  readonly #running: Promise<void>;
  #session: Session | undefined;
  #queue: Queue | undefined;
  #serial = 0;
  #refused = 0;

  constructor(host: StreamHost, options: StatusQueueOptions, reader: StatusReader) {
    const { queueId, maxDrain, signal } = options;
    this.#host = host;
    this.#reader = reader;
    this.#maxDrain = maxDrain;
    this.#subscription = new Subscription(quietHost(host), queueId, signal);
    this.#subscription.stopped.addEventListener('abort', () => reader.leave(), { once: true });
    this.#running = this.#run();
  }

  get closed(): boolean {
    return this.#subscription.closed;
  }

  /** The session that was read last. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** The queue that was read last. */
  get queue(): Queue | undefined {
    return this.#queue;
  }

  /** Messages that could not be taken. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether the publisher still knows us by what was read last. */
  isLive(session: Session): boolean {
    return session.holds() && this.#queue?.check() === 'ok';
  }

  /** Whether a status of this serial is newer than the one that was kept. */
  isNewer(serial: number): boolean {
    return serial !== 0 && (this.#serial === 0 || ((serial - this.#serial) | 0) > 0);
  }

  /** A status was taken. */
  keep(serial: number): void {
    this.#serial = serial;
  }

  /** Gives the subscriber slot back. */
  async close(): Promise<void> {
    await this.#subscription.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      let queue = await this.#subscription.message();
      if (queue === undefined) return;
      for (let i = 0; i < this.#maxDrain && queue !== undefined; i++) {
        this.#read(queue);
        queue = this.#subscription.tryMessage();
      }
      this.#reader.pump();
    }
  }

  #read(queue: Queue): void {
    const { session } = this.#subscription;
    if (session === undefined || session.ended) return;
    if (session !== this.#session || queue !== this.#queue) this.#begin(session, queue);
    try {
      this.#reader.apply(session, queue);
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#refused += 1;
      this.#host.stats.messagesRefused += 1;
    }
    queue.done();
  }

  #begin(session: Session, queue: Queue): void {
    this.#session = session;
    this.#queue = queue;
    this.#serial = 0;
    this.#reader.begin();
  }
}
