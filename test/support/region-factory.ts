import { Region } from '../../protocol/memory/region.ts';

/** The LGMP layouts that a made region can have; `10a` is what was called 10 for some hours. */
export const MADE_LGMPS = [5, 6, 7, 8, 9, '10a', 10, 11, 12] as const;
/** One of them. */
export type MadeLgmp = (typeof MADE_LGMPS)[number];

/** What a made region says. Everything left out is what a sound publisher would say. */
export interface RegionShape {
  readonly bytes?: number;
  readonly magic?: number;
  /** The layout; that of B7 when left out. */
  readonly version?: MadeLgmp;
  /** The number in the header, when it shall not be the layout's own. */
  readonly versionNumber?: number;
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
  readonly lock?: number;
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

/** Offsets of a layout, written down apart from our tables. */
interface Places {
  readonly number: number;
  readonly kvmfr: number;
  readonly magic: number;
  readonly timestamp: number;
  readonly sessionId: number;
  readonly numQueues: number;
  readonly queues: number;
  readonly stride: number;
  readonly udataSize: number;
  readonly udata: number;
  /** Where rings and payloads begin, less the session blob. */
  readonly headerBytes: number;
  readonly ringAlign: number;
  readonly messageBytes: number;
  readonly clientSlots: number;
  /** Rings have one slot more than they hold, or exactly as many. */
  readonly spareSlot: 0 | 1;
  readonly queue: QueuePlaces;
}

interface QueuePlaces {
  readonly id: number;
  readonly slots: number;
  readonly maxTime: number;
  readonly position: number;
  readonly ring: number;
  readonly lock: number;
  readonly start: number;
  readonly count: number;
  readonly clientAvailable: number;
  readonly subs: number;
  /** One word with both bitmaps, or two words. */
  readonly subsWords: 1 | 2;
}

const OLD_QUEUE: QueuePlaces = {
  id: 0,
  slots: 4,
  maxTime: 12,
  position: 16,
  ring: 20,
  lock: 408,
  start: 424,
  count: 440,
  clientAvailable: 448,
  subs: 416,
  subsWords: 2,
};
const LINES_QUEUE: QueuePlaces = {
  id: 296,
  slots: 300,
  maxTime: 308,
  position: 0,
  ring: 304,
  lock: 64,
  start: 4,
  count: 8,
  clientAvailable: 132,
  subs: 192,
  subsWords: 1,
};

const V6: Places = {
  number: 6,
  kvmfr: 20,
  magic: 0,
  timestamp: 16,
  sessionId: 8,
  numQueues: 24,
  queues: 32,
  stride: 1144,
  udataSize: 5752,
  udata: 5756,
  headerBytes: 5760,
  ringAlign: 4,
  messageBytes: 16,
  clientSlots: 10,
  spareSlot: 1,
  queue: OLD_QUEUE,
};
const V7: Places = {
  ...V6,
  number: 7,
  numQueues: 12,
  queues: 24,
  udataSize: 5744,
  udata: 5748,
  headerBytes: 5752,
};
const V10: Places = {
  number: 10,
  kvmfr: 20,
  magic: 8064,
  timestamp: 0,
  sessionId: 8072,
  numQueues: 8076,
  queues: 64,
  stride: 1600,
  udataSize: 8080,
  udata: 8084,
  headerBytes: 8128,
  ringAlign: 64,
  messageBytes: 16,
  clientSlots: 16,
  spareSlot: 0,
  queue: LINES_QUEUE,
};
const V10A: Places = {
  ...V10,
  magic: 8,
  sessionId: 16,
  numQueues: 20,
  udataSize: 8064,
  udata: 8068,
};
const PLACES: { readonly [version in MadeLgmp]: Places } = {
  5: { ...V6, number: 5, kvmfr: 19 },
  6: V6,
  7: V7,
  8: {
    ...V7,
    number: 8,
    stride: 1552,
    udataSize: 7784,
    udata: 7788,
    headerBytes: 7792,
    clientSlots: 16,
  },
  9: { ...V10A, number: 9, ringAlign: 4, spareSlot: 1 },
  '10a': V10A,
  10: V10,
  11: { ...V10, number: 11, kvmfr: 28, messageBytes: 32 },
  12: {
    ...V10,
    number: 12,
    kvmfr: 34,
    magic: 9664,
    sessionId: 9672,
    numQueues: 9676,
    udataSize: 9680,
    udata: 9684,
    headerBytes: 9728,
    messageBytes: 32,
  },
};

/** The number in the header of a layout. */
export function versionNumber(version: MadeLgmp): number {
  return PLACES[version].number;
}

/** Where the magic of a layout is. */
export function magicAt(version: MadeLgmp): number {
  return PLACES[version].magic;
}

/** Where the heartbeat of a layout is. */
export function timestampAt(version: MadeLgmp): number {
  return PLACES[version].timestamp;
}

/** Where the session blob of a layout begins. */
export function udataAt(version: MadeLgmp): number {
  return PLACES[version].udata;
}

/** Where the queue header with this index is. */
export function queueAt(index: number, version: MadeLgmp = 6): number {
  return PLACES[version].queues + index * PLACES[version].stride;
}

/** Makes a region as literal bytes at literal offsets, without our tables. */
export function makeRegion(shape: RegionShape = {}): Region {
  const region = new Region(new ArrayBuffer(shape.bytes ?? 1 << 20));
  writeRegion(region, shape);
  return region;
}

/**
 * Starts up in memory as a publisher of that layout does: header, session blob and queue headers are
 * written, and whatever else is there stays. Rings are where the layout's allocator puts them.
 */
export function writeRegion(region: Region, shape: RegionShape = {}): void {
  const { view, bytes } = region;
  const places = PLACES[shape.version ?? 6];
  const udata = shape.udata ?? sessionBytes({ version: places.kvmfr });
  const queues = shape.queues ?? [
    { id: 2, slots: 2 + places.spareSlot },
    { id: 1, slots: places.spareSlot === 1 ? 21 : 32 },
  ];
  let free = places.headerBytes + udata.byteLength;
  view.setUint32(places.magic + 4, shape.versionNumber ?? places.number, true);
  view.setUint32(places.sessionId, shape.sessionId ?? 0x1234_5678, true);
  view.setBigUint64(places.timestamp, shape.heartbeat ?? 1000n, true);
  view.setUint32(places.numQueues, shape.numQueues ?? queues.length, true);
  view.setUint32(places.udataSize, shape.udataSize ?? udata.byteLength, true);
  bytes.set(udata, places.udata);
  for (const [index, queue] of queues.entries()) {
    const ringAt = queue.ringAt ?? Math.ceil(free / places.ringAlign) * places.ringAlign;
    writeQueue(view, places, { ...queue, at: queueAt(index, shape.version), ringAt });
    free = ringAt + (queue.slots ?? 0) * places.messageBytes;
  }
  view.setUint32(places.magic, shape.magic ?? 0x504d474c, true);
}

/** Moves the heartbeat of a layout on. */
export function beat(region: Region, version: MadeLgmp, ms = 10n): void {
  const at = timestampAt(version);
  region.view.setBigUint64(at, region.view.getBigUint64(at, true) + ms, true);
}

function writeQueue(
  view: DataView,
  places: Places,
  queue: QueueShape & { readonly at: number; readonly ringAt: number },
): void {
  const { at, ringAt } = queue;
  const field = places.queue;
  const messages = queue.messages ?? [];
  view.setUint32(at + field.id, queue.id, true);
  view.setUint32(at + field.slots, queue.slots ?? 3, true);
  view.setUint32(at + field.maxTime, 1000, true);
  view.setUint32(at + field.position, queue.position ?? messages.length, true);
  view.setUint32(at + field.ring, ringAt, true);
  view.setUint32(at + field.lock, queue.lock ?? 0, true);
  const on = queue.subscribersOn ?? 0;
  const bad = queue.subscribersBad ?? 0;
  if (field.subsWords === 1) view.setUint32(at + field.subs, ((on << 16) | bad) >>> 0, true);
  else {
    view.setUint32(at + field.subs, bad, true);
    view.setUint32(at + field.subs + 4, on, true);
  }
  view.setUint32(at + field.start, queue.start ?? 0, true);
  view.setUint32(at + field.count, queue.count ?? messages.length, true);
  view.setUint32(at + field.clientAvailable, places.clientSlots, true);
  for (const [slot, message] of messages.entries())
    writeMessage(view, ringAt + slot * places.messageBytes, places.messageBytes, message);
}

function writeMessage(view: DataView, at: number, bytes: number, message: MessageShape): void {
  // The value is 64 bits wide in the long messages.
  const behind = bytes === 32 ? at + 8 : at + 4;
  view.setUint32(at, message.udata ?? 0, true);
  view.setUint32(behind, message.size, true);
  view.setUint32(behind + 4, message.offset, true);
  view.setUint32(behind + 8, message.pending ?? 0, true);
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
