import { MAX_CURSOR_PX } from '../limits.ts';
import {
  ENVELOPE_BYTES,
  type Envelope,
  exactBody,
  needBody,
  newMessage,
  wireError,
} from './envelope.ts';

/** Set in the envelope's flags of a cursor message when the cursor is to be seen. */
export const CURSOR_VISIBLE: number = 0x01;

/**
 * Where the pointer is. It never waits for a frame.
 *
 * Shape: 12 bytes: x i32, y i32 (left upper corner of the shape, in screen pixels), shapeId u32
 * (0: no shape known).
 */
export interface CursorMessage {
  readonly visible: boolean;
  readonly x: number;
  readonly y: number;
  readonly shapeId: number;
}

const CURSOR_BYTES = 12;

/** Writes where the pointer is. */
export function encodeCursor(cursor: CursorMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('cursor', CURSOR_BYTES, cursor.visible ? CURSOR_VISIBLE : 0);
  body.setInt32(0, cursor.x, true);
  body.setInt32(4, cursor.y, true);
  body.setUint32(8, cursor.shapeId, true);
  return message;
}

/** Reads where the pointer is. @throws ERR_KVMFR_WIRE */
export function decodeCursor(envelope: Envelope): CursorMessage {
  exactBody(envelope, CURSOR_BYTES, 'cursor message');
  return {
    visible: (envelope.flags & CURSOR_VISIBLE) !== 0,
    x: envelope.body.getInt32(0, true),
    y: envelope.body.getInt32(4, true),
    shapeId: envelope.body.getUint32(8, true),
  };
}

/**
 * What the pointer looks like. Sent before the first cursor message that names it; a viewer keeps
 * the newest only.
 *
 * Shape: head of 12 bytes: shapeId u32, widthPx u16, heightPx u16, hotspotX i16, hotspotY i16; then
 * widthPx x heightPx pixels R, G, B, A with straight alpha.
 */
export interface CursorShapeMessage {
  readonly shapeId: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly rgba: Uint8Array;
}

const SHAPE_HEAD_BYTES = 12;

/** Writes what the pointer looks like. */
export function encodeCursorShape(shape: CursorShapeMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('cursorShape', SHAPE_HEAD_BYTES + shape.rgba.byteLength);
  body.setUint32(0, shape.shapeId, true);
  body.setUint16(4, shape.widthPx, true);
  body.setUint16(6, shape.heightPx, true);
  body.setInt16(8, shape.hotspotX, true);
  body.setInt16(10, shape.hotspotY, true);
  message.set(shape.rgba, ENVELOPE_BYTES + SHAPE_HEAD_BYTES);
  return message;
}

/** Reads what the pointer looks like; `rgba` is a view into the message. @throws ERR_KVMFR_WIRE */
export function decodeCursorShape(envelope: Envelope): CursorShapeMessage {
  needBody(envelope, SHAPE_HEAD_BYTES, 'cursor shape');
  const { body } = envelope;
  const widthPx = body.getUint16(4, true);
  const heightPx = body.getUint16(6, true);
  if (widthPx < 1 || heightPx < 1 || widthPx > MAX_CURSOR_PX || heightPx > MAX_CURSOR_PX)
    throw wireError(
      `a cursor shape must be 1 to ${MAX_CURSOR_PX} pixels wide and high, but is ${widthPx} x ${heightPx}`,
    );
  exactBody(envelope, SHAPE_HEAD_BYTES + widthPx * heightPx * 4, 'cursor shape of this size');
  return {
    shapeId: body.getUint32(0, true),
    widthPx,
    heightPx,
    hotspotX: body.getInt16(8, true),
    hotspotY: body.getInt16(10, true),
    rgba: envelope.bytes.subarray(SHAPE_HEAD_BYTES),
  };
}
