import {
  activeBits,
  badBits,
  clearSlots,
  exchangeU32,
  type LgmpLayout,
  loadU32,
  QUEUE_MAX_TIME_MS,
  type Region,
  setBad,
  storeU32,
  storeU64,
} from '../protocol/index.ts';
import type { QueueCounters } from './queue.ts';

const NO_CLIENTS: readonly number[] = [];

/**
 * The subscribers of one queue: who is there, who was given up, and since when.
 *
 * What gives somebody up or frees a slot is called under the queue's lock.
 */
export class Subscribers {
  readonly #region: Region;
  readonly #lgmp: LgmpLayout;
  readonly #at: number;
  readonly #counters: QueueCounters;
  readonly #badUntil: Float64Array<ArrayBuffer>;
  #badKnown = 0;
  #invalidated: number[] = [];

  constructor(region: Region, lgmp: LgmpLayout, queueAt: number, counters: QueueCounters) {
    this.#region = region;
    this.#lgmp = lgmp;
    this.#at = queueAt;
    this.#counters = counters;
    this.#badUntil = new Float64Array(lgmp.maxSubscribers);
  }

  /** How many are live. */
  active(): number {
    return popCount(this.activeSlots());
  }

  /** The slots of the live ones, a bit for each. */
  activeSlots(): number {
    return activeBits(this.#region, this.#lgmp, this.#at);
  }

  /** The client that has a slot now, as it says. */
  clientAt(slot: number): number {
    return loadU32(this.#region, this.#at + this.#lgmp.queue.clientID + slot * 4);
  }

  /** The ids of the live ones, but 0. */
  clients(): ReadonlySet<number> {
    const active = this.activeSlots();
    const clients = new Set<number>();
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++)
      if (((active >>> id) & 1) === 1) clients.add(this.clientAt(id));
    clients.delete(0);
    return clients;
  }

  /** Whether a live one has this client id. */
  has(clientId: number): boolean {
    const active = this.activeSlots();
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++)
      if (((active >>> id) & 1) === 1 && this.clientAt(id) === clientId) return true;
    return false;
  }

  /** How many have subscribed since the last call. */
  takeNew(): number {
    const at = this.#at + this.#lgmp.queue.newSubCount;
    if (loadU32(this.#region, at) === 0) return 0;
    return Math.min(exchangeU32(this.#region, at, 0), this.#lgmp.maxSubscribers);
  }

  /** Whether nobody is given up, and no slot waits to be freed. */
  isSettled(): boolean {
    return this.#badKnown === 0 && badBits(this.#region, this.#lgmp, this.#at) === 0;
  }

  /** Gives up who has these slots. */
  timeOut(slots: number, nowMs: number): void {
    setBad(this.#region, this.#lgmp, this.#at, slots);
    this.#noteBad(slots >>> 0, nowMs);
    this.#counters.timedOut += popCount(slots);
  }

  /** Gives up every live one with this client id. */
  timeOutClient(clientId: number, nowMs: number): void {
    const active = this.activeSlots();
    let gone = 0;
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++)
      if (((active >>> id) & 1) === 1 && this.clientAt(id) === clientId) gone |= 1 << id;
    if (gone !== 0) this.timeOut(gone, nowMs);
  }

  /** A BAD bit that is not ours would keep its slot for ever. */
  adoptBad(nowMs: number): void {
    const unknown = (badBits(this.#region, this.#lgmp, this.#at) & ~this.#badKnown) >>> 0;
    if (unknown !== 0) this.#noteBad(unknown, nowMs);
  }

  /** Frees the slots of those who were given up long enough ago. Gives those slots, a bit for each. */
  reap(nowMs: number): number {
    if (this.#badKnown === 0) return 0;
    const region = this.#region;
    const { queue } = this.#lgmp;
    const bad = badBits(region, this.#lgmp, this.#at);
    let freed = 0;
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++) {
      const bit = (1 << id) >>> 0;
      if ((this.#badKnown & bit) === 0) continue;
      const still = (bad & bit) !== 0;
      if (still && nowMs <= (this.#badUntil[id] ?? 0)) continue;
      // Otherwise a client has done it, and the slot may have a new owner.
      if (still) {
        clearSlots(region, this.#lgmp, this.#at, bit);
        storeU64(region, this.#at + queue.timeout + id * 8, 0n);
        storeU32(region, this.#at + queue.clientID + id * 4, 0);
        freed |= bit;
        this.#counters.reaped++;
      }
      this.#badKnown = (this.#badKnown & ~bit) >>> 0;
    }
    return freed >>> 0;
  }

  /** Who has these slots is to be given up on all queues. */
  invalidate(slots: number): void {
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++) {
      const client = ((slots >>> id) & 1) === 1 ? this.clientAt(id) : 0;
      if (client !== 0) this.#invalidated.push(client);
    }
  }

  /** This client is to be given up on all queues. */
  invalidateClient(clientId: number): void {
    this.#invalidated.push(clientId);
  }

  /** The ids of the clients that are to be given up on all queues since the last call. */
  takeInvalidated(): readonly number[] {
    if (this.#invalidated.length === 0) return NO_CLIENTS;
    const clients = this.#invalidated;
    this.#invalidated = [];
    return clients;
  }

  #noteBad(mask: number, nowMs: number): void {
    this.#badKnown = (this.#badKnown | mask) >>> 0;
    const until = nowMs + QUEUE_MAX_TIME_MS;
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++) {
      if (((mask >>> id) & 1) === 0) continue;
      this.#badUntil[id] = until;
      storeU64(this.#region, this.#at + this.#lgmp.queue.timeout + id * 8, BigInt(until));
    }
  }
}

function popCount(mask: number): number {
  let bits = 0;
  for (let rest = mask >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) bits++;
  return bits;
}
