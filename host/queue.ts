import {
  andU32,
  type LgmpLayout,
  loadU32,
  QUEUE_MAX_TIME_MS,
  type Region,
  storeU32,
  storeU64,
} from '../protocol/index.ts';
import type { Audience } from './audience.ts';
import { ClientMessages, type SentMessage } from './client-messages.ts';
import type { Payload, QueuePlan } from './plan.ts';
import { QueueLock } from './queue-lock.ts';
import { Subscribers } from './subscribers.ts';

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

/** How a message is posted, besides to everybody. */
export interface PostOptions {
  /** The upper half of the message's udata; there is one from LGMP 11 on. */
  readonly udataHigh?: number;
  /** To these subscribers only. */
  readonly audience?: Audience | undefined;
  /** Only while fewer messages than this are in the ring. */
  readonly limit?: number;
}

const TO_EVERYBODY: PostOptions = {};
// From here on a message has 64 bits of udata, the newest message is taken back when nobody waits
// for it, and a client that missed a message is given up on all queues.
const LGMP_WITH_CLIENT_IDS = 11;

/**
 * The publisher's side of one queue.
 *
 * Any client can write any word of it. So the publisher keeps its own position, its own idea of
 * which slots are in use, whom it posted to and since when the oldest message waits; what clients
 * may change (subs, pendingSubs, and the front of the ring when they finish a message) is read
 * under the lock, compared with what is possible, and put right when it is not.
 *
 * Source: LGMPHeaderQueue of LGMP 5 to 12; `position`, `start` and `count` are the shared copies.
 */
export class HostQueue {
  readonly counters: QueueCounters = { timedOut: 0, reaped: 0, repaired: 0 };
  readonly #region: Region;
  readonly #lgmp: LgmpLayout;
  readonly #plan: QueuePlan;
  readonly #at: number;
  readonly #payloadAt: Uint32Array<ArrayBuffer>;
  readonly #postedTo: Uint32Array<ArrayBuffer>;
  /** Words that never change, and where: by them clients find the ring. */
  readonly #facts: readonly (readonly [at: number, value: number])[];
  readonly #lock: QueueLock;
  readonly #posted: () => void;
  readonly #messages: ClientMessages;
  readonly #subscribers: Subscribers;
  #position = 0;
  #start = 0;
  #count = 0;
  #frontDeadline = 0;

  /** Writes the queue's header and clears its ring. The session is not visible yet. */
  /** @param posted is called after each message that somebody waits for */
  constructor(region: Region, lgmp: LgmpLayout, plan: QueuePlan, posted: () => void = () => {}) {
    this.#posted = posted;
    this.#region = region;
    this.#lgmp = lgmp;
    this.#plan = plan;
    this.#at = plan.queueAt;
    this.#payloadAt = new Uint32Array(plan.slots);
    this.#postedTo = new Uint32Array(plan.slots);
    const { queue } = lgmp;
    const at = this.#at;
    this.#lock = new QueueLock(region, at + queue.lock, lgmp.lockBytes);
    this.#messages = new ClientMessages(region, lgmp, at, this.counters);
    this.#subscribers = new Subscribers(region, lgmp, at, this.counters);
    region.bytes.fill(0, at, at + queue.sizeBytes);
    region.bytes.fill(0, plan.ringAt, plan.ringAt + plan.slots * lgmp.message.sizeBytes);
    this.#facts = [
      [at + queue.queueID, plan.id],
      [at + queue.numMessages, plan.slots],
      [at + queue.messagesOffset, plan.ringAt],
      [at + queue.maxTime, QUEUE_MAX_TIME_MS],
    ];
    for (const [factAt, value] of this.#facts) storeU32(region, factAt, value);
    storeU32(region, at + queue.cMsgAvail, lgmp.clientMessageSlots);
  }

  /** Messages in the ring, as far as is known without taking the lock. */
  get pending(): number {
    return this.#count;
  }

  /** Whether no further message fits. */
  get full(): boolean {
    return this.#count === this.#plan.capacity;
  }

  /** How many live subscribers there are. Timed out ones do not count. */
  active(): number {
    return this.#subscribers.active();
  }

  /** The slots of the live subscribers, a bit for each. */
  activeSlots(): number {
    return this.#subscribers.activeSlots();
  }

  /** The client that has a slot now, as it says. */
  clientAt(slot: number): number {
    return this.#subscribers.clientAt(slot);
  }

  /** Whether a message in the ring names this place. */
  names(at: number): boolean {
    for (let i = 0, slot = this.#start; i < this.#count; i++, slot = this.#next(slot))
      if (this.#payloadAt[slot] === at) return true;
    return false;
  }

  /** How many clients have subscribed since the last call. */
  newSubscribers(): number {
    return this.#subscribers.takeNew();
  }

  /** Puts a message in the ring for every live subscriber, or for an audience among them. */
  post(
    payload: Payload,
    udata: number,
    nowMs: number,
    options: PostOptions = TO_EVERYBODY,
  ): PostResult {
    if (!this.#lock.take(nowMs)) return 'busy';
    let result: PostResult;
    try {
      result = this.#postLocked(payload, udata, nowMs, options);
    } finally {
      this.#lock.release();
    }
    // Whoever it wakes needs the lock.
    if (result === 'posted') this.#posted();
    return result;
  }

  #postLocked(payload: Payload, udata: number, nowMs: number, options: PostOptions): PostResult {
    const region = this.#region;
    const { queue, message } = this.#lgmp;
    const { audience, limit = this.#plan.capacity } = options;
    this.#agree(nowMs);
    const active = this.activeSlots();
    const pending = audience === undefined ? active : this.#choose(active, audience);
    // LGMP 12 puts a message for everybody in the ring also when nobody is there: it is taken back.
    if (pending === 0 && (audience !== undefined || !this.#withClientIds)) return 'dropped';
    if (this.full || this.#count >= limit) return 'full';
    const slot = this.#position;
    const at = this.#slotAt(slot);
    storeU32(region, at + message.udata, udata);
    if (this.#withClientIds) storeU32(region, at + message.udata + 4, options.udataHigh ?? 0);
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
    if (pending === 0) return 'dropped';
    if (audience !== undefined)
      for (let id = 0; id < this.#lgmp.maxSubscribers; id++)
        if (((pending >>> id) & 1) === 1) audience.delivered(id, this.clientAt(id));
    return 'posted';
  }

  #choose(active: number, audience: Audience): number {
    let chosen = 0;
    for (let id = 0; id < this.#lgmp.maxSubscribers; id++)
      if (((active >>> id) & 1) === 1 && audience.wants(id, this.clientAt(id))) chosen |= 1 << id;
    return chosen >>> 0;
  }

  /**
   * Frees what everybody has read, gives up subscribers that kept the oldest message too long, and
   * frees the slots of those given up long enough ago. Never waits.
   */
  process(nowMs: number): void {
    this.#keepFacts();
    if (this.#count === 0 && this.#quiet()) {
      this.#lock.probe(nowMs);
      return;
    }
    if (!this.#lock.take(nowMs)) return;
    try {
      this.#agree(nowMs);
      this.#subscribers.adoptBad(nowMs);
      if (this.#withClientIds) this.#trimTail();
      this.#freeFront(nowMs);
      const freed = this.#subscribers.reap(nowMs);
      if (this.#withClientIds && freed !== 0) this.#forget(freed);
    } finally {
      this.#lock.release();
    }
  }

  // A ninth subscriber of LGMP 10, which has eight, writes its time-out over two of them.
  #keepFacts(): void {
    for (const [at, value] of this.#facts) {
      if (loadU32(this.#region, at) === value) continue;
      this.counters.repaired++;
      storeU32(this.#region, at, value);
    }
  }

  #quiet(): boolean {
    const { queue } = this.#lgmp;
    return (
      this.#subscribers.isSettled() &&
      loadU32(this.#region, this.#at + queue.count) === 0 &&
      loadU32(this.#region, this.#at + queue.start) === this.#start &&
      loadU32(this.#region, this.#at + queue.position) === this.#position
    );
  }

  // Live subscribers that still have to read a message.
  #waitingFor(slot: number): number {
    const pendingAt = this.#slotAt(slot) + this.#lgmp.message.pendingSubs;
    const active = this.activeSlots();
    return (loadU32(this.#region, pendingAt) & (this.#postedTo[slot] ?? 0) & active) >>> 0;
  }

  /** Takes back the newest messages when nobody waits for them: the position moves back. */
  #trimTail(): void {
    const region = this.#region;
    const { queue, message } = this.#lgmp;
    while (this.#count > 0) {
      const newest = this.#position === 0 ? this.#plan.slots - 1 : this.#position - 1;
      if (this.#waitingFor(newest) !== 0) return;
      storeU32(region, this.#slotAt(newest) + message.pendingSubs, 0);
      this.#position = newest;
      this.#count--;
      storeU32(region, this.#at + queue.position, newest);
      storeU32(region, this.#at + queue.count, this.#count);
    }
  }

  #freeFront(nowMs: number): void {
    const region = this.#region;
    const { queue, message } = this.#lgmp;
    // One turn per message in the ring at most.
    while (this.#count > 0) {
      const pendingAt = this.#slotAt(this.#start) + message.pendingSubs;
      const waiting = this.#waitingFor(this.#start);
      if (waiting !== 0) {
        if (nowMs <= this.#frontDeadline) return;
        if (this.#withClientIds) this.#subscribers.invalidate(waiting);
        this.#subscribers.timeOut(waiting, nowMs);
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
      // A ring of LGMP 10 that was full and is empty now begins where it began.
      const freed = this.#count - count;
      if (freed >= 0 && start === (this.#start + freed) % slots) {
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

  // Who gets a slot next has not been sent what its last owner did not read.
  #forget(freed: number): void {
    const { message } = this.#lgmp;
    for (let i = 0, slot = this.#start; i < this.#count; i++, slot = this.#next(slot)) {
      this.#postedTo[slot] = ((this.#postedTo[slot] ?? 0) & ~freed) >>> 0;
      andU32(this.#region, this.#slotAt(slot) + message.pendingSubs, ~freed);
    }
  }

  /** The ids of clients that were given up since the last call; always none before LGMP 11. */
  takeInvalidated(): readonly number[] {
    return this.#subscribers.takeInvalidated();
  }

  /** Gives up every live subscriber with this client id, because it was given up elsewhere. */
  invalidate(clientId: number, nowMs: number): void {
    if (!this.#lock.take(nowMs)) {
      // Not forgotten: the next turn gives it up everywhere again.
      this.#subscribers.invalidateClient(clientId);
      return;
    }
    try {
      this.#subscribers.timeOutClient(clientId, nowMs);
    } finally {
      this.#lock.release();
    }
  }

  /**
   * Takes what clients have sent, oldest first. Each has to be acknowledged after it was acted on,
   * also one whose sender is nobody.
   */
  takeClientMessages(nowMs: number): readonly SentMessage[] {
    return this.#messages.take(nowMs, (clientId) => this.subscribes(clientId));
  }

  /** The ids of the live subscribers, but 0. */
  clients(): ReadonlySet<number> {
    return this.#subscribers.clients();
  }

  /** Whether a live subscriber has this client id. */
  subscribes(clientId: number): boolean {
    return this.#subscribers.has(clientId);
  }

  /** Tells the clients that one more of their messages was acted on. */
  acknowledge(): void {
    this.#messages.acknowledge();
  }

  /**
   * Whether a lock of this queue was held for so long, or holds such a value, that its holder must
   * be gone. Only a new session frees it.
   */
  lockLost(nowMs: number): boolean {
    return this.#lock.lost(nowMs) || this.#messages.lockLost(nowMs);
  }

  #renewDeadline(nowMs: number): void {
    this.#frontDeadline = nowMs + QUEUE_MAX_TIME_MS;
    storeU64(this.#region, this.#at + this.#lgmp.queue.msgTimeout, BigInt(this.#frontDeadline));
  }

  get #withClientIds(): boolean {
    return this.#lgmp.version >= LGMP_WITH_CLIENT_IDS;
  }

  #slotAt(slot: number): number {
    return this.#plan.ringAt + slot * this.#lgmp.message.sizeBytes;
  }

  #next(slot: number): number {
    return slot + 1 === this.#plan.slots ? 0 : slot + 1;
  }
}
