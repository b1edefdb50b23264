import { type FrameScheduleMessage, SCHEDULE_FLAGS } from '../protocol/index.ts';
import type { Audience } from './audience.ts';
import type { Payload } from './plan.ts';
import type { HostQueue } from './queue.ts';
import type { HostSession } from './session.ts';

/** The client that paces the publisher, and what its frames are numbered with. */
export interface FrameOwner {
  readonly clientId: number;
  readonly generation: number;
  /** Goes up with every change of owner or period; never 0. */
  readonly epoch: number;
}

interface Schedule {
  readonly generation: number;
  readonly periodNs: number;
  readonly untilMs: number;
}

const MIN_PERIOD_NS = 2e6;
const MAX_PERIOD_NS = 1e9;
const MIN_LEASE_MS = 100;
const MAX_LEASE_MS = 5000;
const KNOWN_FLAGS = 0x0f;
// Another client must be faster by more than this to take the place of the owner.
const FASTER = 0.995;

/**
 * The two queues of the owner: the client with the shortest display period among those that have told
 * theirs and read the frame queue and both of these. Frames for it go to the queues in turn.
 *
 * Frames are made when the source has them, not for deadlines: each new one counts as the next
 * deadline of the epoch, and one that is sent again as none (0).
 */
export class OwnerLanes {
  readonly #frameQueue: HostQueue;
  readonly #lanes: readonly HostQueue[];
  readonly #schedules: Map<number, Schedule> = new Map();
  readonly #toOwner: Audience = {
    wants: (_slot, clientId) => clientId === this.#owner?.clientId,
    delivered: () => {
      this.#delivered = true;
    },
  };
  #owner: FrameOwner | undefined;
  #epoch = 0;
  #deadline = 0;
  #nextLane = 0;
  /** Whether the owner has had the newest frame. */
  #delivered = false;

  constructor(session: HostSession) {
    this.#frameQueue = session.frameQueue;
    this.#lanes = session.ownerQueues;
  }

  get owner(): FrameOwner | undefined {
    return this.#owner;
  }

  /** Number of the deadline that the newest frame counts as. */
  get deadline(): number {
    return this.#deadline;
  }

  /**
   * Takes what a client says of its display.
   *
   * @returns false when the message is not to be believed; it has no effect then
   */
  accept(message: FrameScheduleMessage, sender: number | undefined, nowMs: number): boolean {
    const { clientId, flags, generation } = message;
    if (clientId !== sender) return false;
    if ((flags & SCHEDULE_FLAGS.release) !== 0) {
      this.#schedules.delete(clientId);
      this.elect(nowMs);
      return true;
    }
    if (!isSchedule(message) || !this.#eligible(clientId)) return false;
    this.#schedules.set(clientId, {
      generation,
      periodNs: message.periodNs,
      untilMs: nowMs + message.leaseMs,
    });
    const isOwner = this.#owner?.clientId === clientId;
    if (isOwner && (flags & SCHEDULE_FLAGS.reset) !== 0) this.#begin(clientId, generation);
    else if (isOwner && (flags & SCHEDULE_FLAGS.immediate) !== 0) this.#delivered = false;
    this.elect(nowMs);
    return true;
  }

  /** Looks who is the owner now. Forgets who is gone and whose lease is over. */
  elect(nowMs: number): void {
    let best: number | undefined;
    let bestNs = Number.POSITIVE_INFINITY;
    for (const [clientId, schedule] of this.#schedules) {
      if (nowMs > schedule.untilMs || !this.#eligible(clientId)) {
        this.#schedules.delete(clientId);
        continue;
      }
      // The present owner as it is, the others handicapped.
      const isOwner = clientId === this.#owner?.clientId;
      const periodNs = isOwner ? schedule.periodNs * FASTER : schedule.periodNs;
      if (periodNs >= bestNs) continue;
      best = clientId;
      bestNs = periodNs;
    }
    const schedule = best === undefined ? undefined : this.#schedules.get(best);
    if (best === undefined || schedule === undefined) this.#owner = undefined;
    else if (this.#owner?.clientId !== best || this.#owner.generation !== schedule.generation)
      this.#begin(best, schedule.generation);
  }

  // A new epoch: its owner gets the newest frame at once.
  #begin(clientId: number, generation: number): void {
    this.#epoch = (this.#epoch + 1) >>> 0 || 1;
    this.#deadline = 0;
    this.#delivered = false;
    this.#owner = { clientId, generation, epoch: this.#epoch };
  }

  /** There is a newer frame. */
  renew(): void {
    this.#delivered = false;
    if (this.#owner !== undefined) this.#deadline = (this.#deadline + 1) >>> 0 || 1;
  }

  /** Sends the owner the newest frame, if it has not had it and one of its queues is empty. */
  deliver(payload: Payload, nowMs: number, isNew: boolean): void {
    const owner = this.#owner;
    for (let turn = 0; turn < this.#lanes.length && owner !== undefined; turn++) {
      if (this.#delivered) return;
      const index = (this.#nextLane + turn) % this.#lanes.length;
      const lane = this.#lanes[index];
      if (lane === undefined) return;
      if (lane.pending > 0) lane.process(nowMs);
      const result = lane.post(payload, isNew ? this.#deadline : 0, nowMs, {
        udataHigh: owner.epoch,
        audience: this.#toOwner,
        limit: 1,
      });
      if (result === 'posted') this.#nextLane = (index + 1) % this.#lanes.length;
    }
  }

  #eligible(clientId: number): boolean {
    return (
      this.#frameQueue.subscribes(clientId) &&
      this.#lanes.length > 0 &&
      this.#lanes.every((lane) => lane.subscribes(clientId))
    );
  }
}

function isSchedule(message: FrameScheduleMessage): boolean {
  const { flags, periodNs, targetSlackNs, phaseErrorNs, leaseMs } = message;
  return (
    (flags & SCHEDULE_FLAGS.active) !== 0 &&
    (flags & ~KNOWN_FLAGS) === 0 &&
    periodNs >= MIN_PERIOD_NS &&
    periodNs <= MAX_PERIOD_NS &&
    targetSlackNs < periodNs &&
    Math.abs(phaseErrorNs) <= periodNs &&
    leaseMs >= MIN_LEASE_MS &&
    leaseMs <= MAX_LEASE_MS
  );
}
