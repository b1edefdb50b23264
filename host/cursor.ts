import {
  CURSOR_FLAGS,
  CURSOR_KINDS,
  type CursorKind,
  type CursorPosition,
  CursorV19,
  CursorV34,
  KvmfrError,
  MAX_CURSOR_BYTES,
  MAX_CURSOR_PX,
  type Region,
} from '../protocol/index.ts';
import { type ColorTransformInput, copyTransform, writeTransform } from './color-transform.ts';
import type { Payload } from './plan.ts';
import type { HostSession } from './session.ts';

/** A cursor shape to publish. `heightPx` is what is seen. */
export interface CursorShapeInput {
  readonly kind: CursorKind;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly pitchBytes: number;
  /** Rows of pitchBytes: heightPx of them; twice that for monochrome (AND mask, then XOR mask). */
  readonly bytes: Uint8Array;
}

/** A change of the pointer; what is left out stays as it was. */
export interface CursorInput {
  /** Left upper corner of the shape, in screen pixels. */
  readonly position?: CursorPosition | undefined;
  readonly visible?: boolean | undefined;
  readonly shape?: CursorShapeInput | undefined;
  /** Nits of SDR white for the pointer over an HDR picture, from KVMFR 34 on. */
  readonly sdrWhiteLevel?: number | undefined;
  /** What the guest does to the colours of its display, from KVMFR 34 on; `{}` is nothing. */
  readonly colorTransform?: ColorTransformInput | undefined;
}

/** What became of pointer messages. */
export interface CursorCounters {
  posted: number;
  /** Changes that had to wait because the queue was full. */
  delayed: number;
}

/**
 * Publishes the pointer in one session: payloads for positions, for shapes and for colour transforms,
 * each kind in turn, and never one that a queued message names. What cannot be sent is kept, newest wins, and goes out
 * with the next {@link CursorPublisher.flush}.
 */
export class CursorPublisher {
  readonly counters: CursorCounters;
  readonly #region: Region;
  readonly #session: HostSession;
  #x = 0;
  #y = 0;
  #visible = false;
  #shape: CursorShapeInput | undefined;
  #positionKnown = false;
  /** CURSOR_FLAGS that have to be sent, `visible` meaning that visibility changed. */
  #owed = 0;
  #sdrWhiteLevel = 0;
  #transform: ColorTransformInput | undefined;
  #nextPointer = 0;
  #nextShape = 0;
  #nextTransform = 0;

  constructor(region: Region, session: HostSession, carried: CursorPublisher | undefined) {
    this.#region = region;
    this.#session = session;
    this.counters = carried?.counters ?? { posted: 0, delayed: 0 };
    if (carried === undefined) return;
    this.#x = carried.#x;
    this.#y = carried.#y;
    this.#visible = carried.#visible;
    this.#shape = carried.#shape;
    this.#positionKnown = carried.#positionKnown;
    this.#sdrWhiteLevel = carried.#sdrWhiteLevel;
    this.#transform = carried.#transform;
  }

  /** Changes the pointer; false when the queue is full and the change has to wait. */
  set(cursor: CursorInput, nowMs: number): boolean {
    const { position, visible, shape } = cursor;
    if (shape !== undefined) {
      checkShape(shape);
      // A copy of our own: it is sent again to every new subscriber.
      this.#shape = { ...shape, bytes: shape.bytes.slice(0, shapeBytes(shape)) };
      this.#owed |= CURSOR_FLAGS.shape;
    }
    this.#sdrWhiteLevel = cursor.sdrWhiteLevel ?? this.#sdrWhiteLevel;
    if (cursor.colorTransform !== undefined) {
      this.#transform = copyTransform(cursor.colorTransform, this.#session.wire);
      this.#owed |= CURSOR_FLAGS.colorTransform;
    }
    if (position !== undefined) {
      this.#x = toInt16(position.x);
      this.#y = toInt16(position.y);
      this.#positionKnown = true;
      this.#owed |= CURSOR_FLAGS.position;
    }
    if (visible !== undefined && visible !== this.#visible) {
      this.#visible = visible;
      this.#owed |= CURSOR_FLAGS.visible;
    }
    const sent = this.#send(nowMs);
    if (!sent) this.counters.delayed++;
    return sent;
  }

  /** Someone subscribed: they get shape, position, visibility and what is done to the colours. */
  repeatForSubscriber(): void {
    if (this.#transform !== undefined) this.#owed |= CURSOR_FLAGS.colorTransform;
    if (this.#shape !== undefined) this.#owed |= CURSOR_FLAGS.shape;
    if (this.#positionKnown) this.#owed |= CURSOR_FLAGS.position;
    this.#owed |= CURSOR_FLAGS.visible;
  }

  /** Sends what could not be sent before. */
  flush(nowMs: number): void {
    this.#send(nowMs);
  }

  // Colours first: who has read a shape knows how it is shown.
  #send(nowMs: number): boolean {
    const colors = this.#sendTransform(nowMs);
    return this.#sendPointer(nowMs) && colors;
  }

  // What is due of the pointer. A hidden one has no position from KVMFR 34 on.
  #due(): number {
    const owed = this.#owed & ~CURSOR_FLAGS.colorTransform;
    const hides = this.#session.wire.cursor.visibleNeedsFlag && !this.#visible;
    return hides ? owed & ~CURSOR_FLAGS.position : owed;
  }

  #sendPointer(nowMs: number): boolean {
    const due = this.#due();
    if (due === 0) return true;
    const { plan, pointerQueue, wire } = this.#session;
    const withShape = (due & CURSOR_FLAGS.shape) !== 0;
    const payload = withShape
      ? this.#freePayload(plan.shapes, this.#nextShape, nowMs)
      : this.#freePayload(plan.pointers, this.#nextPointer, nowMs);
    if (payload === undefined || pointerQueue.full) return false;
    if (withShape) this.#nextShape = plan.shapes.indexOf(payload) + 1;
    else this.#nextPointer = plan.pointers.indexOf(payload) + 1;
    this.#write(payload, withShape);
    // Before 34 a message without this bit hides the pointer, whatever it is about.
    let flags = (due & ~CURSOR_FLAGS.visible) | (this.#visible ? CURSOR_FLAGS.visible : 0);
    if (wire.cursor.visibleNeedsFlag) flags |= CURSOR_FLAGS.visibleValid;
    const result = pointerQueue.post(payload, flags, nowMs);
    if (result === 'full' || result === 'busy') return false;
    this.#owed &= ~due;
    if (result === 'posted') this.counters.posted++;
    return true;
  }

  #sendTransform(nowMs: number): boolean {
    if ((this.#owed & CURSOR_FLAGS.colorTransform) === 0) return true;
    const { plan, pointerQueue, wire } = this.#session;
    const payload = this.#freePayload(plan.transforms, this.#nextTransform, nowMs);
    if (payload === undefined || pointerQueue.full) return false;
    this.#nextTransform = plan.transforms.indexOf(payload) + 1;
    writeTransform(this.#region, payload.at + wire.cursor.cursorBytes, this.#transform ?? {});
    const result = pointerQueue.post(payload, CURSOR_FLAGS.colorTransform, nowMs);
    if (result === 'full' || result === 'busy') return false;
    this.#owed &= ~CURSOR_FLAGS.colorTransform;
    if (result === 'posted') this.counters.posted++;
    return true;
  }

  #freePayload(payloads: readonly Payload[], next: number, nowMs: number): Payload | undefined {
    const queue = this.#session.pointerQueue;
    for (let attempt = 0; attempt < 2; attempt++) {
      for (let turn = 0; turn < payloads.length; turn++) {
        const payload = payloads[(next + turn) % payloads.length];
        if (payload !== undefined && !queue.full && !queue.names(payload.at)) return payload;
      }
      if (attempt === 0) queue.process(nowMs);
    }
    return undefined;
  }

  #write(payload: Payload, withShape: boolean): void {
    const region = this.#region;
    const { at } = payload;
    const { cursorBytes, hasColors } = this.#session.wire.cursor;
    CursorV19.x.write(region, at, this.#x);
    CursorV19.y.write(region, at, this.#y);
    if (hasColors) CursorV34.sdrWhiteLevel.write(region, at, this.#sdrWhiteLevel);
    const shape = this.#shape;
    if (!withShape || shape === undefined) return;
    CursorV19.type.write(region, at, CURSOR_KINDS.indexOf(shape.kind));
    CursorV19.hx.write(region, at, shape.hotspotX);
    CursorV19.hy.write(region, at, shape.hotspotY);
    CursorV19.width.write(region, at, shape.widthPx);
    CursorV19.height.write(region, at, shape.heightPx * masks(shape));
    CursorV19.pitch.write(region, at, shape.pitchBytes);
    region.bytes.set(shape.bytes, at + cursorBytes);
  }
}

function masks(shape: CursorShapeInput): 1 | 2 {
  return shape.kind === 'monochrome' ? 2 : 1;
}

function shapeBytes(shape: CursorShapeInput): number {
  return shape.heightPx * masks(shape) * shape.pitchBytes;
}

// Positions wrap at 16 bits on the wire; a pointer far outside stays far outside.
function toInt16(value: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(value)));
}

function checkShape(shape: CursorShapeInput): void {
  const { kind, widthPx, heightPx, pitchBytes, bytes } = shape;
  const leastPitch = kind === 'monochrome' ? Math.ceil(widthPx / 8) : widthPx * 4;
  const fits = (value: number, max: number): boolean =>
    Number.isInteger(value) && value >= 1 && value <= max;
  const found = `${widthPx} x ${heightPx}, pitch ${pitchBytes}, hotspot ${shape.hotspotX},${shape.hotspotY}, ${bytes.byteLength} bytes`;
  if (!CURSOR_KINDS.includes(kind))
    throw badShape(`the kind must be ${CURSOR_KINDS.join(', ')}, but is ${String(kind)}`);
  if (!fits(widthPx, MAX_CURSOR_PX) || !fits(heightPx, MAX_CURSOR_PX))
    throw badShape(`each side must be 1 to ${MAX_CURSOR_PX} pixels, but it has ${found}`);
  if (!Number.isInteger(pitchBytes) || pitchBytes < leastPitch)
    throw badShape(`its pitch must be at least ${leastPitch} bytes, but it has ${found}`);
  const need = shapeBytes(shape);
  if (need > MAX_CURSOR_BYTES || bytes.byteLength < need)
    throw badShape(`${need} bytes (at most ${MAX_CURSOR_BYTES}) are needed, but it has ${found}`);
  for (const hotspot of [shape.hotspotX, shape.hotspotY])
    if (!Number.isInteger(hotspot) || hotspot < -128 || hotspot > 127)
      throw badShape(`its hotspot must be -128 to 127, but it has ${found}`);
}

function badShape(what: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_ARGUMENT', `a cursor shape was refused: ${what}`);
}
