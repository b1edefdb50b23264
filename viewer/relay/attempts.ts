import { createHmac, randomBytes } from 'node:crypto';

/** Different wrong secrets that a block of addresses may bring before it has to wait. */
export const MAX_WRONG: number = 10;
/** How long it has to wait the first time; each further time takes twice as long. */
export const FIRST_LOCK_MS: number = 60_000;
/** The longest wait: a person who mistyped comes back, a program gets 960 guesses a day. */
export const LONGEST_LOCK_MS: number = 15 * 60_000;
/** What is remembered of a block that has brought nothing wrong for this long is forgotten. */
const FORGET_MS = 60 * 60_000;
/** Blocks remembered: some hundred bytes each. The one unheard of for longest makes room. */
export const MAX_BLOCKS: number = 4096;

interface Entry {
  readonly wrong: Set<string>;
  locks: number;
  lockedUntilMs: number;
  lastMs: number;
}

/**
 * Who has brought wrong secrets, and who has to wait for it.
 *
 * Different ones are counted: a page that comes back again and again with the secret of yesterday
 * has made one mistake, and guesses nothing.
 */
export class Attempts {
  readonly #nowMs: () => number;
  readonly #key: Buffer = randomBytes(32);
  readonly #entries = new Map<string, Entry>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Blocks that are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** How long a block has to wait until it is listened to again; 0: not at all. Units: seconds. */
  waitS(block: string): number {
    const left = (this.#entries.get(block)?.lockedUntilMs ?? 0) - this.#nowMs();
    return left > 0 ? Math.ceil(left / 1000) : 0;
  }

  /** Whether this block has brought this wrong secret before. */
  knows(block: string, secret: string): boolean {
    return this.#entries.get(block)?.wrong.has(this.#mark(secret)) ?? false;
  }

  /** Counts a wrong secret. True when the block has to wait from now on. */
  wrong(block: string, secret: string): boolean {
    const nowMs = this.#nowMs();
    const entry = this.#entry(block, nowMs);
    entry.lastMs = nowMs;
    entry.wrong.add(this.#mark(secret));
    if (entry.wrong.size < MAX_WRONG) return false;
    entry.wrong.clear();
    entry.lockedUntilMs = nowMs + Math.min(LONGEST_LOCK_MS, FIRST_LOCK_MS * 2 ** entry.locks);
    entry.locks = Math.min(entry.locks + 1, 10);
    return true;
  }

  #entry(block: string, nowMs: number): Entry {
    const known = this.#entries.get(block);
    const fresh = known !== undefined && nowMs - known.lastMs < FORGET_MS;
    const entry = fresh
      ? known
      : { wrong: new Set<string>(), locks: 0, lockedUntilMs: 0, lastMs: 0 };
    // To the end of the map's order: the first of it is the one unheard of for longest.
    this.#entries.delete(block);
    this.#entries.set(block, entry);
    if (this.#entries.size > MAX_BLOCKS) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return entry;
  }

  /** What is kept of a wrong secret, which may be nearly the right one. */
  #mark(secret: string): string {
    return createHmac('sha256', this.#key).update(secret).digest('base64').slice(0, 22);
  }
}
