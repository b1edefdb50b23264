import { STREAM_DIRECTIONS, type StreamDescriptor, writeStreamDescriptor } from '../lgmp/stream.ts';
import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';
import { GuestStatus } from './guest-status.ts';

/** The one version of the clipboard's status and records. */
export const CLIPBOARD_VERSION: number = 4;
/** Most bytes of contents in a record of a stream. */
export const CLIPBOARD_SLOT_BYTES: number = 256 * 1024;
/** Most bytes of contents in a record of text or an image. */
export const CLIPBOARD_PIECE_BYTES: number = 64 * 1024;
/** Bytes of a record without contents. */
export const CLIPBOARD_RECORD_BYTES: number = 64;
/** Slots of each of the two streams, and bytes of a slot: a record and its contents. */
export const CLIPBOARD_STREAM: { readonly slotCount: number; readonly slotBytes: number } = {
  slotCount: 4,
  slotBytes: CLIPBOARD_RECORD_BYTES + CLIPBOARD_SLOT_BYTES,
};
/** An owner that says nothing for this long has it no more. Units: milliseconds. */
export const CLIPBOARD_LEASE_MS: number = 1000;
/** The bit of a transfer's id that says that the guest chose it. */
export const CLIPBOARD_GUEST_TRANSFER: bigint = 1n << 63n;
/** What a size is that is not known yet. */
export const CLIPBOARD_SIZE_UNKNOWN: bigint = 0xffff_ffff_ffff_ffffn;

/** Bits of the status. */
export const CLIPBOARD_STATUS_FLAGS = { available: 1, hasOwner: 2 } as const;
/** Formats of contents. In masks each is the bit `1 << (number - 1)`. */
export const CLIPBOARD_FORMATS = {
  text: 1,
  png: 2,
  bmp: 3,
  tiff: 4,
  jpeg: 5,
  files: 6,
} as const;
/** What a message of the queue is: the upper half of its udata. */
export const CLIPBOARD_QUEUE_TYPES = { status: 1, message: 2 } as const;

/** The name of a format. */
export type ClipboardFormat = keyof typeof CLIPBOARD_FORMATS;

/** A mask with the bits of all formats. */
export const CLIPBOARD_ALL_FORMATS: number = 63;

const FORMAT_NAMES = Object.keys(CLIPBOARD_FORMATS).filter(
  (name): name is ClipboardFormat => name in CLIPBOARD_FORMATS,
);

/** The bit of a format in masks. */
export function clipboardBit(format: ClipboardFormat): number {
  return 1 << (CLIPBOARD_FORMATS[format] - 1);
}

/** The mask of formats. */
export function clipboardMask(formats: readonly ClipboardFormat[]): number {
  return formats.reduce((mask, format) => mask | clipboardBit(format), 0);
}

/** The formats in a mask, in the order of their numbers. */
export function clipboardFormats(mask: number): readonly ClipboardFormat[] {
  return FORMAT_NAMES.filter((format) => (mask & clipboardBit(format)) !== 0);
}

/** The format with a number; undefined for none. */
export function clipboardFormatOf(number: number): ClipboardFormat | undefined {
  return FORMAT_NAMES.find((format) => CLIPBOARD_FORMATS[format] === number);
}

/** Fields of KVMFRClipboardStatus. */
export const CLIPBOARD_STATUS_FIELDS = {
  version: ['u32', 0],
  flags: ['u32', 4],
  generation: ['u32', 8],
  ownerClientID: ['u32', 12],
  ownerGeneration: ['u32', 16],
  lease: ['u32', 20],
  formats: ['u32', 24],
  slotBytes: ['u32', 28],
  streamVersion: ['u32', 32],
  streamSlotCount: ['u32', 36],
  reserved: ['u32', 40, 6],
  hostToClient: ['struct', 64, 32, 4],
  clientToHost: ['struct', 96, 32, 4],
} as const;

/** KVMFRClipboardStatus: 128 bytes. */
export const ClipboardStatus: Layout<typeof CLIPBOARD_STATUS_FIELDS> = layout(
  CLIPBOARD_STATUS_FIELDS,
  128,
);

/** What a publisher says of its clipboard, checked. */
export interface RawClipboardStatus {
  readonly available: boolean;
  /** Another one: nothing that was sent before counts. */
  readonly generation: number;
  /** 0: nobody owns the clipboard. */
  readonly ownerClientId: number;
  readonly ownerGeneration: number;
  readonly leaseMs: number;
  /** What the guest offers, as a mask. */
  readonly formats: number;
  readonly hostToClient: StreamDescriptor;
  readonly clientToHost: StreamDescriptor;
}

/**
 * Reads a status from a private copy of what a publisher wrote, all of its 128 bytes.
 *
 * @param block what streams have to lie in
 * @throws ERR_KVMFR_CORRUPT for what cannot be, ERR_KVMFR_BOUNDS for a stream that lies elsewhere
 */
export function readClipboardStatus(
  bytes: Uint8Array,
  block: { readonly from: number; readonly to: number },
): RawClipboardStatus {
  const S = ClipboardStatus;
  const read = new GuestStatus('clipboard', bytes, S.$sizeBytes);
  const { copy } = read;
  const expect = (what: string, found: number, wanted: number): void =>
    read.must(found === wanted, what, found);
  expect('version', S.version(copy, 0), CLIPBOARD_VERSION);
  expect('slotBytes', S.slotBytes(copy, 0), CLIPBOARD_SLOT_BYTES);
  expect('streamVersion', S.streamVersion(copy, 0), 1);
  expect('streamSlotCount', S.streamSlotCount(copy, 0), CLIPBOARD_STREAM.slotCount);
  for (let i = 0; i < 6; i++) expect('reserved', S.reserved(copy, 0, i), 0);
  const flags = S.flags(copy, 0);
  read.must((flags & ~3) === 0, 'flags', flags);
  const available = (flags & CLIPBOARD_STATUS_FLAGS.available) !== 0;
  const hasOwner = (flags & CLIPBOARD_STATUS_FLAGS.hasOwner) !== 0;
  const generation = S.generation(copy, 0);
  const ownerClientId = S.ownerClientID(copy, 0);
  const ownerGeneration = S.ownerGeneration(copy, 0);
  const leaseMs = S.lease(copy, 0);
  const formats = S.formats(copy, 0);
  read.must(generation !== 0, 'generation', generation);
  read.mustOwn({ ownerClientId, ownerGeneration }, { has: hasOwner, available });
  read.must(leaseMs !== 0, 'lease', leaseMs);
  read.must((formats & ~CLIPBOARD_ALL_FORMATS) === 0, 'formats', formats);
  const { hostToClient: down, clientToHost: up } = STREAM_DIRECTIONS;
  const stream = (at: number, direction: number): StreamDescriptor =>
    read.stream(at, { ...CLIPBOARD_STREAM, block, direction });
  const hostToClient = stream(S.hostToClient.offsetBytes, down);
  const clientToHost = stream(S.clientToHost.offsetBytes, up);
  read.must(hostToClient.at !== clientToHost.at, 'stream offset', clientToHost.at);
  return {
    available,
    generation,
    ownerClientId,
    ownerGeneration,
    leaseMs,
    formats,
    hostToClient,
    clientToHost,
  };
}

/** Writes a status into 128 bytes of a region. */
export function writeClipboardStatus(region: Region, at: number, status: RawClipboardStatus): void {
  const S = ClipboardStatus;
  region.bytes.fill(0, at, at + S.$sizeBytes);
  const flags =
    (status.available ? CLIPBOARD_STATUS_FLAGS.available : 0) |
    (status.ownerClientId === 0 ? 0 : CLIPBOARD_STATUS_FLAGS.hasOwner);
  S.version.write(region, at, CLIPBOARD_VERSION);
  S.flags.write(region, at, flags);
  S.generation.write(region, at, status.generation);
  S.ownerClientID.write(region, at, status.ownerClientId);
  S.ownerGeneration.write(region, at, status.ownerGeneration);
  S.lease.write(region, at, status.leaseMs);
  S.formats.write(region, at, status.formats);
  S.slotBytes.write(region, at, CLIPBOARD_SLOT_BYTES);
  S.streamVersion.write(region, at, 1);
  S.streamSlotCount.write(region, at, CLIPBOARD_STREAM.slotCount);
  writeStreamDescriptor(region, at + S.hostToClient.offsetBytes, status.hostToClient);
  writeStreamDescriptor(region, at + S.clientToHost.offsetBytes, status.clientToHost);
}
