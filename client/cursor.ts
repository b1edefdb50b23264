import { KvmfrError } from '../protocol/error.ts';
import {
  type DisplaySignal,
  type RawColorTransform,
  sameColorTransform,
} from '../protocol/kvmfr/color-transform.ts';
import { type CursorKind, cursorBitmap, type RawCursorShape } from '../protocol/kvmfr/cursor.ts';
import { sdrWhiteOf } from '../protocol/kvmfr/hdr.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { encodeSetCursorPos } from '../protocol/kvmfr/messages.ts';
import { readPointerMessage } from '../protocol/kvmfr/pointer.ts';
import { FEATURES } from '../protocol/kvmfr/session.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { type StreamHost, Subscription } from './subscription.ts';
import { Turns } from './turns.ts';

/**
 * What the pointer looks like.
 *
 * Shape: rgba has widthPx x heightPx pixels R, G, B, A with straight alpha, made from any of the
 * three kinds, in the colours that the guest's display shows.
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
  /** What `rgba` went through and `raw` did not; undefined when the guest's display changes nothing. */
  readonly colorTransform: RawColorTransform | undefined;
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

const SDR: DisplaySignal = { transfer: 'srgb', sdrWhiteNits: 0 };
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
  #transform: RawColorTransform | undefined;
  #sdrWhiteLevel = 0;
  /** How the bitmap at hand was made; of no matter without a transform. */
  #signal: DisplaySignal = SDR;
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

  /**
   * Asks the guest to move its pointer. What the publisher makes of it shows in what this loop gives.
   *
   * Units: pixels of the guest's screen.
   *
   * @returns false when it cannot be asked now: it takes no such message (its features say so), the
   *   loop is not subscribed, or the way up is full or locked
   * @throws ERR_KVMFR_BOUNDS or ERR_KVMFR_CORRUPT when a number of the ring, or its lock, cannot be
   */
  moveTo(position: { readonly x: number; readonly y: number }): boolean {
    const { session, queue } = this.#subscription;
    if (session === undefined || queue === undefined) return false;
    if ((session.info.features & FEATURES.setCursorPos) === 0) return false;
    return typeof queue.send(encodeSetCursorPos(position)) === 'number';
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
    const { udata: flags, offset: at, bytes } = queue.message;
    const message = readPointerMessage(session.region, { at, bytes, flags }, session.cursors);
    // Copied; now make sure that it was still lent to us while we copied.
    if (!queue.lent) return;
    if (this.#session !== session) this.#begin(session);
    const { position, visible, shape, colors, sdrWhiteLevel } = message;
    if (visible !== undefined && visible !== this.#visible) {
      this.#visible = visible;
      this.#changed = true;
    }
    if (position !== undefined) this.#move(position.x, position.y);
    if (shape !== undefined) this.#raw = shape;
    if (sdrWhiteLevel !== undefined) this.#sdrWhiteLevel = sdrWhiteLevel;
    if (colors !== undefined && !sameColorTransform(this.#transform, colors.transform))
      this.#transform = colors.transform;
  }

  /** What another publisher said of its pointer is of no use. */
  #begin(session: Session): void {
    this.#session = session;
    this.#raw = undefined;
    this.#shape = undefined;
    this.#transform = undefined;
    this.#sdrWhiteLevel = 0;
    this.#visible = false;
    this.#changed = true;
  }

  #move(x: number, y: number): void {
    if (x === this.#x && y === this.#y) return;
    this.#x = x;
    this.#y = y;
    this.#changed = true;
  }

  #reshape(): void {
    const raw = this.#raw ?? this.#shape?.raw;
    this.#raw = undefined;
    if (raw === undefined) return;
    const transform = this.#transform;
    const signal = transform === undefined ? SDR : this.#displaySignal();
    if (this.#shows(raw, transform, signal)) return;
    this.#signal = signal;
    this.#shape = {
      id: this.#nextShapeId,
      kind: raw.kind,
      widthPx: raw.widthPx,
      heightPx: raw.heightPx,
      hotspotX: raw.hotspotX,
      hotspotY: raw.hotspotY,
      rgba: cursorBitmap(raw, transform === undefined ? undefined : { ...signal, transform }),
      raw,
      colorTransform: transform,
    };
    this.#nextShapeId += 1;
    this.#changed = true;
  }

  /** Whether the shape at hand is this one, in the same colours. */
  #shows(
    raw: RawCursorShape,
    transform: RawColorTransform | undefined,
    signal: DisplaySignal,
  ): boolean {
    const shape = this.#shape;
    return (
      shape !== undefined &&
      shape.colorTransform === transform &&
      this.#signal.transfer === signal.transfer &&
      this.#signal.sdrWhiteNits === signal.sdrWhiteNits &&
      (shape.raw === raw || sameShape(shape.raw, raw))
    );
  }

  #displaySignal(): DisplaySignal {
    if (this.#session?.hdr !== true) return SDR;
    return { transfer: 'pq', sdrWhiteNits: sdrWhiteOf(this.#sdrWhiteLevel) };
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
