import {
  CLIENT_MESSAGE_BYTES,
  type LgmpLayout,
  loadU32,
  type Region,
  storeU32,
} from '../protocol/index.ts';
import type { QueueCounters } from './queue.ts';
import { QueueLock } from './queue-lock.ts';

/** What a client has sent. */
export interface SentMessage {
  /** A private copy of at most 64 bytes; undefined when the sender is not a live subscriber. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  /** The sender, where the version says who it is. */
  readonly clientId: number | undefined;
}

const NO_MESSAGES: readonly SentMessage[] = [];

/** The ring in which the clients of one queue send messages to the publisher. */
export class ClientMessages {
  readonly #region: Region;
  readonly #lgmp: LgmpLayout;
  readonly #at: number;
  readonly #counters: QueueCounters;
  readonly #lock: QueueLock;
  #read = 0;
  #acknowledged = 0;

  constructor(region: Region, lgmp: LgmpLayout, queueAt: number, counters: QueueCounters) {
    this.#region = region;
    this.#lgmp = lgmp;
    this.#at = queueAt;
    this.#counters = counters;
    this.#lock = new QueueLock(region, queueAt + lgmp.queue.cMsgLock, lgmp.lockBytes);
  }

  /** See {@link QueueLock.lost}. */
  lockLost(nowMs: number): boolean {
    return this.#lock.lost(nowMs);
  }

  /** Takes what clients have sent, oldest first. `isLive` says whether a client id subscribes. */
  take(nowMs: number, isLive: (clientId: number) => boolean): readonly SentMessage[] {
    const region = this.#region;
    const { queue, clientMessage, clientMessageSlots: slots } = this.#lgmp;
    const at = this.#at;
    const settled =
      loadU32(region, at + queue.cMsgAvail) === slots &&
      loadU32(region, at + queue.cMsgWPos) === this.#read &&
      loadU32(region, at + queue.cMsgWSerial) === this.#acknowledged;
    if (settled) {
      this.#lock.probe(nowMs);
      return NO_MESSAGES;
    }
    if (!this.#lock.take(nowMs)) return NO_MESSAGES;
    try {
      const available = loadU32(region, at + queue.cMsgAvail);
      if (available > slots) this.#counters.repaired++;
      const messages: SentMessage[] = [];
      for (let left = slots - Math.min(available, slots); left > 0; left--) {
        messages.push(this.#copy(at + queue.cMsgs + this.#read * clientMessage.sizeBytes, isLive));
        this.#read = (this.#read + 1) % slots;
      }
      storeU32(region, at + queue.cMsgAvail, slots);
      // The ring is empty now, so what the clients count must be what we count.
      this.#settle(at + queue.cMsgWPos, this.#read);
      this.#settle(at + queue.cMsgWSerial, (this.#acknowledged + messages.length) >>> 0);
      return messages;
    } finally {
      this.#lock.release();
    }
  }

  #copy(at: number, isLive: (clientId: number) => boolean): SentMessage {
    const { clientMessage } = this.#lgmp;
    const clientId =
      clientMessage.clientID === undefined
        ? undefined
        : loadU32(this.#region, at + clientMessage.clientID);
    if (clientId !== undefined && !isLive(clientId)) return { bytes: undefined, clientId };
    const bytes = Math.min(loadU32(this.#region, at + clientMessage.size), CLIENT_MESSAGE_BYTES);
    return { bytes: this.#region.copyOut(at + clientMessage.data, bytes), clientId };
  }

  #settle(at: number, value: number): void {
    if (loadU32(this.#region, at) === value) return;
    this.#counters.repaired++;
    storeU32(this.#region, at, value);
  }

  /** Tells the clients that one more of their messages was acted on. */
  acknowledge(): void {
    this.#acknowledged = (this.#acknowledged + 1) >>> 0;
    storeU32(this.#region, this.#at + this.#lgmp.queue.cMsgRSerial, this.#acknowledged);
  }
}
