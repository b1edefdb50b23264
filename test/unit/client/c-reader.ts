import { Queue } from '../../../client/queue.ts';
import { Session } from '../../../client/session.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import { LGMP_LAYOUTS } from '../../../protocol/lgmp/detect.ts';
import type { CPublisher } from '../../support/c-publisher.ts';
import { noWaiter } from './bare.ts';

// Our reader, beside a publisher that is the C library's.

/** Our session with a publisher. */
export function attached(p: CPublisher): Session {
  const lgmp = LGMP_LAYOUTS.get(p.version);
  if (lgmp === undefined) throw new Error('no such version');
  const session = Session.attach({ mapping: noWaiter, region: p.region, lgmp }, 0);
  if (session === undefined) throw new Error('not attached');
  return session;
}

/** A subscription to its frames. */
export function subscribed(session: Session): Queue {
  const queue = Queue.subscribe(session, 2);
  if (typeof queue === 'string') throw new Error(`refused: ${queue}`);
  return queue;
}

/** What an error of ours is called; anything else is thrown on. */
export function codeOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (KvmfrError.is(error)) return error.code;
    throw error;
  }
}

/** All messages there are, finished. */
export function drained(queue: Queue): number[] {
  const seen: number[] = [];
  while (queue.next() === 'ok') {
    seen.push(queue.message.udata);
    queue.done();
  }
  return seen;
}
