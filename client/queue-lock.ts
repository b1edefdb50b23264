import { KvmfrError } from '../protocol/error.ts';
import { tryLock, unlock } from '../protocol/lgmp/lock.ts';
import type { QueueGeometry } from './ring.ts';
import type { Session } from './session.ts';

/**
 * Takes a queue's lock, if it is to be had within a few spins. A lock word that cannot be is the
 * publisher's to put right: to us it is one that is held.
 */
export function lockQueue(session: Session, geometry: QueueGeometry, spins?: number): boolean {
  const { region, lgmp } = session;
  try {
    return tryLock(region, geometry.at + lgmp.queue.lock, lgmp.lockBytes, spins);
  } catch (error) {
    if (KvmfrError.is(error)) return false;
    throw error;
  }
}

/** Gives a queue's lock back. */
export function unlockQueue(session: Session, geometry: QueueGeometry): void {
  const { region, lgmp } = session;
  unlock(region, geometry.at + lgmp.queue.lock, lgmp.lockBytes);
}
