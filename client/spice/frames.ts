import { MAX_DAMAGE_RECTS } from '../../protocol/limits.ts';
import { type Rect, unionRect } from '../../protocol/rect.ts';
import type { Surface } from './surface.ts';

/**
 * The screen as a SPICE server has drawn it, with the names of a frame of shared memory.
 *
 * Ownership: the pixels are the picture itself, which the next message of the server changes: use them
 * before the loop waits for anything.
 */
export interface SpiceFrame {
  /** The fourth byte of each pixel means nothing. */
  readonly format: 'BGRA';
  readonly pixels: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pitchBytes: number;
  readonly rotation: 0;
  /** Number of the newest draw in it. */
  readonly serial: number;
  /** What changed since the frame that this loop had before; never empty. */
  readonly damage: readonly Rect[];
}

/** What a loop over frames is fed with. */
export interface FrameFeed {
  /** The screen; undefined while there is none to show. */
  readonly screen: Surface | undefined;
  readonly serial: number;
}

/** Frames for one loop: the newest at each turn, with all damage since the turn before. */
export class FrameStream implements AsyncIterableIterator<SpiceFrame> {
  readonly #feed: FrameFeed;
  readonly #onEnd: (stream: FrameStream) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void = () => this.end();
  #screen: Surface | undefined;
  #damage: Rect[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(options: {
    readonly feed: FrameFeed;
    readonly signal: AbortSignal | undefined;
    readonly onEnd: (stream: FrameStream) => void;
  }) {
    this.#feed = options.feed;
    this.#onEnd = options.onEnd;
    this.#signal = options.signal;
    if (this.#signal?.aborted) this.#ended = true;
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<SpiceFrame, undefined>> {
    while (!this.#ended) {
      // Looked for after the wait: what was drawn while we were woken is in it.
      const frame = this.#take();
      if (frame !== undefined) return { done: false, value: frame };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<SpiceFrame, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Something was drawn; without a rect the screen is another one, or shown now. */
  changed(rect?: Rect): void {
    if (rect !== undefined && this.#screen === this.#feed.screen) this.#add(rect);
    this.#wake?.();
  }

  /** No more frames. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onEnd(this);
    this.#wake?.();
  }

  #take(): SpiceFrame | undefined {
    const { screen, serial } = this.#feed;
    if (screen === undefined) return undefined;
    const { widthPx, heightPx, pitchBytes, pixels } = screen;
    if (screen !== this.#screen) {
      this.#screen = screen;
      this.#damage = [{ x: 0, y: 0, width: widthPx, height: heightPx }];
    }
    if (this.#damage.length === 0) return undefined;
    const damage = this.#damage;
    this.#damage = [];
    return { format: 'BGRA', pixels, widthPx, heightPx, pitchBytes, rotation: 0, serial, damage };
  }

  #add(rect: Rect): void {
    if (this.#damage.length < MAX_DAMAGE_RECTS) this.#damage.push(rect);
    else this.#damage = [this.#damage.reduce(unionRect, rect)];
  }
}
