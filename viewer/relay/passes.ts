import { createHash, randomBytes } from 'node:crypto';
import type { Role } from './role.ts';

/** What a browser holds that has signed in. */
export interface Pass {
  readonly role: Role;
  /** Calls when it ends: signed out, or too old. Returns what takes that back. */
  whenEnded(ended: () => void): () => void;
}

/** Passes at the same time; a new one ends the oldest. */
export const MAX_PASSES: number = 256;
/** How long a pass is good. */
export const PASS_MS: number = 24 * 60 * 60_000;
const PASS_BYTES = 32;

interface Kept extends Pass {
  readonly sinceMs: number;
  readonly listeners: Set<() => void>;
  readonly timer: NodeJS.Timeout;
}

/** The passes that a relay has given out. Of each only a digest is kept. */
export class Passes {
  readonly #nowMs: () => number;
  readonly #passes = new Map<string, Kept>();

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** Passes that are good. */
  get size(): number {
    return this.#passes.size;
  }

  /** Makes a pass. @returns what the browser has to bring */
  issue(role: Role): string {
    const value = randomBytes(PASS_BYTES).toString('hex');
    const key = keyOf(value);
    const listeners = new Set<() => void>();
    this.#passes.set(key, {
      role,
      listeners,
      whenEnded: (ended) => {
        listeners.add(ended);
        return () => listeners.delete(ended);
      },
      sinceMs: this.#nowMs(),
      timer: setTimeout(() => this.#end(key), PASS_MS).unref(),
    });
    if (this.#passes.size > MAX_PASSES) {
      const [oldest] = this.#passes.keys();
      if (oldest !== undefined) this.#end(oldest);
    }
    return value;
  }

  /** The pass that a browser brings; undefined when it is none, or too old. */
  find(value: string): Pass | undefined {
    const key = keyOf(value);
    const pass = this.#passes.get(key);
    // A timer does not count while the machine sleeps.
    if (pass === undefined || this.#nowMs() - pass.sinceMs < PASS_MS) return pass;
    this.#end(key);
    return undefined;
  }

  /** Ends a pass, if it is one. */
  revoke(value: string): void {
    this.#end(keyOf(value));
  }

  /** Ends all, and tells nobody. */
  clear(): void {
    for (const { timer } of this.#passes.values()) clearTimeout(timer);
    this.#passes.clear();
  }

  #end(key: string): void {
    const pass = this.#passes.get(key);
    if (pass === undefined) return;
    clearTimeout(pass.timer);
    this.#passes.delete(key);
    for (const ended of pass.listeners) ended();
  }
}

/** Looked up by digest: the time of the look-up tells nothing that helps to find a pass. */
function keyOf(value: string): string {
  return createHash('sha256').update(value).digest('base64');
}
