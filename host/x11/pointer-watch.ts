import type { Host } from '../publisher.ts';
import type { XPointer } from './pointer.ts';

// Not more often than so, however fast the pointer is told to move.
const MOVING_MS = 8;
// A program may put it somewhere without a word.
const TOLD_MS = 250;
const STILL_AFTER_MS = 1000;
const STILL_MS = 50;
const UNTOLD_MS = 16;

/** Publishes the pointer of an X screen while somebody reads the pointer queue. */
export class PointerWatch {
  readonly #host: Host;
  readonly #pointer: XPointer;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Infinity;
  #askedMs = -Infinity;
  #movedMs = -Infinity;
  #isAsking = false;
  #isWanted = false;
  #isClosed = false;

  constructor(host: Host, pointer: XPointer, failed: (error: unknown) => void) {
    this.#host = host;
    this.#pointer = pointer;
    this.#failed = failed;
    pointer.onChange = () => this.#soon();
  }

  /** Somebody is new. */
  wake(): void {
    this.#soon();
  }

  /** There is a new session, which has nothing of the pointer. */
  repeat(): void {
    this.#pointer.forget();
  }

  close(): void {
    this.#isClosed = true;
    this.#pointer.onChange = () => {};
    clearTimeout(this.#timer);
  }

  #soon(): void {
    this.#movedMs = performance.now();
    this.#isWanted = true;
    this.#set(Math.max(0, this.#askedMs + MOVING_MS - performance.now()));
  }

  #set(delayMs: number): void {
    if (this.#isClosed || this.#isAsking || this.#host.cursorWatchers === 0) return;
    const dueMs = performance.now() + delayMs;
    if (dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      void this.#ask();
    }, delayMs);
  }

  async #ask(): Promise<void> {
    if (this.#isClosed || this.#host.cursorWatchers === 0) return;
    this.#isAsking = true;
    this.#isWanted = false;
    this.#askedMs = performance.now();
    try {
      const change = await this.#pointer.read();
      if (this.#isClosed || this.#host.closed) return;
      if (change !== undefined) {
        this.#movedMs = performance.now();
        this.#host.setCursor(change);
      }
    } catch (error) {
      if (!this.#isClosed) this.#failed(error);
      return;
    } finally {
      this.#isAsking = false;
    }
    this.#set(this.#isWanted ? MOVING_MS : this.#restMs());
  }

  #restMs(): number {
    if (this.#pointer.isTold) return TOLD_MS;
    return performance.now() - this.#movedMs > STILL_AFTER_MS ? STILL_MS : UNTOLD_MS;
  }
}
