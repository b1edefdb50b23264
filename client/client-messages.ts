import { hex, KvmfrError, outOfRange } from '../protocol/error.ts';
import { tryLock, unlock } from '../protocol/lgmp/lock.ts';
import { CLIENT_MESSAGE_BYTES } from '../protocol/limits.ts';
import { addU32, loadU32, storeU32 } from '../protocol/memory/word.ts';
import { lockQueue, unlockQueue } from './queue-lock.ts';
import type { QueueGeometry } from './ring.ts';
import type { Session } from './session.ts';

/** What a client sends to the publisher of a queue. */
export interface ClientMessage {
  /** Who sends it, in versions where the publisher is told. */
  readonly clientId: number;
  readonly bytes: Uint8Array;
}

/** @throws ERR_KVMFR_ARGUMENT when a message is too large to be sent */
export function checkMessage(bytes: Uint8Array): void {
  if (bytes.byteLength > CLIENT_MESSAGE_BYTES)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a message to the publisher may have ${CLIENT_MESSAGE_BYTES} bytes, but has ${bytes.byteLength}`,
    );
}

/**
 * Sends a message to the publisher of a queue.
 *
 * @returns the serial to ask {@link hasReached} about, or why it could not be sent
 * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when a number of the ring, or its lock, cannot be
 */
export function sendMessage(
  session: Session,
  geometry: QueueGeometry,
  message: ClientMessage,
): number | 'full' | 'busy' {
  const { region, lgmp } = session;
  const { at } = geometry;
  if (loadU32(region, at + lgmp.queue.cMsgAvail) === 0) return 'full';
  // Versions in which the sender is checked against the subscribers keep those still meanwhile.
  const alsoQueue = lgmp.senderAt !== undefined;
  if (alsoQueue && !lockQueue(session, geometry)) return 'busy';
  try {
    if (!tryLock(region, at + lgmp.queue.cMsgLock, lgmp.lockBytes)) return 'busy';
    try {
      return put(session, at, message);
    } finally {
      unlock(region, at + lgmp.queue.cMsgLock, lgmp.lockBytes);
    }
  } finally {
    if (alsoQueue) unlockQueue(session, geometry);
  }
}

function put(session: Session, at: number, { clientId, bytes }: ClientMessage): number | 'full' {
  const { region, lgmp } = session;
  const { queue, clientMessage, clientMessageSlots: slots } = lgmp;
  const free = loadU32(region, at + queue.cMsgAvail);
  const place = loadU32(region, at + queue.cMsgWPos);
  if (free > slots) throw outOfRange('cMsgAvail', free, { max: slots, where: hex(at) });
  if (place >= slots) throw outOfRange('cMsgWPos', place, { max: slots - 1, where: hex(at) });
  if (free === 0) return 'full';
  const slotAt = at + queue.cMsgs + place * clientMessage.sizeBytes;
  storeU32(region, slotAt + clientMessage.size, bytes.byteLength);
  if (lgmp.senderAt !== undefined) storeU32(region, slotAt + lgmp.senderAt, clientId);
  region.bytes.set(bytes, slotAt + clientMessage.data);
  storeU32(region, at + queue.cMsgWPos, (place + 1) % slots);
  addU32(region, at + queue.cMsgAvail, -1);
  return (addU32(region, at + queue.cMsgWSerial, 1) + 1) >>> 0;
}

/** Whether the publisher has acted on the message with this serial. Serials wrap. */
export function hasReached(session: Session, geometry: QueueGeometry, serial: number): boolean {
  const { region, lgmp } = session;
  const reached = loadU32(region, geometry.at + lgmp.queue.cMsgRSerial);
  return ((reached - serial) | 0) >= 0;
}
