import { KvmfrError } from '../error.ts';
import { CLIPBOARD_PIECE_BYTES } from './clipboard.ts';
import type { ClipboardPiece } from './clipboard-record.ts';

/** What became of a piece: more are to come, all are there, or they are more than was asked for. */
export type PieceOutcome = 'more' | 'whole' | 'too-large';

/**
 * Puts contents together from their pieces. Memory is taken for what has come, never for what is
 * promised.
 */
export class ClipboardContents {
  readonly #maxBytes: number;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #hint: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that have come. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes the next piece.
   *
   * Ownership: `contents` is copied.
   *
   * @throws ERR_KVMFR_CORRUPT for one that is not the next, or contradicts the first
   */
  take(piece: ClipboardPiece, contents: Uint8Array): PieceOutcome {
    const expect = (what: string, found: number, wanted: number): void => {
      if (found !== wanted) throw corrupt(what, found, wanted);
    };
    expect('the length', contents.byteLength, piece.bytes);
    expect('the sequence', piece.sequence, this.#pieces.length);
    expect('the offset', piece.offset, this.#bytes);
    if (piece.isFirst) this.#hint = piece.size;
    const end = this.#bytes + piece.bytes;
    if (this.#hint !== undefined && (piece.isLast || end > this.#hint))
      expect('the end', end, this.#hint);
    if (end > this.#maxBytes || (this.#hint ?? 0) > this.#maxBytes) return 'too-large';
    this.#pieces.push(contents.slice());
    this.#bytes = end;
    return piece.isLast ? 'whole' : 'more';
  }

  /** All that has come. */
  join(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.byteLength;
    }
    return whole;
  }
}

/** Takes contents apart into pieces. */
export class ClipboardPieces {
  readonly #contents: Uint8Array;
  #next = 0;
  #at = 0;

  constructor(contents: Uint8Array) {
    this.#contents = contents;
  }

  /** The piece that is to be sent next, its bytes borrowed; undefined when all were. */
  get next(): { readonly piece: ClipboardPiece; readonly contents: Uint8Array } | undefined {
    const whole = this.#contents.byteLength;
    if (this.#at >= whole && this.#next > 0) return undefined;
    const bytes = Math.min(CLIPBOARD_PIECE_BYTES, whole - this.#at);
    const isFirst = this.#next === 0;
    const isLast = this.#at + bytes === whole;
    const piece: ClipboardPiece = {
      sequence: this.#next,
      offset: this.#at,
      size: isFirst || isLast ? whole : undefined,
      isFirst,
      isLast,
      bytes,
    };
    return { piece, contents: this.#contents.subarray(this.#at, this.#at + bytes) };
  }

  /** The piece that is next was sent. */
  sent(): void {
    this.#at += this.next?.piece.bytes ?? 0;
    this.#next += 1;
  }
}

function corrupt(what: string, found: number, wanted: number): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_CORRUPT',
    `${what} of a piece of clipboard contents must be ${wanted}, but is ${found}`,
  );
}
