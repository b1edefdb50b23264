/** A frame that is made for a refresh of the owner's display. */
export interface Aim {
  /** Number of the deadline; 0 for a frame that is tied to none. */
  readonly serial: number;
  /** When the frame has to be whole. Units: milliseconds of the host's clock. */
  readonly atMs: number;
}

/** What a client tells of a frame that it showed. */
export interface Feedback {
  readonly frameSerial: number;
  readonly deadlineSerial: number;
  /** Positive: the frame was early. */
  readonly phaseErrorMs: number;
}

interface Met {
  readonly frameSerial: number;
  readonly deadlineSerial: number;
}

/** A frame that is tied to no deadline. */
export const NO_AIM: Aim = { serial: 0, atMs: 0 };

const LEAST_MARGIN_MS = 0.25;
const MARGIN_SHARE = 1 / 8;
/** How much of an error one report corrects, and the most it may move a deadline by. */
const CORRECTION = 1 / 4;
const MOST_CORRECTION = 1 / 4;
/** A frame that is this share of a period before its time was not made for the deadline. */
const EARLY_SHARE = 1 / 2;
/** Weight of a new measurement of the work in its mean. */
const WORK_SHARE = 1 / 8;
/** Reports come a few frames late; what is longer ago is of no use. */
const REMEMBERED = 32;
const MAX_U32 = 0xffff_ffff;

/**
 * The deadlines of one owner: one in each of its periods, at a phase that its reports shift.
 *
 * Units: milliseconds of the host's clock, with fractions.
 * Source: the frame schedule of KVMFR 34.
 */
export class Deadlines {
  #periodMs: number;
  #slackMs: number;
  /** The next deadline: its number and its time. */
  #serial = 1;
  #atMs: number;
  /** Number of the newest deadline that a frame was made for. */
  #taken = 0;
  #workMs = 0;
  readonly #met: Met[] = [];
  /** Number of the newest deadline that was reported on. */
  #reported = 0;

  constructor(schedule: { readonly periodMs: number; readonly slackMs: number }, nowMs: number) {
    this.#periodMs = schedule.periodMs;
    this.#slackMs = schedule.slackMs;
    this.#atMs = nowMs + schedule.periodMs;
  }

  get periodMs(): number {
    return this.#periodMs;
  }

  /** How long publishing took lately. */
  get workMs(): number {
    return this.#workMs;
  }

  /** Goes on with another period, or another lead. */
  retune(schedule: { readonly periodMs: number; readonly slackMs: number }): void {
    this.#periodMs = schedule.periodMs;
    this.#slackMs = schedule.slackMs;
  }

  /** How long until a frame is to be published in time for the next deadline that has none. */
  dueInMs(nowMs: number): number {
    this.#pass(nowMs);
    const free = this.#serial > this.#taken ? this.#atMs : this.#atMs + this.#periodMs;
    const dueMs = free - this.#leadMs - nowMs;
    // Too late for this one already.
    return dueMs + this.#leadMs <= this.#workMs ? dueMs + this.#periodMs : Math.max(0, dueMs);
  }

  /** What a frame that is published now is made for. */
  aim(nowMs: number): Aim {
    this.#pass(nowMs);
    const early = this.#atMs - this.#leadMs - nowMs > this.#periodMs * EARLY_SHARE;
    if (early || this.#taken >= this.#serial) return NO_AIM;
    this.#taken = this.#serial;
    return { serial: this.#serial, atMs: this.#atMs };
  }

  /**
   * A frame is whole.
   *
   * @returns how long before its deadline; undefined when that was missed, or when there is none
   */
  complete(
    frame: { readonly aim: Aim; readonly frameSerial: number; readonly workMs: number },
    nowMs: number,
  ): number | undefined {
    this.#workMs += (frame.workMs - this.#workMs) * WORK_SHARE;
    const leadMs = frame.aim.atMs - nowMs;
    if (frame.aim.serial === 0 || leadMs < 0) return undefined;
    this.#met.push({ frameSerial: frame.frameSerial, deadlineSerial: frame.aim.serial });
    if (this.#met.length > REMEMBERED) this.#met.shift();
    return leadMs;
  }

  /**
   * Takes a report: it counts once for each deadline, and for a frame that met it.
   *
   * @returns whether it counted
   */
  report({ frameSerial, deadlineSerial, phaseErrorMs }: Feedback): boolean {
    if (deadlineSerial <= this.#reported) return false;
    const isMet = ({ frameSerial: frame, deadlineSerial: deadline }: Met): boolean =>
      frame === frameSerial && deadline === deadlineSerial;
    if (!this.#met.some(isMet)) return false;
    this.#reported = deadlineSerial;
    const most = this.#periodMs * MOST_CORRECTION;
    this.#atMs += Math.min(most, Math.max(-most, phaseErrorMs * CORRECTION));
    return true;
  }

  /** Slack, work, and a margin for work that takes longer. */
  get #leadMs(): number {
    return this.#slackMs + this.#workMs + Math.max(LEAST_MARGIN_MS, this.#workMs * MARGIN_SHARE);
  }

  /** Deadlines that are over are not made up for. */
  #pass(nowMs: number): void {
    if (nowMs < this.#atMs) return;
    const periods = Math.floor((nowMs - this.#atMs) / this.#periodMs) + 1;
    this.#atMs += periods * this.#periodMs;
    this.#serial += periods;
    if (this.#serial <= MAX_U32) return;
    this.#serial = 1;
    this.#taken = 0;
    this.#reported = 0;
    this.#met.length = 0;
  }
}
