import { ClipboardPieces } from '../protocol/kvmfr/clipboard-contents.ts';
import type { ClipboardBody } from '../protocol/kvmfr/clipboard-record.ts';
import type { ContentFormat } from './clipboard-reads.ts';

/** Gives the contents of a format that was offered; undefined when there are none any more. */
export type GiveContents = (format: ContentFormat) => Promise<Uint8Array | undefined>;

/** What a guest asks for. */
export type ClipboardRequest = ClipboardBody & { readonly kind: 'request' };

/** A piece of what is given, and the record that goes before it. */
export interface GivenPiece {
  readonly body: ClipboardBody & { readonly kind: 'data' };
  readonly contents: Uint8Array;
}

interface Giving {
  readonly request: ClipboardRequest;
  pieces: ClipboardPieces | undefined;
}

/** What is given to a guest that pastes: one content at a time. */
export class ClipboardGives {
  readonly #say: (body: ClipboardBody) => unknown;
  #giving: Giving | undefined;

  /** `say` tells the guest. */
  constructor(say: (body: ClipboardBody) => unknown) {
    this.#say = say;
  }

  /** Whether there are pieces to be sent. */
  get isBusy(): boolean {
    return this.#giving?.pieces !== undefined;
  }

  /** The piece that is to be sent next; undefined while there is none. */
  get next(): GivenPiece | undefined {
    const giving = this.#giving;
    const next = giving?.pieces?.next;
    if (giving === undefined || next === undefined) return undefined;
    const { content, transfer, format } = giving.request;
    const body = { kind: 'data', content, transfer, format, piece: next.piece } as const;
    return { body, contents: next.contents };
  }

  /** The {@link next} was sent. */
  sent(): void {
    this.#giving?.pieces?.sent();
    if (this.#giving?.pieces?.next === undefined) this.#giving = undefined;
  }

  /** The guest asks for something; without `give` it is not there any more. */
  begin(request: ClipboardRequest, give: GiveContents | undefined): void {
    // One at a time: who asks anew has given the one before up.
    this.end('replaced');
    const { content, transfer, format } = request;
    if (give === undefined) {
      this.#say({ kind: 'cancel', transfer, reason: 'unavailable', content, format });
      return;
    }
    const giving: Giving = { request, pieces: undefined };
    this.#giving = giving;
    const settle = (contents: Uint8Array | undefined): void => {
      if (this.#giving !== giving) return;
      if (contents === undefined) this.end('unavailable');
      else giving.pieces = new ClipboardPieces(contents);
    };
    give(format).then(settle, () => settle(undefined));
  }

  /** The guest wants no more of a transfer. */
  cancelled(transfer: bigint): void {
    if (this.#giving?.request.transfer === transfer) this.#giving = undefined;
  }

  /** Gives no more, and tells the guest why. */
  end(reason: 'replaced' | 'unavailable'): void {
    const giving = this.#giving;
    if (giving === undefined) return;
    this.#giving = undefined;
    const { transfer, content, format } = giving.request;
    this.#say({ kind: 'cancel', transfer, reason, content, format });
  }

  /** Gives no more: nobody is there to be told. */
  drop(): void {
    this.#giving = undefined;
  }
}
