import type { Region } from '../../../protocol/index.ts';

/** A message as a client sees it. */
export interface SeenMessage {
  readonly udata: bigint;
  readonly size: number;
  readonly offset: number;
}

// Offsets in a queue header of LGMP 10 and 12, and in the message of each.
const QUEUE_BYTES = 1600;
const MESSAGES = {
  10: { bytes: 16, size: 4, offset: 8, pending: 12 },
  12: { bytes: 32, size: 8, offset: 12, pending: 16 },
} as const;

/** Where a queue header is, by its place in the table. */
export function queueAt(index: number): number {
  return 64 + index * QUEUE_BYTES;
}

/**
 * A client of LGMP 10 and 12 as its documentation describes it, with the offsets written out. It
 * follows the rule of 12 in both: a message is its own exactly while its pending bit is set.
 */
export class DevClient {
  readonly id: number;
  readonly clientId: number;
  readonly #view: DataView;
  readonly #lgmp: 10 | 12;
  readonly #at: number;

  private constructor(region: Region, lgmp: 10 | 12, at: number, id: number, clientId: number) {
    this.#view = region.view;
    this.#lgmp = lgmp;
    this.#at = at;
    this.id = id;
    this.clientId = clientId;
  }

  /** Subscribes: takes the lowest free slot and clears its bit in the ring. */
  static subscribe(
    region: Region,
    lgmp: 10 | 12,
    place: { readonly queue: number; readonly clientId?: number },
  ): DevClient {
    const { view } = region;
    const at = queueAt(place.queue);
    let clientId = place.clientId ?? 0x1234;
    if (lgmp === 12 && place.clientId === undefined) {
      clientId = view.getUint32(8, true) + 1;
      view.setUint32(8, clientId, true);
    }
    const subs = view.getUint32(at + 192, true);
    let id = 0;
    while (id < 8 && (((subs >>> 16) | subs) & (1 << id)) !== 0) id++;
    if (id === 8) throw new Error('no slot is free');
    const client = new DevClient(region, lgmp, at, id, clientId);
    for (let slot = 0; slot < view.getUint32(at + 300, true); slot++) client.#clearBit(slot);
    view.setBigUint64(at + 232 + id * 8, 0n, true);
    view.setUint32(at + 200 + id * 4, clientId, true);
    view.setUint32(at + 192, (subs | (1 << (16 + id))) >>> 0, true);
    view.setUint32(at + 196, view.getUint32(at + 196, true) + 1, true);
    return client;
  }

  get #subs(): number {
    return this.#view.getUint32(this.#at + 192, true);
  }

  get on(): boolean {
    return ((this.#subs >>> (16 + this.id)) & 1) === 1;
  }

  get bad(): boolean {
    return ((this.#subs >>> this.id) & 1) === 1;
  }

  get #slots(): number {
    return this.#view.getUint32(this.#at + 300, true);
  }

  #slotAt(slot: number): number {
    return this.#view.getUint32(this.#at + 304, true) + slot * MESSAGES[this.#lgmp].bytes;
  }

  #pending(slot: number): number {
    return this.#view.getUint32(this.#slotAt(slot) + MESSAGES[this.#lgmp].pending, true);
  }

  #clearBit(slot: number): void {
    const at = this.#slotAt(slot) + MESSAGES[this.#lgmp].pending;
    this.#view.setUint32(at, (this.#view.getUint32(at, true) & ~(1 << this.id)) >>> 0, true);
  }

  #mine(): number | undefined {
    const start = this.#view.getUint32(this.#at + 4, true);
    const count = this.#view.getUint32(this.#at + 8, true);
    for (let i = 0; i < count; i++) {
      const slot = (start + i) % this.#slots;
      if (((this.#pending(slot) >>> this.id) & 1) === 1) return slot;
    }
    return undefined;
  }

  /** The oldest message that was not read yet. */
  read(): SeenMessage | undefined {
    const slot = this.#mine();
    if (slot === undefined) return undefined;
    const at = this.#slotAt(slot);
    const { size, offset } = MESSAGES[this.#lgmp];
    return {
      udata:
        this.#lgmp === 12
          ? this.#view.getBigUint64(at, true)
          : BigInt(this.#view.getUint32(at, true)),
      size: this.#view.getUint32(at + size, true),
      offset: this.#view.getUint32(at + offset, true),
    };
  }

  /** Is done with that message; frees its slot when nobody else waits for it and it is the oldest. */
  done(): void {
    const slot = this.#mine();
    if (slot === undefined) throw new Error('nothing to be done with');
    this.#clearBit(slot);
    if (this.#pending(slot) !== 0 || this.#view.getUint32(this.#at + 4, true) !== slot) return;
    this.#view.setUint32(this.#at + 4, (slot + 1) % this.#slots, true);
    this.#view.setUint32(this.#at + 8, this.#view.getUint32(this.#at + 8, true) - 1, true);
  }

  /** Reads and is done. */
  take(): SeenMessage | undefined {
    const message = this.read();
    if (message !== undefined) this.done();
    return message;
  }

  unsubscribe(): void {
    for (let slot = 0; slot < this.#slots; slot++) this.#clearBit(slot);
    this.#view.setUint32(this.#at + 192, (this.#subs & ~(0x10001 << this.id)) >>> 0, true);
    this.#view.setUint32(this.#at + 200 + this.id * 4, 0, true);
  }

  /** Sends a message to the publisher, in the name of a client. Gives its serial. */
  send(bytes: Uint8Array, clientId: number = this.clientId): number | undefined {
    const view = this.#view;
    const available = view.getUint32(this.#at + 132, true);
    if (available === 0) return undefined;
    const position = view.getUint32(this.#at + 136, true);
    const slotAt = this.#at + 320 + position * 80;
    view.setUint32(slotAt, bytes.byteLength, true);
    if (this.#lgmp === 12) view.setUint32(slotAt + 4, clientId, true);
    for (const [index, byte] of bytes.entries()) view.setUint8(slotAt + 16 + index, byte);
    view.setUint32(this.#at + 136, (position + 1) % 16, true);
    view.setUint32(this.#at + 132, available - 1, true);
    const serial = view.getUint32(this.#at + 140, true) + 1;
    view.setUint32(this.#at + 140, serial, true);
    return serial;
  }

  /** Client messages that the publisher has acted on. */
  get acknowledged(): number {
    return this.#view.getUint32(this.#at + 144, true);
  }
}
