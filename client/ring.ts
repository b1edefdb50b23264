import { hex, KvmfrError, outOfRange } from '../protocol/error.ts';
import { badBits, onBits } from '../protocol/lgmp/subscribers.ts';
import { MAX_RING_SLOTS } from '../protocol/limits.ts';
import { loadU32 } from '../protocol/memory/word.ts';
import type { Session } from './session.ts';

/** Longest maxTime of a queue that is believed when we renew the front message's time. */
const MAX_TIME_MS = 60_000;

/** Where a queue's parts are. Read and checked once, never again. */
export interface QueueGeometry {
  readonly at: number;
  readonly numMessages: number;
  readonly messagesAt: number;
  readonly maxTimeMs: bigint;
}

/**
 * Finds a queue of a session by its id, and checks where its ring is.
 *
 * @returns undefined when the session has no such queue (yet)
 * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when its header cannot be
 */
export function findQueue(session: Session, queueId: number): QueueGeometry | undefined {
  const { region, lgmp } = session;
  const count = session.queueCount();
  for (let i = 0; i < count; i++) {
    const at = lgmp.header.queues + i * lgmp.queue.sizeBytes;
    if (loadU32(region, at + lgmp.queue.queueID) === queueId) return readGeometry(session, at);
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

/** Where an entry of a ring is. */
export function messageAt(session: Session, geometry: QueueGeometry, index: number): number {
  return geometry.messagesAt + index * session.lgmp.message.sizeBytes;
}

/**
 * Reads where the publisher will write next, which is one past the newest message.
 *
 * @throws ERR_KVMFR_BOUNDS when that is not in the ring
 */
export function readPosition(session: Session, geometry: QueueGeometry): number {
  const at = geometry.at + session.lgmp.queue.position;
  const position = loadU32(session.region, at);
  if (position >= geometry.numMessages)
    throw outOfRange('position', position, { max: geometry.numMessages - 1, where: hex(at) });
  return position;
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
 * Reads the queues of a session without writing anything. The numbers are as the publisher wrote
 * them.
 *
 * @throws ERR_KVMFR_BOUNDS when there are more than a session can have, ERR_KVMFR_CORRUPT when there
 *   are fewer than before
 */
export function readQueues(session: Session): readonly QueueInfo[] {
  const { region, lgmp } = session;
  const count = session.queueCount();
  const queues: QueueInfo[] = [];
  for (let i = 0; i < count; i++) {
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

/**
 * The ids of the clients that have a slot of a queue, without writing anything; none when there is no
 * such queue.
 *
 * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when the queue's header cannot be
 */
export function readClientIds(session: Session, queueId: number): readonly number[] {
  const geometry = findQueue(session, queueId);
  if (geometry === undefined) return [];
  const { region, lgmp } = session;
  const { at } = geometry;
  const taken = onBits(region, lgmp, at);
  const ids: number[] = [];
  for (let slot = 0; slot < lgmp.maxSubscribers; slot++)
    if (((taken >>> slot) & 1) === 1)
      ids.push(loadU32(region, at + lgmp.queue.clientID + slot * 4));
  return ids;
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
  const end = readPosition(session, geometry);
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
