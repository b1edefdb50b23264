import { KvmfrError } from '../protocol/error.ts';
import { MAX_PERIOD_NS, MIN_PERIOD_NS } from '../protocol/limits.ts';

/** What a publisher is asked for. */
export interface ScheduleOptions {
  /** Time between two refreshes of the display that frames are for. Units: nanoseconds, 2 ms to 1 s. */
  readonly periodNs: number;
  /** How long before its refresh a frame is to be ready; half a millisecond when left out. */
  readonly slackNs?: number;
}

/**
 * How frames come: `push` (as soon as the guest has them), `asked` (a schedule was asked for, but the
 * newest frame was not made for it), `owner` (the publisher follows our schedule).
 */
export type Pacing = 'push' | 'asked' | 'owner';

/** Names the refresh that a frame was made for. */
export interface FrameDeadline {
  readonly frameSerial: number;
  readonly generation: number;
  readonly epoch: number;
  readonly deadlineSerial: number;
}

/** What is asked for, under a number of its own. */
export interface Wish {
  readonly periodNs: number;
  readonly slackNs: number;
  /** Another one for each wish; never 0. */
  readonly generation: number;
}

/** How far from its time a frame was. */
export interface PhaseFeedback {
  readonly deadline: FrameDeadline;
  /** Positive: the frame was early. */
  readonly phaseErrorNs: number;
}

const SLACK_NS = 500_000;
/** Weight of what was known before in the mean of errors, against one new one. */
const SMOOTHING = 7;
const LONGEST_WAIT = 1.5;

/**
 * The pace that a client asks its publisher for, and the one stream of frames that carries it.
 *
 * Source: section 6 of the frame schedule of KVMFR 34.
 */
export class Pace {
  #wish: Wish | undefined;
  #generation = 0;
  #carrier: object | undefined;
  #owner = false;
  #feedback: PhaseFeedback | undefined;
  /** Epoch that the mean is of. */
  #epoch = 0;
  #meanErrorNs = 0;
  readonly #listeners: Set<() => void> = new Set();

  /** What is wanted now. */
  get wish(): Wish | undefined {
    return this.#wish;
  }

  get pacing(): Pacing {
    if (this.#wish === undefined) return 'push';
    return this.#owner ? 'owner' : 'asked';
  }

  /**
   * Wishes something else, or nothing.
   *
   * @throws ERR_KVMFR_ARGUMENT
   */
  set(options: ScheduleOptions | undefined): void {
    const wish = options === undefined ? undefined : this.#check(options);
    const { periodNs, slackNs } = this.#wish ?? {};
    if (wish?.periodNs === periodNs && wish?.slackNs === slackNs) return;
    this.#wish = wish;
    if (wish !== undefined) this.#generation = wish.generation;
    this.#feedback = undefined;
    this.#owner = false;
    this.#tell();
  }

  /** Whether this stream carries the pace: the first that asks does, until it {@link drop}s it. */
  carries(carrier: object): boolean {
    this.#carrier ??= carrier;
    return this.#carrier === carrier;
  }

  /** Lets another stream carry it. */
  drop(carrier: object): void {
    if (this.#carrier !== carrier) return;
    this.#carrier = undefined;
    this.#owner = false;
    this.#tell();
  }

  /** The newest frame was made for our schedule, or not. */
  follows(isOurs: boolean): void {
    this.#owner = isOurs;
  }

  /** Called when there is another wish, or nobody who carries it. The answer ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A frame was ready for so long before it was shown. */
  presented(deadline: FrameDeadline, waitedNs: number): void {
    const wish = this.#wish;
    if (wish === undefined || deadline.generation !== wish.generation) return;
    const { periodNs, slackNs } = wish;
    // Longer than to the refresh after the next: whoever shows it was busy, which says nothing of phases.
    if (!(waitedNs >= 0 && waitedNs <= periodNs * LONGEST_WAIT)) return;
    // One that waited for most of a period has just missed the refresh before: it was late, not early.
    const aheadNs = waitedNs - slackNs;
    const errorNs = aheadNs - Math.round(aheadNs / periodNs) * periodNs;
    const known = this.#epoch === deadline.epoch;
    this.#meanErrorNs = known
      ? (this.#meanErrorNs * SMOOTHING + errorNs) / (SMOOTHING + 1)
      : errorNs;
    this.#epoch = deadline.epoch;
    this.#feedback = { deadline, phaseErrorNs: this.#meanErrorNs };
  }

  /** What is to be told of the newest frame that was shown; not told twice. */
  get feedback(): PhaseFeedback | undefined {
    return this.#feedback;
  }

  /** It was told. */
  toldFeedback(): void {
    this.#feedback = undefined;
  }

  #check({ periodNs, slackNs }: ScheduleOptions): Wish {
    if (!(periodNs >= MIN_PERIOD_NS && periodNs <= MAX_PERIOD_NS))
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `periodNs of a schedule must be ${MIN_PERIOD_NS} to ${MAX_PERIOD_NS}, but is ${periodNs}`,
      );
    const lead = slackNs ?? SLACK_NS;
    if (!(lead >= 0 && lead < periodNs))
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `slackNs of a schedule must be 0 or more and less than its period of ${periodNs}, but is ${lead}`,
      );
    const generation = (this.#generation + 1) >>> 0 || 1;
    return { periodNs: Math.round(periodNs), slackNs: Math.floor(lead), generation };
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
