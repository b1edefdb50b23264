import type { PictureReader, PictureUpdate } from '../../client/reader/reader.ts';
import { MAX_PERIOD_NS, MIN_PERIOD_NS } from '../../protocol/limits.ts';
import { type AckMessage, UNKNOWN_US } from '../../protocol/wire/index.ts';

/** Who can be asked for a pace: a reader, or a source that knows how. */
export type PacedGuest = Partial<Pick<PictureReader, 'schedule' | 'presented'>>;

/** What the pacing needs of a viewer. */
export interface PacedViewer {
  readonly visible: boolean;
  /** How often its display is refreshed in a second; undefined while it has not said. */
  readonly refreshHz: number | undefined;
}

/** Frames whose acknowledgements may still come. */
const REMEMBERED = 32;
/** How much of a period a frame is to lie ready in a viewer: the way there is not always as long. */
const SLACK_SHARE = 1 / 4;
/** A display that is not faster than this changes nothing: measured periods vary that much. */
const SAME = 0.005;

/**
 * Asks the guest for a frame at each refresh of the fastest display that somebody looks at, and tells
 * it how long frames lay ready there before they were shown. With nobody looking, or nobody who
 * knows, the guest is asked for nothing.
 */
export class Pacing {
  readonly #guest: PacedGuest;
  readonly #leastNs: number;
  #periodNs: number | undefined;
  /** Whether that is the period of a display, and not a bound. */
  #isTheirs = false;
  /** Whose display it is: of several that are as fast, the one it was before. */
  #leader: PacedViewer | undefined;
  /** The newest updates that were made for a refresh, newest last. */
  readonly #made: Pick<PictureUpdate, 'epoch' | 'serial' | 'deadline'>[] = [];

  /** `maxFps` bounds what is asked for, because more frames than that are not taken. */
  constructor(guest: PacedGuest, maxFps: number | undefined) {
    this.#guest = guest;
    this.#leastNs = maxFps === undefined ? 0 : 1e9 / maxFps;
  }

  /** Period that the guest is asked for now. */
  get periodNs(): number | undefined {
    return this.#periodNs;
  }

  /** A viewer has come, gone, hidden or shown itself, or measured its display. */
  follow(viewers: Iterable<PacedViewer>): void {
    const before = this.#leader;
    let leader: PacedViewer | undefined;
    for (const viewer of viewers) {
      if (!viewer.visible || viewer.refreshHz === undefined) continue;
      const ahead = viewer.refreshHz - (leader?.refreshHz ?? 0);
      if (ahead > 0 || (ahead === 0 && viewer === before)) leader = viewer;
    }
    this.#leader = leader;
    if (leader?.refreshHz === undefined) this.release();
    else this.#ask(1e9 / leader.refreshHz);
  }

  /** A frame is in the picture. */
  updated({ epoch, serial, deadline }: PictureUpdate): void {
    if (deadline === undefined || this.#leader === undefined) return;
    this.#made.push({ epoch, serial, deadline });
    if (this.#made.length > REMEMBERED) this.#made.shift();
  }

  /**
   * A viewer presented an update. What is told of it is the time between decoded and handed to the
   * display, by the viewer's own clock: the way there is part of what makes a frame late.
   */
  presented(
    viewer: PacedViewer,
    { epoch, serial, presentUs }: Pick<AckMessage, 'epoch' | 'serial' | 'presentUs'>,
  ): void {
    if (viewer !== this.#leader || !this.#isTheirs || presentUs === UNKNOWN_US) return;
    const made = this.#made.find((update) => update.epoch === epoch && update.serial === serial);
    if (made?.deadline !== undefined) this.#guest.presented?.(made.deadline, presentUs * 1000);
  }

  /** Asks for nothing any more. */
  release(): void {
    this.#leader = undefined;
    this.#made.length = 0;
    if (this.#periodNs === undefined) return;
    this.#periodNs = undefined;
    this.#guest.schedule?.(undefined);
  }

  #ask(refreshNs: number): void {
    const wishedNs = Math.max(this.#leastNs, refreshNs);
    const periodNs = Math.round(Math.min(MAX_PERIOD_NS, Math.max(MIN_PERIOD_NS, wishedNs)));
    // Of a pace that is not the display's nothing can be told.
    this.#isTheirs = Math.abs(periodNs - refreshNs) <= refreshNs * SAME;
    const before = this.#periodNs;
    if (before !== undefined && Math.abs(periodNs - before) <= before * SAME) return;
    this.#periodNs = periodNs;
    this.#guest.schedule?.({ periodNs, slackNs: Math.round(periodNs * SLACK_SHARE) });
  }
}
