import { Region } from '../../protocol/memory/region.ts';
import { type CField, type COffsets, CQueue, type CVersion, cOffsets } from './c-offsets.ts';

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
  readonly #c: COffsets;
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
    this.#c = cOffsets(version);
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
    const posting = this.posting(message);
    for (let step = posting.next(); ; step = posting.next()) if (step.done) return step.value;
  }

  /** The same store by store, the lock held. */
  *posting(message: CPost = {}): Generator<undefined, boolean> {
    const { queue } = this;
    const { entry } = this.#c;
    const pending = (queue.on & ~queue.bad) >>> 0;
    if (pending === 0 || queue.get('count') >= SLOTS) return false;
    queue.set('lock', 1);
    const at = queue.entryAt(this.#position);
    const { view } = this.region;
    view.setUint32(at, message.udata ?? 0, true);
    yield;
    view.setUint32(at + entry.size, message.size ?? 64, true);
    view.setUint32(at + entry.offset, message.offset ?? this.payloadAt, true);
    yield;
    queue.setPendingOf(this.#position, pending);
    yield;
    if (queue.get('count') === 0) queue.msgTimeout = BigInt(this.#nowMs + MAX_TIME);
    queue.set('count', queue.get('count') + 1);
    yield;
    this.#position = queue.after(this.#position);
    queue.set('position', this.#position);
    yield;
    queue.set('lock', 0);
    return true;
  }

  /** Takes the newest message back, as LGMP 12 does with one that nobody needs. */
  takeBack(): void {
    const { queue } = this;
    this.#position = (this.#position + queue.get('numMessages') - 1) % queue.get('numMessages');
    queue.setPendingOf(this.#position, 0);
    queue.set('position', this.#position);
    queue.set('count', queue.get('count') - 1);
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
