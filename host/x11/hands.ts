import { INPUT_ABSOLUTE_MAX, type InputReport } from '../../protocol/index.ts';
import { keyOfUsage, PAGE_KEYBOARD } from '../../protocol/keys.ts';
import type { HostInput } from '../input.ts';
import type { XConnection } from './connection.ts';
import { pair, request, type XExtension } from './wire.ts';

const FAKE_INPUT = 2;
const KEY_PRESS = 2;
const KEY_RELEASE = 3;
const BUTTON_PRESS = 4;
const BUTTON_RELEASE = 5;
const MOTION = 6;
const RELATIVE = 1;
/** X servers of Linux number keys as the kernel does, from here on. */
const KEYCODE_BASE = 8;
const MAX_KEYCODE = 255;
const FIRST_MODIFIER = 0xe0;
const WHEEL_UP = 4;
const WHEEL_DOWN = 5;
/** Buttons of X by their bits: left, right, middle, back, forward; then those after them. */
const BUTTONS: readonly number[] = [1, 3, 2, 8, 9, 10, 11, 12];
const MOST_NOTCHES = 32;

/**
 * Keyboard and pointer of an X server, by XTEST: what clients hold is pressed, what they let go is
 * released, and nothing else.
 */
export class XHands {
  readonly #connection: XConnection;
  readonly #opcode: number;
  readonly #root: number;
  readonly #keys: Set<number> = new Set();
  #buttons = 0;

  constructor(connection: XConnection, root: number, test: XExtension) {
    this.#connection = connection;
    this.#opcode = test.opcode;
    this.#root = root;
  }

  /** Moves the pointer. Units: pixels of the screen, which end at its edges. */
  moveTo(x: number, y: number): void {
    this.#fake(MOTION, 0, toInt16(x), toInt16(y));
  }

  /** Does what a client does. */
  apply(input: HostInput, screen: { readonly widthPx: number; readonly heightPx: number }): void {
    switch (input.kind) {
      case 'claim':
        return;
      case 'reset':
      case 'release':
        this.letGo();
        return;
      case 'keyboard':
        this.#type(input);
        return;
      case 'absolute':
        this.moveTo(place(input.x, screen.widthPx), place(input.y, screen.heightPx));
        break;
      case 'relative':
        if (input.deltaX !== 0 || input.deltaY !== 0)
          this.#fake(MOTION, RELATIVE, toInt16(input.deltaX), toInt16(input.deltaY));
        break;
    }
    this.#press(input.buttons);
    this.#turn(input.wheel);
  }

  /** Releases all that is held. */
  letGo(): void {
    for (const keycode of this.#keys) this.#fake(KEY_RELEASE, keycode);
    this.#keys.clear();
    this.#press(0);
  }

  #type({ modifiers, keys }: InputReport & { readonly kind: 'keyboard' }): void {
    const held = new Set<number>();
    for (let bit = 0; bit < 8; bit++)
      if (((modifiers >>> bit) & 1) === 1) addKey(held, FIRST_MODIFIER + bit);
    for (const usage of keys) addKey(held, usage);
    for (const keycode of this.#keys) if (!held.has(keycode)) this.#fake(KEY_RELEASE, keycode);
    for (const keycode of held) if (!this.#keys.has(keycode)) this.#fake(KEY_PRESS, keycode);
    this.#keys.clear();
    for (const keycode of held) this.#keys.add(keycode);
  }

  #press(buttons: number): void {
    for (const [bit, button] of BUTTONS.entries()) {
      const isDown = ((buttons >>> bit) & 1) === 1;
      if (isDown !== (((this.#buttons >>> bit) & 1) === 1))
        this.#fake(isDown ? BUTTON_PRESS : BUTTON_RELEASE, button);
    }
    this.#buttons = buttons;
  }

  #turn(notches: number): void {
    const button = notches > 0 ? WHEEL_UP : WHEEL_DOWN;
    for (let left = Math.min(Math.abs(notches), MOST_NOTCHES); left > 0; left--) {
      this.#fake(BUTTON_PRESS, button);
      this.#fake(BUTTON_RELEASE, button);
    }
  }

  #fake(type: number, detail: number, x = 0, y = 0): void {
    const isMotion = type === MOTION;
    const root = isMotion && detail !== RELATIVE ? this.#root : 0;
    const what = pair(type | (detail << 8), 0);
    this.#connection.send(request(this.#opcode, FAKE_INPUT, what, 0, root, 0, 0, pair(x, y), 0, 0));
  }
}

function addKey(keycodes: Set<number>, usage: number): void {
  const evdev = keyOfUsage(PAGE_KEYBOARD, usage)?.evdev;
  const keycode = evdev === undefined ? 0 : evdev + KEYCODE_BASE;
  if (keycode > KEYCODE_BASE && keycode <= MAX_KEYCODE) keycodes.add(keycode);
}

function place(part: number, sidePx: number): number {
  return Math.round((part * (sidePx - 1)) / INPUT_ABSOLUTE_MAX);
}

function toInt16(value: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(value)));
}
