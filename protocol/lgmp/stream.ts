import { hex, KvmfrError } from '../error.ts';
import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';

/** What a stream's descriptor begins with: the characters LSTR. */
export const STREAM_MAGIC: number = 0x5254_534c;
/** What a stream's region begins with: the characters LSSH. */
export const STREAM_SHARED_MAGIC: number = 0x4853_534c;
/** The one version of descriptors, and of regions. */
export const STREAM_VERSION: number = 1;
/** Streams, and their slots, begin on multiples of this. */
export const STREAM_ALIGN_BYTES: number = 64;

/** Which way a stream goes. */
export const STREAM_DIRECTIONS = { hostToClient: 1, clientToHost: 2 } as const;
/** How a stream treats what does not fit. Nobody uses the second yet: it is refused. */
export const STREAM_POLICIES = { reliableFifo: 1, realtimeFifo: 2 } as const;
/** How a stream is bound to a client. */
export const STREAM_STATES = { unbound: 0, binding: 1, ready: 2, draining: 3 } as const;

/** Fields of LGMPStreamDescriptor. */
export const STREAM_DESCRIPTOR_FIELDS = {
  magic: ['u32', 0],
  version: ['u16', 4],
  size: ['u16', 6],
  offset: ['u32', 8],
  regionSize: ['u32', 12],
  direction: ['u32', 16],
  policy: ['u32', 20],
  slotCount: ['u32', 24],
  slotSize: ['u32', 28],
} as const;

/** Fields of LGMPStreamShared: what never changes, the binding, and a line for each end. */
export const STREAM_SHARED_FIELDS = {
  magic: ['u32', 0],
  version: ['u16', 4],
  headerSize: ['u16', 6],
  regionSize: ['u32', 8],
  sessionID: ['u32', 12],
  direction: ['u32', 16],
  policy: ['u32', 20],
  slotCount: ['u32', 24],
  slotSize: ['u32', 28],
  slotStride: ['u32', 32],
  slotsOffset: ['u32', 36],
  state: ['u32', 64, 1, 64],
  epoch: ['u32', 68],
  clientID: ['u32', 72],
  producer: ['struct', 128, 64, 64],
  consumer: ['struct', 192, 64, 64],
} as const;

/** Fields of LGMPStreamCursor. `value` is two pairs of epoch and sequence. */
export const STREAM_CURSOR_FIELDS = {
  stamp: ['u32', 0, 1, 64],
  active: ['u32', 4, 2],
  value: ['struct', 16, 16, 8],
} as const;

/** Fields of LGMPStreamSlot; the payload follows. */
export const STREAM_SLOT_FIELDS = {
  epoch: ['u32', 0, 1, 64],
  ticket: ['u32', 4],
  length: ['u32', 8],
  _reserved: ['u32', 12],
} as const;

/** LGMPStreamDescriptor: 32 bytes. */
export const StreamDescriptorLayout: Layout<typeof STREAM_DESCRIPTOR_FIELDS> = layout(
  STREAM_DESCRIPTOR_FIELDS,
  32,
);
/** LGMPStreamShared: 256 bytes. */
export const StreamShared: Layout<typeof STREAM_SHARED_FIELDS> = layout(STREAM_SHARED_FIELDS, 256);
/** LGMPStreamCursor: 64 bytes. */
export const StreamCursor: Layout<typeof STREAM_CURSOR_FIELDS> = layout(STREAM_CURSOR_FIELDS, 64);
/** LGMPStreamSlot: 64 bytes. */
export const StreamSlot: Layout<typeof STREAM_SLOT_FIELDS> = layout(STREAM_SLOT_FIELDS, 64);

/** Where a stream is and how it is made: its descriptor, checked. */
export interface StreamDescriptor {
  /** Where its region begins. */
  readonly at: number;
  readonly direction: 1 | 2;
  readonly slotCount: number;
  /** Payload of a slot. */
  readonly slotBytes: number;
}

/** Bytes from one slot to the next. */
export function streamStrideBytes(slotBytes: number): number {
  const bytes = StreamSlot.$sizeBytes + slotBytes;
  return Math.ceil(bytes / STREAM_ALIGN_BYTES) * STREAM_ALIGN_BYTES;
}

/** Bytes of a stream's region. */
export function streamRegionBytes(stream: {
  readonly slotCount: number;
  readonly slotBytes: number;
}): number {
  return StreamShared.$sizeBytes + stream.slotCount * streamStrideBytes(stream.slotBytes);
}

/**
 * Reads a descriptor from a private copy of what a publisher wrote.
 *
 * @param block what the stream has to lie in
 * @throws ERR_KVMFR_CORRUPT for one that cannot be, ERR_KVMFR_BOUNDS for one that lies elsewhere
 */
export function readStreamDescriptor(
  copy: Region,
  at: number,
  block: { readonly from: number; readonly to: number },
): StreamDescriptor {
  const expect = (what: string, found: number, wanted: number): void => {
    if (found !== wanted) throw corrupt(`${what} of a stream must be ${wanted}, but is ${found}`);
  };
  const D = StreamDescriptorLayout;
  expect('the magic', D.magic(copy, at), STREAM_MAGIC);
  expect('the version', D.version(copy, at), STREAM_VERSION);
  expect('the descriptor size', D.size(copy, at), D.$sizeBytes);
  expect('the policy', D.policy(copy, at), STREAM_POLICIES.reliableFifo);
  const direction = D.direction(copy, at);
  if (direction !== 1 && direction !== 2)
    throw corrupt(`the direction of a stream must be 1 or 2, but is ${direction}`);
  const slotCount = D.slotCount(copy, at);
  if (slotCount < 2 || (slotCount & (slotCount - 1)) !== 0)
    throw corrupt(`a stream must have a power of two of slots, 2 or more, but has ${slotCount}`);
  const slotBytes = D.slotSize(copy, at);
  if (slotBytes < 1) throw corrupt('a slot of a stream must hold a byte or more, but holds 0');
  const stream: StreamDescriptor = { at: D.offset(copy, at), direction, slotCount, slotBytes };
  // Numbers beyond 32 bits are exact here.
  const bytes = streamRegionBytes(stream);
  expect('the region size', D.regionSize(copy, at), bytes);
  if (stream.at % STREAM_ALIGN_BYTES !== 0)
    throw corrupt(`a stream must begin on a multiple of 64, but begins at ${hex(stream.at)}`);
  if (stream.at < block.from || stream.at + bytes > block.to)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `a stream of ${bytes} bytes must lie between ${hex(block.from)} and ${hex(block.to)}, but begins at ${hex(stream.at)}`,
    );
  return stream;
}

/** Writes a descriptor. */
export function writeStreamDescriptor(into: Region, at: number, stream: StreamDescriptor): void {
  const D = StreamDescriptorLayout;
  D.magic.write(into, at, STREAM_MAGIC);
  D.version.write(into, at, STREAM_VERSION);
  D.size.write(into, at, D.$sizeBytes);
  D.offset.write(into, at, stream.at);
  D.regionSize.write(into, at, streamRegionBytes(stream));
  D.direction.write(into, at, stream.direction);
  D.policy.write(into, at, STREAM_POLICIES.reliableFifo);
  D.slotCount.write(into, at, stream.slotCount);
  D.slotSize.write(into, at, stream.slotBytes);
}

function corrupt(message: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_CORRUPT', message);
}
