import type { Region } from '../../../protocol/index.ts';

/** Where the queue headers are in LGMP 5 and 6. */
export const FRAME_QUEUE_AT = 32;
/** See {@link FRAME_QUEUE_AT}. */
export const POINTER_QUEUE_AT: number = 32 + 1144;

/** A message as a client sees it. */
export interface SeenMessage {
  readonly udata: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * A client of LGMP 5 and 6 as its documentation describes it, with the offsets written out: a second
 * opinion on the layouts the publisher uses. It holds the queue's lock where it must, so the
 * publisher may be another process.
 */
export class LgmpClient {
  readonly id: number;
  readonly #region: Region;
  readonly #view: DataView;
  readonly #at: number;
  #position: number;

  private constructor(region: Region, queueAt: number, id: number) {
    const { view } = region;
    this.#region = region;
    this.#view = view;
    this.#at = queueAt;
    this.id = id;
    this.#position = view.getUint32(queueAt + 16, true);
  }

  /** Subscribes: frees slots that were given up long enough ago, takes the lowest free one. */
  static subscribe(region: Region, queueAt: number, clientId = 0x1234): LgmpClient {
    return locked(region, queueAt, () => LgmpClient.#subscribe(region, queueAt, clientId));
  }

  static #subscribe(region: Region, queueAt: number, clientId: number): LgmpClient {
    const { view } = region;
    let on = view.getUint32(queueAt + 420, true);
    let bad = view.getUint32(queueAt + 416, true);
    const now = view.getBigUint64(16, true);
    for (let id = 0; id < 32; id++) {
      if (((bad >>> id) & 1) === 0 || now <= view.getBigUint64(queueAt + 24 + id * 8, true))
        continue;
      on &= ~(1 << id);
      bad &= ~(1 << id);
    }
    let id = 0;
    while (id < 32 && (((on | bad) >>> id) & 1) === 1) id++;
    if (id === 32) throw new Error('no slot is free');
    view.setUint32(queueAt + 416, bad, true);
    view.setUint32(queueAt + 420, on | (1 << id), true);
    view.setBigUint64(queueAt + 24 + id * 8, 0n, true);
    view.setUint32(queueAt + 280 + id * 4, clientId, true);
    view.setUint32(queueAt + 8, view.getUint32(queueAt + 8, true) + 1, true);
    return new LgmpClient(region, queueAt, id);
  }

  get #slotAt(): number {
    return this.#view.getUint32(this.#at + 20, true) + this.#position * 16;
  }

  get bad(): boolean {
    return ((this.#view.getUint32(this.#at + 416, true) >>> this.id) & 1) === 1;
  }

  get on(): boolean {
    return ((this.#view.getUint32(this.#at + 420, true) >>> this.id) & 1) === 1;
  }

  /** The oldest message that was not read yet. */
  read(): SeenMessage | undefined {
    if (this.#view.getUint32(this.#at + 16, true) === this.#position) return undefined;
    const at = this.#slotAt;
    return {
      udata: this.#view.getUint32(at, true),
      size: this.#view.getUint32(at + 4, true),
      offset: this.#view.getUint32(at + 8, true),
    };
  }

  /** Is done with that message; frees its slot when nobody else waits for it and it is the oldest. */
  done(): void {
    locked(this.#region, this.#at, () => this.#done());
  }

  #done(): void {
    const view = this.#view;
    const pendingAt = this.#slotAt + 12;
    const pending = view.getUint32(pendingAt, true) & ~(1 << this.id);
    view.setUint32(pendingAt, pending, true);
    const slots = view.getUint32(this.#at + 4, true);
    if (pending === 0 && view.getUint32(this.#at + 424, true) === this.#position) {
      view.setUint32(this.#at + 424, (this.#position + 1) % slots, true);
      view.setUint32(this.#at + 440, view.getUint32(this.#at + 440, true) - 1, true);
    }
    this.#position = (this.#position + 1) % slots;
  }

  /** Reads and is done. */
  take(): SeenMessage | undefined {
    const message = this.read();
    if (message !== undefined) this.done();
    return message;
  }

  unsubscribe(): void {
    locked(this.#region, this.#at, () => {
      const bit = ~(1 << this.id);
      const view = this.#view;
      view.setUint32(this.#at + 420, view.getUint32(this.#at + 420, true) & bit, true);
      view.setUint32(this.#at + 280 + this.id * 4, 0, true);
    });
  }

  /** Sends a message to the publisher; undefined when there is no room. Gives its serial. */
  send(bytes: Uint8Array, claimedSize: number = bytes.byteLength): number | undefined {
    const view = this.#view;
    const available = view.getUint32(this.#at + 448, true);
    if (available === 0) return undefined;
    const position = view.getUint32(this.#at + 452, true);
    const slotAt = this.#at + 464 + position * 68;
    view.setUint32(slotAt, claimedSize, true);
    for (const [index, byte] of bytes.entries()) view.setUint8(slotAt + 4 + index, byte);
    view.setUint32(this.#at + 452, (position + 1) % 10, true);
    view.setUint32(this.#at + 448, available - 1, true);
    const serial = view.getUint32(this.#at + 456, true) + 1;
    view.setUint32(this.#at + 456, serial, true);
    return serial;
  }

  /** Client messages that the publisher has acted on. */
  get acknowledged(): number {
    return this.#view.getUint32(this.#at + 460, true);
  }
}

// LGMP 5 exchanges the byte, LGMP 6 compares and exchanges the word.
function locked<T>(region: Region, queueAt: number, work: () => T): T {
  const at = queueAt + 408;
  const isByte = region.view.getUint32(4, true) === 5;
  for (let turn = 0; ; turn++) {
    const before = isByte
      ? Atomics.exchange(region.octets, at, 1)
      : Atomics.compareExchange(region.words, at / 4, 0, 1);
    if (before === 0) break;
    if (turn === 10_000_000) throw new Error('the lock is never given back');
  }
  try {
    return work();
  } finally {
    if (isByte) Atomics.store(region.octets, at, 0);
    else Atomics.store(region.words, at / 4, 0);
  }
}
