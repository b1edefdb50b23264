import { KvmfrError } from '../protocol/error.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { encodeSetCursorPos } from '../protocol/kvmfr/messages.ts';
import { FEATURES } from '../protocol/kvmfr/session.ts';
import type { Queue } from './queue.ts';
import { quietHost, type StreamHost, Subscription } from './subscription.ts';

/** How the pointer is moved. */
export interface GuestPointerOptions {
  readonly signal?: AbortSignal;
}

/** What was wished. */
export interface GuestPointerCounters {
  /** Places that went to the guest. */
  sent: number;
  /** Places that a newer one took the place of, or that the guest does not take. */
  dropped: number;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Between two looks while something is on its way. */
const LOOK_MS = 1;
/** A publisher that has not acted on a place for so long is sent the next one all the same. */
const ACK_MS = 250;
/** Nobody waits any longer for a place that cannot be sent; it goes when it can. */
const OLD_MS = 1000;
/** Between two looks for a guest that is not there. */
const AWAY_MS = 20;

/**
 * Puts a guest's pointer at places, where its features say that it takes them (SETCURSORPOS, in every
 * version). One place is on its way at a time, and of those that wait only the newest counts.
 *
 * Ownership: a subscriber of the pointer queue, from the first place until {@link close}. What the
 * queue tells is not read: `client.cursor()` does.
 */
export class GuestPointerLine implements AsyncDisposable {
  readonly #host: StreamHost;
  readonly #options: GuestPointerOptions;
  readonly counters: GuestPointerCounters = { sent: 0, dropped: 0 };
  #subscription: Subscription | undefined;
  #running: Promise<void> | undefined;
  #wanted: (Place & { readonly sinceMs: number }) | undefined;
  #sent: { readonly queue: Queue; readonly serial: number; readonly atMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(host: StreamHost, options: GuestPointerOptions = {}) {
    this.#host = host;
    this.#options = options;
  }

  /** Whether a place is on its way. */
  get isBusy(): boolean {
    return this.#wanted !== undefined || this.#sent !== undefined;
  }

  /**
   * Wishes the pointer at a place, instead of where it was wished before.
   *
   * Units: pixels of the guest's desktop.
   *
   * @throws ERR_KVMFR_ARGUMENT for what is no whole number of 32 bits
   */
  moveTo(place: Place): void {
    for (const value of [place.x, place.y])
      if (!Number.isInteger(value) || Math.abs(value) > 0x7fff_ffff)
        throw new KvmfrError(
          'ERR_KVMFR_ARGUMENT',
          `a place must be a whole number of 32 bits, but is ${value}`,
        );
    if (this.#closed) return;
    this.#running ??= this.#run();
    if (this.#wanted !== undefined) this.counters.dropped++;
    this.#wanted = { ...place, sinceMs: this.#wanted?.sinceMs ?? performance.now() };
    this.#pump();
  }

  /** Calls back once the guest has acted on the newest place, or will not: at once when it has. */
  whenSettled(run: () => void): void {
    if (this.isBusy && !this.#isOld) this.#waiting.push(run);
    else run();
  }

  /** Gives the subscriber slot back. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#wanted = undefined;
    this.#sent = undefined;
    this.#settle();
    await this.#subscription?.close();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    const subscription = new Subscription(quietHost(this.#host), QUEUE_IDS.pointer, signal);
    this.#subscription = subscription;
    subscription.stopped.addEventListener('abort', () => void this.close(), { once: true });
    for (;;) {
      const queue = await subscription.message();
      if (queue === undefined) return;
      queue.done();
    }
  }

  #pump(): void {
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    const sent = this.#sent;
    if (sent !== undefined) {
      const isLate = nowMs - sent.atMs > ACK_MS;
      if (isLate || sent.queue.acknowledged(sent.serial)) this.#sent = undefined;
    }
    const wanted = this.#wanted;
    if (wanted !== undefined && this.#sent === undefined) {
      const outcome = this.#send(wanted, nowMs);
      if (outcome !== 'later') this.#wanted = undefined;
      if (outcome === 'refused') this.counters.dropped++;
    }
    if (!this.isBusy || this.#isOld) this.#settle();
    if (this.isBusy) this.#timer = setTimeout(() => this.#pump(), this.#isOld ? AWAY_MS : LOOK_MS);
  }

  /** Whether the newest place has waited for so long that the guest must be away. */
  get #isOld(): boolean {
    return this.#wanted !== undefined && performance.now() - this.#wanted.sinceMs > OLD_MS;
  }

  #send(place: Place, nowMs: number): 'sent' | 'later' | 'refused' {
    const { session, queue } = this.#subscription ?? {};
    if (session?.holds() !== true || queue === undefined) return 'later';
    if ((session.info.features & FEATURES.setCursorPos) === 0) return 'refused';
    try {
      const serial = queue.send(encodeSetCursorPos(place));
      if (typeof serial !== 'number') return 'later';
      this.counters.sent++;
      this.#sent = { queue, serial, atMs: nowMs };
      return 'sent';
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      return 'later';
    }
  }

  #settle(): void {
    for (const run of this.#waiting.splice(0)) run();
  }
}
