import type { RegionWaiter } from '../../../client/session.ts';
import { Session } from '../../../client/session.ts';
import { LGMP_V5 } from '../../../protocol/lgmp/v5.ts';
import { LGMP_V6 } from '../../../protocol/lgmp/v6.ts';
import { Region } from '../../../protocol/memory/region.ts';

// Everything here is written at offsets taken from the description of LGMP 5 and 6, as numbers: the
// tests that use it must not read the same tables as the code they check.

/** Bytes of a bare region. */
export const BARE_BYTES: number = 64 * 1024;
/** Where the first queue's header is. */
export const QUEUE_AT = 32;
/** Where its ring is. */
export const RING_AT = 8192;
/** A place for payloads. */
export const PAYLOAD_AT = 32768;

/** Fields of the queue header, from its start. */
export const FIELD = {
  queueID: 0,
  numMessages: 4,
  newSubCount: 8,
  maxTime: 12,
  position: 16,
  messagesOffset: 20,
  timeout: 24,
  clientID: 280,
  lock: 408,
  bad: 416,
  on: 420,
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

/** A waiter for tests in which nobody waits. */
export const noWaiter: RegionWaiter = {
  lost: false,
  wait: () => Promise.reject(new Error('nobody waits in this test')),
};

/** A region of LGMP 5 or 6, written byte by byte: one queue, and a publisher played by the test. */
export class BareRegion {
  readonly region: Region = new Region(new ArrayBuffer(BARE_BYTES));
  readonly view: DataView = this.region.view;
  readonly lgmp: 5 | 6;
  readonly slots: number;

  constructor(lgmp: 5 | 6, options: { readonly slots?: number; readonly queueId?: number } = {}) {
    this.lgmp = lgmp;
    this.slots = options.slots ?? 3;
    const { view } = this;
    this.region.bytes.set([0x4c, 0x47, 0x4d, 0x50], 0);
    view.setUint32(4, lgmp, true);
    view.setUint32(8, 0xcafe_f00d, true);
    this.timestamp = 5000n;
    view.setUint32(24, 1, true);
    const blob = this.region.bytes.subarray(5756);
    blob.set(new TextEncoder().encode('KVMFR---'));
    view.setUint32(5756 + 8, lgmp === 5 ? 19 : 20, true);
    blob.set(new TextEncoder().encode('bare'), 12);
    view.setUint32(5752, 48, true);
    this.setField('queueID', options.queueId ?? 2);
    this.setField('numMessages', this.slots);
    this.setField('maxTime', 1000);
    this.setField('messagesOffset', RING_AT);
    this.setField('cMsgAvail', 10);
  }

  get timestamp(): bigint {
    return this.view.getBigUint64(16, true);
  }
  set timestamp(value: bigint) {
    this.view.setBigUint64(16, value, true);
  }

  field(name: keyof typeof FIELD): number {
    return this.view.getUint32(QUEUE_AT + FIELD[name], true);
  }
  setField(name: keyof typeof FIELD, value: number): void {
    this.view.setUint32(QUEUE_AT + FIELD[name], value, true);
  }

  timeoutOf(slot: number): bigint {
    return this.view.getBigUint64(QUEUE_AT + FIELD.timeout + slot * 8, true);
  }
  setTimeoutOf(slot: number, value: bigint): void {
    this.view.setBigUint64(QUEUE_AT + FIELD.timeout + slot * 8, value, true);
  }

  clientIdOf(slot: number): number {
    return this.view.getUint32(QUEUE_AT + FIELD.clientID + slot * 4, true);
  }
  setClientIdOf(slot: number, value: number): void {
    this.view.setUint32(QUEUE_AT + FIELD.clientID + slot * 4, value, true);
  }

  get msgTimeout(): bigint {
    return this.view.getBigUint64(QUEUE_AT + FIELD.msgTimeout, true);
  }
  set msgTimeout(value: bigint) {
    this.view.setBigUint64(QUEUE_AT + FIELD.msgTimeout, value, true);
  }

  pendingOf(slot: number): number {
    return this.view.getUint32(RING_AT + slot * 16 + 12, true);
  }
  setPendingOf(slot: number, value: number): void {
    this.view.setUint32(RING_AT + slot * 16 + 12, value, true);
  }

  /** Posts as a publisher does; false when the ring is full or nobody is there. */
  post(
    message: { readonly udata?: number; readonly size?: number; readonly offset?: number } = {},
  ): boolean {
    const pending = (this.field('on') & ~this.field('bad')) >>> 0;
    const count = this.field('count');
    if (pending === 0 || count === this.slots - 1) return false;
    const slot = this.field('position');
    const at = RING_AT + slot * 16;
    this.view.setUint32(at, message.udata ?? 0, true);
    this.view.setUint32(at + 4, message.size ?? 64, true);
    this.view.setUint32(at + 8, message.offset ?? PAYLOAD_AT, true);
    this.view.setUint32(at + 12, pending, true);
    if (count === 0) this.msgTimeout = this.timestamp + 1000n;
    this.setField('count', count + 1);
    this.setField('position', (slot + 1) % this.slots);
    return true;
  }

  /** A client's session on it. */
  attach(waiter: RegionWaiter = noWaiter): Session {
    const lgmp = this.lgmp === 5 ? LGMP_V5 : LGMP_V6;
    const session = Session.attach({ mapping: waiter, region: this.region, lgmp }, 0);
    if (session === undefined) throw new Error('the bare region was not attached to');
    return session;
  }

  /** A copy of all bytes, to compare with. */
  snapshot(): Uint8Array {
    return this.region.bytes.slice();
  }

  /** Which bytes differ from a copy, as offsets. */
  changedSince(before: Uint8Array): readonly number[] {
    const changed: number[] = [];
    for (let at = 0; at < before.length; at++)
      if (before[at] !== this.region.bytes[at]) changed.push(at);
    return changed;
  }
}
