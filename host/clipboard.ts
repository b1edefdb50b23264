import {
  CLIPBOARD_LEASE_MS,
  CLIPBOARD_PIECE_BYTES,
  CLIPBOARD_RECORD_BYTES,
  CLIPBOARD_STREAM,
  type ClipboardBody,
  ClipboardPieces,
  type ClipboardRecord,
  clipboardFormats,
  clipboardMask,
  decodeClipboardRecord,
  encodeClipboardRecord,
  KvmfrError,
  type RawClipboardStatus,
  type Region,
  refuseFiles,
  STREAM_DIRECTIONS,
} from '../protocol/index.ts';
import type {
  ClipboardContentFormat,
  ClipboardCounters,
  ClipboardPast,
  HostClipboard,
  HostContents,
} from './clipboard-events.ts';
import { ClipboardPost } from './clipboard-post.ts';
import { type ClientOffer, ClipboardReads } from './clipboard-reads.ts';
import type { Payload } from './plan.ts';
import type { HostQueue } from './queue.ts';
import type { HostSession } from './session.ts';
import { StreamEndpoint } from './stream-endpoint.ts';

interface Owner {
  readonly clientId: number;
  readonly generation: number;
  untilMs: number;
  offer: ClientOffer | undefined;
}

/** How long the streams of a client that is gone are waited for. Units: milliseconds. */
const DRAIN_MS = 1000;
/** A pause between two turns that is none of the owner's doing. Units: milliseconds. */
const STALL_MS = 250;

/**
 * The guest's side of the clipboard: one client owns it at a time; records of it come by the queue,
 * contents by two streams.
 *
 * Everything in them is written by clients: each record is copied once, checked, and used from the
 * copy. An owner that breaks the rules has it no more.
 */
export class ClipboardPublisher {
  readonly counters: ClipboardCounters;
  readonly #queue: HostQueue;
  readonly #post: ClipboardPost;
  readonly #toClient: StreamEndpoint;
  readonly #toHost: StreamEndpoint;
  readonly #generation: number;
  readonly #slot: Uint8Array<ArrayBuffer> = new Uint8Array(CLIPBOARD_STREAM.slotBytes);
  readonly #piece: Uint8Array<ArrayBuffer> = new Uint8Array(
    CLIPBOARD_RECORD_BYTES + CLIPBOARD_PIECE_BYTES,
  );
  readonly #done: HostClipboard[] = [];
  /** The number of what was copied last, on either side that we number. */
  #content: bigint;
  #guest: HostContents | undefined;
  #owner: Owner | undefined;
  #sending:
    | { readonly transfer: bigint; readonly body: Sent; readonly pieces: ClipboardPieces }
    | undefined;
  readonly #reads: ClipboardReads = new ClipboardReads((body) => this.#say(body));
  #drainUntilMs = 0;
  #servedMs = Number.POSITIVE_INFINITY;
  repaired = 0;

  constructor(region: Region, session: HostSession, past: ClipboardPast) {
    const { clipboard } = session.plan;
    const queue = session.clipboardQueue;
    if (clipboard === undefined || queue === undefined)
      throw new KvmfrError('ERR_KVMFR_ARGUMENT', 'the session must have a clipboard queue');
    this.counters = past.counters;
    this.#queue = queue;
    this.#post = new ClipboardPost({ region, session, queue, plan: clipboard });
    this.#generation = (past.generation + 1) >>> 0 || 1;
    this.#content = past.content;
    this.#guest = past.guest;
    const place = {
      region,
      sessionId: session.id,
      sessionIdAt: session.wire.lgmp.header.sessionID,
    };
    const endpoint = ({ at }: Payload, direction: 1 | 2): StreamEndpoint =>
      new StreamEndpoint({ ...place, stream: { at, direction, ...CLIPBOARD_STREAM } });
    this.#toClient = endpoint(clipboard.toClient, STREAM_DIRECTIONS.hostToClient);
    this.#toHost = endpoint(clipboard.toHost, STREAM_DIRECTIONS.clientToHost);
  }

  /** What the clipboard of the next session in this place begins with. */
  get past(): ClipboardPast {
    const [counters, generation] = [this.counters, this.#generation];
    return { counters, generation, content: this.#content, guest: this.#guest };
  }

  /** The client that owns the clipboard; undefined while nobody does. */
  get owner(): number | undefined {
    return this.#owner?.clientId;
  }

  /** Something was copied in the guest; nothing, when there are no contents. */
  copy(contents: HostContents): void {
    this.#guest = contents.size === 0 ? undefined : new Map(contents);
    this.#content += 1n;
    this.#sending = undefined;
    if (this.#owner !== undefined) {
      this.#owner.offer = undefined;
      this.#reads.abort();
      this.#offerGuest();
    }
    this.#post.changed();
  }

  /** Gets what the client has offered; undefined when it has none of it, or gives none. */
  read(format: ClipboardContentFormat, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#reads.ask(this.#owner?.offer, format, maxBytes);
  }

  /** The next status goes to everybody, because somebody is new. */
  repeatForSubscriber(): void {
    this.#post.changed();
  }

  /** A record that a client has sent by the queue. */
  hear(bytes: Uint8Array, clientId: number | undefined, nowMs: number): void {
    if (clientId === undefined) return;
    const owner = this.#owner;
    let record: ClipboardRecord;
    try {
      record = decodeClipboardRecord(bytes, 'client');
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      if (owner?.clientId === clientId) this.#violate();
      else this.counters.ignored++;
      return;
    }
    if (owner === undefined) this.#claim(record, clientId, nowMs);
    else if (owner.clientId !== clientId) this.counters.ignored++;
    else this.#hearOwner(record, owner, nowMs);
  }

  /** Does what is to be done now. Gives what clients did, in order. */
  serve(nowMs: number): readonly HostClipboard[] {
    // Who stood still itself, perhaps with its machine, does not hold the time against its owner.
    const stoodMs = nowMs - this.#servedMs;
    this.#servedMs = nowMs;
    if (stoodMs > STALL_MS && this.#owner !== undefined) this.#owner.untilMs += stoodMs;
    this.repaired += this.#toClient.repair() + this.#toHost.repair();
    const owner = this.#owner;
    if (owner !== undefined && !this.#queue.clients().has(owner.clientId)) this.#release();
    this.#hearStream(nowMs);
    if (this.#owner !== undefined && nowMs > this.#owner.untilMs) {
      this.counters.expired++;
      this.#release();
    }
    this.#reads.advance(this.#owner?.offer, nowMs);
    this.#send();
    this.#drain(nowMs);
    this.#post.serve(nowMs, this.#owner, () => this.#status());
    return this.#done.splice(0);
  }

  /** Whoever waits for contents gets none. */
  end(): void {
    this.#reads.end();
  }

  #claim({ body, generation }: ClipboardRecord, clientId: number, nowMs: number): void {
    const isOurs = body.kind === 'claim' && body.endpoint === this.#generation;
    if (!isOurs || !this.#bind(clientId)) {
      this.counters.ignored++;
      return;
    }
    this.#owner = { clientId, generation, untilMs: nowMs + CLIPBOARD_LEASE_MS, offer: undefined };
    this.#post.changed();
    this.#post.forget();
    this.counters.accepted++;
    this.#done.push({ kind: 'claim', clientId });
    this.#offerGuest();
  }

  #status(): RawClipboardStatus {
    return {
      available: true,
      generation: this.#generation,
      ownerClientId: this.#owner?.clientId ?? 0,
      ownerGeneration: this.#owner?.generation ?? 0,
      leaseMs: CLIPBOARD_LEASE_MS,
      formats: this.#guestFormats,
      hostToClient: this.#toClient.stream,
      clientToHost: this.#toHost.stream,
    };
  }

  #bind(clientId: number): boolean {
    if (!this.#toClient.bind(clientId)) return false;
    if (this.#toHost.bind(clientId)) return true;
    this.#toClient.force();
    return false;
  }

  /** Tells the owner what is in the guest's clipboard. */
  #offerGuest(): void {
    const formats = this.#guestFormats;
    const content = this.#content;
    this.#say(formats === 0 ? { kind: 'clear', content } : { kind: 'offer', content, formats });
  }

  get #guestFormats(): number {
    return this.#guest === undefined ? 0 : clipboardMask([...this.#guest.keys()]);
  }

  #hearOwner({ body, generation }: ClipboardRecord, owner: Owner, nowMs: number): void {
    if (generation !== owner.generation) {
      this.#violate();
      return;
    }
    owner.untilMs = nowMs + CLIPBOARD_LEASE_MS;
    this.counters.accepted++;
    switch (body.kind) {
      case 'claim':
      case 'keepalive':
        break;
      case 'release':
        this.#release();
        break;
      case 'offer':
      case 'clear':
        this.#replace(owner, body);
        break;
      case 'request':
        this.#give(body);
        break;
      case 'cancel':
        if (this.#sending?.transfer === body.transfer) this.#sending = undefined;
        else this.#reads.cancelled(body.transfer);
        break;
      case 'fileAcquire':
      case 'fileRequest':
        this.#say(refuseFiles(body.kind, body));
        break;
      case 'data':
      case 'fileData':
        // Contents come by the stream.
        this.#violate();
        break;
      default:
        break;
    }
  }

  #replace(owner: Owner, body: ClipboardBody & { readonly kind: 'offer' | 'clear' }): void {
    this.#reads.abort();
    this.#guest = undefined;
    this.#post.changed();
    owner.offer = body.kind === 'offer' ? body : undefined;
    this.#done.push(
      body.kind === 'offer'
        ? { kind: 'offer', formats: clipboardFormats(body.formats) }
        : { kind: 'clear' },
    );
  }

  #give({ content, transfer, format }: ClipboardBody & { readonly kind: 'request' }): void {
    if (this.#sending !== undefined) {
      this.#violate();
      return;
    }
    const contents = content === this.#content ? this.#guest?.get(format) : undefined;
    if (contents === undefined) {
      // What it asks for was there when it asked.
      this.#say({ kind: 'cancel', transfer, reason: 'unavailable', content, format });
      return;
    }
    const body: Sent = { kind: 'data', content, transfer, format };
    this.#sending = { transfer, body, pieces: new ClipboardPieces(contents) };
  }

  /** Sends as much of what was asked for as the stream takes. */
  #send(): void {
    const { end } = this.#toClient;
    const owner = this.#owner;
    for (let turn = 0; turn < CLIPBOARD_STREAM.slotCount; turn++) {
      const sending = this.#sending;
      const next = sending?.pieces.next;
      if (sending === undefined || next === undefined || end === undefined || owner === undefined)
        break;
      const body = { ...sending.body, piece: next.piece };
      this.#piece.set(encodeClipboardRecord({ generation: owner.generation, body }));
      this.#piece.set(next.contents, CLIPBOARD_RECORD_BYTES);
      const bytes = CLIPBOARD_RECORD_BYTES + next.piece.bytes;
      const result = end.write(this.#piece.subarray(0, bytes));
      if (result === 'corrupted') this.#violate();
      if (result !== 'ok') return;
      sending.pieces.sent();
      if (sending.pieces.next === undefined) this.#sending = undefined;
    }
  }

  /** Reads what the owner has sent: no more than the stream holds. */
  #hearStream(nowMs: number): void {
    const { end } = this.#toHost;
    if (end === undefined) return;
    for (let turn = 0; turn < CLIPBOARD_STREAM.slotCount; turn++) {
      const found = end.read(this.#slot);
      if (typeof found === 'string') {
        if (found === 'corrupted') this.#violate();
        return;
      }
      const owner = this.#owner;
      if (this.#toHost.isDraining || owner === undefined) this.counters.ignored++;
      else if (this.#takePiece(this.#slot.subarray(0, found), owner, nowMs))
        owner.untilMs = nowMs + CLIPBOARD_LEASE_MS;
      else this.#violate();
      if (end.release() === 'corrupted') {
        this.#violate();
        return;
      }
    }
  }

  /** Takes a piece of contents. Gives whether it keeps the rules. */
  #takePiece(bytes: Uint8Array, owner: Owner, nowMs: number): boolean {
    const contents = bytes.subarray(CLIPBOARD_RECORD_BYTES);
    try {
      const head = bytes.subarray(0, CLIPBOARD_RECORD_BYTES);
      const { generation, body } = decodeClipboardRecord(head, 'client');
      if (generation !== owner.generation) return false;
      if (body.kind !== 'data' && body.kind !== 'fileData') return false;
      if (body.piece.bytes !== contents.byteLength) return false;
      const outcome = body.kind === 'data' ? this.#reads.take(body, contents, nowMs) : 'over';
      if (outcome === 'taken') this.counters.accepted++;
      if (outcome === 'over') this.counters.ignored++;
      return outcome !== 'wrong';
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      return false;
    }
  }

  #violate(): void {
    if (this.#owner === undefined) return;
    this.counters.violations++;
    this.#release();
  }

  #release(): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#owner = undefined;
    this.#sending = undefined;
    this.end();
    this.#post.forget();
    this.#post.changed();
    this.#drainUntilMs = 0;
    this.#toClient.drain();
    this.#toHost.drain();
    this.#done.push({ kind: 'release', clientId: owner.clientId });
  }

  /** Ends bindings whose owner is gone, in time by force. */
  #drain(nowMs: number): void {
    const draining = [this.#toClient, this.#toHost].filter(({ isDraining }) => isDraining);
    if (draining.length === 0) return;
    if (this.#drainUntilMs === 0) this.#drainUntilMs = nowMs + DRAIN_MS;
    for (const endpoint of draining)
      if (!endpoint.finish() && nowMs > this.#drainUntilMs) endpoint.force();
  }

  #say(body: ClipboardBody): void {
    // Who does not read what it is told is not listened to either.
    if (this.#owner !== undefined && !this.#post.say(body)) this.#violate();
  }
}

/** What all pieces of one transfer say. */
interface Sent {
  readonly kind: 'data';
  readonly content: bigint;
  readonly transfer: bigint;
  readonly format: ClipboardContentFormat;
}
