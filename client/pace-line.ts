import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { KvmfrError } from '../protocol/error.ts';
import {
  encodeFrameSchedule,
  type FrameScheduleMessage,
  SCHEDULE_FLAGS,
} from '../protocol/kvmfr/messages.ts';
import { LOCK_TIMEOUT_MS } from '../protocol/limits.ts';
import type { Pace, Wish } from './pace.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { giveBack } from './subscription.ts';

/** How long a schedule holds without being told again. */
const LEASE_MS = 1000;
/** How often it is told again. */
const RENEW_MS = 250;
/** How often it is told again while there is something to tell of the frames. */
const FEEDBACK_MS = 50;
/** Until the first look whether a message was acted on; twice as long each time after. */
const POLL_MS = 10;
/** A publisher that acts on nothing for so long may have lost the message. */
const PATIENCE_MS = LOCK_TIMEOUT_MS;
/** How long a publisher is given to hear that the schedule is over. */
const FAREWELL_MS = 50;
/** A period that differs by more begins a new count of deadlines. */
const RESET_SHARE = 0.05;
/** Turns after which the event loop gets its own: the queue may be flooded. */
const ROUNDS_PER_TURN = 32;

/**
 * The line on which a publisher is told the schedule, and told again before it forgets.
 *
 * Messages go up the pointer queue and only from its subscribers, so this is one; what comes down
 * that queue is let pass unread, at once, because others wait for its places.
 *
 * Ownership: a subscriber slot of the pointer queue until {@link end}.
 */
export class PaceLine {
  readonly #session: Session;
  readonly #queue: Queue;
  readonly #pace: Pace;
  readonly #refused: () => void;
  readonly #running: Promise<void>;
  #wake: AbortController = new AbortController();
  #ending = false;
  #lost = false;
  #told: Wish | undefined;
  #serial: number | undefined;
  #sentMs = 0;
  #pollMs = POLL_MS;
  /** Whether anybody tells when frames are shown. */
  #measured = false;

  /** `refused` is called for each message that cannot be. */
  constructor(session: Session, queue: Queue, pace: Pace, refused: () => void) {
    this.#session = session;
    this.#queue = queue;
    this.#pace = pace;
    this.#refused = refused;
    this.#running = this.#run();
  }

  /** Whether the slot is still ours. */
  get standing(): boolean {
    return !this.#lost && this.#queue.check() === 'ok';
  }

  /** Tells what there is to tell now. */
  nudge(): void {
    const wake = this.#wake;
    this.#wake = new AbortController();
    wake.abort();
  }

  /**
   * Says that the schedule is over. `meanwhile` is called when that is on its way; the slot is given
   * back when it was heard, or soon after.
   */
  async end(meanwhile: () => Promise<void>): Promise<void> {
    this.#ending = true;
    this.nudge();
    await this.#running;
    this.#release();
    await meanwhile();
    const untilMs = performance.now() + FAREWELL_MS;
    while (!this.#heard && this.standing && performance.now() < untilMs) await sleep(1);
    await giveBack(this.#queue);
  }

  /** Whether the publisher has acted on what was sent last. */
  get #heard(): boolean {
    return this.#serial === undefined || this.#queue.acknowledged(this.#serial);
  }

  #release(): void {
    if (this.#told === undefined) return;
    const { clientId } = this.#queue;
    const sent = this.#send({ clientId, flags: SCHEDULE_FLAGS.release });
    if (sent === undefined) return;
    this.#serial = sent;
    this.#told = undefined;
  }

  async #run(): Promise<void> {
    for (let round = 1; ; round++) {
      // Whoever made this line keeps it before it does anything.
      if (round % ROUNDS_PER_TURN === 1) await turn();
      if (this.#ending || this.#lost) return;
      const seen = this.#drain();
      const waitMs = this.#tell(performance.now());
      if (this.#lost || this.#session.ended) return;
      const { signal } = this.#wake;
      if (seen) await this.#wait(waitMs, signal);
      else await pause(POLL_MS, signal);
    }
  }

  async #wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#session.mapping.wait(this.#queue.watch(), { timeoutMs, signal });
  }

  /** Lets pass what has come; false when that cannot be. */
  #drain(): boolean {
    try {
      for (let left = this.#queue.ringSlots; left > 0; left--) {
        const status = this.#queue.next();
        if (status !== 'ok') {
          this.#lost = status !== 'empty';
          return true;
        }
        this.#queue.done();
      }
      return true;
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#refused();
      return false;
    }
  }

  /** Tells what is due, and how long nothing more will be. */
  #tell(nowMs: number): number {
    const { wish, feedback } = this.#pace;
    if (this.#lost) return 0;
    if (wish === undefined) {
      this.#release();
      return this.#told === undefined ? RENEW_MS : POLL_MS;
    }
    const waitedMs = nowMs - this.#sentMs;
    if (!this.#heard && waitedMs < PATIENCE_MS) {
      this.#pollMs = Math.min(this.#pollMs * 2, RENEW_MS);
      return this.#pollMs;
    }
    const isNew = wish.generation !== this.#told?.generation;
    if (feedback !== undefined) this.#measured = true;
    const everyMs = feedback === undefined ? RENEW_MS : FEEDBACK_MS;
    if (!isNew && waitedMs < everyMs)
      return Math.min(this.#measured ? FEEDBACK_MS : RENEW_MS, everyMs - waitedMs);
    const before = this.#told?.periodNs ?? wish.periodNs;
    const jumps = Math.abs(wish.periodNs - before) > before * RESET_SHARE;
    const sent = this.#send({
      clientId: this.#queue.clientId,
      generation: wish.generation,
      flags: SCHEDULE_FLAGS.active | (jumps ? SCHEDULE_FLAGS.reset : 0),
      periodNs: wish.periodNs,
      targetSlackNs: wish.slackNs,
      leaseMs: LEASE_MS,
      ...(feedback === undefined || isNew
        ? {}
        : {
            phaseErrorNs: feedback.phaseErrorNs,
            feedbackFrameSerial: feedback.deadline.frameSerial,
            feedbackScheduleEpoch: feedback.deadline.epoch,
            feedbackDeadlineSerial: feedback.deadline.deadlineSerial,
          }),
    });
    if (sent === undefined) return POLL_MS;
    this.#pace.toldFeedback();
    this.#told = wish;
    this.#serial = sent;
    this.#sentMs = nowMs;
    this.#pollMs = POLL_MS;
    return POLL_MS;
  }

  /** Sends a message, what it leaves out being 0; undefined when it could not be sent now. */
  #send(fields: Partial<Omit<FrameScheduleMessage, 'type'>>): number | undefined {
    try {
      const sent = this.#queue.send(encodeFrameSchedule({ ...EMPTY, ...fields }));
      return typeof sent === 'number' ? sent : undefined;
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#refused();
      return undefined;
    }
  }
}

const EMPTY: Omit<FrameScheduleMessage, 'type'> = {
  clientId: 0,
  generation: 0,
  flags: 0,
  periodNs: 0,
  targetSlackNs: 0,
  phaseErrorNs: 0,
  feedbackFrameSerial: 0,
  feedbackScheduleEpoch: 0,
  feedbackDeadlineSerial: 0,
  leaseMs: 0,
};

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // Nudged: the loop sees why.
  }
}
