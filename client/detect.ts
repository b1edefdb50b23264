import { type AssumedWire, findLgmpHeaders, type LgmpCandidate } from '../protocol/lgmp/detect.ts';
import { HEARTBEAT_TIMEOUT_MS } from '../protocol/limits.ts';
import type { Region } from '../protocol/memory/region.ts';
import { loadU32, loadU64 } from '../protocol/memory/word.ts';

/** Moves of a heartbeat that prove a publisher alive: the first may be its start-up. */
const MOVES_NEEDED = 2;

/**
 * Where LGMP 9 to 12 keep the offset of the first queue's ring. Their session blob ends behind their
 * magic, and the rings lie behind the blob. Source: LGMPHeader.queues, LGMPHeaderQueue.messagesOffset.
 */
const FIRST_RING_AT = 64 + 304;

interface Watched {
  timestamp: bigint;
  moves: number;
  movedMs: number;
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
  readonly #assume: AssumedWire | undefined;
  readonly #watched: Map<string, Watched> = new Map();

  constructor(region: Region, options: { readonly assume?: AssumedWire | undefined } = {}) {
    this.#region = region;
    this.#assume = options.assume;
  }

  /** Looks once. Call it every few ten milliseconds; `nowMs` is a clock that never runs backwards. */
  look(nowMs: number): Sighting {
    const all = findLgmpHeaders(this.#region, { assume: this.#assume });
    const candidates = all.filter((found) => found.plausible);
    const keys = new Set<string>();
    const alive: LgmpCandidate[] = [];
    for (const candidate of all) {
      const key = `${candidate.magicAt}:${candidate.version}`;
      keys.add(key);
      if (!this.#isAlive(key, candidate, nowMs)) continue;
      // LGMP 5 to 8 begin with their magic and version where the others have their heart: a header
      // that is being written there looks like two beats.
      if (candidate.timestampAt === 0 && all.at(-1)?.magicAt === 0) continue;
      // A header that cannot be right only counts where there is no other: it lives, so whoever
      // attaches to it is told what is wrong.
      if (candidate.plausible || all.length === 1) alive.push(candidate);
    }
    for (const key of this.#watched.keys()) if (!keys.has(key)) this.#watched.delete(key);
    // LGMP 9 to 12 share one place for the heartbeat: there the rings tell whose it is.
    const live = alive.find((found) => ringsFit(this.#region, found)) ?? alive[0];
    if (live !== undefined) return { kind: 'alive', candidate: live };
    return candidates.length === 0 ? { kind: 'nothing' } : { kind: 'silent', candidates };
  }

  #isAlive(key: string, candidate: LgmpCandidate, nowMs: number): boolean {
    const timestamp = loadU64(this.#region, candidate.timestampAt);
    const before = this.#watched.get(key);
    if (before === undefined) {
      this.#watched.set(key, { timestamp, moves: 0, movedMs: nowMs });
      return false;
    }
    if (timestamp !== before.timestamp) {
      before.timestamp = timestamp;
      before.moves += 1;
      before.movedMs = nowMs;
    } else if (nowMs - before.movedMs > HEARTBEAT_TIMEOUT_MS) {
      before.moves = 0;
    }
    return before.moves >= MOVES_NEEDED;
  }
}

/**
 * Among the headers with this heartbeat, the one that the queues belong to; undefined when none
 * fits them.
 */
export function queueOwner(region: Region, timestampAt: number): LgmpCandidate | undefined {
  return findLgmpHeaders(region).find(
    (found) => found.timestampAt === timestampAt && found.plausible && ringsFit(region, found),
  );
}

function ringsFit(region: Region, { magicAt }: LgmpCandidate): boolean {
  return magicAt === 0 || loadU32(region, FIRST_RING_AT) > magicAt;
}
