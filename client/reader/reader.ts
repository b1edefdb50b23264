import type { FrameDeadline, ScheduleOptions } from '../pace.ts';
import type { SessionInfo } from '../session.ts';
import type { ClientState } from '../state.ts';
import type { PictureOutcome } from '../tiles/picture-frame.ts';
import type { SharedPlanes } from '../tiles/shared-planes.ts';
import type { PictureView } from '../tiles/view.ts';
import type { GuestCursor, GuestSource, StreamOptions } from './source.ts';

/**
 * When a frame passed the stages of its way into the picture.
 *
 * Units: milliseconds of `monotonicMs`.
 */
export interface PictureTimes {
  /** How long the publisher took for it, where it tells. A span, not a time. */
  readonly producerMs: number | undefined;
  /**
   * The last look at which it was not there yet: it was published after that. Undefined when that
   * is not known.
   */
  readonly beforeMs: number | undefined;
  /** It was seen. */
  readonly seenMs: number;
  /** Its last row was seen to be there. */
  readonly arrivedMs: number;
  /** It was in the picture. */
  readonly appliedMs: number;
}

/** A frame has been through the picture. */
export interface PictureUpdate {
  readonly outcome: PictureOutcome;
  /** Of the picture, after it. */
  readonly epoch: number;
  readonly serial: number;
  readonly times: PictureTimes;
  /** The refresh it was made for, if it was and the publisher says so. */
  readonly deadline?: FrameDeadline | undefined;
}

/** How updates are asked for. */
export interface PicturesOptions extends StreamOptions {
  /** Most frames taken in a second; no bound when left out. */
  readonly maxFps?: number | undefined;
}

/** What became of the frames that were taken. */
export type OutcomeCounts = { readonly [outcome in PictureOutcome]: number };

/**
 * Keeps a picture of a guest's screen current: in this thread, or in one of its own.
 *
 * Ownership: {@link close} gives back every subscriber slot, thread and mapping.
 */
export interface PictureReader {
  /** The same object always. */
  readonly picture: PictureView;
  /** Where other processes find the picture as I420; undefined while it is not there. */
  readonly planes: SharedPlanes | undefined;
  /** What is known of the guest now, or why its frames cannot be shown. */
  readonly state: ClientState;
  /** The live session: another object for each publisher. */
  readonly session: SessionInfo | undefined;
  readonly stats: GuestSource['stats'];
  readonly outcomes: OutcomeCounts;
  /** The state now, then each change, until the reader closes or the signal fires. */
  states(options?: StreamOptions): AsyncIterable<ClientState>;
  /** The guest's pointer, after each change. Subscribed while iterated. */
  cursor(options?: StreamOptions): AsyncIterable<GuestCursor>;
  /**
   * The newest update of the picture that was not told yet. The guest's frames are followed while
   * somebody iterates, by the options of who came last.
   */
  pictures(options?: PicturesOptions): AsyncIterable<PictureUpdate>;
  /**
   * Lets I420 planes follow the picture, or not any more; all of it is converted once when they begin
   * to. See {@link planes}.
   */
  setI420(on: boolean): void;
  /** Asks for a frame in each period, or lets the guest go its own pace again. */
  schedule(wish: ScheduleOptions | undefined): void;
  /** Tells how long a frame was ready before it was shown. Units: nanoseconds. */
  presented?(deadline: FrameDeadline, waitedNs: number): void;
  /** Somebody has come to look: what was left for a person to decide may be tried again. */
  attend?(): void;
  close(): Promise<void>;
}
