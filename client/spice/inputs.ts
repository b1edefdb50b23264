import { KvmfrError } from '../../protocol/error.ts';
import type { Channel } from './channel.ts';
import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import type { ChannelPart } from './part.ts';
import type { Body } from './wire/body.ts';
import {
  BUTTONS,
  type ButtonName,
  encodeButton,
  encodeKey,
  encodeLocks,
  encodeMotion,
  encodePosition,
  encodeScancodes,
  INPUTS_CAPABILITIES,
  INPUTS_FROM_SERVER,
  isScancode,
  LOCKS,
} from './wire/inputs.ts';
import {
  MAX_INPUTS_MESSAGE_BYTES,
  MAX_MOTIONS_UNCONFIRMED,
  MAX_SCANCODE_BYTES,
  MOTIONS_PER_ACK,
} from './wire/limits.ts';

/** Which lock keys are on. */
export interface LockState {
  readonly scroll: boolean;
  readonly num: boolean;
  readonly caps: boolean;
}

/** Where the pointer was put. Units: pixels of the surface. */
export interface PointerPlace {
  readonly x: number;
  readonly y: number;
}

/** Larger steps are cut by some devices of the guest. Units: counts of the mouse. */
const LONGEST_STEP = 127;
/** Largest coordinate that is sent; surfaces are smaller. */
const MAX_COORDINATE = 0x7fff;
/** Most counts that wait to be sent; a screen is crossed in fewer. */
const MAX_WAITING_STEP = 0x7fff;

/**
 * Keyboard and pointer of the guest.
 *
 * What is held is known here, so that it can be let go: on {@link releaseAll} and on close. Of the
 * places of the pointer that could not be sent yet only the newest is kept, and steps are added up;
 * keys and buttons are never held back, and take the pointer to its place first.
 */
export class SpiceInputs implements ChannelPart {
  readonly channel = 'inputs';
  readonly capabilities: readonly number[] = [];
  readonly maxMessageBytes: number = MAX_INPUTS_MESSAGE_BYTES;
  readonly #locks: EventSource<LockState> = new EventSource(1);
  readonly #places: EventSource<PointerPlace> = new EventSource(1);
  readonly #keys = new Set<number>();
  #put: PointerPlace | undefined;
  #buttons = 0;
  #link: Channel | undefined;
  #lockBits: number | undefined;
  #unconfirmed = 0;
  #place: { readonly x: number; readonly y: number; readonly display: number } | undefined;
  #dx = 0;
  #dy = 0;

  /** Whether input reaches a guest now. */
  get isOpen(): boolean {
    return this.#link?.isOpen === true;
  }

  /** Lock keys as the guest last said; undefined before it did. */
  get locks(): LockState | undefined {
    return this.#lockBits === undefined ? undefined : lockState(this.#lockBits);
  }

  /** Keys that are held, by scancode. */
  get heldKeys(): readonly number[] {
    return [...this.#keys];
  }

  /** Where the pointer was put last, in mouse mode `client`; undefined before it was. */
  get place(): PointerPlace | undefined {
    return this.#put;
  }

  /** Each place that the pointer is put to, beginning with the last one; slow loops get the newest. */
  places(options: EventStreamOptions = {}): EventStream<PointerPlace> {
    return this.#places.stream(options, this.#put);
  }

  /** Each change of the lock keys, beginning with what they are now. */
  lockChanges(options: EventStreamOptions = {}): EventStream<LockState> {
    return this.#locks.stream(options, this.locks);
  }

  /**
   * Presses a key, or repeats it while it is held.
   *
   * Units: set 1, extended keys as 0xe0xx.
   *
   * @returns false when no guest is connected
   * @throws ERR_KVMFR_ARGUMENT when there is no such scancode
   */
  keyDown(scancode: number): boolean {
    checkScancode(scancode);
    if (this.#link === undefined) return false;
    this.#flushPointer();
    this.#keys.add(scancode);
    this.#link.send(encodeKey(scancode, true));
    return true;
  }

  /**
   * Lets a key go; sent even when it was not held here.
   *
   * @returns false when no guest is connected
   * @throws ERR_KVMFR_ARGUMENT when there is no such scancode
   */
  keyUp(scancode: number): boolean {
    checkScancode(scancode);
    if (this.#link === undefined) return false;
    this.#keys.delete(scancode);
    this.#link.send(encodeKey(scancode, false));
    return true;
  }

  /**
   * Sends scancodes as they are, for keys that are more than one: Pause, for one. None of them counts
   * as held.
   *
   * @returns false when no guest is connected, or its server does not take scancodes
   * @throws ERR_KVMFR_ARGUMENT when there are more than 256
   */
  sendScancodes(scancodes: Uint8Array): boolean {
    if (scancodes.length > MAX_SCANCODE_BYTES)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `at most ${MAX_SCANCODE_BYTES} scancodes go at once, but here are ${scancodes.length}`,
      );
    if (this.#link?.serverHas(INPUTS_CAPABILITIES.keyScancode) !== true) return false;
    this.#link.send(encodeScancodes(scancodes));
    return true;
  }

  /** Asks for a state of the lock keys; what came of it is told by {@link lockChanges}. */
  setLocks(locks: LockState): boolean {
    if (this.#link === undefined) return false;
    const bits =
      (locks.scroll ? LOCKS.scroll : 0) |
      (locks.num ? LOCKS.num : 0) |
      (locks.caps ? LOCKS.caps : 0);
    this.#link.send(encodeLocks(bits));
    return true;
  }

  /**
   * Moves the pointer by steps, in mouse mode `server`.
   *
   * Units: counts of the mouse; fractions are cut.
   *
   * @throws ERR_KVMFR_ARGUMENT when one is no number
   */
  move(dx: number, dy: number): boolean {
    checkNumbers(dx, dy);
    if (this.#link === undefined) return false;
    this.#dx = clamp(this.#dx + Math.trunc(dx), -MAX_WAITING_STEP, MAX_WAITING_STEP);
    this.#dy = clamp(this.#dy + Math.trunc(dy), -MAX_WAITING_STEP, MAX_WAITING_STEP);
    this.#pump(MAX_MOTIONS_UNCONFIRMED);
    return true;
  }

  /**
   * Puts the pointer to a place, in mouse mode `client`. The caller keeps it within the surface.
   *
   * Units: pixels of the surface.
   *
   * @throws ERR_KVMFR_ARGUMENT when one is no number
   */
  moveTo(x: number, y: number, display = 0): boolean {
    checkNumbers(x, y);
    if (this.#link === undefined) return false;
    const whole = (value: number): number => clamp(Math.floor(value), 0, MAX_COORDINATE);
    this.#place = { x: whole(x), y: whole(y), display: display & 0xff };
    this.#put = this.#place;
    this.#places.emit(this.#put);
    this.#pump(MAX_MOTIONS_UNCONFIRMED);
    return true;
  }

  /** Presses a button where the pointer is. */
  press(button: ButtonName): boolean {
    if (this.#link === undefined) return false;
    this.#flushPointer();
    this.#buttons |= BUTTONS[button].mask;
    this.#link.send(encodeButton(button, true, this.#buttons));
    return true;
  }

  /** Lets a button go. */
  release(button: ButtonName): boolean {
    if (this.#link === undefined) return false;
    this.#flushPointer();
    this.#buttons &= ~BUTTONS[button].mask;
    this.#link.send(encodeButton(button, false, this.#buttons));
    return true;
  }

  /** Turns the wheel by so many notches; up is positive. */
  wheel(notches: number): boolean {
    const button = notches > 0 ? 'wheelUp' : 'wheelDown';
    const count = Math.min(Math.abs(Math.trunc(notches)), LONGEST_STEP);
    for (let i = 0; i < count; i++) if (!this.press(button) || !this.release(button)) return false;
    return this.#link !== undefined;
  }

  /** Lets every key and button go that is held. */
  releaseAll(): void {
    for (const scancode of [...this.#keys]) this.keyUp(scancode);
    for (const name of BUTTON_NAMES)
      if ((this.#buttons & BUTTONS[name].mask) !== 0) this.release(name);
  }

  /** For the session: a channel is linked. */
  attach(channel: Channel): void {
    this.#forget();
    this.#link = channel;
  }

  /** For the session: a message came. */
  message(type: number, body: Body): boolean {
    switch (type) {
      case INPUTS_FROM_SERVER.init:
      case INPUTS_FROM_SERVER.keyModifiers:
        this.#setLockBits(body.u16('lock keys') & 7);
        return true;
      case INPUTS_FROM_SERVER.mouseMotionAck:
        this.#unconfirmed = Math.max(0, this.#unconfirmed - MOTIONS_PER_ACK);
        this.#pump(MAX_MOTIONS_UNCONFIRMED);
        return true;
      default:
        return false;
    }
  }

  /** For the session: the channel is gone, and with it what was held. */
  detach(): void {
    this.#link = undefined;
    this.#forget();
  }

  /** For the session: nothing follows. */
  close(): void {
    this.detach();
    this.#locks.close();
    this.#places.close();
  }

  #forget(): void {
    this.#keys.clear();
    this.#buttons = 0;
    this.#unconfirmed = 0;
    this.#place = undefined;
    this.#put = undefined;
    this.#dx = 0;
    this.#dy = 0;
  }

  #setLockBits(bits: number): void {
    if (bits === this.#lockBits) return;
    this.#lockBits = bits;
    this.#locks.emit(lockState(bits));
  }

  /** A click belongs to the place that was named before it, so nothing may wait any longer. */
  #flushPointer(): void {
    this.#pump(Number.POSITIVE_INFINITY);
  }

  #pump(maxUnconfirmed: number): void {
    const link = this.#link;
    if (link === undefined) return;
    while (this.#unconfirmed < maxUnconfirmed && (this.#dx !== 0 || this.#dy !== 0)) {
      const dx = clamp(this.#dx, -LONGEST_STEP, LONGEST_STEP);
      const dy = clamp(this.#dy, -LONGEST_STEP, LONGEST_STEP);
      this.#dx -= dx;
      this.#dy -= dy;
      this.#unconfirmed += 1;
      link.send(encodeMotion({ dx, dy }, this.#buttons));
    }
    if (this.#place === undefined || this.#unconfirmed >= maxUnconfirmed) return;
    this.#unconfirmed += 1;
    link.send(encodePosition(this.#place, this.#buttons));
    this.#place = undefined;
  }
}

const BUTTON_NAMES: readonly ButtonName[] = [
  'left',
  'middle',
  'right',
  'side',
  'extra',
  'wheelUp',
  'wheelDown',
];

function lockState(bits: number): LockState {
  return {
    scroll: (bits & LOCKS.scroll) !== 0,
    num: (bits & LOCKS.num) !== 0,
    caps: (bits & LOCKS.caps) !== 0,
  };
}

function checkScancode(scancode: number): void {
  if (isScancode(scancode)) return;
  throw new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `a scancode must be 0x01 to 0x7f, or 0xe001 to 0xe07f, but is ${scancode}`,
  );
}

function checkNumbers(x: number, y: number): void {
  if (Number.isFinite(x) && Number.isFinite(y)) return;
  throw new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `a pointer moves by or to two numbers, but here are ${x} and ${y}`,
  );
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
