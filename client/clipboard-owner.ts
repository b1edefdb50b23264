import { randomBytes, randomInt } from 'node:crypto';
import { KvmfrError } from '../protocol/error.ts';
import {
  CLIPBOARD_RECORD_BYTES,
  CLIPBOARD_STREAM,
  clipboardBit,
  type RawClipboardStatus,
} from '../protocol/kvmfr/clipboard.ts';
import { refuseFiles } from '../protocol/kvmfr/clipboard-files.ts';
import {
  type ClipboardBody,
  type ClipboardRecord,
  decodeClipboardRecord,
  encodeClipboardRecord,
} from '../protocol/kvmfr/clipboard-record.ts';
import type { StreamEnd, StreamRefusal } from '../protocol/lgmp/stream-end.ts';
import { ClipboardGives, type ClipboardRequest, type GiveContents } from './clipboard-gives.ts';
import {
  type ClipboardRead,
  ClipboardReads,
  type ContentFormat,
  NOTHING,
} from './clipboard-reads.ts';

/** What the owner of a clipboard speaks through. */
export interface ClipboardPath {
  /** Sends a record by the queue. */
  send(bytes: Uint8Array): 'ok' | 'later' | 'lost';
  /** Begins to use the streams; undefined when they are not ours, or not yet. */
  attach(status: RawClipboardStatus): ClipboardStreams | undefined;
}

/** Both ways of contents, in one binding. */
export interface ClipboardStreams {
  readonly toClient: StreamEnd;
  readonly toHost: StreamEnd;
}

/** What was sent and taken. */
export interface ClipboardOwnerCounters {
  claims: number;
  /** Bytes of contents that came from the guest, and that went there. */
  bytesRead: number;
  bytesGiven: number;
  /** Records of the guest that could not be, and contents that ended because of one. */
  refused: number;
}

/** What the guest has in its clipboard. */
export interface GuestContents {
  /** Another one for each time that something was copied there. From 1. */
  readonly serial: number;
  /** A mask. */
  readonly formats: number;
  readonly content: bigint;
}

interface Mine {
  readonly content: bigint;
  readonly formats: number;
  readonly give: GiveContents;
}

/** Silence after which the owner says that it is still there. Units: milliseconds. */
export const CLIPBOARD_KEEPALIVE_MS: number = 200;
/** Between two looks while something is on its way. */
const BUSY_MS = 1;
/** Before a claim that came to nothing is made again. */
const CLAIM_AGAIN_MS = 250;
const MAX_OUTBOX = 16;

/**
 * Has a guest's clipboard as one of its clients: claims it, keeps it, takes what the guest copies and
 * gives what it pastes, one content each way at a time. Time comes in as an argument.
 */
export class ClipboardOwner {
  readonly counters: ClipboardOwnerCounters = {
    claims: 0,
    bytesRead: 0,
    bytesGiven: 0,
    refused: 0,
  };
  readonly #path: ClipboardPath;
  readonly #slot: Uint8Array<ArrayBuffer> = new Uint8Array(CLIPBOARD_STREAM.slotBytes);
  #status: RawClipboardStatus | undefined;
  #claim: { readonly generation: number; readonly sinceMs: number; isOurs: boolean } | undefined;
  #claimAtMs = Number.NEGATIVE_INFINITY;
  #lastGeneration = 0;
  #streams: ClipboardStreams | undefined;
  #outbox: ClipboardBody[] = [];
  #sentMs = 0;
  #guest: GuestContents | undefined;
  /** The guest's contents that were told last, also when they are gone. */
  #last: GuestContents | undefined;
  #mine: Mine | undefined;
  #isMineTold = true;
  /** What the guest repeats when we claim is nothing new. */
  #repeats: 'any' | 'clear' | 'none' = 'none';
  #content = randomBytes(6).readUIntBE(0, 6);
  readonly #reads: ClipboardReads = new ClipboardReads((body) => this.#say(body));
  readonly #gives: ClipboardGives = new ClipboardGives((body) => this.#say(body));

  constructor(path: ClipboardPath) {
    this.#path = path;
  }

  get status(): RawClipboardStatus | undefined {
    return this.#status;
  }

  /** Whether the guest has said that the clipboard is ours. */
  get owns(): boolean {
    return this.#claim?.isOurs === true && this.#streams !== undefined;
  }

  /** What the guest has to give. */
  get guest(): GuestContents | undefined {
    return this.#guest;
  }

  /** Whether the guest has been told what we offered last, and has copied nothing since. */
  get holdsMine(): boolean {
    return this.#mine !== undefined && this.#isMineTold && this.owns;
  }

  /** There is a newer status; undefined when the guest is gone. `clientId` is ours there. */
  setStatus(status: RawClipboardStatus | undefined, clientId: number): void {
    const before = this.#status;
    this.#status = status;
    if (status?.available !== true || status.generation !== before?.generation) {
      this.#lose();
      return;
    }
    const claim = this.#claim;
    if (claim === undefined) return;
    const isOurs = status.ownerClientId === clientId && status.ownerGeneration === claim.generation;
    if (isOurs && !claim.isOurs) {
      claim.isOurs = true;
      this.#repeats = status.formats === 0 ? 'clear' : 'any';
    } else if (!isOurs && (claim.isOurs || status.ownerClientId !== 0)) this.#lose();
  }

  /** Says that we have something, instead of what the guest or we had before. No formats: nothing. */
  offer(formats: number, give: GiveContents): void {
    this.#gives.end('replaced');
    this.#content += 1;
    const content = BigInt(this.#content);
    this.#mine = formats === 0 ? undefined : { content, formats, give };
    this.#isMineTold = false;
    this.#guest = undefined;
  }

  /** Asks for what the guest has. */
  read(format: ContentFormat, maxBytes: number): ClipboardRead {
    const guest = this.#guest;
    if (guest === undefined || (guest.formats & clipboardBit(format)) === 0) return NOTHING;
    return this.#reads.ask({ format, content: guest.content, maxBytes });
  }

  /** The guest said something by the queue. */
  hear({ body, generation }: ClipboardRecord): void {
    if (generation !== this.#claim?.generation) return;
    switch (body.kind) {
      case 'offer':
      case 'clear':
        this.#hearCopy(body);
        break;
      case 'request':
        this.#give(body);
        break;
      case 'cancel':
        if (this.#reads.cancelled(body.transfer)) break;
        this.#gives.cancelled(body.transfer);
        break;
      case 'fileAcquire':
      case 'fileRequest':
        this.#say(refuseFiles(body.kind, body));
        break;
      case 'data':
      case 'fileData':
        this.counters.refused++;
        break;
      default:
        break;
    }
  }

  /** Does what can be done. Gives when it is to be called again, in milliseconds; undefined: never. */
  pump(nowMs: number): number | undefined {
    const status = this.#status;
    if (status?.available !== true) return undefined;
    if (this.#claim === undefined) return this.#begin(status, nowMs);
    if (!this.#claim.isOurs) {
      const leftMs = this.#claim.sinceMs + status.leaseMs - nowMs;
      if (leftMs > 0) return leftMs;
      this.#lose();
      return this.#begin(status, nowMs);
    }
    this.#streams ??= this.#path.attach(status);
    if (this.#streams === undefined) return BUSY_MS;
    return this.#work(this.#streams, nowMs);
  }

  /** Gives the clipboard back. Whether there was something to give. */
  letGo(): boolean {
    const isOurs = this.#claim !== undefined;
    const sent = isOurs && this.#send({ kind: 'release' }) === 'ok';
    this.#lose();
    return sent;
  }

  #begin(status: RawClipboardStatus, nowMs: number): number | undefined {
    // Who has it gives it back, and then there is another status.
    if (status.ownerClientId !== 0) return undefined;
    if (nowMs < this.#claimAtMs) return this.#claimAtMs - nowMs;
    this.#claimAtMs = nowMs + CLAIM_AGAIN_MS;
    let generation = this.#lastGeneration;
    while (generation === this.#lastGeneration) generation = randomInt(1, 0x1_0000_0000);
    this.#claim = { generation, sinceMs: nowMs, isOurs: false };
    if (this.#send({ kind: 'claim', endpoint: status.generation }) !== 'ok') {
      this.#claim = undefined;
      return CLAIM_AGAIN_MS;
    }
    this.#lastGeneration = generation;
    this.counters.claims++;
    this.#sentMs = nowMs;
    return status.leaseMs;
  }

  #work(streams: ClipboardStreams, nowMs: number): number {
    // One each way: what else there is to do gets its turn after each.
    const hasMoved = this.#readPiece(streams, nowMs);
    if (this.#claim === undefined) return BUSY_MS;
    this.#sayMine();
    this.#reads.advance(this.#guest?.content, nowMs);
    if (!this.#flush(nowMs)) return BUSY_MS;
    const hasGiven = this.#givePiece(streams);
    if (this.#claim === undefined) return BUSY_MS;
    if (hasMoved || hasGiven) return 0;
    if (this.#reads.isBusy || this.#gives.isBusy) return BUSY_MS;
    return Math.max(BUSY_MS, this.#sentMs + CLIPBOARD_KEEPALIVE_MS - nowMs);
  }

  #sayMine(): void {
    if (this.#isMineTold) return;
    const mine = this.#mine;
    const content = mine?.content ?? BigInt(this.#content);
    this.#isMineTold = this.#say(
      mine === undefined
        ? { kind: 'clear', content }
        : { kind: 'offer', content, formats: mine.formats },
    );
  }

  #hearCopy(body: ClipboardBody & { readonly kind: 'offer' | 'clear' }): void {
    const repeats = this.#repeats;
    this.#repeats = 'none';
    const isRepeat = repeats === 'any' || (repeats === 'clear' && body.kind === 'clear');
    if (isRepeat && this.#mine !== undefined) return;
    this.#gives.drop();
    this.#mine = undefined;
    this.#isMineTold = true;
    this.#reads.replaced(body.content);
    if (body.kind === 'clear') {
      this.#guest = undefined;
      return;
    }
    const { content, formats } = body;
    const isKnown = this.#last?.content === content && this.#last.formats === formats;
    this.#last = isKnown ? this.#last : { serial: (this.#last?.serial ?? 0) + 1, content, formats };
    this.#guest = this.#last;
  }

  #give(request: ClipboardRequest): void {
    const { content, format } = request;
    const mine = this.#mine;
    const isThere = mine?.content === content && (mine.formats & clipboardBit(format)) !== 0;
    this.#gives.begin(request, isThere ? mine.give : undefined);
  }

  /** Sends the next piece, if the stream takes it. Gives whether it went. */
  #givePiece({ toHost }: ClipboardStreams): boolean {
    const { next } = this.#gives;
    if (next === undefined || this.#claim === undefined) return false;
    const { generation } = this.#claim;
    this.#slot.set(encodeClipboardRecord({ generation, body: next.body }));
    this.#slot.set(next.contents, CLIPBOARD_RECORD_BYTES);
    const bytes = CLIPBOARD_RECORD_BYTES + next.contents.byteLength;
    const status = toHost.write(this.#slot.subarray(0, bytes));
    if (status === 'full') return false;
    if (status !== 'ok') {
      this.#breakOff(status);
      return false;
    }
    this.counters.bytesGiven += next.contents.byteLength;
    this.#gives.sent();
    return true;
  }

  /** Takes a piece, if the stream holds one. Gives whether it came. */
  #readPiece({ toClient }: ClipboardStreams, nowMs: number): boolean {
    const found = toClient.read(this.#slot);
    if (found === 'empty') return false;
    if (typeof found === 'string') {
      this.#breakOff(found);
      return false;
    }
    this.#takePiece(this.#slot.subarray(0, found), nowMs);
    toClient.release();
    return true;
  }

  #takePiece(bytes: Uint8Array, nowMs: number): void {
    try {
      const head = bytes.subarray(0, CLIPBOARD_RECORD_BYTES);
      const { generation, body } = decodeClipboardRecord(head, 'host');
      if (generation !== this.#claim?.generation || body.kind !== 'data') return;
      const contents = bytes.subarray(CLIPBOARD_RECORD_BYTES);
      this.counters.bytesRead += this.#reads.take(body, contents, nowMs);
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.counters.refused++;
      this.#reads.refuse();
    }
  }

  #say(body: ClipboardBody): boolean {
    if (this.#claim?.isOurs !== true || this.#outbox.length >= MAX_OUTBOX) return false;
    this.#outbox.push(body);
    return true;
  }

  /** Sends what is to be said, or that we are there. Gives whether all of it went. */
  #flush(nowMs: number): boolean {
    if (this.#outbox.length === 0 && nowMs - this.#sentMs >= CLIPBOARD_KEEPALIVE_MS)
      this.#outbox.push({ kind: 'keepalive' });
    while (this.#outbox.length > 0) {
      const [body] = this.#outbox;
      if (body === undefined) break;
      const result = this.#send(body);
      if (result === 'lost') this.#lose();
      if (result !== 'ok') return false;
      this.#outbox.shift();
      this.#sentMs = nowMs;
    }
    return true;
  }

  #send(body: ClipboardBody): 'ok' | 'later' | 'lost' {
    const { generation } = this.#claim ?? { generation: 0 };
    return this.#path.send(encodeClipboardRecord({ generation, body }));
  }

  /** A stream cannot be used any more; one that cannot be believed is given back. */
  #breakOff(status: StreamRefusal): void {
    if (status === 'corrupted') this.#send({ kind: 'release' });
    this.#lose();
  }

  /** The clipboard is not ours any more; what we offered is offered again when it is. */
  #lose(): void {
    this.#claim = undefined;
    this.#streams = undefined;
    this.#outbox = [];
    this.#gives.drop();
    this.#guest = undefined;
    this.#isMineTold = this.#mine === undefined;
    this.#reads.end();
  }
}
