import { KvmfrError } from '../error.ts';
import { decodeText, encodeText } from '../text.ts';

/** Version of the language between relay and viewer. The relay's hello names it. */
export const WIRE_VERSION: number = 1;
/** Name of the WebSocket subprotocol. */
export const WIRE_SUBPROTOCOL: string = 'kvmfr.1';
/** Bytes before the body of each message: type, flags, two reserved. */
export const ENVELOPE_BYTES: number = 4;

/** Message types. Below 0x80 the relay sends, from 0x80 on the viewer does. */
export const WIRE_TYPES = {
  hello: 0x01,
  state: 0x02,
  picture: 0x03,
  tiles: 0x04,
  image: 0x05,
  cursor: 0x06,
  cursorShape: 0x07,
  pong: 0x08,
  stats: 0x09,
  bye: 0x0a,
  videoStream: 0x0b,
  cover: 0x0c,
  video: 0x0d,
  times: 0x0e,
  moves: 0x0f,
  inputState: 0x10,
  clipboardState: 0x11,
  clipboardData: 0x12,
  soundState: 0x13,
  sound: 0x14,
  viewerHello: 0x81,
  ack: 0x82,
  view: 0x83,
  ping: 0x84,
  refresh: 0x85,
  needKey: 0x87,
  soundWish: 0x88,
  input: 0xc0,
  inputWish: 0xc1,
  clipboardOffer: 0xc2,
  clipboardRequest: 0xc3,
  viewerClipboardData: 0xc4,
  microphoneWish: 0xc8,
  microphone: 0xc9,
} as const;

/**
 * Whether a viewer's message acts on the guest. Types 0xc0 to 0xdf are kept for those: a relay
 * refuses all of them from a viewer that may only look, also those it does not know yet.
 */
export function actsOnGuest(type: number): boolean {
  return type >= 0xc0 && type <= 0xdf;
}

/** The name of a message type. */
export type WireTypeName = keyof typeof WIRE_TYPES;

/** One message taken apart: the body is a view into it, not a copy. */
export interface Envelope {
  readonly type: number;
  readonly flags: number;
  readonly body: DataView<ArrayBufferLike>;
  readonly bytes: Uint8Array;
}

/** An error for a message that breaks docs/wire.md. */
export function wireError(what: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_WIRE', what);
}

/**
 * Takes a message apart.
 *
 * @throws ERR_KVMFR_WIRE when it is shorter than the envelope or its reserved bytes are not zero
 */
export function readEnvelope(message: Uint8Array): Envelope {
  if (message.byteLength < ENVELOPE_BYTES)
    throw wireError(`a message needs ${ENVELOPE_BYTES} bytes, but has ${message.byteLength}`);
  const head = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const reserved = head.getUint16(2, true);
  if (reserved !== 0)
    throw wireError(`reserved bytes 2 and 3 of a message must be 0, but are ${reserved}`);
  const bytes = message.subarray(ENVELOPE_BYTES);
  return {
    type: head.getUint8(0),
    flags: head.getUint8(1),
    body: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    bytes,
  };
}

/** A message with room for a body, its envelope written, and a view over the body. */
export function newMessage(
  type: WireTypeName,
  bodyBytes: number,
  flags: number = 0,
): { readonly message: Uint8Array<ArrayBuffer>; readonly body: DataView<ArrayBuffer> } {
  const message = new Uint8Array(ENVELOPE_BYTES + bodyBytes);
  message[0] = WIRE_TYPES[type];
  message[1] = flags;
  return { message, body: new DataView(message.buffer, ENVELOPE_BYTES, bodyBytes) };
}

/** Fails unless a body has at least this many bytes. */
export function needBody(envelope: Envelope, atLeast: number, what: string): void {
  if (envelope.body.byteLength < atLeast)
    throw wireError(`a ${what} needs ${atLeast} bytes, but has ${envelope.body.byteLength}`);
}

/** Fails unless a body has exactly this many bytes. */
export function exactBody(envelope: Envelope, exactly: number, what: string): void {
  if (envelope.body.byteLength !== exactly)
    throw wireError(`a ${what} has ${exactly} bytes, but this one has ${envelope.body.byteLength}`);
}

/** A message whose body is JSON in UTF-8. Only for what is rare: hello, state, view, stats, bye. */
export function encodeJson(type: WireTypeName, value: object): Uint8Array<ArrayBuffer> {
  const text = encodeText(JSON.stringify(value));
  const { message } = newMessage(type, text.byteLength);
  message.set(text, ENVELOPE_BYTES);
  return message;
}

/** A JSON object as it came: every field still has to be checked. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * The object in a JSON message.
 *
 * @throws ERR_KVMFR_WIRE when it is not a JSON object
 */
export function decodeJson(envelope: Envelope, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(decodeText(envelope.bytes));
  } catch {
    throw wireError(`the body of a ${what} must be JSON`);
  }
  if (!isObject(value)) throw wireError(`the body of a ${what} must be a JSON object`);
  return value;
}

/** Whether a value is an object that is neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text field, or undefined when it is absent or not text. */
export function textField(object: JsonObject, key: string): string | undefined {
  const value = object[key];
  return typeof value === 'string' ? value : undefined;
}

/** A finite number field within bounds, or undefined. */
export function numberField(
  object: JsonObject,
  key: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const value = object[key];
  return typeof value === 'number' && value >= range.min && value <= range.max ? value : undefined;
}

/** A boolean field, or undefined. */
export function booleanField(object: JsonObject, key: string): boolean | undefined {
  const value = object[key];
  return typeof value === 'boolean' ? value : undefined;
}
