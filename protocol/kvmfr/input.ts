import { STREAM_DIRECTIONS, type StreamDescriptor, writeStreamDescriptor } from '../lgmp/stream.ts';
import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';
import { GuestStatus, type StatusOwner } from './guest-status.ts';

/** Newest version of the input status; 1 and 2 are read as well. */
export const INPUT_VERSION: number = 3;
/** Streams for reports; no more clients than this can have one. */
export const INPUT_ENDPOINTS: number = 8;
/** Slots of each, and bytes of a slot. */
export const INPUT_STREAM: { readonly slotCount: number; readonly slotBytes: number } = {
  slotCount: 128,
  slotBytes: 64,
};
/** An owner that says nothing for this long has none any more. Units: milliseconds. */
export const INPUT_LEASE_MS: number = 500;
/** Buttons of a mouse. */
export const INPUT_BUTTONS: number = 32;
/** The far end of both axes of an absolute pointer. */
export const INPUT_ABSOLUTE_MAX: number = 32767;
/** Keys that a report can hold besides the modifiers. */
export const INPUT_KEYS: number = 6;
/** The last usage of a keyboard's page that a report can hold. */
export const INPUT_USAGE_MAX: number = 0xe7;
/** What every key of a report is when more are held than it can say. */
export const INPUT_ROLL_OVER: number = 1;
/** Steps that a relative report can say, either way, and turns of the wheel. */
export const INPUT_STEPS: { readonly min: number; readonly max: number; readonly wheel: number } = {
  min: -131072,
  max: 131068,
  wheel: 508,
};

/** What a guest's input can be told. */
export const INPUT_CAPABILITIES = { mouseRelative: 1, mouseAbsolute: 2, keyboard: 4 } as const;
/** Bits of the status. */
export const INPUT_FLAGS = { available: 1, hasOwner: 2, keyboardLedsValid: 4 } as const;
/** Lights of a keyboard. */
export const INPUT_LEDS = { numLock: 1, capsLock: 2, scrollLock: 4, compose: 8, kana: 16 } as const;
/** Bits of an endpoint. */
export const INPUT_ENDPOINT_FLAGS = { available: 1, bound: 2 } as const;
/** Kinds of record. */
export const INPUT_RECORDS = {
  claim: 1,
  release: 2,
  keepalive: 3,
  reset: 4,
  mouseRelative: 5,
  mouseAbsolute: 6,
  keyboard: 7,
} as const;

/** Fields of KVMFRInputStreamEndpoint. */
export const INPUT_ENDPOINT_FIELDS = {
  stream: ['struct', 0, 32, 4],
  boundClientID: ['u32', 32],
  bindingGeneration: ['u32', 36],
  flags: ['u32', 40],
  reserved: ['u32', 44],
} as const;

/** Fields of KVMFRInputStatus. */
export const INPUT_STATUS_FIELDS = {
  version: ['u32', 0],
  capabilities: ['u32', 4],
  flags: ['u32', 8],
  generation: ['u32', 12],
  ownerClientID: ['u32', 16],
  ownerGeneration: ['u32', 20],
  lease: ['u32', 24],
  maxButtons: ['u32', 28],
  streamVersion: ['u32', 32],
  streamEndpointCount: ['u32', 36],
  streamGeneration: ['u32', 40],
  keyboardLEDs: ['u8', 44],
  statusReserved: ['u8', 45, 3],
  streamReserved: ['u32', 48, 4],
  streamEndpoint: ['struct', 64, 384, 4],
} as const;

/** Fields of KVMFRInputMessage. */
export const INPUT_MESSAGE_FIELDS = {
  type: ['u32', 0],
  generation: ['u32', 4],
  sequence: ['u32', 8],
  reserved: ['u32', 12],
  payload: ['u8', 16, 16],
} as const;

/** Fields of KVMFRInputMouseRelative. */
export const INPUT_MOUSE_RELATIVE_FIELDS = {
  buttons: ['u32', 0],
  deltaX: ['i32', 4],
  deltaY: ['i32', 8],
  wheel: ['i32', 12],
} as const;

/** Fields of KVMFRInputMouseAbsolute. */
export const INPUT_MOUSE_ABSOLUTE_FIELDS = {
  buttons: ['u32', 0],
  x: ['u16', 4],
  y: ['u16', 6],
  wheel: ['i32', 8],
  reserved: ['u32', 12],
} as const;

/** Fields of KVMFRInputKeyboard. */
export const INPUT_KEYBOARD_FIELDS = {
  modifiers: ['u8', 0],
  keys: ['u8', 1, 6],
  reserved: ['u8', 7, 9],
} as const;

/** KVMFRInputStreamEndpoint: 48 bytes. */
export const InputStreamEndpoint: Layout<typeof INPUT_ENDPOINT_FIELDS> = layout(
  INPUT_ENDPOINT_FIELDS,
  48,
);
/** KVMFRInputStatus: 448 bytes. */
export const InputStatus: Layout<typeof INPUT_STATUS_FIELDS> = layout(INPUT_STATUS_FIELDS, 448);
/** KVMFRInputMessage: 32 bytes. */
export const InputMessageLayout: Layout<typeof INPUT_MESSAGE_FIELDS> = layout(
  INPUT_MESSAGE_FIELDS,
  32,
);
/** KVMFRInputMouseRelative: 16 bytes. */
export const InputMouseRelative: Layout<typeof INPUT_MOUSE_RELATIVE_FIELDS> = layout(
  INPUT_MOUSE_RELATIVE_FIELDS,
  16,
);
/** KVMFRInputMouseAbsolute: 16 bytes. */
export const InputMouseAbsolute: Layout<typeof INPUT_MOUSE_ABSOLUTE_FIELDS> = layout(
  INPUT_MOUSE_ABSOLUTE_FIELDS,
  16,
);
/** KVMFRInputKeyboard: 16 bytes. */
export const InputKeyboard: Layout<typeof INPUT_KEYBOARD_FIELDS> = layout(
  INPUT_KEYBOARD_FIELDS,
  16,
);

/** A stream for reports, and whose it is. */
export interface RawInputEndpoint {
  readonly stream: StreamDescriptor;
  /** 0: nobody's. */
  readonly boundClientId: number;
  /** The stream's epoch; 0 while it is nobody's. */
  readonly bindingGeneration: number;
}

/** What a publisher says of its input, checked. */
export interface RawInputStatus {
  readonly version: number;
  /** INPUT_CAPABILITIES. */
  readonly capabilities: number;
  readonly available: boolean;
  /** Another one: nothing that was sent before counts. */
  readonly generation: number;
  /** 0: nobody owns the input. */
  readonly ownerClientId: number;
  readonly ownerGeneration: number;
  readonly leaseMs: number;
  readonly maxButtons: number;
  readonly streamGeneration: number;
  /** INPUT_LEDS; undefined while the guest has not told. */
  readonly leds: number | undefined;
  readonly endpoints: readonly RawInputEndpoint[];
}

const KNOWN_FLAGS = 7;
const KNOWN_CAPABILITIES = 7;
const KNOWN_LEDS = 31;
const LEDS_VERSION = 3;

/**
 * Reads a status from a private copy of what a publisher wrote, all of its 448 bytes.
 *
 * @param block what streams have to lie in
 * @throws ERR_KVMFR_CORRUPT for what cannot be, ERR_KVMFR_BOUNDS for a stream that lies elsewhere
 */
export function readInputStatus(
  bytes: Uint8Array,
  block: { readonly from: number; readonly to: number },
): RawInputStatus {
  const S = InputStatus;
  const read = new GuestStatus('input', bytes, S.$sizeBytes);
  const { copy } = read;
  const version = S.version(copy, 0);
  read.must(version >= 1 && version <= INPUT_VERSION, 'version', version);
  const flags = S.flags(copy, 0);
  const capabilities = S.capabilities(copy, 0);
  // The lights came with version 3.
  const known =
    version >= LEDS_VERSION ? KNOWN_FLAGS : KNOWN_FLAGS & ~INPUT_FLAGS.keyboardLedsValid;
  read.must((flags & ~known) === 0, 'flags', flags);
  read.must((capabilities & ~KNOWN_CAPABILITIES) === 0, 'capabilities', capabilities);
  const generation = S.generation(copy, 0);
  const leaseMs = S.lease(copy, 0);
  const maxButtons = S.maxButtons(copy, 0);
  const streamGeneration = S.streamGeneration(copy, 0);
  read.must(generation !== 0, 'generation', generation);
  read.must(leaseMs !== 0, 'lease', leaseMs);
  read.must(maxButtons >= 1 && maxButtons <= INPUT_BUTTONS, 'maxButtons', maxButtons);
  read.must(streamGeneration !== 0, 'streamGeneration', streamGeneration);
  read.must(S.streamVersion(copy, 0) === 1, 'streamVersion', S.streamVersion(copy, 0));
  const count = S.streamEndpointCount(copy, 0);
  read.must(count === INPUT_ENDPOINTS, 'streamEndpointCount', count);
  for (let i = 0; i < 3; i++)
    read.must(S.statusReserved(copy, 0, i) === 0, 'statusReserved', S.statusReserved(copy, 0, i));
  for (let i = 0; i < 4; i++)
    read.must(S.streamReserved(copy, 0, i) === 0, 'streamReserved', S.streamReserved(copy, 0, i));
  const leds = S.keyboardLEDs(copy, 0);
  read.must(version >= LEDS_VERSION || leds === 0, 'keyboardLEDs', leds);
  const available = (flags & INPUT_FLAGS.available) !== 0;
  const owner = readOwner(read, flags, available);
  read.must(available || capabilities === 0, 'capabilities', capabilities);
  const needed = INPUT_CAPABILITIES.mouseRelative | INPUT_CAPABILITIES.keyboard;
  read.must(!available || (capabilities & needed) === needed, 'capabilities', capabilities);
  return {
    version,
    capabilities,
    available,
    generation,
    ...owner,
    leaseMs,
    maxButtons,
    streamGeneration,
    leds: (flags & INPUT_FLAGS.keyboardLedsValid) === 0 ? undefined : leds & KNOWN_LEDS,
    endpoints: readEndpoints(read, block),
  };
}

function readOwner(read: GuestStatus, flags: number, available: boolean): StatusOwner {
  const owner = {
    ownerClientId: InputStatus.ownerClientID(read.copy, 0),
    ownerGeneration: InputStatus.ownerGeneration(read.copy, 0),
  };
  read.mustOwn(owner, { has: (flags & INPUT_FLAGS.hasOwner) !== 0, available });
  return owner;
}

function readEndpoints(
  read: GuestStatus,
  block: { readonly from: number; readonly to: number },
): readonly RawInputEndpoint[] {
  const E = InputStreamEndpoint;
  const { copy } = read;
  const direction = STREAM_DIRECTIONS.clientToHost;
  const places = new Set<number>();
  const clients = new Set<number>();
  return Array.from({ length: INPUT_ENDPOINTS }, (_, index) => {
    const at = InputStatus.streamEndpoint.offsetBytes + index * E.$sizeBytes;
    const stream = read.stream(at, { ...INPUT_STREAM, block, direction });
    const flags = E.flags(copy, at);
    const boundClientId = E.boundClientID(copy, at);
    const bindingGeneration = E.bindingGeneration(copy, at);
    read.must((flags & ~3) === 0, 'endpoint flags', flags);
    read.must((flags & INPUT_ENDPOINT_FLAGS.available) !== 0, 'endpoint flags', flags);
    const isBound = (flags & INPUT_ENDPOINT_FLAGS.bound) !== 0;
    read.must((boundClientId !== 0) === isBound, 'boundClientID', boundClientId);
    read.must((bindingGeneration !== 0) === isBound, 'bindingGeneration', bindingGeneration);
    read.must(E.reserved(copy, at) === 0, 'endpoint reserved', E.reserved(copy, at));
    read.must(!places.has(stream.at), 'endpoint offset', stream.at);
    places.add(stream.at);
    read.must(!isBound || !clients.has(boundClientId), 'boundClientID', boundClientId);
    clients.add(boundClientId);
    return { stream, boundClientId, bindingGeneration };
  });
}

/** Writes a status into 448 bytes of a region. */
export function writeInputStatus(region: Region, at: number, status: RawInputStatus): void {
  const S = InputStatus;
  const E = InputStreamEndpoint;
  region.bytes.fill(0, at, at + S.$sizeBytes);
  const flags =
    (status.available ? INPUT_FLAGS.available : 0) |
    (status.ownerClientId === 0 ? 0 : INPUT_FLAGS.hasOwner) |
    (status.leds === undefined ? 0 : INPUT_FLAGS.keyboardLedsValid);
  S.version.write(region, at, status.version);
  S.capabilities.write(region, at, status.capabilities);
  S.flags.write(region, at, flags);
  S.generation.write(region, at, status.generation);
  S.ownerClientID.write(region, at, status.ownerClientId);
  S.ownerGeneration.write(region, at, status.ownerGeneration);
  S.lease.write(region, at, status.leaseMs);
  S.maxButtons.write(region, at, status.maxButtons);
  S.streamVersion.write(region, at, 1);
  S.streamEndpointCount.write(region, at, status.endpoints.length);
  S.streamGeneration.write(region, at, status.streamGeneration);
  S.keyboardLEDs.write(region, at, status.leds ?? 0);
  for (const [index, endpoint] of status.endpoints.entries()) {
    const endpointAt = at + S.streamEndpoint.offsetBytes + index * E.$sizeBytes;
    const bound = endpoint.boundClientId === 0 ? 0 : INPUT_ENDPOINT_FLAGS.bound;
    writeStreamDescriptor(region, endpointAt, endpoint.stream);
    E.boundClientID.write(region, endpointAt, endpoint.boundClientId);
    E.bindingGeneration.write(region, endpointAt, endpoint.bindingGeneration);
    E.flags.write(region, endpointAt, INPUT_ENDPOINT_FLAGS.available | bound);
  }
}
