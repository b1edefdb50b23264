import type { Region } from '../../protocol/memory/region.ts';

// The memory of LGMP 5 to 12 by literal offsets, for the two sides of it as the C library plays them.
// Nothing here knows our tables: it is a second opinion, and its bugs are the library's.

/** The LGMP versions that are spoken. */
export const C_VERSIONS = [5, 6, 7, 10, 12] as const;
/** One of them. */
export type CVersion = (typeof C_VERSIONS)[number];

const OLD_QUEUE = {
  queueID: 0,
  numMessages: 4,
  newSubCount: 8,
  maxTime: 12,
  position: 16,
  messagesOffset: 20,
  timeout: 24,
  clientID: 280,
  lock: 408,
  start: 424,
  msgTimeout: 432,
  count: 440,
  cMsgLock: 444,
  cMsgAvail: 448,
  cMsgWPos: 452,
  cMsgWSerial: 456,
  cMsgRSerial: 460,
  cMsgs: 464,
} as const;
/** A word of a queue header. */
export type CField = keyof typeof OLD_QUEUE;

const LINES_QUEUE: { readonly [field in CField]: number } = {
  position: 0,
  start: 4,
  count: 8,
  msgTimeout: 16,
  lock: 64,
  cMsgLock: 128,
  cMsgAvail: 132,
  cMsgWPos: 136,
  cMsgWSerial: 140,
  cMsgRSerial: 144,
  newSubCount: 196,
  clientID: 200,
  timeout: 232,
  queueID: 296,
  numMessages: 300,
  messagesOffset: 304,
  maxTime: 308,
  cMsgs: 320,
};

/** Where things are in a version. */
export interface COffsets {
  readonly kvmfr: number;
  readonly magic: number;
  readonly version: number;
  readonly sessionID: number;
  readonly timestamp: number;
  readonly numQueues: number;
  readonly queues: number;
  readonly stride: number;
  readonly udataSize: number;
  readonly udata: number;
  readonly headerBytes: number;
  readonly subscribers: 8 | 32;
  readonly queue: { readonly [field in CField]: number };
  /** One word with both bitmaps at 192, or BAD at 416 and ON at 420. */
  readonly subsWords: 1 | 2;
  /** Slots of a ring beyond what it holds. */
  readonly spare: 0 | 1;
  readonly align: 4 | 64;
  readonly entry: {
    readonly bytes: number;
    readonly size: number;
    readonly offset: number;
    readonly pending: number;
  };
  readonly sent: {
    readonly bytes: number;
    readonly data: number;
    readonly slots: number;
    readonly sender: number | undefined;
  };
}

const SHORT_ENTRY = { bytes: 16, size: 4, offset: 8, pending: 12 } as const;
const V6: COffsets = {
  kvmfr: 20,
  magic: 0,
  version: 4,
  sessionID: 8,
  timestamp: 16,
  numQueues: 24,
  queues: 32,
  stride: 1144,
  udataSize: 5752,
  udata: 5756,
  headerBytes: 5760,
  subscribers: 32,
  queue: OLD_QUEUE,
  subsWords: 2,
  spare: 1,
  align: 4,
  entry: SHORT_ENTRY,
  sent: { bytes: 68, data: 4, slots: 10, sender: undefined },
};
const V10: COffsets = {
  kvmfr: 20,
  magic: 8064,
  version: 8068,
  sessionID: 8072,
  timestamp: 0,
  numQueues: 8076,
  queues: 64,
  stride: 1600,
  udataSize: 8080,
  udata: 8084,
  headerBytes: 8128,
  subscribers: 8,
  queue: LINES_QUEUE,
  subsWords: 1,
  spare: 0,
  align: 64,
  entry: SHORT_ENTRY,
  sent: { bytes: 80, data: 16, slots: 16, sender: undefined },
};
const OFFSETS: { readonly [version in CVersion]: COffsets } = {
  5: { ...V6, kvmfr: 19 },
  6: V6,
  7: { ...V6, numQueues: 12, queues: 24, udataSize: 5744, udata: 5748, headerBytes: 5752 },
  10: V10,
  12: {
    ...V10,
    kvmfr: 34,
    magic: 9664,
    version: 9668,
    sessionID: 9672,
    numQueues: 9676,
    udataSize: 9680,
    udata: 9684,
    headerBytes: 9728,
    entry: { bytes: 32, size: 8, offset: 12, pending: 16 },
    sent: { bytes: 80, data: 16, slots: 16, sender: 4 },
  },
};

/** The offsets of a version. */
export function cOffsets(version: CVersion): COffsets {
  return OFFSETS[version];
}

/** A queue header and its ring, word by word. */
export class CQueue {
  readonly view: DataView;
  readonly at: number;
  readonly #c: COffsets;

  constructor(region: Region, version: CVersion, index = 0) {
    this.view = region.view;
    this.#c = OFFSETS[version];
    this.at = this.#c.queues + index * this.#c.stride;
  }

  get(field: CField): number {
    return this.view.getUint32(this.at + this.#c.queue[field], true);
  }
  set(field: CField, value: number): void {
    this.view.setUint32(this.at + this.#c.queue[field], value >>> 0, true);
  }

  /** Bitmap of the slots that are taken. */
  get on(): number {
    const { view, at } = this;
    return this.#c.subsWords === 2
      ? view.getUint32(at + 420, true)
      : view.getUint32(at + 192, true) >>> 16;
  }
  set on(bits: number) {
    if (this.#c.subsWords === 2) this.view.setUint32(this.at + 420, bits >>> 0, true);
    else this.view.setUint32(this.at + 192, ((bits << 16) | this.bad) >>> 0, true);
  }

  /** Bitmap of the slots that were given up. */
  get bad(): number {
    const { view, at } = this;
    return this.#c.subsWords === 2
      ? view.getUint32(at + 416, true)
      : view.getUint32(at + 192, true) & 0xffff;
  }
  set bad(bits: number) {
    if (this.#c.subsWords === 2) this.view.setUint32(this.at + 416, bits >>> 0, true);
    else this.view.setUint32(this.at + 192, ((this.on << 16) | bits) >>> 0, true);
  }

  get msgTimeout(): bigint {
    return this.view.getBigUint64(this.at + this.#c.queue.msgTimeout, true);
  }
  set msgTimeout(value: bigint) {
    this.view.setBigUint64(this.at + this.#c.queue.msgTimeout, value, true);
  }

  timeoutOf(slot: number): bigint {
    return this.view.getBigUint64(this.at + this.#c.queue.timeout + slot * 8, true);
  }
  setTimeoutOf(slot: number, value: bigint): void {
    this.view.setBigUint64(this.at + this.#c.queue.timeout + slot * 8, value, true);
  }

  ownerOf(slot: number): number {
    return this.view.getUint32(this.at + this.#c.queue.clientID + slot * 4, true);
  }
  setOwnerOf(slot: number, value: number): void {
    this.view.setUint32(this.at + this.#c.queue.clientID + slot * 4, value, true);
  }

  /** Where an entry of the ring is. */
  entryAt(index: number): number {
    return this.get('messagesOffset') + index * this.#c.entry.bytes;
  }

  pendingOf(index: number): number {
    return this.view.getUint32(this.entryAt(index) + this.#c.entry.pending, true);
  }
  setPendingOf(index: number, bits: number): void {
    this.view.setUint32(this.entryAt(index) + this.#c.entry.pending, bits >>> 0, true);
  }

  after(index: number): number {
    return (index + 1) % this.get('numMessages');
  }
}
