import { setTimeout as sleep } from 'node:timers/promises';
import { KvmfrError } from '../protocol/error.ts';
import {
  CLIPBOARD_QUEUE_TYPES,
  CLIPBOARD_RECORD_BYTES,
  type ClipboardFormat,
  ClipboardStatus,
  clipboardFormats,
  clipboardMask,
  type RawClipboardStatus,
  readClipboardStatus,
} from '../protocol/kvmfr/clipboard.ts';
import { decodeClipboardRecord } from '../protocol/kvmfr/clipboard-record.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { StreamEnd } from '../protocol/lgmp/stream-end.ts';
import type { GiveContents } from './clipboard-gives.ts';
import {
  ClipboardOwner,
  type ClipboardOwnerCounters,
  type ClipboardStreams,
} from './clipboard-owner.ts';
import type { ContentFormat } from './clipboard-reads.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { StatusQueue } from './status-queue.ts';
import type { StreamHost } from './subscription.ts';

/** How the clipboard is used. */
export interface GuestClipboardOptions {
  readonly signal?: AbortSignal;
}

/** What is known of the guest's clipboard. */
export interface GuestClipboardState {
  /** Whether contents go between the guest and us now. */
  readonly available: boolean;
  readonly owner: 'nobody' | 'us' | 'other';
  /** What the guest has to give; undefined when nothing, or nothing but what we offered. */
  readonly offered:
    | {
        /** Another one for each time that something was copied in the guest. From 1. */
        readonly serial: number;
        /** Files are told of, and cannot be read. */
        readonly formats: readonly ClipboardFormat[];
      }
    | undefined;
  /** Whether the guest has been told what we offered last, and nothing else was copied since. */
  readonly holdsOurs: boolean;
}

const NONE: GuestClipboardState = {
  available: false,
  owner: 'nobody',
  offered: undefined,
  holdsOurs: false,
};
/** Most bytes of contents that are read, unless told otherwise. */
const MAX_CONTENTS_BYTES = 64 * 2 ** 20;
/** How long a release may take to be heard when we go. */
const GOODBYE_MS = 50;
/** Messages that are read in one turn. */
const MAX_DRAIN = 32;

/**
 * The clipboard of a guest, by its region (KVMFR 34 where FEATURES has clipboard).
 *
 * One client of a guest has it at a time: it is claimed as soon as nobody has it, and kept until
 * {@link close}. Contents travel when they are wanted, in pieces of 64 KiB, and not before. Files do
 * not travel: a guest that asks for some is told so.
 *
 * Ownership: a subscriber of the clipboard queue until it is closed.
 */
export class GuestClipboardLine implements AsyncDisposable {
  readonly #line: StatusQueue;
  readonly #owner: ClipboardOwner;
  readonly #watchers: Set<() => void> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #state: GuestClipboardState = NONE;
  #refused = 0;
  #isLeaving = false;

  constructor(host: StreamHost, options: GuestClipboardOptions = {}) {
    this.#owner = new ClipboardOwner({
      send: (bytes) => this.#send(bytes),
      attach: (status) => this.#attach(status),
    });
    const { signal } = options;
    const queue = { queueId: QUEUE_IDS.clipboard, maxDrain: MAX_DRAIN, signal };
    this.#line = new StatusQueue(host, queue, {
      begin: () => this.#owner.setStatus(undefined, 0),
      apply: (session, from) => this.#apply(session, from),
      pump: () => this.#pump(),
      leave: () => this.#leave(),
    });
  }

  /** What is known now. */
  get state(): GuestClipboardState {
    return this.#state;
  }

  /** What came and went. */
  get counters(): Readonly<ClipboardOwnerCounters> {
    const { counters } = this.#owner;
    return { ...counters, refused: counters.refused + this.#line.refused + this.#refused };
  }

  get closed(): boolean {
    return this.#line.closed;
  }

  /** Calls back when the state is another one. The answer ends it. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /**
   * Gets what the guest offers; undefined when it has none of this format any more, or gives none
   * within ten seconds, or the signal fires.
   *
   * @throws ERR_KVMFR_SIZE for more than `maxBytes` (64 MiB when left out)
   */
  async read(
    format: ContentFormat,
    options: { readonly maxBytes?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Uint8Array | undefined> {
    const { maxBytes = MAX_CONTENTS_BYTES, signal } = options;
    if (this.closed || signal?.aborted) return undefined;
    const read = this.#owner.read(format, maxBytes);
    const cancel = (): void => {
      read.cancel();
      this.#pump();
    };
    signal?.addEventListener('abort', cancel, { once: true });
    this.#pump();
    try {
      return await read.contents;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * Says that we have contents, instead of what the guest or we had before; `give` is asked when the
   * guest pastes them. It holds until the guest copies something, also over a restart of the guest.
   */
  offer(formats: readonly ContentFormat[], give: GiveContents): void {
    if (this.closed) return;
    this.#owner.offer(clipboardMask(formats), async (format) => {
      try {
        return await give(format);
      } finally {
        // Heard of by the owner in this turn; it sends in the next.
        setImmediate(() => this.#pump());
      }
    });
    this.#pump();
  }

  /** Gives the clipboard and the subscriber slot back. */
  async close(): Promise<void> {
    if (!this.closed) await this.#sayGoodbye();
    await this.#line.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #apply(session: Session, queue: Queue): void {
    const { udata: serial, udataHigh: type, offset: at, bytes } = queue.message;
    const isStatus = type === CLIPBOARD_QUEUE_TYPES.status;
    if (!isStatus && type !== CLIPBOARD_QUEUE_TYPES.message) return;
    const need = isStatus ? ClipboardStatus.$sizeBytes : CLIPBOARD_RECORD_BYTES;
    const copy = session.region.copyOut(at, Math.min(bytes, need));
    // Copied; now make sure that it was still lent to us while we copied.
    if (!queue.lent) return;
    if (!isStatus) {
      this.#owner.hear(decodeClipboardRecord(copy, 'host'));
      return;
    }
    if (!this.#line.isNewer(serial)) return;
    const block = { from: session.payloadFloor, to: session.region.byteLength };
    const status = readClipboardStatus(copy, block);
    this.#line.keep(serial);
    this.#owner.setStatus(status, queue.clientId);
  }

  #attach(status: RawClipboardStatus): ClipboardStreams | undefined {
    const { session, queue } = this.#line;
    if (session === undefined || queue === undefined || !this.#line.isLive(session))
      return undefined;
    const { region, info, lgmp } = session;
    const place = { region, sessionIdAt: lgmp.header.sessionID, sessionId: info.id };
    const toClient = StreamEnd.activate({ ...place, stream: status.hostToClient }, queue.clientId);
    const toHost = StreamEnd.activate({ ...place, stream: status.clientToHost }, queue.clientId);
    if (!(toClient instanceof StreamEnd) || !(toHost instanceof StreamEnd)) return undefined;
    return { toClient, toHost };
  }

  #send(bytes: Uint8Array): 'ok' | 'later' | 'lost' {
    const { session, queue } = this.#line;
    if (session === undefined || queue === undefined || !this.#line.isLive(session)) return 'lost';
    try {
      const result = queue.send(bytes);
      if (typeof result === 'number') return 'ok';
      return result === 'full' || result === 'busy' ? 'later' : 'lost';
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#refused += 1;
      return 'later';
    }
  }

  #pump(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
    if (this.closed || this.#isLeaving) return;
    const { session } = this.#line;
    if (session !== undefined && !this.#line.isLive(session)) this.#owner.setStatus(undefined, 0);
    const delayMs = this.#owner.pump(performance.now());
    if (delayMs === 0) this.#soon = setImmediate(() => this.#pump());
    else if (delayMs !== undefined) this.#timer = setTimeout(() => this.#pump(), delayMs);
    this.#tell();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
    if (this.#line.session?.present() === true) this.#owner.letGo();
    this.#owner.setStatus(undefined, 0);
    this.#tell();
    this.#watchers.clear();
  }

  /** Gives the clipboard back, and waits a moment for the guest to hear it. */
  async #sayGoodbye(): Promise<void> {
    const { session, queue } = this.#line;
    if (session === undefined || queue === undefined || !this.#line.isLive(session)) return;
    this.#isLeaving = true;
    if (!this.#owner.letGo()) return;
    const untilMs = performance.now() + GOODBYE_MS;
    const { status } = this.#owner;
    // A status without us says that it was heard.
    while (
      performance.now() < untilMs &&
      this.#line.isLive(session) &&
      this.#owner.status === status
    )
      await sleep(1);
  }

  #tell(): void {
    const state = this.#now();
    if (sameState(state, this.#state)) return;
    this.#state = state;
    for (const changed of [...this.#watchers]) changed();
  }

  #now(): GuestClipboardState {
    const { status, owns, guest, holdsMine } = this.#owner;
    if (status?.available !== true) return NONE;
    const offered =
      guest === undefined
        ? undefined
        : { serial: guest.serial, formats: clipboardFormats(guest.formats) };
    const isOther =
      !owns && status.ownerClientId !== 0 && status.ownerClientId !== this.#line.queue?.clientId;
    return {
      available: owns,
      owner: owns ? 'us' : isOther ? 'other' : 'nobody',
      offered,
      holdsOurs: holdsMine,
    };
  }
}

function sameState(a: GuestClipboardState, b: GuestClipboardState): boolean {
  return (
    a.available === b.available &&
    a.owner === b.owner &&
    a.holdsOurs === b.holdsOurs &&
    a.offered?.serial === b.offered?.serial
  );
}
