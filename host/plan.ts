import {
  CLIPBOARD_RECORD_BYTES,
  CLIPBOARD_STREAM,
  ClipboardStatus,
  ColorTransform,
  INPUT_ENDPOINTS,
  INPUT_STREAM,
  InputStatus,
  KvmfrError,
  MAX_CURSOR_BYTES,
  MAX_REGION_BYTES,
  QUEUE_IDS,
  QUEUE_LENGTHS,
  RECOVERY_REGION_BYTES,
  STREAM_ALIGN_BYTES,
  streamRegionBytes,
} from '../protocol/index.ts';
import { WIRES, type Wire, type WireName } from './wire.ts';

/** A place for the data that a message names. */
export interface Payload {
  readonly at: number;
  /** The whole allocation: what `message.size` says. */
  readonly bytes: number;
}

/** Where a queue and its ring are. */
export interface QueuePlan {
  readonly id: number;
  readonly queueAt: number;
  readonly ringAt: number;
  /** Slots of the ring. */
  readonly slots: number;
  /** How many of them can be in use: all but one before LGMP 10. */
  readonly capacity: number;
}

/** Where the input of clients comes in. */
export interface InputPlan {
  readonly queue: QueuePlan;
  /** One for each client. */
  readonly streams: readonly Payload[];
  readonly statuses: readonly Payload[];
}

/** Where the clipboard travels. */
export interface ClipboardPlan {
  readonly queue: QueuePlan;
  readonly toClient: Payload;
  readonly toHost: Payload;
  readonly statuses: readonly Payload[];
  readonly messages: readonly Payload[];
}

/** Where a publisher keeps what, drawn in docs/regions.md. */
export interface RegionPlan {
  readonly frameQueue: QueuePlan;
  /** Queues of the client that paces the publisher; none before KVMFR 34. */
  readonly ownerQueues: readonly QueuePlan[];
  readonly pointerQueue: QueuePlan;
  readonly pointers: readonly Payload[];
  /** What input needs; undefined for a publisher that takes none. */
  readonly input: InputPlan | undefined;
  /** What the clipboard needs; undefined for a publisher that shares none. */
  readonly clipboard: ClipboardPlan | undefined;
  readonly shapes: readonly Payload[];
  /** For colour transforms; none before KVMFR 34. */
  readonly transforms: readonly Payload[];
  readonly frames: readonly Payload[];
}

const SHAPE_BUFFERS = 3;
const INPUT_STATUSES = 4;
const CLIPBOARD_QUEUE_LENGTH = 32;
/** Payloads of each kind that the clipboard's queue names. */
const CLIPBOARD_PAYLOADS = 4;

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * Divides a region the way the publishers of its wire do: queues, pointer payloads, 3 shape payloads
 * (and 3 for colour transforms), and frame slots that share the rest, on pages (or on what graphics
 * cards take for pages). `regionBytes` is what LGMP has: without the recovery region. What input and
 * clipboard need comes before the frame slots.
 *
 * @throws ERR_KVMFR_SIZE when it does not fit, with the MiB needed
 */
export function planRegion(
  regionBytes: number,
  udataBytes: number,
  wire: Wire,
  extras: { readonly input?: boolean; readonly clipboard?: boolean } = {},
): RegionPlan {
  const { lgmp, frameAlignBytes, frameSlots } = wire;
  let next = roundUp(lgmp.header.sizeBytes + udataBytes, 4);
  const take = (bytes: number, align: number): number => {
    const at = roundUp(next, align);
    next = roundUp(at + bytes, align);
    return at;
  };
  let queues = 0;
  const queue = (id: number, length: number): QueuePlan => {
    const slots = lgmp.powerOfTwoRings ? length : length + 1;
    return {
      id,
      queueAt: lgmp.header.queues + queues++ * lgmp.queue.sizeBytes,
      ringAt: take(slots * lgmp.message.sizeBytes, lgmp.ringAlignBytes),
      slots,
      capacity: length,
    };
  };
  const frameQueue = queue(QUEUE_IDS.frame, QUEUE_LENGTHS.frame);
  const ownerQueues = wire.targeted
    ? [QUEUE_IDS.frameOwner0, QUEUE_IDS.frameOwner1].map((id) => queue(id, QUEUE_LENGTHS.frame))
    : [];
  const pointerQueue = queue(QUEUE_IDS.pointer, wire.pointerLength);
  const payloads = (count: number, bytes: number): Payload[] =>
    Array.from({ length: count }, () => ({ at: take(bytes, 4), bytes: roundUp(bytes, 4) }));
  const { cursorBytes, hasColors } = wire.cursor;
  const pointers = payloads(wire.pointerLength, cursorBytes);
  const shapes = payloads(SHAPE_BUFFERS, cursorBytes + MAX_CURSOR_BYTES);
  const transforms = hasColors
    ? payloads(SHAPE_BUFFERS, cursorBytes + ColorTransform.$sizeBytes)
    : [];
  const stream = (shape: { readonly slotCount: number; readonly slotBytes: number }): Payload => {
    const bytes = streamRegionBytes(shape);
    return { at: take(bytes, STREAM_ALIGN_BYTES), bytes };
  };
  const input: InputPlan | undefined = extras.input
    ? {
        queue: queue(QUEUE_IDS.input, INPUT_STATUSES),
        streams: Array.from({ length: INPUT_ENDPOINTS }, () => stream(INPUT_STREAM)),
        statuses: payloads(INPUT_STATUSES, InputStatus.$sizeBytes),
      }
    : undefined;
  const clipboard: ClipboardPlan | undefined = extras.clipboard
    ? {
        queue: queue(QUEUE_IDS.clipboard, CLIPBOARD_QUEUE_LENGTH),
        statuses: payloads(CLIPBOARD_PAYLOADS, ClipboardStatus.$sizeBytes),
        messages: payloads(CLIPBOARD_PAYLOADS, CLIPBOARD_RECORD_BYTES),
        toClient: stream(CLIPBOARD_STREAM),
        toHost: stream(CLIPBOARD_STREAM),
      }
    : undefined;
  const framesAt = roundUp(next, frameAlignBytes);
  const frameBytes =
    Math.floor((regionBytes - framesAt) / frameSlots / frameAlignBytes) * frameAlignBytes;
  // A header page and one page of pixels.
  const leastBytes = 2 * frameAlignBytes;
  if (frameBytes < leastBytes || regionBytes > MAX_REGION_BYTES)
    throw sizeError(regionBytes, framesAt + frameSlots * leastBytes, wire);
  const frames = Array.from({ length: frameSlots }, (_, index) => ({
    at: framesAt + index * frameBytes,
    bytes: frameBytes,
  }));
  return {
    ...{ frameQueue, ownerQueues, pointerQueue, pointers, shapes, transforms },
    ...{ input, clipboard, frames },
  };
}

/**
 * The region that holds frames of a wire whole, and at least what the publisher's documentation asks.
 *
 * Units: MiB, a power of two.
 */
export function regionMibOf(wire: WireName, heightPx: number, pitchBytes: number): number {
  const { frameSlots, frameAlignBytes } = WIRES[wire];
  const documented = (heightPx * pitchBytes * 2) / 2 ** 20 + 10;
  const slot = roundUp(heightPx * pitchBytes + frameAlignBytes, frameAlignBytes);
  // Cursor shapes take 3 MiB, the streams of the clipboard 2; queues, transforms, the streams of input
  // and the recovery region less than one.
  const needed = frameSlots === 2 ? 0 : (slot * frameSlots) / 2 ** 20 + 6;
  return 2 ** Math.ceil(Math.log2(Math.max(documented, needed)));
}

function sizeError(regionBytes: number, needBytes: number, wire: Wire): KvmfrError {
  const recoveryBytes = wire.targeted ? RECOVERY_REGION_BYTES : 0;
  const needMib = 2 ** Math.ceil(Math.log2((needBytes + recoveryBytes) / 2 ** 20));
  return new KvmfrError(
    'ERR_KVMFR_SIZE',
    regionBytes > MAX_REGION_BYTES
      ? `a region may have ${MAX_REGION_BYTES} bytes, because offsets are 32 bit, but has ${regionBytes}`
      : `a region of ${wire.name} must have ${needMib} MiB or more (queues and cursors take ${needBytes} bytes with the smallest frames), but has ${regionBytes} bytes`,
    { hint: `Make the region at least ${needMib} MiB.` },
  );
}
