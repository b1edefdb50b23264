import {
  CursorV19,
  KvmfrError,
  MAX_CURSOR_BYTES,
  MAX_REGION_BYTES,
  PAGE_BYTES,
  QUEUE_IDS,
  QUEUE_LENGTHS,
} from '../protocol/index.ts';
import type { Wire } from './wire.ts';

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
  /** Slots of the ring: one more than can be in use. */
  readonly slots: number;
}

/** Where a publisher keeps what, drawn in docs/regions.md. */
export interface RegionPlan {
  readonly frameQueue: QueuePlan;
  readonly pointerQueue: QueuePlan;
  readonly pointers: readonly Payload[];
  readonly shapes: readonly Payload[];
  readonly frames: readonly [Payload, Payload];
}

const SHAPE_BUFFERS = 3;
// A header page and one page of pixels.
const MIN_FRAME_BYTES = 2 * PAGE_BYTES;

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * Divides a region the way the publishers of B6 and B7 do: queues, 20 pointer payloads, 3 shape
 * payloads, and two frame slots that share the rest, on pages.
 *
 * @throws ERR_KVMFR_SIZE when it does not fit, with the MiB needed
 */
export function planRegion(regionBytes: number, udataBytes: number, wire: Wire): RegionPlan {
  const { lgmp } = wire;
  let next = roundUp(lgmp.header.sizeBytes + udataBytes, 4);
  const take = (bytes: number): number => {
    const at = next;
    next = roundUp(next + bytes, 4);
    return at;
  };
  const queue = (index: number, id: number, length: number): QueuePlan => {
    const slots = length + 1;
    return {
      id,
      queueAt: lgmp.header.queues + index * lgmp.queue.sizeBytes,
      ringAt: take(slots * lgmp.message.sizeBytes),
      slots,
    };
  };
  const frameQueue = queue(0, QUEUE_IDS.frame, QUEUE_LENGTHS.frame);
  const pointerQueue = queue(1, QUEUE_IDS.pointer, QUEUE_LENGTHS.pointer);
  const payloads = (count: number, bytes: number): Payload[] =>
    Array.from({ length: count }, () => ({ at: take(bytes), bytes: roundUp(bytes, 4) }));
  const pointers = payloads(QUEUE_LENGTHS.pointer, CursorV19.$sizeBytes);
  const shapes = payloads(SHAPE_BUFFERS, CursorV19.$sizeBytes + MAX_CURSOR_BYTES);
  const framesAt = roundUp(next, PAGE_BYTES);
  const frameBytes = Math.floor((regionBytes - framesAt) / 2 / PAGE_BYTES) * PAGE_BYTES;
  if (frameBytes < MIN_FRAME_BYTES || regionBytes > MAX_REGION_BYTES)
    throw sizeError(regionBytes, framesAt + 2 * MIN_FRAME_BYTES, wire);
  return {
    frameQueue,
    pointerQueue,
    pointers,
    shapes,
    frames: [
      { at: framesAt, bytes: frameBytes },
      { at: framesAt + frameBytes, bytes: frameBytes },
    ],
  };
}

function sizeError(regionBytes: number, needBytes: number, wire: Wire): KvmfrError {
  const needMib = 2 ** Math.ceil(Math.log2(needBytes / 2 ** 20));
  return new KvmfrError(
    'ERR_KVMFR_SIZE',
    regionBytes > MAX_REGION_BYTES
      ? `a region may have ${MAX_REGION_BYTES} bytes, because offsets are 32 bit, but has ${regionBytes}`
      : `a region of ${wire.name} must have ${needMib} MiB or more (queues and cursors take ${needBytes} bytes with the smallest frames), but has ${regionBytes} bytes`,
    { hint: `Make the region at least ${needMib} MiB.` },
  );
}
