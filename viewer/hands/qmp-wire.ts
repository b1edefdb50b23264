import type { Key } from '../../protocol/keys.ts';
import { isObject } from '../../protocol/wire/index.ts';
import { type Pair, pieceOf } from './place.ts';

/** Something of QMP, as JSON has it. */
export type QmpObject = { readonly [key: string]: unknown };

/** An event of `input-send-event`. Source: QEMU, qapi/ui.json, InputEvent. */
export interface QmpEvent {
  readonly type: 'key' | 'btn' | 'rel' | 'abs';
  readonly data: QmpObject;
}

/** A line that QEMU sends. */
export type QmpMessage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'return'; readonly id: unknown; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: unknown; readonly text: string }
  | { readonly kind: 'event'; readonly name: string };

/** What the guest has to point with. */
export interface QmpMice {
  readonly absolute: boolean;
  readonly relative: boolean;
}

/** Longest line that is read; what we ask for is answered in less than 1 KiB. */
export const MAX_QMP_LINE_BYTES: number = 1 << 16;
/** Places are counted from 0 to this on both sides. Source: QEMU, INPUT_EVENT_ABS_MAX. */
const ABS_PIECES = 0x8000;
/** Characters of QEMU's words that a person is told. */
const MAX_TEXT = 200;
const BUTTONS: readonly string[] = ['left', 'middle', 'right', 'side', 'extra'];

/** A command as it travels: a line of JSON. */
export function qmpLine(command: string, id: number, args?: QmpObject): string {
  const body = { execute: command, ...(args === undefined ? {} : { arguments: args }), id };
  return `${JSON.stringify(body)}\n`;
}

/** Reads a line; undefined when it is none of QMP. */
export function readQmpLine(line: string): QmpMessage | undefined {
  let object: unknown;
  try {
    object = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(object)) return undefined;
  if (isObject(object['QMP'])) return { kind: 'greeting' };
  const { event, error, id } = object;
  if (typeof event === 'string') return { kind: 'event', name: event };
  if (isObject(error)) {
    const { desc } = error;
    return { kind: 'error', id, text: typeof desc === 'string' ? desc.slice(0, MAX_TEXT) : '' };
  }
  return 'return' in object ? { kind: 'return', id, value: object['return'] } : undefined;
}

/** What `query-mice` told. */
export function readMice(value: unknown): QmpMice {
  const mice = Array.isArray(value) ? value.filter(isObject) : [];
  return {
    absolute: mice.some((mouse) => mouse['absolute'] === true),
    relative: mice.some((mouse) => mouse['absolute'] === false),
  };
}

/** Whether `query-status` told that the machine runs; it does when nothing was told. */
export function readRunning(value: unknown): boolean {
  return !isObject(value) || value['running'] !== false;
}

/** A key goes down or up: by its name where QEMU has one, else by its scancode. */
export function keyEvent(key: Key, down: boolean): QmpEvent {
  const number = (key.set1 & 0x7f) | (key.set1 > 0xff ? 0x80 : 0);
  const named =
    key.qcode === undefined ? { type: 'number', data: number } : { type: 'qcode', data: key.qcode };
  return { type: 'key', data: { down, key: named } };
}

/** A button goes down or up, by its number in the wire; undefined when there is none. */
export function buttonEvent(button: number, down: boolean): QmpEvent | undefined {
  const name = BUTTONS[button];
  return name === undefined ? undefined : { type: 'btn', data: { down, button: name } };
}

/** Notches of the wheel; right and down are positive. */
export function wheelEvents(notches: number, axis: 'x' | 'y'): readonly QmpEvent[] {
  const [more, less] = axis === 'y' ? ['wheel-down', 'wheel-up'] : ['wheel-right', 'wheel-left'];
  const button = notches > 0 ? more : less;
  const turn = [true, false].map((down): QmpEvent => ({ type: 'btn', data: { down, button } }));
  return Array.from({ length: Math.abs(notches) }, () => turn).flat();
}

/** A step of the pointer. */
export function stepEvents(step: Pair): readonly QmpEvent[] {
  return (['x', 'y'] as const)
    .filter((axis) => step[axis] !== 0)
    .map((axis) => ({ type: 'rel', data: { axis, value: step[axis] } }));
}

/** A place of the pointer. Units: parts of the desktop's sides. */
export function placeEvents(part: Pair): readonly QmpEvent[] {
  return (['x', 'y'] as const).map((axis) => ({
    type: 'abs',
    data: { axis, value: pieceOf(part[axis], ABS_PIECES) },
  }));
}
