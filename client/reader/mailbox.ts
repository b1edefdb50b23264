/** Bytes of shared memory for one mailbox. */
export const MAILBOX_BYTES = 8;

const BUSY = 0;
const MORE = 1;

/**
 * The sending end of a mailbox between two threads: one message is on its way at most, and a value
 * that comes meanwhile replaces the one that waits. Nobody is ever waited for.
 */
export class MailboxSender<T> {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #post: (value: T) => void;
  readonly #merge: (older: T, newer: T) => T;
  #waiting: T | undefined;

  /** @param options `merge`: what of a value that was not sent lives on in the one that replaces it */
  constructor(options: {
    readonly words: Int32Array<SharedArrayBuffer>;
    readonly post: (value: T) => void;
    readonly merge?: (older: T, newer: T) => T;
  }) {
    this.#words = options.words;
    this.#post = options.post;
    this.#merge = options.merge ?? ((_older, newer) => newer);
  }

  /** Sends a value, at once or when the one before has been taken. */
  put(value: T): void {
    this.#waiting = this.#waiting === undefined ? value : this.#merge(this.#waiting, value);
    this.flush();
  }

  /** Sends what waits, if it may: the receiver has asked for more. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#isFree() || this.#isFreeAfterAsking()) {
      this.#waiting = undefined;
      this.#post(waiting);
    }
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting = undefined;
  }

  #isFree(): boolean {
    return Atomics.compareExchange(this.#words, BUSY, 0, 1) === 0;
  }

  /** The receiver may have taken the message just before it could see that there is more. */
  #isFreeAfterAsking(): boolean {
    Atomics.store(this.#words, MORE, 1);
    return this.#isFree();
  }
}

/** The receiving end of a mailbox. */
export class MailboxReceiver {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #ask: () => void;

  /** @param ask lets the sender {@link MailboxSender.flush} */
  constructor(words: Int32Array<SharedArrayBuffer>, ask: () => void) {
    this.#words = words;
    this.#ask = ask;
  }

  /** A message was taken: the next may be sent. */
  took(): void {
    Atomics.store(this.#words, BUSY, 0);
    if (Atomics.exchange(this.#words, MORE, 0) !== 0) this.#ask();
  }
}
