import type { FrameTiming } from '../../protocol/kvmfr/frame.ts';
import type { FrameDeadline, ScheduleOptions } from '../pace.ts';
import type { SessionInfo } from '../session.ts';
import type { ClientState } from '../state.ts';
import type { PictureFrame } from '../tiles/picture-frame.ts';

/** A frame that is lent to who keeps a picture. */
export interface GuestFrame extends PictureFrame {
  /** How long the publisher took for it, once it says so. */
  readonly timing?: FrameTiming | undefined;
  /** When it was not published yet; undefined when it was not waited for. */
  readonly beforeMs?: number | undefined;
  /** The refresh it was made for, once the publisher says that it came in time. */
  readonly deadline?: FrameDeadline | undefined;
  release(): void;
}

/** What a guest's pointer looks like: another object for each shape. */
export interface GuestCursorShape {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  /** R, G, B, A, straight alpha. */
  readonly rgba: Uint8Array;
}

/** Where a guest's pointer is. Units: pixels of the guest's screen, left upper corner of the shape. */
export interface GuestCursor {
  readonly visible: boolean;
  readonly x: number;
  readonly y: number;
  readonly shape: GuestCursorShape | undefined;
}

/** How a stream is asked for. */
export interface StreamOptions {
  readonly signal?: AbortSignal;
}

/**
 * Where a guest's screen comes from; a `Client` is one.
 *
 * The streams end when their signal fires or the source closes, and hold the guest's queues only
 * while they are iterated.
 */
export interface GuestSource {
  readonly state: ClientState;
  /** The live session: another object for each publisher. */
  readonly session: SessionInfo | undefined;
  readonly stats: {
    readonly sessions: number;
    readonly framesSeen: number;
    readonly framesSkipped: number;
    readonly framesGivenUp: number;
  };
  states(options?: StreamOptions): AsyncIterable<ClientState>;
  frames(options?: StreamOptions & { readonly partial?: boolean }): AsyncIterable<GuestFrame>;
  cursor(options?: StreamOptions): AsyncIterable<GuestCursor>;
  /** Asks for a frame in each period, or lets the guest go its own pace again. */
  schedule?(wish: ScheduleOptions | undefined): void;
  /** Tells how long a frame was ready before it was shown. Units: nanoseconds. */
  presented?(deadline: FrameDeadline, waitedNs: number): void;
  /** Somebody has come to look: what was left for a person to decide may be tried again. */
  attend?(): void;
  close(): Promise<void>;
}
