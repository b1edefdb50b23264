import { wireError } from '../../protocol/wire/index.ts';

const PING_INTERVAL_MS = 15_000;
/** A socket from which nothing has come for this long, not even a pong, is dead. */
const SILENCE_TIMEOUT_MS = 45_000;
/** Ticks come each second: after this long without one the relay itself stood still. */
const STOOD_STILL_MS = 5_000;
/** Several times what a mouse sends that reports 1000 times a second. */
const MAX_MESSAGES_PER_TICK = 4000;

/** Signs of life of a socket: when it gave the last one, and whether it gives too many. */
export class Pulse {
  /** Since when it is listened to. Units: `performance.now()`. */
  readonly sinceMs: number = performance.now();
  #heardMs = this.sinceMs;
  #pingedMs = this.sinceMs;
  #tickedMs = this.sinceMs;
  #messages = 0;

  /** When something came last. Units: `performance.now()`. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Something has come. @throws ERR_KVMFR_WIRE when that is too much */
  heard(what: 'messages' | 'pings' | 'pongs'): void {
    this.#heardMs = performance.now();
    this.#messages++;
    if (this.#messages > MAX_MESSAGES_PER_TICK) throw wireError(`too many ${what} in a second`);
  }

  /**
   * About a second has passed.
   *
   * @returns whether the relay stood still: what was said meanwhile lies in the socket, unread
   */
  tick(nowMs: number): boolean {
    this.#messages = 0;
    const stoodStill = nowMs - this.#tickedMs > STOOD_STILL_MS;
    this.#tickedMs = nowMs;
    if (stoodStill) this.#heardMs = nowMs;
    return stoodStill;
  }

  /** Whether nothing has come for so long that nothing will. */
  isDead(nowMs: number): boolean {
    return nowMs - this.#heardMs > SILENCE_TIMEOUT_MS;
  }

  /** Whether the socket is to be pinged now; the answer counts as done. */
  takePing(nowMs: number): boolean {
    const isDue = nowMs - this.#pingedMs >= PING_INTERVAL_MS;
    if (isDue) this.#pingedMs = nowMs;
    return isDue;
  }
}
