import { KvmfrError } from '../protocol/error.ts';
import {
  CURSOR_FLAGS,
  type CursorKind,
  cursorBitmap,
  type RawCursorShape,
  readCursorPosition,
  readCursorShape,
} from '../protocol/kvmfr/cursor.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { type StreamHost, Subscription } from './subscription.ts';
import { Turns } from './turns.ts';

/**
 * What the pointer looks like.
 *
 * Shape: rgba has widthPx x heightPx pixels R, G, B, A with straight alpha, made from any of the
 * three kinds.
 * Ownership: a private copy.
 */
export interface CursorShape {
  /** Counts up with each new shape of this client; never 0. */
  readonly id: number;
  readonly kind: CursorKind;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly rgba: Uint8Array<ArrayBuffer>;
  /** The shape as the guest sent it, for who can draw inverted pixels. */
  readonly raw: RawCursorShape;
}

/** Where the pointer is and what it looks like. */
export interface CursorState {
  readonly visible: boolean;
  /** Left upper corner of the shape, in screen pixels; may be negative. */
  readonly x: number;
  readonly y: number;
  readonly shape: CursorShape | undefined;
}

/** How the cursor is given. */
export interface CursorOptions {
  readonly signal?: AbortSignal;
}

// A publisher that posts as fast as we read must not keep us from answering.
const MAX_DRAIN = 64;

/** The pointer of a guest: an endless loop that gives its newest state after each change. */
export class CursorStream implements AsyncIterableIterator<CursorState> {
  readonly #host: StreamHost;
  readonly #subscription: Subscription;
  readonly #turns: Turns = new Turns();
  #session: Session | undefined;
  #visible = false;
  #x = 0;
  #y = 0;
  #shape: CursorShape | undefined;
  /** The newest shape that was read; the ones before it are never made into bitmaps. */
  #raw: RawCursorShape | undefined;
  #nextShapeId = 1;
  #changed = false;

  constructor(host: StreamHost, options: CursorOptions) {
    this.#host = host;
    this.#subscription = new Subscription(host, QUEUE_IDS.pointer, options.signal);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<CursorState, undefined>> {
    return this.#turns.take(() => this.#next());
  }

  async #next(): Promise<IteratorResult<CursorState, undefined>> {
    for (;;) {
      let queue = await this.#subscription.message();
      if (queue === undefined) return { done: true, value: undefined };
      for (let i = 0; i < MAX_DRAIN && queue !== undefined; i++) {
        this.#read(queue);
        queue = this.#subscription.tryMessage();
      }
      this.#reshape();
      if (!this.#changed) continue;
      this.#changed = false;
      return {
        done: false,
        value: { visible: this.#visible, x: this.#x, y: this.#y, shape: this.#shape },
      };
    }
  }

  async return(): Promise<IteratorResult<CursorState, undefined>> {
    await this.#subscription.close();
    return { done: true, value: undefined };
  }

  #read(queue: Queue): void {
    const { session } = this.#subscription;
    if (session === undefined || session.ended) return;
    this.#host.stats.cursorMessages += 1;
    try {
      this.#apply(session, queue);
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#host.stats.cursorRefused += 1;
    }
    queue.done();
  }

  #apply(session: Session, queue: Queue): void {
    const { udata, offset, bytes } = queue.message;
    const { cursorBytes, visibleNeedsFlag } = session.cursors;
    if (bytes < cursorBytes)
      throw new KvmfrError(
        'ERR_KVMFR_BOUNDS',
        `a cursor message needs ${cursorBytes} bytes, but names ${bytes}`,
      );
    const position = readCursorPosition(session.region, offset);
    const raw =
      (udata & CURSOR_FLAGS.shape) === 0
        ? undefined
        : readCursorShape(session.region, offset, bytes, cursorBytes);
    // Copied; now make sure that it was still lent to us while we copied.
    if (queue.check() !== 'ok') return;
    if (this.#session !== session) this.#begin(session);
    // In 19 and 20 the flag counts in every message: absent means hidden. 34 says when it counts.
    const visible = (udata & CURSOR_FLAGS.visible) !== 0;
    const says = !visibleNeedsFlag || (udata & CURSOR_FLAGS.visibleValid) !== 0;
    if (says && visible !== this.#visible) {
      this.#visible = visible;
      this.#changed = true;
    }
    if ((udata & CURSOR_FLAGS.position) !== 0) this.#move(position.x, position.y);
    if (raw !== undefined) this.#raw = raw;
  }

  /** What another publisher said of its pointer is of no use. */
  #begin(session: Session): void {
    this.#session = session;
    this.#raw = undefined;
    this.#shape = undefined;
    this.#changed = true;
  }

  #move(x: number, y: number): void {
    if (x === this.#x && y === this.#y) return;
    this.#x = x;
    this.#y = y;
    this.#changed = true;
  }

  #reshape(): void {
    const raw = this.#raw;
    this.#raw = undefined;
    if (raw === undefined || (this.#shape !== undefined && sameShape(this.#shape.raw, raw))) return;
    this.#shape = {
      id: this.#nextShapeId,
      kind: raw.kind,
      widthPx: raw.widthPx,
      heightPx: raw.heightPx,
      hotspotX: raw.hotspotX,
      hotspotY: raw.hotspotY,
      rgba: cursorBitmap(raw),
      raw,
    };
    this.#nextShapeId += 1;
    this.#changed = true;
  }
}

function sameShape(a: RawCursorShape, b: RawCursorShape): boolean {
  return (
    a.kind === b.kind &&
    a.widthPx === b.widthPx &&
    a.heightPx === b.heightPx &&
    a.hotspotX === b.hotspotX &&
    a.hotspotY === b.hotspotY &&
    a.pitchBytes === b.pitchBytes &&
    Buffer.compare(a.bytes, b.bytes) === 0
  );
}
