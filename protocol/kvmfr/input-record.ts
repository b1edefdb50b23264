import { KvmfrError } from '../error.ts';
import { Region } from '../memory/region.ts';
import {
  INPUT_ABSOLUTE_MAX,
  INPUT_KEYS,
  INPUT_RECORDS,
  INPUT_STEPS,
  INPUT_USAGE_MAX,
  InputKeyboard,
  InputMessageLayout,
  InputMouseAbsolute,
  InputMouseRelative,
} from './input.ts';

/**
 * What a pointer or keyboard is like, all of it: what is held is in each report.
 *
 * Units: `buttons` bit 0 left, 1 right, 2 middle, then the further ones; deltas counts; `x` and `y`
 * 0 to 32767 over the screen; `wheel` notches away from the person; `modifiers` bits 0 to 7 for the
 * usages E0 to E7; `keys` up to six usages of HID's page 7.
 */
export type InputReport =
  | {
      readonly kind: 'relative';
      readonly buttons: number;
      readonly deltaX: number;
      readonly deltaY: number;
      readonly wheel: number;
    }
  | {
      readonly kind: 'absolute';
      readonly buttons: number;
      readonly x: number;
      readonly y: number;
      readonly wheel: number;
    }
  | { readonly kind: 'keyboard'; readonly modifiers: number; readonly keys: readonly number[] };

/** What a record says: whose input it is, or a report. */
export type InputBody =
  | { readonly kind: 'claim' }
  | { readonly kind: 'release' }
  | { readonly kind: 'keepalive' }
  | { readonly kind: 'reset' }
  | InputReport;

/** A record as it travels: its sender's claim, and its place after it. */
export interface InputRecord {
  readonly generation: number;
  readonly sequence: number;
  readonly body: InputBody;
}

const PLAIN = ['claim', 'release', 'keepalive', 'reset'] as const;
const PAYLOAD_AT = 16;

/** Writes a record. Shape: KVMFRInputMessage, 32 bytes. */
export function encodeInputRecord(record: InputRecord): Uint8Array<ArrayBuffer> {
  const into = new Region(new ArrayBuffer(InputMessageLayout.$sizeBytes));
  const { body } = record;
  InputMessageLayout.type.write(into, 0, typeOf(body));
  InputMessageLayout.generation.write(into, 0, record.generation);
  InputMessageLayout.sequence.write(into, 0, record.sequence);
  switch (body.kind) {
    case 'relative':
      InputMouseRelative.buttons.write(into, PAYLOAD_AT, body.buttons);
      InputMouseRelative.deltaX.write(into, PAYLOAD_AT, body.deltaX);
      InputMouseRelative.deltaY.write(into, PAYLOAD_AT, body.deltaY);
      InputMouseRelative.wheel.write(into, PAYLOAD_AT, body.wheel);
      break;
    case 'absolute':
      InputMouseAbsolute.buttons.write(into, PAYLOAD_AT, body.buttons);
      InputMouseAbsolute.x.write(into, PAYLOAD_AT, body.x);
      InputMouseAbsolute.y.write(into, PAYLOAD_AT, body.y);
      InputMouseAbsolute.wheel.write(into, PAYLOAD_AT, body.wheel);
      break;
    case 'keyboard':
      InputKeyboard.modifiers.write(into, PAYLOAD_AT, body.modifiers);
      for (const [index, key] of body.keys.slice(0, INPUT_KEYS).entries())
        InputKeyboard.keys.write(into, PAYLOAD_AT, key, index);
      break;
    default:
      break;
  }
  return into.bytes;
}

function typeOf(body: InputBody): number {
  if (body.kind === 'relative') return INPUT_RECORDS.mouseRelative;
  if (body.kind === 'absolute') return INPUT_RECORDS.mouseAbsolute;
  return INPUT_RECORDS[body.kind];
}

/**
 * Reads a record from a private copy.
 *
 * @throws ERR_KVMFR_CORRUPT for one that cannot be
 */
export function decodeInputRecord(bytes: Uint8Array): InputRecord {
  check(bytes.byteLength === InputMessageLayout.$sizeBytes, 'the length', bytes.byteLength);
  const copy = Region.copyOf(bytes);
  const generation = InputMessageLayout.generation(copy, 0);
  const sequence = InputMessageLayout.sequence(copy, 0);
  check(generation !== 0, 'the generation', 0);
  check(sequence !== 0, 'the sequence', 0);
  check(
    InputMessageLayout.reserved(copy, 0) === 0,
    'reserved',
    InputMessageLayout.reserved(copy, 0),
  );
  return { generation, sequence, body: readBody(copy) };
}

function readBody(copy: Region): InputBody {
  const type = InputMessageLayout.type(copy, 0);
  switch (type) {
    case INPUT_RECORDS.mouseRelative:
      return readRelative(copy);
    case INPUT_RECORDS.mouseAbsolute:
      return readAbsolute(copy);
    case INPUT_RECORDS.keyboard:
      return readKeyboard(copy);
    default: {
      const kind = PLAIN[type - 1];
      if (kind === undefined) throw corrupt('the type', type);
      for (const byte of copy.bytes.subarray(PAYLOAD_AT)) check(byte === 0, 'the payload', byte);
      return { kind };
    }
  }
}

function readRelative(copy: Region): InputReport {
  const deltaX = InputMouseRelative.deltaX(copy, PAYLOAD_AT);
  const deltaY = InputMouseRelative.deltaY(copy, PAYLOAD_AT);
  for (const delta of [deltaX, deltaY])
    check(delta >= INPUT_STEPS.min && delta <= INPUT_STEPS.max, 'a step', delta);
  const buttons = InputMouseRelative.buttons(copy, PAYLOAD_AT);
  const wheel = checkWheel(InputMouseRelative.wheel(copy, PAYLOAD_AT));
  return { kind: 'relative', buttons, deltaX, deltaY, wheel };
}

function readAbsolute(copy: Region): InputReport {
  const x = InputMouseAbsolute.x(copy, PAYLOAD_AT);
  const y = InputMouseAbsolute.y(copy, PAYLOAD_AT);
  for (const place of [x, y]) check(place <= INPUT_ABSOLUTE_MAX, 'a place', place);
  const reserved = InputMouseAbsolute.reserved(copy, PAYLOAD_AT);
  check(reserved === 0, 'reserved', reserved);
  const buttons = InputMouseAbsolute.buttons(copy, PAYLOAD_AT);
  const wheel = checkWheel(InputMouseAbsolute.wheel(copy, PAYLOAD_AT));
  return { kind: 'absolute', buttons, x, y, wheel };
}

function readKeyboard(copy: Region): InputReport {
  const keys: number[] = [];
  for (let index = 0; index < INPUT_KEYS; index++) {
    const key = InputKeyboard.keys(copy, PAYLOAD_AT, index);
    check(key <= INPUT_USAGE_MAX, 'a key', key);
    if (key !== 0) keys.push(key);
  }
  for (let index = 0; index < 9; index++) {
    const reserved = InputKeyboard.reserved(copy, PAYLOAD_AT, index);
    check(reserved === 0, 'reserved', reserved);
  }
  return { kind: 'keyboard', modifiers: InputKeyboard.modifiers(copy, PAYLOAD_AT), keys };
}

function checkWheel(wheel: number): number {
  check(Math.abs(wheel) <= INPUT_STEPS.wheel, 'the wheel', wheel);
  return wheel;
}

function check(holds: boolean, what: string, found: number): void {
  if (!holds) throw corrupt(what, found);
}

function corrupt(what: string, found: number): KvmfrError {
  return new KvmfrError('ERR_KVMFR_CORRUPT', `${what} of an input record cannot be ${found}`);
}
