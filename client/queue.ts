import { hex, KvmfrError, outOfRange } from '../protocol/error.ts';
import { tryLock, unlock } from '../protocol/lgmp/lock.ts';
import { badBits, clearSlots, onBits, setOn } from '../protocol/lgmp/subscribers.ts';
import { CLIENT_MESSAGE_BYTES, MAX_RING_SLOTS } from '../protocol/limits.ts';
import { addU32, andU32, loadU32, loadU64, storeU32, storeU64 } from '../protocol/memory/word.ts';
import type { Session } from './session.ts';

/** Longest maxTime of a queue that is believed when we renew the front message's time. */
const MAX_TIME_MS = 60_000;

/** Where a queue's parts are. Read and checked once at subscribe, never again. */
interface QueueGeometry {
  readonly at: number;
  readonly numMessages: number;
  readonly messagesAt: number;
  readonly maxTimeMs: bigint;
}

/** What a subscription can say besides "here is a message". All are ordinary. */
export type QueueStatus = 'ok' | 'empty' | 'timed-out' | 'unsubscribed' | 'session-lost' | 'busy';

/** Why a subscription could not be had. */
export type SubscribeRefusal = 'no-queue' | 'full' | 'busy' | 'session-lost';

/** The entry of a queue that {@link Queue.next} found: copied, and bounded by the region. */
export interface QueueMessage {
  /** Application value: cursor flags on the pointer queue. */
  udata: number;
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
  readonly message: QueueMessage = { udata: 0, offset: 0, bytes: 0 };
  readonly #session: Session;
  readonly #geometry: QueueGeometry;
  readonly #slot: number;
  readonly #bit: number;
  #position: number;
  #subscribed = true;

  private constructor(session: Session, geometry: QueueGeometry, slot: number, position: number) {
    this.#session = session;
    this.#geometry = geometry;
    this.#slot = slot;
    this.#bit = (1 << slot) >>> 0;
    this.#position = position;
  }

  /**
   * Takes a subscriber slot of the queue with this id. Messages posted before are not seen; the
   * publisher notices and sends the newest again.
   *
   * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when the queue's header cannot be
   */
  static subscribe(session: Session, queueId: number): Queue | SubscribeRefusal {
    if (!session.holds()) return 'session-lost';
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
      const position = readIndex(session, geometry, at + lgmp.queue.position, 'position');
      // The slot's former owner may have left messages unread: they are not ours to finish.
      for (let i = 0; i < geometry.numMessages; i++)
        andU32(region, messageAt(session, geometry, i) + lgmp.message.pendingSubs, ~bit);
      storeU64(region, at + lgmp.queue.timeout + slot * 8, 0n);
      storeU32(region, at + lgmp.queue.clientID + slot * 4, session.clientId);
      setOn(region, lgmp, at, bit);
      addU32(region, at + lgmp.queue.newSubCount, 1);
      return new Queue(session, geometry, slot, position);
    } finally {
      unlock(region, at + lgmp.queue.lock, lgmp.lockBytes);
    }
  }

  /** The word that changes when something is posted, for a native wait. */
  get positionAt(): number {
    return this.#geometry.at + this.#session.lgmp.queue.position;
  }

  /** Our own place in the ring: what {@link positionAt} holds while nothing is new. */
  get position(): number {
    return this.#position;
  }

  /** Which subscriber slot is ours. */
  get slot(): number {
    return this.#slot;
  }

  /** Whether the slot is still ours: not given up by the publisher, not reused, session the same. */
  check(): QueueStatus {
    const { region, lgmp } = this.#session;
    if (!this.#subscribed) return 'unsubscribed';
    if (!this.#session.holds()) return 'session-lost';
    const { at } = this.#geometry;
    if ((badBits(region, lgmp, at) & this.#bit) !== 0) return 'timed-out';
    if (loadU32(region, at + lgmp.queue.clientID + this.#slot * 4) !== this.#session.clientId)
      return 'timed-out';
    if ((onBits(region, lgmp, at) & this.#bit) === 0) return 'unsubscribed';
    return 'ok';
  }

  /**
   * Finds the oldest message that is ours and copies its entry to {@link message}. Takes nothing:
   * {@link done} does.
   *
   * @throws ERR_KVMFR_BOUNDS when an index or the payload's place cannot be; the message is finished
   */
  next(): QueueStatus {
    const status = this.check();
    if (status !== 'ok') return status;
    const { region, lgmp } = this.#session;
    const end = this.#readPosition();
    // Bounded: at most once around the ring.
    for (let turn = 0; turn < this.#geometry.numMessages; turn++) {
      if (this.#position === end) return 'empty';
      const at = messageAt(this.#session, this.#geometry, this.#position);
      if ((loadU32(region, at + lgmp.message.pendingSubs) & this.#bit) !== 0) {
        this.#readMessage(at);
        return 'ok';
      }
      // Posted while we were not counted: not ours.
      this.#position = this.#after(this.#position);
    }
    return 'empty';
  }

  /** Whether something newer than the message that {@link next} found waits. */
  hasNewer(): boolean {
    return this.#after(this.#position) !== this.#readPosition();
  }

  /** Finishes the message that {@link next} found. The payload may change from now on. */
  done(): QueueStatus {
    const status = this.check();
    if (status !== 'ok') return status;
    const { region, lgmp } = this.#session;
    const at = messageAt(this.#session, this.#geometry, this.#position);
    const before = andU32(region, at + lgmp.message.pendingSubs, ~this.#bit);
    if ((before & ~this.#bit) === 0) this.#freeFront();
    this.#position = this.#after(this.#position);
    return 'ok';
  }

  /**
   * Gives the subscriber slot back.
   *
   * @returns `busy` when the queue's lock was taken all the time: try again
   */
  unsubscribe(): QueueStatus {
    const status = this.check();
    if (status !== 'ok') {
      // Not ours any more; whoever subscribes next reaps it.
      this.#subscribed = false;
      return status;
    }
    const { region, lgmp } = this.#session;
    const { at, numMessages } = this.#geometry;
    if (!tryLock(region, at + lgmp.queue.lock, lgmp.lockBytes)) return 'busy';
    try {
      for (let i = 0; i < numMessages; i++) {
        const pendingAt = messageAt(this.#session, this.#geometry, i) + lgmp.message.pendingSubs;
        andU32(region, pendingAt, ~this.#bit);
      }
      storeU64(region, at + lgmp.queue.timeout + this.#slot * 8, 0n);
      storeU32(region, at + lgmp.queue.clientID + this.#slot * 4, 0);
      clearSlots(region, lgmp, at, this.#bit);
    } finally {
      unlock(region, at + lgmp.queue.lock, lgmp.lockBytes);
    }
    this.#subscribed = false;
    return 'ok';
  }

  /**
   * Sends up to 64 bytes to the publisher.
   *
   * @returns the serial to ask {@link acknowledged} about, or why it could not be sent
   */
  send(bytes: Uint8Array): number | QueueStatus | 'full' {
    if (bytes.byteLength > CLIENT_MESSAGE_BYTES)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `a message to the publisher may have ${CLIENT_MESSAGE_BYTES} bytes, but has ${bytes.byteLength}`,
      );
    const status = this.check();
    if (status !== 'ok') return status;
    const { region, lgmp } = this.#session;
    const { queue, clientMessage, clientMessageSlots: slots } = lgmp;
    const { at } = this.#geometry;
    if (loadU32(region, at + queue.cMsgAvail) === 0) return 'full';
    if (!tryLock(region, at + queue.cMsgLock, lgmp.lockBytes)) return 'busy';
    try {
      const free = loadU32(region, at + queue.cMsgAvail);
      const place = loadU32(region, at + queue.cMsgWPos);
      if (free > slots) throw outOfRange('cMsgAvail', free, { max: slots, where: hex(at) });
      if (place >= slots) throw outOfRange('cMsgWPos', place, { max: slots - 1, where: hex(at) });
      if (free === 0) return 'full';
      const slotAt = at + queue.cMsgs + place * clientMessage.sizeBytes;
      storeU32(region, slotAt + clientMessage.size, bytes.byteLength);
      region.bytes.set(bytes, slotAt + clientMessage.data);
      storeU32(region, at + queue.cMsgWPos, (place + 1) % slots);
      addU32(region, at + queue.cMsgAvail, -1);
      return (addU32(region, at + queue.cMsgWSerial, 1) + 1) >>> 0;
    } finally {
      unlock(region, at + queue.cMsgLock, lgmp.lockBytes);
    }
  }

  /** Whether the publisher has acted on the message with this serial. Serials wrap. */
  acknowledged(serial: number): boolean {
    const { region, lgmp } = this.#session;
    const reached = loadU32(region, this.#geometry.at + lgmp.queue.cMsgRSerial);
    return ((reached - serial) | 0) >= 0;
  }

  #after(index: number): number {
    return index + 1 === this.#geometry.numMessages ? 0 : index + 1;
  }

  #readPosition(): number {
    return readIndex(this.#session, this.#geometry, this.positionAt, 'position');
  }

  #readMessage(at: number): void {
    const { region, lgmp } = this.#session;
    const udata = region.view.getUint32(at + lgmp.message.udata, true);
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
    this.message.offset = offset;
    this.message.bytes = bytes;
  }

  /** Frees the front message if it is ours. When the lock is busy the publisher does it. */
  #freeFront(): void {
    const { region, lgmp } = this.#session;
    const { at, maxTimeMs } = this.#geometry;
    if (!tryLock(region, at + lgmp.queue.lock, lgmp.lockBytes, 1)) return;
    try {
      if (loadU32(region, at + lgmp.queue.start) !== this.#position) return;
      storeU32(region, at + lgmp.queue.start, this.#after(this.#position));
      if (addU32(region, at + lgmp.queue.count, -1) === 0)
        // Somebody freed it as well: a count below zero would fill the ring for ever.
        storeU32(region, at + lgmp.queue.count, 0);
      const until = loadU64(region, lgmp.header.timestamp) + maxTimeMs;
      const timeAt = at + lgmp.queue.msgTimeout;
      // Only ever later: our view of the publisher's clock may be old.
      if (until > loadU64(region, timeAt)) storeU64(region, timeAt, until);
    } finally {
      unlock(region, at + lgmp.queue.lock, lgmp.lockBytes);
    }
  }
}

function messageAt(session: Session, geometry: QueueGeometry, index: number): number {
  return geometry.messagesAt + index * session.lgmp.message.sizeBytes;
}

function readIndex(session: Session, geometry: QueueGeometry, at: number, what: string): number {
  const index = loadU32(session.region, at);
  if (index >= geometry.numMessages)
    throw outOfRange(what, index, { max: geometry.numMessages - 1, where: hex(at) });
  return index;
}

/** Frees the slots of subscribers that timed out long enough ago. Under the lock. */
function reap(session: Session, at: number): void {
  const { region, lgmp } = session;
  const dead = (onBits(region, lgmp, at) & badBits(region, lgmp, at)) >>> 0;
  if (dead === 0) return;
  const now = loadU64(region, lgmp.header.timestamp);
  for (let slot = 0; slot < lgmp.maxSubscribers; slot++) {
    if (((dead >>> slot) & 1) === 0) continue;
    const timeoutAt = at + lgmp.queue.timeout + slot * 8;
    if (now <= loadU64(region, timeoutAt)) continue;
    clearSlots(region, lgmp, at, (1 << slot) >>> 0);
    storeU64(region, timeoutAt, 0n);
    storeU32(region, at + lgmp.queue.clientID + slot * 4, 0);
  }
}

function findQueue(session: Session, queueId: number): QueueGeometry | undefined {
  const { region, lgmp } = session;
  const numQueues = loadU32(region, lgmp.header.numQueues);
  if (numQueues > lgmp.maxQueues)
    throw outOfRange('numQueues', numQueues, {
      max: lgmp.maxQueues,
      where: hex(lgmp.header.numQueues),
    });
  for (let i = 0; i < numQueues; i++) {
    const at = lgmp.header.queues + i * lgmp.queue.sizeBytes;
    if (loadU32(region, at + lgmp.queue.queueID) !== queueId) continue;
    return readGeometry(session, at);
  }
  return undefined;
}

function readGeometry(session: Session, at: number): QueueGeometry {
  const { region, lgmp } = session;
  const where = `queue ${hex(at)}`;
  const numMessages = loadU32(region, at + lgmp.queue.numMessages);
  const messagesAt = loadU32(region, at + lgmp.queue.messagesOffset);
  const maxTime = loadU32(region, at + lgmp.queue.maxTime);
  if (numMessages < 2 || numMessages > MAX_RING_SLOTS)
    throw outOfRange('numMessages', numMessages, { min: 2, max: MAX_RING_SLOTS, where });
  if (lgmp.powerOfTwoRings && (numMessages & (numMessages - 1)) !== 0)
    throw new KvmfrError(
      'ERR_KVMFR_CORRUPT',
      `numMessages at ${where} must be a power of two, but is ${numMessages}`,
    );
  const ringBytes = numMessages * lgmp.message.sizeBytes;
  if (
    messagesAt < session.payloadFloor ||
    messagesAt % Math.max(4, lgmp.ringAlignBytes) !== 0 ||
    messagesAt + ringBytes > region.byteLength
  )
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `the ring of ${where} needs ${ringBytes} bytes between ${hex(session.payloadFloor)} and ${hex(region.byteLength)}, but starts at ${hex(messagesAt)}`,
    );
  return { at, numMessages, messagesAt, maxTimeMs: BigInt(Math.min(maxTime, MAX_TIME_MS)) };
}

/** What can be told of a queue without subscribing: for `info`. */
export interface QueueInfo {
  readonly id: number;
  readonly slots: number;
  readonly used: number;
  readonly position: number;
  /** Bitmap of the slots that are taken. */
  readonly subscribers: number;
  /** Bitmap of the slots whose subscriber timed out. */
  readonly timedOut: number;
  readonly maxTimeMs: number;
}

/**
 * Reads the queues of a session without writing anything.
 *
 * @throws ERR_KVMFR_BOUNDS when there are more than a session can have
 */
export function readQueues(session: Session): readonly QueueInfo[] {
  const { region, lgmp } = session;
  const numQueues = loadU32(region, lgmp.header.numQueues);
  if (numQueues > lgmp.maxQueues)
    throw outOfRange('numQueues', numQueues, {
      max: lgmp.maxQueues,
      where: hex(lgmp.header.numQueues),
    });
  const queues: QueueInfo[] = [];
  for (let i = 0; i < numQueues; i++) {
    const at = lgmp.header.queues + i * lgmp.queue.sizeBytes;
    queues.push({
      id: loadU32(region, at + lgmp.queue.queueID),
      slots: loadU32(region, at + lgmp.queue.numMessages),
      used: loadU32(region, at + lgmp.queue.count),
      position: loadU32(region, at + lgmp.queue.position),
      subscribers: onBits(region, lgmp, at),
      timedOut: badBits(region, lgmp, at),
      maxTimeMs: loadU32(region, at + lgmp.queue.maxTime),
    });
  }
  return queues;
}

/** An entry of a queue's ring, looked at from outside. */
export interface PeekedMessage {
  readonly udata: number;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The entries of a queue, newest first, without subscribing and without writing anything. What they
 * name may already be in use for something newer.
 *
 * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when the queue's header cannot be
 */
export function peekQueue(session: Session, queueId: number): readonly PeekedMessage[] {
  const geometry = findQueue(session, queueId);
  if (geometry === undefined) return [];
  const { region, lgmp } = session;
  const end = readIndex(session, geometry, geometry.at + lgmp.queue.position, 'position');
  const found: PeekedMessage[] = [];
  for (let back = 1; back <= geometry.numMessages; back++) {
    const index = (end - back + geometry.numMessages) % geometry.numMessages;
    const at = messageAt(session, geometry, index);
    const udata = region.view.getUint32(at + lgmp.message.udata, true);
    const bytes = region.view.getUint32(at + lgmp.message.size, true);
    const offset = region.view.getUint32(at + lgmp.message.offset, true);
    if (bytes === 0 || offset % 4 !== 0 || offset < session.payloadFloor) continue;
    if (offset + bytes <= region.byteLength) found.push({ udata, offset, bytes });
  }
  return found;
}
