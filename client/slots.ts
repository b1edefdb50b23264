import { randomInt } from 'node:crypto';
import { badBits, clearSlots, onBits } from '../protocol/lgmp/subscribers.ts';
import type { Region } from '../protocol/memory/region.ts';
import {
  addU32,
  andU32,
  compareExchangeU32,
  loadU32,
  loadU64,
  storeU32,
  storeU64,
} from '../protocol/memory/word.ts';
import { messageAt, type QueueGeometry } from './ring.ts';
import type { Session } from './session.ts';

/**
 * An id for the table of owners: given out by the header where it does, else one of our own choice.
 */
export function takeClientId({ region, lgmp }: Session): number {
  if (lgmp.nextClientIdAt === undefined) return randomInt(1, 0xffff_ffff);
  const id = (addU32(region, lgmp.nextClientIdAt, 1) + 1) >>> 0;
  return id === 0 ? (addU32(region, lgmp.nextClientIdAt, 1) + 1) >>> 0 : id;
}

/** Takes one off a count that others change meanwhile, unless nothing is left. */
export function countDown(region: Region, at: number, tries: number): boolean {
  for (let i = 0; i < tries; i++) {
    const count = loadU32(region, at);
    if (count === 0) return false;
    const swap = { expected: count, value: count - 1 };
    if (compareExchangeU32(region, at, swap) === count) return true;
  }
  return false;
}

/** Clears a subscriber's bit in every entry of the ring. Under the lock. */
export function forget(session: Session, geometry: QueueGeometry, bit: number): void {
  const { pendingSubs } = session.lgmp.message;
  for (let i = 0; i < geometry.numMessages; i++)
    andU32(session.region, messageAt(session, geometry, i) + pendingSubs, ~bit);
}

/** Frees the slots of subscribers that timed out long enough ago. Under the lock. */
export function reap(session: Session, at: number): void {
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
