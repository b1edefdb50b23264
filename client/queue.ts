import type { WatchedWord } from '../native/index.ts';
import { hex, KvmfrError } from '../protocol/error.ts';
import { tryLock } from '../protocol/lgmp/lock.ts';
import { badBits, clearSlots, onBits, setOn } from '../protocol/lgmp/subscribers.ts';
import {
  addU32,
  andU32,
  compareExchangeU32,
  loadU32,
  loadU64,
  storeU32,
  storeU64,
} from '../protocol/memory/word.ts';
import { checkMessage, hasReached, sendMessage } from './client-messages.ts';
import { lockQueue, unlockQueue } from './queue-lock.ts';
import { findQueue, messageAt, type QueueGeometry, readPosition } from './ring.ts';
import { RingSearch } from './ring-search.ts';
import type { Session } from './session.ts';
import { countDown, forget, reap, takeClientId } from './slots.ts';

/** Places of a ring that are watched beside the position, where the position may go back. */
const WATCHED_PLACES = 4;

/** What a subscription can say besides "here is a message". All are ordinary. */
export type QueueStatus = 'ok' | 'empty' | 'timed-out' | 'unsubscribed' | 'session-lost' | 'busy';

/** Why a subscription could not be had. */
export type SubscribeRefusal = 'no-queue' | 'full' | 'busy' | 'session-lost';

/** The entry of a queue that {@link Queue.next} found: copied, and bounded by the region. */
export interface QueueMessage {
  /** Application value, its low 32 bits: cursor flags on the pointer queue. */
  udata: number;
  /** Its high 32 bits, in versions that have them: the epoch of a scheduled frame. */
  udataHigh: number;
  /** Where the payload starts in the region. */
  offset: number;
  /** Bytes of the payload's place. */
  bytes: number;
}

/**
 * A subscription to a queue: one bit among its subscribers.
 *
 * Ownership: {@link unsubscribe} frees the bit; without it the publisher waits for us, up to a
 * second per message, until it gives us up.
 */
export class Queue {
  /** The entry found by the last {@link next} that said `ok`. */
  readonly message: QueueMessage = { udata: 0, udataHigh: 0, offset: 0, bytes: 0 };
  readonly #session: Session;
  readonly #geometry: QueueGeometry;
  readonly #search: RingSearch;
  readonly #slot: number;
  readonly #bit: number;
  /** Names us in the table of owners: another one for each subscription, since slots are reused. */
  readonly #clientId: number;
  /** Our own place in the ring: of the message that we hold, or where we expect the next. */
  #position: number;
  /** The publisher's position, when we looked last. */
  #end: number;
  /** Whether {@link next} found a message that is not finished yet. */
  #holding = false;
  #subscribed = true;

  private constructor(
    session: Session,
    geometry: QueueGeometry,
    place: { readonly slot: number; readonly clientId: number; readonly position: number },
  ) {
    this.#session = session;
    this.#geometry = geometry;
    this.#slot = place.slot;
    this.#bit = (1 << place.slot) >>> 0;
    this.#search = new RingSearch(session, geometry, this.#bit);
    this.#clientId = place.clientId;
    this.#position = place.position;
    this.#end = place.position;
  }

  /**
   * Takes a subscriber slot of the queue with this id. Messages posted before are not seen; the
   * publisher notices and sends the newest again.
   *
   * `sameId` is the id of a slot of another queue, for a publisher that has to know them for one
   * client's.
   *
   * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when the queue's header cannot be
   */
  static subscribe(session: Session, queueId: number, sameId?: number): Queue | SubscribeRefusal {
    if (!session.holdsQueues()) return 'session-lost';
    const geometry = findQueue(session, queueId);
    if (geometry === undefined) return 'no-queue';
    const { region, lgmp } = session;
    const { at } = geometry;
    if (!tryLock(region, at + lgmp.queue.lock, lgmp.lockBytes)) return 'busy';
    try {
      if (!session.holds()) return 'session-lost';
      reap(session, at);
      const taken = (onBits(region, lgmp, at) | badBits(region, lgmp, at)) >>> 0;
      let slot = 0;
      while (slot < lgmp.maxSubscribers && ((taken >>> slot) & 1) === 1) slot++;
      if (slot >= lgmp.maxSubscribers) return 'full';
      const bit = (1 << slot) >>> 0;
      const clientId = sameId ?? takeClientId(session);
      const position = readPosition(session, geometry);
      // The slot's former owner may have left messages unread: they are not ours to finish.
      forget(session, geometry, bit);
      storeU64(region, at + lgmp.queue.timeout + slot * 8, 0n);
      storeU32(region, at + lgmp.queue.clientID + slot * 4, clientId);
      setOn(region, lgmp, at, bit);
      addU32(region, at + lgmp.queue.newSubCount, 1);
      return new Queue(session, geometry, { slot, clientId, position });
    } finally {
      unlockQueue(session, geometry);
      session.mapping.doorbell?.ring();
    }
  }

  /** The word that changes when something is posted, for a native wait. */
  get positionAt(): number {
    return this.#geometry.at + this.#session.lgmp.queue.position;
  }

  /** What {@link positionAt} holds while nothing is new. */
  get position(): number {
    return this.#end;
  }

  /** Which subscriber slot is ours. */
  get slot(): number {
    return this.#slot;
  }

  /** Our id in the table of owners. */
  get clientId(): number {
    return this.#clientId;
  }

  /** Slots of the ring: no more messages than this can wait at the same time. */
  get ringSlots(): number {
    return this.#geometry.numMessages;
  }

  /** Whether the slot is still ours: not given up by the publisher, not reused, session the same. */
  check(): QueueStatus {
    if (!this.#subscribed) return 'unsubscribed';
    return this.#session.holds() ? this.#standing() : 'session-lost';
  }

  /**
   * Finds the oldest message that is ours and copies its entry to {@link message}. Takes nothing:
   * {@link done} does.
   *
   * @throws ERR_KVMFR_BOUNDS when an index or the payload's place cannot be; a message with such a
   *   payload is finished
   */
  next(): QueueStatus {
    this.#holding = false;
    const status = this.check();
    if (status !== 'ok') return status;
    this.#end = readPosition(this.#session, this.#geometry);
    const index = this.#search.find(this.#position, this.#end);
    this.#position = index ?? this.#end;
    return index === undefined ? 'empty' : this.#hold();
  }

  /** Words that change when something is posted, for a native wait: the value seen last beside each. */
  watch(): WatchedWord[] {
    const { region, lgmp } = this.#session;
    const { numMessages } = this.#geometry;
    const words: WatchedWord[] = [];
    // In a small ring the places say all that the position does, and each word costs looks.
    if (!lgmp.trimsTail || numMessages > WATCHED_PLACES)
      words.push({ offsetBytes: this.positionAt, value: this.#end });
    if (!lgmp.trimsTail) return words;
    // A message may be taken back and another one posted in its place: the position is then as it
    // was, but the bits of the places around it are not.
    for (let back = 0; back < Math.min(WATCHED_PLACES, numMessages); back++) {
      const index = (this.#position - back) & (numMessages - 1);
      const offsetBytes =
        messageAt(this.#session, this.#geometry, index) + lgmp.message.pendingSubs;
      const value = loadU32(region, offsetBytes);
      // Posted since we looked: the wait must not take it for what was there before.
      const isNew = this.#search.isOurs(index);
      words.push({ offsetBytes, value: isNew ? (value & ~this.#bit) >>> 0 : value });
    }
    return words;
  }

  /**
   * Whether something newer than the message that {@link next} found waits.
   *
   * @throws ERR_KVMFR_BOUNDS when the publisher's position cannot be
   */
  hasNewer(): boolean {
    const next = this.#search.after(this.#position);
    if (this.#session.lgmp.trimsTail) return this.#search.isOurs(next);
    return next !== readPosition(this.#session, this.#geometry) && this.#search.isPending(next);
  }

  /**
   * Whether the message that {@link next} found is still lent to us. It is not when we were given up,
   * or when a client that had our slot before us finished it in our name, as those of LGMP 5 to 10 do.
   */
  get lent(): boolean {
    return this.#holding && this.check() === 'ok' && this.#search.isPending(this.#position);
  }

  /**
   * Finishes the message that {@link next} found; `empty` when there is none, or it was finished
   * already: then it may have changed while it was read. The payload may change from now on.
   */
  done(): QueueStatus {
    const holding = this.#holding;
    this.#holding = false;
    const status = this.check();
    if (status !== 'ok') return status;
    if (!holding) return 'empty';
    const { region, lgmp } = this.#session;
    const at = messageAt(this.#session, this.#geometry, this.#position);
    const before = andU32(region, at + lgmp.message.pendingSubs, ~this.#bit);
    if (before === this.#bit) this.#freeFront();
    this.#position = this.#search.after(this.#position);
    return (before & this.#bit) === 0 ? 'empty' : 'ok';
  }

  /**
   * Gives the subscriber slot back. Also after the session was ended from our side, as long as the
   * region still holds it.
   *
   * @returns `busy` when the queue's lock was taken all the time: try again
   */
  unsubscribe(): QueueStatus {
    if (!this.#subscribed) return 'unsubscribed';
    const status = this.#present();
    if (status !== 'ok') return status;
    const { region, lgmp } = this.#session;
    const { at } = this.#geometry;
    if (!lockQueue(this.#session, this.#geometry)) return 'busy';
    try {
      // We may have been given up while we waited for the lock.
      const locked = this.#present();
      if (locked !== 'ok') return locked;
      forget(this.#session, this.#geometry, this.#bit);
      storeU64(region, at + lgmp.queue.timeout + this.#slot * 8, 0n);
      storeU32(region, at + lgmp.queue.clientID + this.#slot * 4, 0);
      clearSlots(region, lgmp, at, this.#bit);
    } finally {
      unlockQueue(this.#session, this.#geometry);
    }
    this.#subscribed = false;
    return 'ok';
  }

  /**
   * Sends up to 64 bytes to the publisher.
   *
   * @returns the serial to ask {@link acknowledged} about, or why it could not be sent
   * @throws ERR_KVMFR_ARGUMENT for more bytes, ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when a number of
   *   the ring, or its lock, cannot be
   */
  send(bytes: Uint8Array): number | QueueStatus | 'full' {
    checkMessage(bytes);
    const status = this.check();
    if (status !== 'ok') return status;
    const sent = sendMessage(this.#session, this.#geometry, { clientId: this.#clientId, bytes });
    if (typeof sent === 'number') this.#session.mapping.doorbell?.ring();
    return sent;
  }

  /** Whether the publisher has acted on the message with this serial. Serials wrap. */
  acknowledged(serial: number): boolean {
    return this.#session.holds() && hasReached(this.#session, this.#geometry, serial);
  }

  #hold(): QueueStatus {
    this.#holding = true;
    this.#readMessage(messageAt(this.#session, this.#geometry, this.#position));
    return 'ok';
  }

  /** What the queue's header says of our slot. */
  #standing(): QueueStatus {
    const { region, lgmp } = this.#session;
    const { at } = this.#geometry;
    if ((badBits(region, lgmp, at) & this.#bit) !== 0) return 'timed-out';
    if (loadU32(region, at + lgmp.queue.clientID + this.#slot * 4) !== this.#clientId)
      return 'timed-out';
    return (onBits(region, lgmp, at) & this.#bit) === 0 ? 'unsubscribed' : 'ok';
  }

  #present(): QueueStatus {
    // The header may be whole again later, so the slot is not written off.
    if (!this.#session.present()) return 'session-lost';
    const status = this.#standing();
    // Not ours any more; whoever subscribes next reaps it.
    if (status !== 'ok') this.#subscribed = false;
    return status;
  }

  #readMessage(at: number): void {
    const { region, lgmp } = this.#session;
    const udata = region.view.getUint32(at + lgmp.message.udata, true);
    const udataHigh =
      lgmp.udataBytes === 8 ? region.view.getUint32(at + lgmp.message.udata + 4, true) : 0;
    const bytes = region.view.getUint32(at + lgmp.message.size, true);
    const offset = region.view.getUint32(at + lgmp.message.offset, true);
    if (
      offset % 4 !== 0 ||
      offset < this.#session.payloadFloor ||
      offset + bytes > region.byteLength
    ) {
      this.done();
      throw new KvmfrError(
        'ERR_KVMFR_BOUNDS',
        `the message at ${hex(at)} must name ${bytes} bytes between ${hex(this.#session.payloadFloor)} and ${hex(region.byteLength)}, but names ${hex(offset)}`,
      );
    }
    this.message.udata = udata;
    this.message.udataHigh = udataHigh;
    this.message.offset = offset;
    this.message.bytes = bytes;
  }

  /** Frees the front message if it is ours. When the lock is busy the publisher does it. */
  #freeFront(): void {
    const { region, lgmp } = this.#session;
    const { at, maxTimeMs, numMessages } = this.#geometry;
    if (!lockQueue(this.#session, this.#geometry, 1)) return;
    try {
      const countAt = at + lgmp.queue.count;
      const count = loadU32(region, countAt);
      // The publisher has freed it already; a count below zero would fill the ring for ever.
      if (count === 0 || count > numMessages) return;
      // The lock of LGMP 10 lets peers in beside us: each step is one that nobody can undo.
      const front = { expected: this.#position, value: this.#search.after(this.#position) };
      if (compareExchangeU32(region, at + lgmp.queue.start, front) !== front.expected) return;
      if (!countDown(region, countAt, numMessages)) return;
      const until = loadU64(region, lgmp.header.timestamp) + maxTimeMs;
      const timeAt = at + lgmp.queue.msgTimeout;
      // Only ever later: our view of the publisher's clock may be old.
      if (until > loadU64(region, timeAt)) storeU64(region, timeAt, until);
    } finally {
      unlockQueue(this.#session, this.#geometry);
    }
  }
}
