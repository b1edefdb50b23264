import { findLgmpHeaders, type LgmpCandidate } from '../protocol/lgmp/detect.ts';
import type { Region } from '../protocol/memory/region.ts';
import { loadU64 } from '../protocol/memory/word.ts';

/** Moves of a heartbeat that prove a publisher alive: the first may be its start-up. */
const MOVES_NEEDED = 2;

interface Watched {
  readonly candidate: LgmpCandidate;
  timestamp: bigint;
  moves: number;
}

/** What the region holds: a live publisher, headers without life, or nothing. */
export type Sighting =
  | { readonly kind: 'alive'; readonly candidate: LgmpCandidate }
  | { readonly kind: 'silent'; readonly candidates: readonly LgmpCandidate[] }
  | { readonly kind: 'nothing' };

/**
 * Watches the headers in a region until a heartbeat moves. Publishers never clear memory, so
 * headers of dead ones lie around; only movement tells.
 */
export class HeartbeatWatch {
  readonly #region: Region;
  readonly #watched: Map<string, Watched> = new Map();

  constructor(region: Region) {
    this.#region = region;
  }

  /** Looks once. Call it every few ten milliseconds. */
  look(): Sighting {
    const candidates = findLgmpHeaders(this.#region).filter((found) => found.plausible);
    const keys = new Set<string>();
    let alive: LgmpCandidate | undefined;
    for (const candidate of candidates) {
      const key = `${candidate.magicAt}:${candidate.version}`;
      keys.add(key);
      if (this.#moved(key, candidate) && alive === undefined) alive = candidate;
    }
    for (const key of this.#watched.keys()) if (!keys.has(key)) this.#watched.delete(key);
    if (alive !== undefined) return { kind: 'alive', candidate: alive };
    return candidates.length === 0 ? { kind: 'nothing' } : { kind: 'silent', candidates };
  }

  #moved(key: string, candidate: LgmpCandidate): boolean {
    const timestamp = loadU64(this.#region, candidate.timestampAt);
    const before = this.#watched.get(key);
    if (before === undefined) {
      this.#watched.set(key, { candidate, timestamp, moves: 0 });
      return false;
    }
    if (timestamp !== before.timestamp) {
      before.timestamp = timestamp;
      before.moves += 1;
    }
    return before.moves >= MOVES_NEEDED;
  }
}
