import { type Key, keyOfUsage, PAGE_CONSUMER, PAGE_KEYBOARD } from '../keys.ts';
import { MAX_DIMENSION_PX } from '../limits.ts';
import {
  booleanField,
  decodeJson,
  type Envelope,
  encodeJson,
  isObject,
  newMessage,
  textField,
  wireError,
} from './envelope.ts';

/** Something a person does to the guest. */
export type InputEvent =
  /** A key goes down or up, by its place on the keyboard. A key that is down again is repeated. */
  | { readonly kind: 'key'; readonly key: Key; readonly down: boolean }
  /** 0 left, 1 middle, 2 right, 3 back, 4 forward: as `MouseEvent.button`. */
  | { readonly kind: 'button'; readonly button: number; readonly down: boolean }
  /** Where the pointer is. Units: pixels of the guest's screen, before any rotation of the view. */
  | { readonly kind: 'position'; readonly x: number; readonly y: number }
  /** How far the pointer has moved, for guests or games that want no position. Units: counts. */
  | { readonly kind: 'motion'; readonly dx: number; readonly dy: number }
  /** Units: 1/120 of a notch; positive is right and down (towards the person). */
  | { readonly kind: 'wheel'; readonly dx: number; readonly dy: number }
  /** All keys and buttons go up. */
  | { readonly kind: 'release' };

/** Buttons of a pointer. */
export const POINTER_BUTTONS: number = 5;
/** Events in a message. */
export const MAX_INPUT_EVENTS: number = 256;

/** What a person has done, in order. */
export interface InputMessage {
  /**
   * When the first event happened, by the relay's clock as pongs tell it; undefined when that is not
   * known. Units: milliseconds since 1970.
   */
  readonly atMs: number | undefined;
  readonly events: readonly InputEvent[];
}

const HEAD_BYTES = 8;
const RECORD_BYTES = 8;
const KINDS = { key: 1, button: 2, position: 3, motion: 4, wheel: 5, release: 6 } as const;
const MAX_STEP = 32767;

/**
 * Writes what a person has done.
 *
 * Shape: atMs f64 (0: not known), then records of 8 bytes: kind u8, down u8, a u16, b i16 or u16, c
 * the same.
 */
export function encodeInput(input: InputMessage): Uint8Array<ArrayBuffer> {
  const { events } = input;
  const { message, body } = newMessage('input', HEAD_BYTES + events.length * RECORD_BYTES);
  body.setFloat64(0, input.atMs ?? 0, true);
  for (const [index, event] of events.entries())
    writeEvent(body, HEAD_BYTES + index * RECORD_BYTES, event);
  return message;
}

function writeEvent(body: DataView, at: number, event: InputEvent): void {
  body.setUint8(at, KINDS[event.kind]);
  switch (event.kind) {
    case 'key':
      body.setUint8(at + 1, event.down ? 1 : 0);
      body.setUint16(at + 2, event.key.usage, true);
      body.setUint16(at + 4, event.key.page, true);
      break;
    case 'button':
      body.setUint8(at + 1, event.down ? 1 : 0);
      body.setUint16(at + 2, event.button, true);
      break;
    case 'position':
      body.setUint16(at + 4, event.x, true);
      body.setUint16(at + 6, event.y, true);
      break;
    case 'motion':
    case 'wheel':
      body.setInt16(at + 4, step(event.dx), true);
      body.setInt16(at + 6, step(event.dy), true);
      break;
    default:
      break;
  }
}

function step(value: number): number {
  return Math.max(-MAX_STEP, Math.min(MAX_STEP, Math.round(value)));
}

/**
 * Reads what a person has done. Keys that nobody knows are left out.
 *
 * @throws ERR_KVMFR_WIRE
 */
export function decodeInput(envelope: Envelope): InputMessage {
  const { body } = envelope;
  const count = (body.byteLength - HEAD_BYTES) / RECORD_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MAX_INPUT_EVENTS)
    throw wireError(
      `an input message has 1 to ${MAX_INPUT_EVENTS} events of ${RECORD_BYTES} bytes after ${HEAD_BYTES}, but this one has ${body.byteLength} bytes`,
    );
  const atMs = body.getFloat64(0, true);
  const events: InputEvent[] = [];
  for (let index = 0; index < count; index++) {
    const event = readEvent(body, HEAD_BYTES + index * RECORD_BYTES);
    if (event !== undefined) events.push(event);
  }
  return { atMs: Number.isFinite(atMs) && atMs > 0 ? atMs : undefined, events };
}

function readEvent(body: DataView, at: number): InputEvent | undefined {
  const kind = body.getUint8(at);
  const down = body.getUint8(at + 1);
  if (down > 1) throw wireError(`down of an input event must be 0 or 1, but is ${down}`);
  const a = body.getUint16(at + 2, true);
  const b = at + 4;
  const c = at + 6;
  switch (kind) {
    case KINDS.key:
      return keyEvent(body.getUint16(b, true), a, down === 1);
    case KINDS.button:
      if (a >= POINTER_BUTTONS)
        throw wireError(`a button must be 0 to ${POINTER_BUTTONS - 1}, but is ${a}`);
      return { kind: 'button', button: a, down: down === 1 };
    case KINDS.position: {
      const x = body.getUint16(b, true);
      const y = body.getUint16(c, true);
      if (x > MAX_DIMENSION_PX || y > MAX_DIMENSION_PX)
        throw wireError(`a position must be within ${MAX_DIMENSION_PX}, but is ${x}, ${y}`);
      return { kind: 'position', x, y };
    }
    case KINDS.motion:
      return { kind: 'motion', dx: body.getInt16(b, true), dy: body.getInt16(c, true) };
    case KINDS.wheel:
      return { kind: 'wheel', dx: body.getInt16(b, true), dy: body.getInt16(c, true) };
    case KINDS.release:
      return { kind: 'release' };
    default:
      throw wireError(`input events have kinds 1 to ${KINDS.release}, but this one has ${kind}`);
  }
}

function keyEvent(page: number, usage: number, down: boolean): InputEvent | undefined {
  if (page !== PAGE_KEYBOARD && page !== PAGE_CONSUMER)
    throw wireError(`keys are of page ${PAGE_KEYBOARD} or ${PAGE_CONSUMER}, but this is ${page}`);
  const key = keyOfUsage(page, usage);
  return key === undefined ? undefined : { kind: 'key', key, down };
}

/** What a viewer wants of the input: to have it, to give it back. */
export type InputWish = 'take' | 'give';

/** Writes whether a viewer wants the input. */
export function encodeInputWish(wish: InputWish): Uint8Array<ArrayBuffer> {
  return encodeJson('inputWish', { want: wish });
}

/** Reads whether a viewer wants the input. @throws ERR_KVMFR_WIRE */
export function decodeInputWish(envelope: Envelope): InputWish {
  const want = decodeJson(envelope, 'input wish')['want'];
  if (want !== 'take' && want !== 'give') throw wireError('want of an input wish is take or give');
  return want;
}

/** Locks of a keyboard. */
export interface Locks {
  readonly caps: boolean;
  readonly num: boolean;
  readonly scroll: boolean;
}

/** Who may act on the guest now, and how. */
export interface InputState {
  /** Whether keys reach the guest. */
  readonly keyboard: boolean;
  /** Whether positions do; the page need not hold the pointer then. */
  readonly absolute: boolean;
  /** Whether motion does. */
  readonly relative: boolean;
  /** Who has the input. */
  readonly holder: 'you' | 'other' | 'nobody';
  /** The other one that has it, for a person; text from the network. */
  readonly holderName?: string;
  /** Whether taking would succeed now: nobody has it, or who has it does nothing. */
  readonly free: boolean;
  /** Someone who asks for it, told to who has it. */
  readonly askedBy?: string;
  /** Lights of the guest's keyboard; undefined when nobody tells. */
  readonly locks?: Locks;
  /** Why there is none of it, one sentence for a person. */
  readonly reason?: string;
}

/** Writes who may act on the guest. */
export function encodeInputState(state: InputState): Uint8Array<ArrayBuffer> {
  return encodeJson('inputState', state);
}

/** Reads who may act on the guest. @throws ERR_KVMFR_WIRE */
export function decodeInputState(envelope: Envelope): InputState {
  const object = decodeJson(envelope, 'input state');
  const holder = object['holder'];
  if (holder !== 'you' && holder !== 'other' && holder !== 'nobody')
    throw wireError('holder of an input state is you, other or nobody');
  const holderName = textField(object, 'holderName');
  const askedBy = textField(object, 'askedBy');
  const reason = textField(object, 'reason');
  const locks = object['locks'];
  return {
    keyboard: booleanField(object, 'keyboard') ?? false,
    absolute: booleanField(object, 'absolute') ?? false,
    relative: booleanField(object, 'relative') ?? false,
    holder,
    free: booleanField(object, 'free') ?? false,
    ...(holderName === undefined ? {} : { holderName }),
    ...(askedBy === undefined ? {} : { askedBy }),
    ...(isObject(locks) ? { locks: decodeLocks(locks) } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
}

function decodeLocks(object: { readonly [key: string]: unknown }): Locks {
  const is = (name: string): boolean => object[name] === true;
  return { caps: is('caps'), num: is('num'), scroll: is('scroll') };
}
