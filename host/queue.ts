import {
  activeBits,
  badBits,
  CLIENT_MESSAGE_BYTES,
  clearSlots,
  exchangeU32,
  type LgmpLayout,
  LOCK_TIMEOUT_MS,
  loadU8,
  loadU32,
  onBits,
  QUEUE_MAX_TIME_MS,
  type Region,
  setBad,
  storeU32,
  storeU64,
  tryLock,
  unlock,
} from '../protocol/index.ts';
import type { Payload, QueuePlan } from './plan.ts';

/**
 * How a post ended: `dropped` when nobody listens (a success, as in LGMP), `full` when every slot
 * is in use, `busy` when somebody holds the queue's lock.
 */
export type PostResult = 'posted' | 'dropped' | 'full' | 'busy';

/** What a queue has seen of its clients since the session began. */
export interface QueueCounters {
  /** Subscribers that kept a message longer than the protocol allows. */
  timedOut: number;
  /** Slots of timed out subscribers that were freed. */
  reaped: number;
  /** Numbers in the region that contradicted ours and were put right. */
  repaired: number;
}

const NO_MESSAGES: readonly Uint8Array<ArrayBuffer>[] = [];

/**
 * The publisher's side of one queue.
 *
 * Any client can write any word of it. So the publisher keeps its own position, its own idea of
 * which slots are in use, whom it posted to and since when the oldest message waits; what clients
 * may change (subs, pendingSubs, and the front of the ring when they finish a message) is read
 * under the lock, compared with what is possible, and put right when it is not.
 *
 * Source: LGMPHeaderQueue of LGMP 5 and 6; `position`, `start` and `count` are the shared copies.
 */
export class HostQueue {
  readonly counters: QueueCounters = { timedOut: 0, reaped: 0, repaired: 0 };
  readonly #region: Region;
  readonly #lgmp: LgmpLayout;
  readonly #plan: QueuePlan;
  readonly #at: number;
  readonly #payloadAt: Uint32Array<ArrayBuffer>;
  readonly #postedTo: Uint32Array<ArrayBuffer>;
  readonly #badUntil: Float64Array<ArrayBuffer>;
  #badKnown = 0;
  #position = 0;
  #start = 0;
  #count = 0;
  #frontDeadline = 0;
  #clientRead = 0;
  #acknowledged = 0;
  #lockHeldSince = -1;
  #clientLockHeldSince = -1;
  #lockLost = false;

  /** Writes the queue's header and clears its ring. The session is not visible yet. */
  constructor(region: Region, lgmp: LgmpLayout, plan: QueuePlan) {
    this.#region = region;
    this.#lgmp = lgmp;
    this.#plan = plan;
    this.#at = plan.queueAt;
    this.#payloadAt = new Uint32Array(plan.slots);
    this.#postedTo = new Uint32Array(plan.slots);
    this.#badUntil = new Float64Array(lgmp.maxSubscribers);
    const { queue } = lgmp;
    const at = this.#at;
    region.bytes.fill(0, at, at + queue.sizeBytes);
    region.bytes.fill(0, plan.ringAt, plan.ringAt + plan.slots * lgmp.message.sizeBytes);
    storeU32(region, at + queue.queueID, plan.id);
    storeU32(region, at + queue.numMessages, plan.slots);
    storeU32(region, at + queue.messagesOffset, plan.ringAt);
    storeU32(region, at + queue.maxTime, QUEUE_MAX_TIME_MS);
    storeU32(region, at + queue.cMsgAvail, lgmp.clientMessageSlots);
  }

  /** Messages in the ring, as far as is known without taking the lock. */
  get pending(): number {
    return this.#count;
  }

  /** Whether no further message fits. */
  get full(): boolean {
    return this.#count === this.#plan.slots - 1;
  }

  /** How many live subscribers there are. Timed out ones do not count. */
  active(): number {
    return popCount(activeBits(this.#region, this.#lgmp, this.#at));
  }

  /** Whether a message in the ring names this place. */
  names(at: number): boolean {
    for (let i = 0, slot = this.#start; i < this.#count; i++, slot = this.#next(slot))
      if (this.#payloadAt[slot] === at) return true;
    return false;
  }

  /** How many clients have subscribed since the last call. */
  newSubscribers(): number {
    const at = this.#at + this.#lgmp.queue.newSubCount;
    if (loadU32(this.#region, at) === 0) return 0;
    return Math.min(exchangeU32(this.#region, at, 0), this.#lgmp.maxSubscribers);
  }

  /** Puts a message in the ring for every live subscriber. */
  post(payload: Payload, udata: number, nowMs: number): PostResult {
    if (!this.#lock(nowMs)) return 'busy';
    try {
      return this.#postLocked(payload, udata, nowMs);
    } finally {
      this.#unlock();
    }
  }

  #postLocked(payload: Payload, udata: number, nowMs: number): PostResult {
    const region = this.#region;
    const { queue, message } = this.#lgmp;
    this.#agree(nowMs);
    const pending = activeBits(region, this.#lgmp, this.#at);
    if (pending === 0) return 'dropped';
    if (this.full) return 'full';
    const slot = this.#position;
    const at = this.#slotAt(slot);
    storeU32(region, at + message.udata, udata);
    storeU32(region, at + message.size, payload.bytes);
    storeU32(region, at + message.offset, payload.at);
    storeU32(region, at + message.pendingSubs, pending);
    this.#payloadAt[slot] = payload.at;
    this.#postedTo[slot] = pending;
    if (this.#count === 0) this.#renewDeadline(nowMs);
    this.#count++;
    storeU32(region, this.#at + queue.count, this.#count);
    this.#position = this.#next(slot);
    storeU32(region, this.#at + queue.position, this.#position);
    return 'posted';
  }

  /**
   * Frees what everybody has read, gives up subscribers that kept the oldest message too long, and
   * frees the slots of those given up long enough ago. Never waits.
   */
  process(nowMs: number): void {
    if (this.#count === 0 && this.#badKnown === 0 && this.#quiet()) {
      this.#probeLock(nowMs);
      return;
    }
    if (!this.#lock(nowMs)) return;
    try {
      this.#agree(nowMs);
      this.#adoptBad(nowMs);
      this.#freeFront(nowMs);
      this.#reap(nowMs);
    } finally {
      this.#unlock();
    }
  }

  #quiet(): boolean {
    const { queue } = this.#lgmp;
    return (
      badBits(this.#region, this.#lgmp, this.#at) === 0 &&
      loadU32(this.#region, this.#at + queue.count) === 0 &&
      loadU32(this.#region, this.#at + queue.start) === this.#start &&
      loadU32(this.#region, this.#at + queue.position) === this.#position
    );
  }

  #freeFront(nowMs: number): void {
    const region = this.#region;
    const { queue, message } = this.#lgmp;
    // One turn per message in the ring at most.
    while (this.#count > 0) {
      const pendingAt = this.#slotAt(this.#start) + message.pendingSubs;
      const on = onBits(region, this.#lgmp, this.#at);
      const bad = badBits(region, this.#lgmp, this.#at);
      const waiting =
        (loadU32(region, pendingAt) & (this.#postedTo[this.#start] ?? 0) & on & ~bad) >>> 0;
      if (waiting !== 0) {
        if (nowMs <= this.#frontDeadline) return;
        setBad(region, this.#lgmp, this.#at, waiting);
        this.#noteBad(waiting, nowMs);
        this.counters.timedOut += popCount(waiting);
        storeU32(region, pendingAt, 0);
      }
      this.#start = this.#next(this.#start);
      this.#count--;
      storeU32(region, this.#at + queue.start, this.#start);
      storeU32(region, this.#at + queue.count, this.#count);
      this.#renewDeadline(nowMs);
    }
  }

  /** Clients free the front themselves: both numbers move together, and only forward. */
  #agree(nowMs: number): void {
    const region = this.#region;
    const { queue } = this.#lgmp;
    const { slots } = this.#plan;
    const start = loadU32(region, this.#at + queue.start);
    const count = loadU32(region, this.#at + queue.count);
    if (start !== this.#start || count !== this.#count) {
      const freed = start < slots ? (start - this.#start + slots) % slots : slots;
      if (freed <= this.#count && count === this.#count - freed) {
        this.#start = start;
        this.#count = count;
        this.#renewDeadline(nowMs);
      } else {
        this.counters.repaired++;
        storeU32(region, this.#at + queue.start, this.#start);
        storeU32(region, this.#at + queue.count, this.#count);
      }
    }
    if (loadU32(region, this.#at + queue.position) !== this.#position) {
      this.counters.repaired++;
      storeU32(region, this.#at + queue.position, this.#position);
    }
  }

  // A BAD bit that is not ours would keep its slot for ever.
  #adoptBad(nowMs: number): void {
    const unknown = (badBits(this.#region, this.#lgmp, this.#at) & ~this.#badKnown) >>> 0;
    if (unknown !== 0) this.#noteBad(unknown, nowMs);
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

  #reap(nowMs: number): void {
    if (this.#badKnown === 0) return;
    const region = this.#region;
    const { queue } = this.#lgmp;
    const bad = badBits(region, this.#lgmp, this.#at);
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
        this.counters.reaped++;
      }
      this.#badKnown = (this.#badKnown & ~bit) >>> 0;
    }
  }

  /**
   * Takes what clients have sent, oldest first: private copies of at most 64 bytes each. Each has to
   * be acknowledged after it was acted on.
   */
  takeClientMessages(nowMs: number): readonly Uint8Array<ArrayBuffer>[] {
    const region = this.#region;
    const { queue, clientMessage, clientMessageSlots: slots, lockBytes } = this.#lgmp;
    const at = this.#at;
    const settled =
      loadU32(region, at + queue.cMsgAvail) === slots &&
      loadU32(region, at + queue.cMsgWPos) === this.#clientRead &&
      loadU32(region, at + queue.cMsgWSerial) === this.#acknowledged;
    if (settled) {
      this.#probeClientLock(nowMs);
      return NO_MESSAGES;
    }
    if (!this.#take(at + queue.cMsgLock)) {
      if (this.#clientLockHeldSince < 0) this.#clientLockHeldSince = nowMs;
      return NO_MESSAGES;
    }
    this.#clientLockHeldSince = -1;
    try {
      const available = loadU32(region, at + queue.cMsgAvail);
      if (available > slots) this.counters.repaired++;
      const messages: Uint8Array<ArrayBuffer>[] = [];
      for (let left = slots - Math.min(available, slots); left > 0; left--) {
        const slotAt = at + queue.cMsgs + this.#clientRead * clientMessage.sizeBytes;
        const bytes = Math.min(loadU32(region, slotAt + clientMessage.size), CLIENT_MESSAGE_BYTES);
        messages.push(region.copyOut(slotAt + clientMessage.data, bytes));
        this.#clientRead = (this.#clientRead + 1) % slots;
      }
      storeU32(region, at + queue.cMsgAvail, slots);
      // The ring is empty now, so what the clients count must be what we count.
      this.#settle(at + queue.cMsgWPos, this.#clientRead);
      this.#settle(at + queue.cMsgWSerial, (this.#acknowledged + messages.length) >>> 0);
      return messages;
    } finally {
      unlock(region, at + queue.cMsgLock, lockBytes);
    }
  }

  #settle(at: number, value: number): void {
    if (loadU32(this.#region, at) === value) return;
    this.counters.repaired++;
    storeU32(this.#region, at, value);
  }

  /** Tells the clients that one more of their messages was acted on. */
  acknowledge(): void {
    this.#acknowledged = (this.#acknowledged + 1) >>> 0;
    storeU32(this.#region, this.#at + this.#lgmp.queue.cMsgRSerial, this.#acknowledged);
  }

  /**
   * Whether a lock of this queue was held for so long, or holds such a value, that its holder must
   * be gone. Only a new session frees it.
   */
  lockLost(nowMs: number): boolean {
    const held = (since: number): boolean => since >= 0 && nowMs - since >= LOCK_TIMEOUT_MS;
    return this.#lockLost || held(this.#lockHeldSince) || held(this.#clientLockHeldSince);
  }

  #lock(nowMs: number): boolean {
    const taken = this.#take(this.#at + this.#lgmp.queue.lock);
    if (taken) this.#lockHeldSince = -1;
    else if (this.#lockHeldSince < 0) this.#lockHeldSince = nowMs;
    return taken;
  }

  #take(at: number): boolean {
    try {
      return tryLock(this.#region, at, this.#lgmp.lockBytes);
    } catch {
      // Neither 0 nor 1: nobody will give it back.
      this.#lockLost = true;
      return false;
    }
  }

  #unlock(): void {
    unlock(this.#region, this.#at + this.#lgmp.queue.lock, this.#lgmp.lockBytes);
  }

  // A client that died with a lock keeps all others out, also while there is nothing to post.
  #probeLock(nowMs: number): void {
    if (this.#isFree(this.#at + this.#lgmp.queue.lock)) this.#lockHeldSince = -1;
    else if (this.#lockHeldSince < 0) this.#lockHeldSince = nowMs;
  }

  #probeClientLock(nowMs: number): void {
    if (this.#isFree(this.#at + this.#lgmp.queue.cMsgLock)) this.#clientLockHeldSince = -1;
    else if (this.#clientLockHeldSince < 0) this.#clientLockHeldSince = nowMs;
  }

  #isFree(at: number): boolean {
    return (
      (this.#lgmp.lockBytes === 1 ? loadU8(this.#region, at) : loadU32(this.#region, at)) === 0
    );
  }

  #renewDeadline(nowMs: number): void {
    this.#frontDeadline = nowMs + QUEUE_MAX_TIME_MS;
    storeU64(this.#region, this.#at + this.#lgmp.queue.msgTimeout, BigInt(this.#frontDeadline));
  }

  #slotAt(slot: number): number {
    return this.#plan.ringAt + slot * this.#lgmp.message.sizeBytes;
  }

  #next(slot: number): number {
    return slot + 1 === this.#plan.slots ? 0 : slot + 1;
  }
}

function popCount(mask: number): number {
  let bits = 0;
  for (let rest = mask >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) bits++;
  return bits;
}
