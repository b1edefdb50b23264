import {
  CLIPBOARD_QUEUE_TYPES,
  type ClipboardBody,
  encodeClipboardRecord,
  type RawClipboardStatus,
  type Region,
  writeClipboardStatus,
} from '../protocol/index.ts';
import type { Audience } from './audience.ts';
import type { ClipboardPlan, Payload } from './plan.ts';
import type { HostQueue } from './queue.ts';
import type { HostSession } from './session.ts';

/** Records that wait for a place in the queue. */
const MAX_OUTBOX = 16;

/** Whom records are for. */
interface Addressee {
  readonly clientId: number;
  readonly generation: number;
}

/** What a host says of its clipboard by the queue: how it stands to all, records to who owns it. */
export class ClipboardPost {
  readonly #region: Region;
  readonly #session: HostSession;
  readonly #queue: HostQueue;
  readonly #plan: ClipboardPlan;
  #outbox: ClipboardBody[] = [];
  #statusSerial = 0;
  #messageSerial = 0;
  #isTold = false;

  constructor(place: {
    readonly region: Region;
    readonly session: HostSession;
    readonly queue: HostQueue;
    readonly plan: ClipboardPlan;
  }) {
    this.#region = place.region;
    this.#session = place.session;
    this.#queue = place.queue;
    this.#plan = place.plan;
  }

  /** How it stands is to be told anew. */
  changed(): void {
    this.#isTold = false;
  }

  /** Says something to the owner; false when it has not read what was said before. */
  say(body: ClipboardBody): boolean {
    if (this.#outbox.length >= MAX_OUTBOX) return false;
    this.#outbox.push(body);
    return true;
  }

  /** There is another owner, or none: what was to be said is of no use. */
  forget(): void {
    this.#outbox = [];
  }

  /** Posts what there are places for: first how it stands, so that an owner knows that it is one. */
  serve(nowMs: number, owner: Addressee | undefined, status: () => RawClipboardStatus): void {
    if (!this.#isTold && !this.#tell(nowMs, status())) return;
    if (owner === undefined) return;
    while (this.#outbox.length > 0) if (!this.#postNext(nowMs, owner)) return;
  }

  #tell(nowMs: number, status: RawClipboardStatus): boolean {
    const payload = this.#free(this.#plan.statuses, nowMs);
    if (payload === undefined) return false;
    writeClipboardStatus(this.#region, payload.at, status);
    const serial = (this.#statusSerial + 1) >>> 0 || 1;
    const udataHigh = CLIPBOARD_QUEUE_TYPES.status;
    const result = this.#queue.post(payload, serial, nowMs, { udataHigh });
    if (result !== 'posted' && result !== 'dropped') return false;
    this.#statusSerial = serial;
    this.#isTold = true;
    return true;
  }

  #postNext(nowMs: number, owner: Addressee): boolean {
    const [body] = this.#outbox;
    const payload = this.#free(this.#plan.messages, nowMs);
    if (body === undefined || payload === undefined) return false;
    const { generation } = owner;
    this.#region.bytes.set(encodeClipboardRecord({ generation, body }), payload.at);
    const audience: Audience = {
      wants: (_, clientId) => clientId === owner.clientId,
      delivered: () => undefined,
    };
    const serial = (this.#messageSerial + 1) >>> 0 || 1;
    const udataHigh = CLIPBOARD_QUEUE_TYPES.message;
    const result = this.#queue.post(payload, serial, nowMs, { udataHigh, audience });
    if (result !== 'posted' && result !== 'dropped') return false;
    this.#messageSerial = serial;
    this.#outbox.shift();
    return true;
  }

  #free(payloads: readonly Payload[], nowMs: number): Payload | undefined {
    if (this.#queue.full) this.#session.process(this.#queue, nowMs);
    return payloads.find(({ at }) => !this.#queue.names(at));
  }
}
