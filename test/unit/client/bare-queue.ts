import { Queue } from '../../../client/queue.ts';
import type { Session } from '../../../client/session.ts';
import { type KvmfrError, KvmfrError as KvmfrErrorClass } from '../../../protocol/error.ts';
import { FIELD, QUEUE_AT } from './bare.ts';

/** The id of the queue. */
export const FRAME_QUEUE: number = 2;

/** A queue that somebody has subscribed to. */
export function subscribed(session: Session): Queue {
  const queue = Queue.subscribe(session, FRAME_QUEUE);
  if (!(queue instanceof Queue)) throw new Error(`refused: ${queue}`);
  return queue;
}

/** The error that a call throws. */
export function errorOf(call: () => unknown): KvmfrError {
  try {
    call();
  } catch (error) {
    if (KvmfrErrorClass.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Offsets of a word of the queue header. */
export function bytesOf(name: keyof typeof FIELD, count = 4): number[] {
  return Array.from({ length: count }, (_, i) => QUEUE_AT + FIELD[name] + i);
}
