import {
  type FrameScheduleMessage,
  MAX_PERIOD_NS,
  MIN_PERIOD_NS,
  SCHEDULE_FLAGS,
} from '../protocol/index.ts';
import type { Audience } from './audience.ts';
import { type Aim, Deadlines, NO_AIM } from './deadlines.ts';
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
  readonly slackNs: number;
  readonly untilMs: number;
}

/** A publisher's own pace, as its owner wants it. */
export interface Pace {
  /** Units: nanoseconds. */
  readonly periodNs: number;
  /** How long until the next frame is to be published. Units: milliseconds. */
  readonly dueInMs: number;
}

const MIN_LEASE_MS = 100;
const MAX_LEASE_MS = 5000;
const KNOWN_FLAGS = 0x0f;
// Another client must be faster by more than this to take the place of the owner.
const FASTER = 0.995;

/**
 * The two queues of the owner: the client with the shortest display period among those that have told
 * theirs and read the frame queue and both of these. Frames for it go to the queues in turn.
 *
 * The owner's display has a deadline in each of its periods. A frame that is published in time for
 * one counts as made for it; one that comes at any other time, or is sent again, counts for none (0).
 * A source that follows {@link pace} makes its frames in time.
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
  #deadlines: Deadlines | undefined;
  /** What the newest frame was made for. */
  #aim: Aim = NO_AIM;
  #nextLane = 0;
  /** Whom the newest message of each lane was for. */
  readonly #sentTo: number[] = [];
  /** Whether the owner has had the newest frame. */
  #delivered = false;

  constructor(session: HostSession) {
    this.#frameQueue = session.frameQueue;
    this.#lanes = session.ownerQueues;
  }

  get owner(): FrameOwner | undefined {
    return this.#owner;
  }

  /** What the newest frame is made for. */
  get aim(): Aim {
    return this.#aim;
  }

  /** What the owner wants; undefined while there is none. */
  pace(nowMs: number): Pace | undefined {
    const deadlines = this.#deadlines;
    if (this.#owner === undefined || deadlines === undefined) return undefined;
    return { periodNs: deadlines.periodMs * 1e6, dueInMs: deadlines.dueInMs(nowMs) };
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
      slackNs: message.targetSlackNs,
      untilMs: nowMs + message.leaseMs,
    });
    if (this.#owner?.clientId === clientId) this.#hearOwner(message, this.#owner, nowMs);
    this.elect(nowMs);
    return true;
  }

  #hearOwner(message: FrameScheduleMessage, owner: FrameOwner, nowMs: number): void {
    const { flags, generation } = message;
    if ((flags & SCHEDULE_FLAGS.reset) !== 0 || generation !== owner.generation) {
      this.#begin(owner.clientId, message, nowMs);
      return;
    }
    if ((flags & SCHEDULE_FLAGS.immediate) !== 0) this.#delivered = false;
    this.#deadlines?.retune(inMs(message));
    if (message.feedbackScheduleEpoch !== owner.epoch) return;
    this.#deadlines?.report({
      frameSerial: message.feedbackFrameSerial,
      deadlineSerial: message.feedbackDeadlineSerial,
      phaseErrorMs: message.phaseErrorNs / 1e6,
    });
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
    if (best === undefined || schedule === undefined) {
      this.#owner = undefined;
      this.#deadlines = undefined;
    } else if (this.#owner?.clientId !== best || this.#owner.generation !== schedule.generation)
      this.#begin(best, { ...schedule, targetSlackNs: schedule.slackNs }, nowMs);
  }

  // A new epoch: its owner gets the newest frame at once.
  #begin(
    clientId: number,
    schedule: Pick<FrameScheduleMessage, 'generation' | 'periodNs' | 'targetSlackNs'>,
    nowMs: number,
  ): void {
    this.#epoch = (this.#epoch + 1) >>> 0 || 1;
    this.#aim = NO_AIM;
    this.#delivered = false;
    this.#deadlines = new Deadlines(inMs(schedule), nowMs);
    this.#owner = { clientId, generation: schedule.generation, epoch: this.#epoch };
  }

  /** There is a newer frame, published from now on. */
  renew(nowMs: number): void {
    this.#delivered = false;
    this.#aim = this.#deadlines?.aim(nowMs) ?? NO_AIM;
  }

  /**
   * The frame that was made for something is whole.
   *
   * @returns how long before its deadline, in milliseconds; undefined when it was made for none, or
   *   missed it
   */
  complete(
    frame: { readonly aim: Aim; readonly frameSerial: number; readonly workMs: number },
    nowMs: number,
  ): number | undefined {
    return this.#deadlines?.complete(frame, nowMs);
  }

  /**
   * Sends the owner the newest frame, if it has not had it and one of its queues is empty. When
   * neither can be used, because somebody holds their locks or has left messages in them, it goes by
   * the shared queue; while the owner has not read what is in them, it waits.
   */
  deliver(payload: Payload, nowMs: number, isNew: boolean): void {
    const owner = this.#owner;
    if (owner === undefined || this.#delivered) return;
    const deadline = isNew ? this.#aim.serial : 0;
    const options = { udataHigh: owner.epoch, audience: this.#toOwner };
    let isSlow = false;
    for (let turn = 0; turn < this.#lanes.length; turn++) {
      const index = (this.#nextLane + turn) % this.#lanes.length;
      const lane = this.#lanes[index];
      if (lane === undefined) return;
      if (lane.pending > 0) lane.process(nowMs);
      const result = lane.post(payload, deadline, nowMs, { ...options, limit: 1 });
      if (result === 'posted') {
        this.#nextLane = (index + 1) % this.#lanes.length;
        this.#sentTo[index] = owner.clientId;
        return;
      }
      isSlow ||= lane.pending > 0 && this.#sentTo[index] === owner.clientId;
    }
    if (!isSlow) this.#frameQueue.post(payload, deadline, nowMs, options);
  }

  #eligible(clientId: number): boolean {
    return (
      this.#frameQueue.subscribes(clientId) &&
      this.#lanes.length > 0 &&
      this.#lanes.every((lane) => lane.subscribes(clientId))
    );
  }
}

function inMs(schedule: Pick<FrameScheduleMessage, 'periodNs' | 'targetSlackNs'>): {
  readonly periodMs: number;
  readonly slackMs: number;
} {
  return { periodMs: schedule.periodNs / 1e6, slackMs: schedule.targetSlackNs / 1e6 };
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
