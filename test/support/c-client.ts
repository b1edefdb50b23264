import type { Region } from '../../protocol/memory/region.ts';
import { type COffsets, CQueue, type CVersion, cOffsets } from './c-offsets.ts';

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
  readonly #c: COffsets;
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
    this.#c = cOffsets(version);
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
    const c = cOffsets(version);
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
      queue.msgTimeout = now + BigInt(1000 - (options.staleMs ?? 0));
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
