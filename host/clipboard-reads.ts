import {
  CLIPBOARD_GUEST_TRANSFER,
  type ClipboardBody,
  ClipboardContents,
  clipboardBit,
} from '../protocol/index.ts';
import type { ClipboardContentFormat } from './clipboard-events.ts';

/** What a client has said that it has. */
export interface ClientOffer {
  readonly content: bigint;
  /** A mask. */
  readonly formats: number;
}

interface Reading {
  readonly format: ClipboardContentFormat;
  readonly settle: (contents: Uint8Array | undefined) => void;
  transfer: bigint;
  contents: ClipboardContents;
  movedMs: number;
}

/** How long the guest waits for the next piece. Units: milliseconds. */
const READ_MS = 20_000;
/** Reads of the guest that wait for the one before. */
const MAX_READS = 8;

/** What the guest reads of a client's clipboard: one content after the other. */
export class ClipboardReads {
  readonly #say: (body: ClipboardBody) => void;
  #waiting: Reading[] = [];
  #reading: Reading | undefined;
  #transfer = CLIPBOARD_GUEST_TRANSFER;

  /** `say` tells the client. */
  constructor(say: (body: ClipboardBody) => void) {
    this.#say = say;
  }

  /** Asks for a format when it is offered: undefined when there is none of it, or none is given. */
  ask(
    offer: ClientOffer | undefined,
    format: ClipboardContentFormat,
    maxBytes: number,
  ): Promise<Uint8Array | undefined> {
    if (!has(offer, format) || this.#waiting.length >= MAX_READS) return Promise.resolve(undefined);
    return new Promise((settle) => {
      const contents = new ClipboardContents(maxBytes);
      this.#waiting.push({ format, settle, transfer: 0n, contents, movedMs: 0 });
    });
  }

  /** Goes on: ends what takes too long, and begins the next. */
  advance(offer: ClientOffer | undefined, nowMs: number): void {
    const reading = this.#reading;
    if (reading !== undefined && nowMs - reading.movedMs > READ_MS) this.abort();
    if (this.#reading !== undefined) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    if (offer === undefined || !has(offer, next.format)) {
      next.settle(undefined);
      return;
    }
    this.#transfer += 1n;
    next.transfer = this.#transfer;
    next.movedMs = nowMs;
    this.#reading = next;
    const { transfer, format } = next;
    this.#say({ kind: 'request', content: offer.content, transfer, format });
  }

  /**
   * Takes a piece. Gives whether it was one of what is read, of a transfer that is over, or `wrong`.
   *
   * @throws ERR_KVMFR_CORRUPT for one that is not the next
   */
  take(
    body: ClipboardBody & { readonly kind: 'data' },
    bytes: Uint8Array,
    nowMs: number,
  ): 'taken' | 'over' | 'wrong' {
    const reading = this.#reading;
    if (reading === undefined || body.transfer !== reading.transfer) return 'over';
    if (body.format !== reading.format) return 'wrong';
    const outcome = reading.contents.take(body.piece, bytes);
    reading.movedMs = nowMs;
    if (outcome === 'whole') this.#settle(reading.contents.join());
    else if (outcome === 'too-large') this.abort();
    return 'taken';
  }

  /** The client gives no more of a transfer. */
  cancelled(transfer: bigint): void {
    if (this.#reading?.transfer === transfer) this.#settle(undefined);
  }

  /** Nothing more of what is read is wanted: the client is told. */
  abort(): void {
    const transfer = this.#settle(undefined);
    if (transfer !== undefined)
      this.#say({ kind: 'cancel', transfer, reason: 'aborted', content: 0n, format: undefined });
  }

  /** Whoever waits gets nothing. */
  end(): void {
    this.abort();
    for (const { settle } of this.#waiting.splice(0)) settle(undefined);
  }

  /** Gives the transfer that is over, if there was one. */
  #settle(contents: Uint8Array | undefined): bigint | undefined {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.settle(contents);
    return reading?.transfer;
  }
}

function has(offer: ClientOffer | undefined, format: ClipboardContentFormat): boolean {
  return ((offer?.formats ?? 0) & clipboardBit(format)) !== 0;
}
