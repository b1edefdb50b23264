import { Region } from '../../protocol/memory/region.ts';

// The memory of LGMP 5 to 12 by literal offsets, and the two sides of it as the C library plays them.
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

interface Offsets {
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
const V6: Offsets = {
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
const V10: Offsets = {
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
const OFFSETS: { readonly [version in CVersion]: Offsets } = {
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
export function cOffsets(version: CVersion): Offsets {
  return OFFSETS[version];
}

/** A queue header and its ring, word by word. */
export class CQueue {
  readonly view: DataView;
  readonly at: number;
  readonly #c: Offsets;

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

/** What a post names; a payload of 64 bytes when left out. */
export interface CPost {
  readonly udata?: number;
  readonly size?: number;
  readonly offset?: number;
}

const SLOTS = 4;
const MAX_TIME = 1000;

/**
 * The publisher's side, in the order in which the C library does things: one queue, that of the
 * frames, with room for four messages.
 */
export class CPublisher {
  readonly region: Region;
  readonly version: CVersion;
  readonly queue: CQueue;
  readonly ringAt: number;
  readonly payloadAt: number;
  /** Bits that the publisher thinks it has for subscribers. */
  readonly #c: Offsets;
  readonly #sessionId: number;
  #nowMs: number;
  #position = 0;

  constructor(
    version: CVersion,
    options: {
      readonly region?: Region;
      readonly sessionId?: number;
      readonly nowMs?: number;
    } = {},
  ) {
    this.region = options.region ?? new Region(new ArrayBuffer(64 * 1024));
    this.version = version;
    this.#c = OFFSETS[version];
    this.#sessionId = options.sessionId ?? 0xcafe_f00d;
    this.#nowMs = options.nowMs ?? 5000;
    this.queue = new CQueue(this.region, version);
    this.ringAt = Math.ceil((this.#c.headerBytes + 48) / this.#c.align) * this.#c.align;
    this.payloadAt = 32 * 1024;
  }

  /** One that has started already. */
  static started(...args: ConstructorParameters<typeof CPublisher>): CPublisher {
    const publisher = new CPublisher(...args);
    for (const store of [...publisher.headerStores(), ...publisher.queueStores()]) store();
    publisher.region.view.setUint32(publisher.#c.numQueues, 1, true);
    return publisher;
  }

  #word(at: number, value: number): () => void {
    return () => this.region.view.setUint32(at, value >>> 0, true);
  }

  /** What is stored at start-up, in its order: the magic comes early in 5 and 6, and last from 7 on. */
  headerStores(): readonly (() => void)[] {
    const { region } = this;
    const c = this.#c;
    const magic = this.#word(c.magic, 0x504d_474c);
    const blob = new Uint8Array(48);
    blob.set(new TextEncoder().encode('KVMFR---'));
    blob[8] = c.kvmfr;
    blob.set(new TextEncoder().encode('C library'), 12);
    const early = this.version <= 6;
    return [
      ...(this.version === 12 ? [this.#word(8, 0)] : []),
      this.#word(c.sessionID, this.#sessionId),
      ...(early ? [magic] : []),
      () => region.view.setBigUint64(c.timestamp, BigInt(this.#nowMs), true),
      this.#word(c.version, this.version),
      this.#word(c.numQueues, 0),
      this.#word(c.udataSize, blob.byteLength),
      ...Array.from({ length: 12 }, (_, i) => () => {
        region.bytes.set(blob.subarray(i * 4, i * 4 + 4), c.udata + i * 4);
      }),
      ...(early ? [] : [magic]),
    ];
  }

  /** What is stored for its queue, in its order, before the queue is counted. */
  queueStores(): readonly (() => void)[] {
    const { queue } = this;
    const values: readonly (readonly [CField, number])[] = [
      ['queueID', 2],
      ['numMessages', SLOTS + this.#c.spare],
      ['messagesOffset', this.ringAt],
      ['newSubCount', 0],
      ['lock', 0],
      ['position', 0],
      ['start', 0],
      ['maxTime', MAX_TIME],
      ['count', 0],
      ['cMsgLock', 0],
      ['cMsgAvail', this.#c.sent.slots],
      ['cMsgWPos', 0],
      ['cMsgWSerial', 0],
      ['cMsgRSerial', 0],
    ];
    return [
      ...values.map(
        ([field, value]) =>
          () =>
            queue.set(field, value),
      ),
      () => {
        queue.on = 0;
        queue.bad = 0;
      },
      () => {
        queue.msgTimeout = 0n;
      },
    ];
  }

  /** Says how many queues there are. */
  countQueues(count: number): void {
    this.region.view.setUint32(this.#c.numQueues, count, true);
  }

  /** The id of its run. */
  get sessionId(): number {
    return this.#sessionId;
  }

  /** Time in the guest. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Posts to every live subscriber; false when nobody is there or the ring is full. */
  post(message: CPost = {}): boolean {
    const { queue } = this;
    const { entry } = this.#c;
    const pending = (queue.on & ~queue.bad) >>> 0;
    if (pending === 0 || queue.get('count') >= SLOTS) return false;
    const at = queue.entryAt(this.#position);
    const { view } = this.region;
    view.setUint32(at, message.udata ?? 0, true);
    view.setUint32(at + entry.size, message.size ?? 64, true);
    view.setUint32(at + entry.offset, message.offset ?? this.payloadAt, true);
    queue.setPendingOf(this.#position, pending);
    if (queue.get('count') === 0) queue.msgTimeout = BigInt(this.#nowMs + MAX_TIME);
    queue.set('count', queue.get('count') + 1);
    this.#position = queue.after(this.#position);
    queue.set('position', this.#position);
    return true;
  }

  /** Frees what was read, and gives up who kept the oldest message for longer than a second. */
  process(): void {
    const { queue } = this;
    // One turn per place: the library has no bound here, and needs one when its lock does not hold.
    for (let turn = 0; turn < 64 && queue.get('count') !== 0; turn++) {
      const start = queue.get('start');
      const waiting = (queue.pendingOf(start) & queue.on & ~queue.bad) >>> 0;
      if (waiting !== 0) {
        if (BigInt(this.#nowMs) <= queue.msgTimeout) return;
        queue.bad = (queue.bad | waiting) >>> 0;
        for (let id = 0; id < this.#c.subscribers; id++)
          if (((waiting >>> id) & 1) === 1) queue.setTimeoutOf(id, BigInt(this.#nowMs + MAX_TIME));
        queue.setPendingOf(start, 0);
      }
      queue.set('start', queue.after(start));
      queue.set('count', queue.get('count') - 1);
      queue.msgTimeout = BigInt(this.#nowMs + MAX_TIME);
    }
  }

  /** Lets time pass in the guest: heartbeat and housekeeping. */
  pass(ms: number): void {
    this.#nowMs += ms;
    this.region.view.setBigUint64(this.#c.timestamp, BigInt(this.#nowMs), true);
    this.process();
  }
}

/** Where the C client of a version and its time has bugs that others meet. */
export interface CClientBugs {
  /** How many slots it believes there are. */
  readonly slots?: number;
  /** Clears its bit in the ring when it comes and goes; only LGMP 12 does. */
  readonly clears?: boolean;
}

/** A reader as the C library plays it. It looks at no lock: its peers shall meet it anywhere. */
export class CClient {
  readonly id: number;
  readonly clientId: number;
  readonly queue: CQueue;
  readonly #region: Region;
  readonly #c: Offsets;
  readonly #clears: boolean;
  position: number;

  private constructor(
    region: Region,
    version: CVersion,
    place: {
      readonly queue: CQueue;
      readonly id: number;
      readonly clientId: number;
      readonly clears: boolean;
    },
  ) {
    this.#region = region;
    this.#c = OFFSETS[version];
    this.queue = place.queue;
    this.id = place.id;
    this.clientId = place.clientId;
    this.#clears = place.clears;
    this.position = place.queue.get('position');
  }

  /** Takes the lowest slot that it takes for free; undefined when there is none. */
  static subscribe(
    region: Region,
    version: CVersion,
    options: CClientBugs & { readonly clientId?: number; readonly index?: number } = {},
  ): CClient | undefined {
    const c = OFFSETS[version];
    const queue = new CQueue(region, version, options.index ?? 0);
    const now = region.view.getBigUint64(c.timestamp, true);
    for (let id = 0; id < c.subscribers; id++)
      if (((queue.bad >>> id) & 1) === 1 && now > queue.timeoutOf(id)) {
        queue.bad &= ~(1 << id);
        queue.on &= ~(1 << id);
        queue.setOwnerOf(id, 0);
      }
    const taken = queue.on | queue.bad;
    let id = 0;
    while (id < c.subscribers && ((taken >>> id) & 1) === 1) id++;
    if (id >= (options.slots ?? c.subscribers)) return undefined;
    const clears = options.clears ?? version === 12;
    let clientId = options.clientId ?? 0x1234;
    if (version === 12 && options.clientId === undefined) {
      clientId = region.view.getUint32(8, true) + 1;
      region.view.setUint32(8, clientId, true);
    }
    const client = new CClient(region, version, { queue, id, clientId, clears });
    if (clears) client.#forget();
    queue.setTimeoutOf(id, 0n);
    queue.setOwnerOf(id, clientId);
    queue.on = (queue.on | (1 << id)) >>> 0;
    queue.set('newSubCount', queue.get('newSubCount') + 1);
    return client;
  }

  #forget(): void {
    for (let i = 0; i < this.queue.get('numMessages'); i++)
      this.queue.setPendingOf(i, this.queue.pendingOf(i) & ~(1 << this.id));
  }

  get bad(): boolean {
    return ((this.queue.bad >>> this.id) & 1) === 1;
  }

  get on(): boolean {
    return ((this.queue.on >>> this.id) & 1) === 1;
  }

  /** Reads by the position alone, as all versions before 12 do; by its bit in 12. */
  read(): { readonly udata: number; readonly size: number; readonly offset: number } | undefined {
    const { queue } = this;
    if (this.bad) return undefined;
    if (this.#c.sent.sender !== undefined) {
      const mine = this.#mine();
      if (mine === undefined) return undefined;
      this.position = mine;
    } else if (queue.get('position') === this.position) return undefined;
    const at = queue.entryAt(this.position);
    const { view } = this.#region;
    return {
      udata: view.getUint32(at, true),
      size: view.getUint32(at + this.#c.entry.size, true),
      offset: view.getUint32(at + this.#c.entry.offset, true),
    };
  }

  #mine(): number | undefined {
    const { queue } = this;
    for (let i = 0, at = queue.get('start'); i < queue.get('count') && i < 64; i++) {
      if (((queue.pendingOf(at) >>> this.id) & 1) === 1) return at;
      at = queue.after(at);
    }
    return undefined;
  }

  /** Finishes a message, and frees the front if it is it: whosever slot this is by now. */
  done(options: { readonly staleMs?: number; readonly freesTwice?: boolean } = {}): void {
    const { queue, position } = this;
    const pending = (queue.pendingOf(position) & ~(1 << this.id)) >>> 0;
    queue.setPendingOf(position, pending);
    if (pending === 0 && (queue.get('start') === position || options.freesTwice === true)) {
      queue.set('start', queue.after(position));
      queue.set('count', queue.get('count') - 1);
      const now = this.#region.view.getBigUint64(this.#c.timestamp, true);
      queue.msgTimeout = now + BigInt(MAX_TIME - (options.staleMs ?? 0));
    }
    this.position = queue.after(position);
  }

  /** Reads and finishes. */
  take(): number | undefined {
    const message = this.read();
    if (message !== undefined) this.done();
    return message?.udata;
  }

  unsubscribe(): void {
    if (this.bad) return;
    if (this.#clears) this.#forget();
    this.queue.on = (this.queue.on & ~(1 << this.id)) >>> 0;
    this.queue.setTimeoutOf(this.id, 0n);
    this.queue.setOwnerOf(this.id, 0);
  }

  /** Sends bytes, and may claim that there are more. Gives the serial. */
  send(bytes: Uint8Array, claimedBytes: number = bytes.byteLength): number {
    const { queue } = this;
    const { sent } = this.#c;
    const { view } = this.#region;
    const place = queue.get('cMsgWPos');
    const at = queue.at + this.#c.queue.cMsgs + place * sent.bytes;
    view.setUint32(at, claimedBytes >>> 0, true);
    if (sent.sender !== undefined) view.setUint32(at + sent.sender, this.clientId, true);
    this.#region.bytes.set(bytes, at + sent.data);
    queue.set('cMsgWPos', (place + 1) % sent.slots);
    queue.set('cMsgAvail', queue.get('cMsgAvail') - 1);
    queue.set('cMsgWSerial', queue.get('cMsgWSerial') + 1);
    return queue.get('cMsgWSerial');
  }
}
