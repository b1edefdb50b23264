import type { ClientState, CursorState, SessionInfo } from '../../client/index.ts';
import type { PictureFrame } from '../../client/tiles/picture.ts';

/** A frame that is lent to the relay. */
export interface GuestFrame extends PictureFrame {
  release(): void;
}

/** How a stream is asked for. */
export interface StreamOptions {
  readonly signal?: AbortSignal;
}

/**
 * Where the relay gets a guest's screen from; a `Client` is one.
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
  cursor(options?: StreamOptions): AsyncIterable<CursorState>;
  close(): Promise<void>;
}
