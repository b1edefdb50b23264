import {
  CLIPBOARD_CHUNK_BYTES,
  type ClipboardData,
  type ClipboardKind,
  type ClipboardRequest,
  type ClipboardState,
  encodeClipboardData,
  encodeClipboardOffer,
  encodeClipboardRequest,
  wireError,
} from '../../../protocol/wire/index.ts';
import type { ClipboardContents, Report } from './messages.ts';

/** What a line works with. */
export interface ClipboardLineOptions {
  readonly send: (message: Uint8Array<ArrayBuffer>) => void;
  /** Bytes that the socket has not handed to the network yet. */
  readonly buffered: () => number;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after: (ms: number, run: () => void) => () => void;
  readonly report: (report: Report) => void;
}

/** Bytes that may be on the way to us: as much as a line of some length carries, and no more. */
const WINDOW_BYTES = 4 * CLIPBOARD_CHUNK_BYTES;
const LOOK_AGAIN_MS = 4;
/** What goes at once: any text that a person has read. */
const BURST_BYTES = 256 * 1024;
/** Between two pieces of what is larger: 10 MB take four seconds, and leave the processors to keys. */
const PIECE_MS = 12;
const TYPES: { readonly [kind in ClipboardKind]: string } = {
  text: 'text/plain',
  png: 'image/png',
};

/** What is being sent to the relay. */
interface Outgoing {
  readonly transfer: number;
  /** All of it, once it has been read. */
  bytes: Uint8Array | undefined;
  upTo: number;
  sent: number;
  isWaiting: boolean;
}

/** What is being got from the relay. */
interface Incoming {
  readonly ask: number;
  readonly request: ClipboardRequest;
  readonly pieces: Uint8Array<ArrayBuffer>[];
  received: number;
  upTo: number;
}

/**
 * Contents of clipboards between a view and its relay: what is wanted here is asked for piece by
 * piece, and what is wanted there is sent when nothing else waits for the network.
 */
export class ClipboardLine {
  readonly #options: ClipboardLineOptions;
  #offer = 0;
  #contents: ClipboardContents = {};
  #outgoing: Outgoing | undefined;
  #incoming: Incoming | undefined;
  #transfers = 0;
  #isShared = false;
  #pieceBytes = 0;

  constructor(options: ClipboardLineOptions) {
    this.#options = options;
  }

  /** Bytes of the piece that may still lie before the network: keys go behind it, and wait for nothing else. */
  get pieceBytes(): number {
    if (this.#options.buffered() === 0) this.#pieceBytes = 0;
    return this.#pieceBytes;
  }

  /** Takes how it stands. */
  take(state: ClipboardState): void {
    this.#isShared = true;
    this.#serve(state.wanted);
    this.#options.report({ kind: 'clipboard', state });
  }

  /** The connection is gone, and all that was on its way. */
  clear(): void {
    const wasShared = this.#isShared;
    this.#isShared = false;
    this.#outgoing = undefined;
    this.#transfers = 0;
    this.#fail('the connection was lost on the way');
    if (wasShared) this.#options.report({ kind: 'clipboard', state: undefined });
  }

  /** Tells the relay what there is. Contents stay here until they are wanted. */
  offer(offer: number, contents: ClipboardContents): void {
    if (!this.#isShared) return;
    this.#offer = offer;
    this.#contents = contents;
    const kinds = (['text', 'png'] as const).filter((kind) => contents[kind] !== undefined);
    this.#options.send(encodeClipboardOffer({ offer, kinds }));
  }

  /** Gets what the guest has; another question ends the one before. */
  read(ask: number, offer: number, kind: ClipboardKind): void {
    this.#fail('something else was asked for meanwhile');
    if (!this.#isShared) {
      const reason = 'there is no connection to the guest';
      this.#options.report({ kind: 'clipboardContents', ask, contents: undefined, reason });
      return;
    }
    const request = { transfer: ++this.#transfers, offer, kind, upTo: WINDOW_BYTES };
    this.#incoming = { ask, request, pieces: [], received: 0, upTo: WINDOW_BYTES };
    this.#options.send(encodeClipboardRequest(request));
  }

  /** Takes a piece of what was asked for. @throws ERR_KVMFR_WIRE */
  takeData(data: ClipboardData): void {
    const incoming = this.#incoming;
    if (incoming === undefined || incoming.request.transfer !== data.transfer) return;
    if ('refused' in data) {
      this.#fail(data.refused);
      return;
    }
    if (data.offset !== incoming.received)
      throw wireError(
        `a piece of clipboard contents must be at ${incoming.received}, but is at ${data.offset}`,
      );
    incoming.pieces.push(new Uint8Array(data.bytes));
    incoming.received += data.bytes.length;
    if (incoming.received >= data.total) this.#done(incoming);
    else this.#allowMore(incoming);
  }

  #done({ ask, request, pieces }: Incoming): void {
    this.#incoming = undefined;
    const contents = new Blob(pieces, { type: TYPES[request.kind] });
    this.#options.report({ kind: 'clipboardContents', ask, contents, reason: '' });
  }

  #allowMore(incoming: Incoming): void {
    if (incoming.upTo - incoming.received > WINDOW_BYTES / 2) return;
    incoming.upTo = incoming.received + WINDOW_BYTES;
    this.#options.send(encodeClipboardRequest({ ...incoming.request, upTo: incoming.upTo }));
  }

  #fail(reason: string): void {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    if (incoming === undefined) return;
    const { ask } = incoming;
    this.#options.report({ kind: 'clipboardContents', ask, contents: undefined, reason });
  }

  #serve(wanted: ClipboardRequest | undefined): void {
    if (wanted === undefined) {
      this.#outgoing = undefined;
      return;
    }
    const { transfer, offer, kind, upTo } = wanted;
    if (this.#outgoing?.transfer === transfer) {
      this.#outgoing.upTo = upTo;
      this.#pump(this.#outgoing);
      return;
    }
    const contents = offer === this.#offer ? this.#contents[kind] : undefined;
    if (contents === undefined) {
      this.#options.send(
        encodeClipboardData({ transfer, refused: 'there is none of it any more' }, 'viewer'),
      );
      return;
    }
    const outgoing = { transfer, bytes: undefined, upTo, sent: 0, isWaiting: false };
    this.#outgoing = outgoing;
    // At once: a browser asks another process for each piece that is read by itself.
    contents.arrayBuffer().then(
      (bytes) => this.#filled(outgoing, new Uint8Array(bytes)),
      // A file that was copied may be gone by now.
      () => this.#giveUp(outgoing),
    );
  }

  #filled(outgoing: Outgoing, bytes: Uint8Array): void {
    outgoing.bytes = bytes;
    if (bytes.length === 0) this.#sendPiece(outgoing, bytes, 0);
    else this.#pump(outgoing);
  }

  #pump(outgoing: Outgoing): void {
    const { bytes, upTo } = outgoing;
    if (outgoing !== this.#outgoing || bytes === undefined || outgoing.isWaiting) return;
    const allowed = Math.min(bytes.length, upTo);
    while (outgoing.sent < allowed) {
      // Keys that are pressed meanwhile find one piece before them, and never two.
      if (this.#options.buffered() > 0) {
        this.#wait(outgoing, LOOK_AGAIN_MS);
        return;
      }
      this.#sendPiece(outgoing, bytes, Math.min(allowed, outgoing.sent + CLIPBOARD_CHUNK_BYTES));
      if (outgoing.sent > BURST_BYTES && outgoing.sent < bytes.length) {
        this.#wait(outgoing, PIECE_MS);
        return;
      }
    }
  }

  #wait(outgoing: Outgoing, ms: number): void {
    outgoing.isWaiting = true;
    this.#options.after(ms, () => {
      outgoing.isWaiting = false;
      this.#pump(outgoing);
    });
  }

  #sendPiece(outgoing: Outgoing, all: Uint8Array, end: number): void {
    if (outgoing !== this.#outgoing) return;
    const { transfer, sent } = outgoing;
    const bytes = all.subarray(sent, end);
    const piece = { transfer, offset: sent, total: all.length, bytes };
    this.#options.send(encodeClipboardData(piece, 'viewer'));
    this.#pieceBytes = bytes.length;
    outgoing.sent = end;
    // Nobody asks for it again under this number.
    if (end === all.length) outgoing.bytes = undefined;
  }

  #giveUp(outgoing: Outgoing): void {
    if (outgoing !== this.#outgoing) return;
    const refused = 'it cannot be read any more';
    this.#options.send(encodeClipboardData({ transfer: outgoing.transfer, refused }, 'viewer'));
  }
}
