import { HEADER_BYTES, messageU16, messageU32, newMessage } from './message.ts';

/** Messages of INPUTS from the server. */
export const INPUTS_FROM_SERVER = { init: 101, keyModifiers: 102, mouseMotionAck: 111 } as const;

/** Messages of INPUTS to the server. */
export const INPUTS_TO_SERVER = {
  keyDown: 101,
  keyUp: 102,
  keyModifiers: 103,
  keyScancode: 104,
  mouseMotion: 111,
  mousePosition: 112,
  mousePress: 113,
  mouseRelease: 114,
} as const;

/** Capabilities of INPUTS by bit. */
export const INPUTS_CAPABILITIES = { keyScancode: 0 } as const;

/** Lock keys by their bit. */
export const LOCKS = { scroll: 1, num: 2, caps: 4 } as const;

/** Buttons: their number in a press, and their bit in every mask. */
export const BUTTONS = {
  left: { number: 1, mask: 1 },
  middle: { number: 2, mask: 2 },
  right: { number: 3, mask: 4 },
  wheelUp: { number: 4, mask: 8 },
  wheelDown: { number: 5, mask: 16 },
  side: { number: 6, mask: 32 },
  extra: { number: 7, mask: 64 },
} as const;

/** The name of a button. */
export type ButtonName = keyof typeof BUTTONS;

/** First byte of the scancodes of extended keys. */
const EXTENDED = 0xe0;
/** Set in the last byte of a scancode when its key goes up. */
const UP = 0x80;

/**
 * Whether a number names a key of scancode set 1: 0x01 to 0x7f, or 0xe001 to 0xe07f with its prefix
 * in front, as it is written.
 */
export function isScancode(scancode: number): boolean {
  const code = scancode & 0xff;
  const prefix = scancode >>> 8;
  const isPrefix = prefix === 0 || prefix === EXTENDED;
  return Number.isInteger(scancode) && code > 0 && code < UP && isPrefix;
}

/** KEY_DOWN or KEY_UP of a key. Units: a number that {@link isScancode} takes. */
export function encodeKey(scancode: number, down: boolean): Buffer {
  const code = (scancode & 0x7f) | (down ? 0 : UP);
  const word = scancode > 0xff ? (code << 8) | EXTENDED : code;
  return messageU32(down ? INPUTS_TO_SERVER.keyDown : INPUTS_TO_SERVER.keyUp, word);
}

/** Scancodes as they are, for what has no key of its own: Pause, for one. */
export function encodeScancodes(scancodes: Uint8Array): Buffer {
  const bytes = newMessage(INPUTS_TO_SERVER.keyScancode, scancodes.length);
  bytes.set(scancodes, HEADER_BYTES);
  return bytes;
}

/** Asks for a state of the lock keys, bits of {@link LOCKS}. */
export function encodeLocks(locks: number): Buffer {
  return messageU16(INPUTS_TO_SERVER.keyModifiers, locks);
}

/** A step of the pointer. Units: counts of the mouse. */
export function encodeMotion(
  step: { readonly dx: number; readonly dy: number },
  mask: number,
): Buffer {
  const bytes = newMessage(INPUTS_TO_SERVER.mouseMotion, 10);
  bytes.writeInt32LE(step.dx, HEADER_BYTES);
  bytes.writeInt32LE(step.dy, HEADER_BYTES + 4);
  bytes.writeUInt16LE(mask, HEADER_BYTES + 8);
  return bytes;
}

/** A place of the pointer. Units: pixels of the surface. */
export function encodePosition(
  place: { readonly x: number; readonly y: number; readonly display: number },
  mask: number,
): Buffer {
  const bytes = newMessage(INPUTS_TO_SERVER.mousePosition, 11);
  bytes.writeUInt32LE(place.x, HEADER_BYTES);
  bytes.writeUInt32LE(place.y, HEADER_BYTES + 4);
  bytes.writeUInt16LE(mask, HEADER_BYTES + 8);
  bytes.writeUInt8(place.display, HEADER_BYTES + 10);
  return bytes;
}

/** A button that goes down or up, and the mask of what is down afterwards. */
export function encodeButton(button: ButtonName, down: boolean, mask: number): Buffer {
  const type = down ? INPUTS_TO_SERVER.mousePress : INPUTS_TO_SERVER.mouseRelease;
  const bytes = newMessage(type, 3);
  bytes.writeUInt8(BUTTONS[button].number, HEADER_BYTES);
  bytes.writeUInt16LE(mask, HEADER_BYTES + 1);
  return bytes;
}
