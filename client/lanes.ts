import type { WatchedWord } from '../native/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { FEATURES } from '../protocol/kvmfr/session.ts';
import type { ClientStats } from './client-stats.ts';
import type { Pace } from './pace.ts';
import { PaceLine } from './pace-line.ts';
import { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { type Companions, giveBack } from './subscription.ts';

/** A claim that was refused, or lost, is made again after this. */
const AGAIN_MS = 250;
/** Schedules came with this version. */
const KVMFR_WITH_SCHEDULE = 34;

/** What is held while the pace is asked for. All of it under the id of the frame queue's slot. */
interface Claim {
  readonly frames: Queue;
  readonly lanes: readonly Queue[];
  readonly line: PaceLine;
}

/**
 * The two queues by which the owner of the pace gets its frames, and the line to ask for it.
 *
 * The publisher elects the owner: among the clients that read the frame queue and both of these, and
 * have told their period, the one whose is the shortest. So a claim is: subscribe to all of them
 * under one id, tell the period, go on reading all three. Who is not elected, or is no longer, gets
 * frames by the frame queue as before, and may be elected again at any time. Nothing of a claim is
 * held while nothing is asked for.
 *
 * Ownership: three subscriber slots while claimed; {@link leave} gives them back.
 */
export class Lanes implements Companions {
  readonly #pace: Pace;
  readonly #stats: ClientStats;
  readonly #deaf: () => void;
  #claim: Claim | undefined;
  /** Settles when the claim before has been given back. */
  #leaving: Promise<void> | undefined;
  #triedFor: Queue | undefined;
  #againMs = 0;
  #broken = false;

  /** `nudge` is called when there is something to {@link attend} to. */
  constructor(pace: Pace, stats: ClientStats, nudge: () => void) {
    this.#pace = pace;
    this.#stats = stats;
    this.#deaf = pace.listen(() => {
      this.#claim?.line.nudge();
      nudge();
    });
  }

  /** Whether frames can come by other ways than the frame queue. */
  get claimed(): boolean {
    return this.#claim !== undefined;
  }

  attend(session: Session, frames: Queue): void {
    const claim = this.#claim;
    if (claim !== undefined) {
      const keeps = claim.frames === frames && !this.#broken && this.#wanted(session);
      if (keeps && claim.line.standing && claim.lanes.every((lane) => lane.check() === 'ok'))
        return;
      if (claim.frames === frames) this.#againMs = performance.now() + AGAIN_MS;
      void this.#giveUp(claim);
      return;
    }
    if (this.#leaving !== undefined || !this.#wanted(session)) return;
    if (frames === this.#triedFor && performance.now() < this.#againMs) return;
    this.#triedFor = frames;
    this.#againMs = performance.now() + AGAIN_MS;
    this.#claim = this.#take(session, frames);
  }

  ready(into: Queue[]): void {
    for (const lane of this.#claim?.lanes ?? NO_LANES) {
      try {
        if (lane.next() === 'ok') into.push(lane);
      } catch (error) {
        if (!KvmfrError.is(error)) throw error;
        this.#refuse();
        // What comes by the frame queue may still be right.
        this.#broken = true;
      }
    }
  }

  watch(into: WatchedWord[]): void {
    for (const lane of this.#claim?.lanes ?? NO_LANES) into.push(...lane.watch());
  }

  leave(): Promise<void> | undefined {
    return this.#claim === undefined ? this.#leaving : this.#giveUp(this.#claim);
  }

  close(): Promise<void> | undefined {
    this.#deaf();
    const leaving = this.leave();
    this.#pace.drop(this);
    return leaving;
  }

  #wanted({ frames, info }: Session): boolean {
    if (this.#pace.wish === undefined || !this.#pace.carries(this)) return false;
    const offered = (info.features & FEATURES.frameSchedule) !== 0;
    return offered && frames.kvmfrVersion >= KVMFR_WITH_SCHEDULE;
  }

  #take(session: Session, frames: Queue): Claim | undefined {
    const taken: Queue[] = [];
    for (const id of [QUEUE_IDS.frameOwner0, QUEUE_IDS.frameOwner1, QUEUE_IDS.pointer]) {
      const queue = this.#subscribe(session, id, frames.clientId);
      if (queue === undefined) break;
      taken.push(queue);
    }
    const [first, second, pointer] = taken;
    if (first === undefined || second === undefined || pointer === undefined) {
      // One of them is full or not there: frames come by the frame queue.
      this.#leaving = this.#settle(taken.map((queue) => giveBack(queue)));
      return undefined;
    }
    this.#broken = false;
    const line = new PaceLine(session, pointer, this.#pace, () => this.#refuse());
    return { frames, lanes: [first, second], line };
  }

  #subscribe(session: Session, queueId: number, clientId: number): Queue | undefined {
    try {
      const queue = Queue.subscribe(session, queueId, clientId);
      return typeof queue === 'string' ? undefined : queue;
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#refuse();
      return undefined;
    }
  }

  #giveUp(claim: Claim): Promise<void> {
    this.#claim = undefined;
    this.#pace.follows(false);
    const lanes = async (): Promise<void> => {
      await Promise.all(claim.lanes.map((lane) => giveBack(lane)));
    };
    this.#leaving = this.#settle([claim.line.end(lanes)]);
    return this.#leaving;
  }

  async #settle(work: readonly Promise<void>[]): Promise<void> {
    await Promise.all(work);
    this.#leaving = undefined;
  }

  #refuse(): void {
    this.#stats.messagesRefused += 1;
  }
}

const NO_LANES: readonly Queue[] = [];
