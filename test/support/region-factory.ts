import { Region } from '../../protocol/memory/region.ts';

/** What a made region says. Everything left out is what a sound publisher of B7 would say. */
export interface RegionShape {
  readonly bytes?: number;
  readonly magic?: number;
  readonly version?: 5 | 6;
  readonly sessionId?: number;
  readonly heartbeat?: bigint;
  readonly numQueues?: number;
  readonly udataSize?: number;
  readonly udata?: Uint8Array;
  readonly queues?: readonly QueueShape[];
}

/** What a made queue says. */
export interface QueueShape {
  readonly id: number;
  readonly slots?: number;
  readonly ringAt?: number;
  readonly position?: number;
  readonly start?: number;
  readonly count?: number;
  readonly subscribersOn?: number;
  readonly subscribersBad?: number;
  readonly messages?: readonly MessageShape[];
}

/** One message of a made ring. */
export interface MessageShape {
  readonly udata?: number;
  readonly size: number;
  readonly offset: number;
  readonly pending?: number;
}

/** Where the queue header with this index is, in LGMP 5 and 6. */
export function queueAt(index: number): number {
  return 32 + index * 1144;
}

/** Where the rings of a made region are, when nothing else is said: one page each from here on. */
export const RINGS_AT = 8192;
/** Where payloads may be put in a made region. */
export const PAYLOADS_AT = 65536;

/**
 * Makes a region of LGMP 5 or 6 as literal bytes at literal offsets, without our tables: for tests
 * that want a sound region, or one with a single lie in it.
 */
export function makeRegion(shape: RegionShape = {}): Region {
  const region = new Region(new ArrayBuffer(shape.bytes ?? 1 << 20));
  const { view, bytes } = region;
  const udata = shape.udata ?? sessionBytes();
  const queues = shape.queues ?? [
    { id: 2, slots: 3 },
    { id: 1, slots: 21 },
  ];
  view.setUint32(0, shape.magic ?? 0x504d474c, true);
  view.setUint32(4, shape.version ?? 6, true);
  view.setUint32(8, shape.sessionId ?? 0x1234_5678, true);
  view.setBigUint64(16, shape.heartbeat ?? 1000n, true);
  view.setUint32(24, shape.numQueues ?? queues.length, true);
  view.setUint32(5752, shape.udataSize ?? udata.byteLength, true);
  bytes.set(udata, 5756);
  for (const [index, queue] of queues.entries()) writeQueue(view, index, queue);
  return region;
}

function writeQueue(view: DataView, index: number, queue: QueueShape): void {
  const at = queueAt(index);
  const ringAt = queue.ringAt ?? RINGS_AT + index * 4096;
  const messages = queue.messages ?? [];
  view.setUint32(at, queue.id, true);
  view.setUint32(at + 4, queue.slots ?? 3, true);
  view.setUint32(at + 12, 1000, true);
  view.setUint32(at + 16, queue.position ?? messages.length, true);
  view.setUint32(at + 20, ringAt, true);
  view.setUint32(at + 416, queue.subscribersBad ?? 0, true);
  view.setUint32(at + 420, queue.subscribersOn ?? 0, true);
  view.setUint32(at + 424, queue.start ?? 0, true);
  view.setUint32(at + 440, queue.count ?? messages.length, true);
  view.setUint32(at + 448, 10, true);
  for (const [slot, message] of messages.entries()) {
    view.setUint32(ringAt + slot * 16, message.udata ?? 0, true);
    view.setUint32(ringAt + slot * 16 + 4, message.size, true);
    view.setUint32(ringAt + slot * 16 + 8, message.offset, true);
    view.setUint32(ringAt + slot * 16 + 12, message.pending ?? 0, true);
  }
}

/** The head of a session blob, without records. */
export function sessionBytes(
  head: { readonly magic?: string; readonly version?: number; readonly hostVersion?: string } = {},
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(48);
  bytes.set(Buffer.from(head.magic ?? 'KVMFR---', 'latin1'));
  bytes.set(Buffer.from(head.hostVersion ?? 'B7', 'utf8'), 12);
  new DataView(bytes.buffer).setUint32(8, head.version ?? 20, true);
  return bytes;
}
