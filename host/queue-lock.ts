import {
  LOCK_TIMEOUT_MS,
  loadU8,
  loadU32,
  type Region,
  tryLock,
  unlock,
} from '../protocol/index.ts';

/** A lock in the region, with a memory of how long somebody else has had it. */
export class QueueLock {
  readonly #region: Region;
  readonly #at: number;
  readonly #lockBytes: 1 | 4;
  #heldSince = -1;
  #nonsense = false;

  constructor(region: Region, at: number, lockBytes: 1 | 4) {
    this.#region = region;
    this.#at = at;
    this.#lockBytes = lockBytes;
  }

  /** Takes the lock, if it is to be had within a few spins. */
  take(nowMs: number): boolean {
    let taken = false;
    try {
      taken = tryLock(this.#region, this.#at, this.#lockBytes);
    } catch {
      // Neither 0 nor 1: nobody will give it back.
      this.#nonsense = true;
    }
    this.#note(taken, nowMs);
    return taken;
  }

  /** Gives it back. */
  release(): void {
    unlock(this.#region, this.#at, this.#lockBytes);
  }

  /** Looks without taking: a client that died with it keeps all others out, also when we are idle. */
  probe(nowMs: number): void {
    const word =
      this.#lockBytes === 1 ? loadU8(this.#region, this.#at) : loadU32(this.#region, this.#at);
    this.#note(word === 0, nowMs);
  }

  /** Whether it was held for so long, or holds such a value, that its holder must be gone. */
  lost(nowMs: number): boolean {
    return this.#nonsense || (this.#heldSince >= 0 && nowMs - this.#heldSince >= LOCK_TIMEOUT_MS);
  }

  #note(free: boolean, nowMs: number): void {
    if (free) this.#heldSince = -1;
    else if (this.#heldSince < 0) this.#heldSince = nowMs;
  }
}
