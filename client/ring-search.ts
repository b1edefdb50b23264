import { loadU32 } from '../protocol/memory/word.ts';
import { lockQueue, unlockQueue } from './queue-lock.ts';
import { messageAt, type QueueGeometry } from './ring.ts';
import type { Session } from './session.ts';

/** How often a ring is looked through anew because it moved meanwhile, before others get their turn. */
const SEARCH_TRIES = 4;

/** Finds what is ours in a queue's ring, while its publisher and other clients change it. */
export class RingSearch {
  readonly #session: Session;
  readonly #geometry: QueueGeometry;
  readonly #bit: number;

  /** @param bit of our subscriber slot */
  constructor(session: Session, geometry: QueueGeometry, bit: number) {
    this.#session = session;
    this.#geometry = geometry;
    this.#bit = bit;
  }

  /**
   * The oldest message that is ours; undefined when there is none.
   *
   * @param position our own place
   * @param end the publisher's position
   */
  find(position: number, end: number): number | undefined {
    return this.#session.lgmp.trimsTail ? this.#searchAll(position) : this.#walk(position, end);
  }

  /** The place after one. */
  after(index: number): number {
    return index + 1 === this.#geometry.numMessages ? 0 : index + 1;
  }

  /** Whether our bit is set in a place. */
  isPending(index: number): boolean {
    const { region, lgmp } = this.#session;
    const at = messageAt(this.#session, this.#geometry, index);
    return (loadU32(region, at + lgmp.message.pendingSubs) & this.#bit) !== 0;
  }

  /** Whether a place of LGMP 12 holds a message of ours: our bit is set, and the place is in use. */
  isOurs(index: number): boolean {
    const { region, lgmp } = this.#session;
    const { at, numMessages } = this.#geometry;
    if (!this.isPending(index)) return false;
    const start = loadU32(region, at + lgmp.queue.start);
    const count = loadU32(region, at + lgmp.queue.count);
    return ((index - start) & (numMessages - 1)) < count;
  }

  /**
   * Before LGMP 12: looks from our own place to the publisher's position. What lies there was posted
   * before that was stored, and is not used again before we finish it, so it may be taken as it comes.
   */
  #walk(position: number, end: number): number | undefined {
    if (position === end && this.#isFull(end)) return end;
    return this.#firstPending(position, this.#steps(position, end)) ?? this.#leftBehind(end);
  }

  /**
   * Whether a ring of LGMP 10 is full and all of it unread: its position is where it begins, as in one
   * that is empty.
   */
  #isFull(end: number): boolean {
    const { region, lgmp } = this.#session;
    const { at, numMessages } = this.#geometry;
    return (
      lgmp.powerOfTwoRings &&
      loadU32(region, at + lgmp.queue.count) === numMessages &&
      loadU32(region, at + lgmp.queue.start) === end &&
      this.isPending(end)
    );
  }

  /**
   * A message of ours that our place is past: when the position was wrong for a moment, or another
   * client finished in our name what we were waiting for.
   */
  #leftBehind(end: number): number | undefined {
    const { region, lgmp } = this.#session;
    const { at, numMessages } = this.#geometry;
    const startAt = at + lgmp.queue.start;
    for (let tries = 0; tries < SEARCH_TRIES; tries++) {
      const start = loadU32(region, startAt);
      const used = this.#steps(start, end);
      if (start >= numMessages || used > loadU32(region, at + lgmp.queue.count)) return undefined;
      const index = this.#firstPending(start, used);
      // Places that were freed meanwhile may be used again, for what is newest.
      if (loadU32(region, startAt) === start) return index;
    }
    return undefined;
  }

  /** How many places lie before the publisher's position, from one on. */
  #steps(from: number, end: number): number {
    const { numMessages } = this.#geometry;
    return (((end - from) % numMessages) + numMessages) % numMessages;
  }

  /** The first of these places that our bit is set in. */
  #firstPending(from: number, places: number): number | undefined {
    let index = from;
    for (let i = 0; i < places; i++, index = this.after(index))
      if (this.isPending(index)) return index;
    return undefined;
  }

  /**
   * On LGMP 12, where a position may go back: looks for our oldest message in all of the ring. Under
   * the lock when there is one, because what we have looked at is used again meanwhile.
   */
  #searchAll(position: number): number | undefined {
    const { region, lgmp } = this.#session;
    const { at } = this.#geometry;
    // Nothing is older than the front; once seen to be ours it stays the front until we finish it.
    const isFront =
      this.isPending(position) &&
      loadU32(region, at + lgmp.queue.start) === position &&
      loadU32(region, at + lgmp.queue.count) !== 0;
    if (isFront) return position;
    let index = this.#oldest();
    if (index !== undefined && lockQueue(this.#session, this.#geometry)) {
      index = this.#oldest();
      unlockQueue(this.#session, this.#geometry);
    }
    return index;
  }

  /**
   * From the newest place to the oldest, all of them: whoever sees a message and then goes back sees
   * all that were posted before it.
   */
  #oldest(): number | undefined {
    const { region, lgmp } = this.#session;
    const { at, numMessages } = this.#geometry;
    const start = loadU32(region, at + lgmp.queue.start);
    let found: number | undefined;
    for (let i = numMessages - 1; i >= 0; i--) {
      const index = (start + i) & (numMessages - 1);
      if (this.isOurs(index)) found = index;
    }
    return found;
  }
}
