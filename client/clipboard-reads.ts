import { KvmfrError } from '../protocol/error.ts';
import type { ClipboardFormat } from '../protocol/kvmfr/clipboard.ts';
import { ClipboardContents } from '../protocol/kvmfr/clipboard-contents.ts';
import type { ClipboardBody } from '../protocol/kvmfr/clipboard-record.ts';

/** Formats of contents that can be read and given. Files cannot. */
export type ContentFormat = Exclude<ClipboardFormat, 'files'>;

/** Contents that were asked for. */
export interface ClipboardRead {
  /**
   * Undefined when the guest has none of it any more, or gives none in time. Rejects with
   * ERR_KVMFR_SIZE for more than was allowed.
   */
  readonly contents: Promise<Uint8Array | undefined>;
  /** Nobody waits for it any more. */
  cancel(): void;
}

/** How long a read waits for the next piece. Units: milliseconds. */
export const CLIPBOARD_READ_MS: number = 10_000;
/** Reads that wait for the one before. */
export const MAX_CLIPBOARD_READS: number = 8;

interface Reading {
  readonly format: ContentFormat;
  readonly content: bigint;
  readonly contents: ClipboardContents;
  readonly settle: (contents: Uint8Array | undefined) => void;
  readonly fail: (error: KvmfrError) => void;
  transfer: bigint;
  movedMs: number;
}

/** What is read of a guest's clipboard: one content after the other. Time comes in as an argument. */
export class ClipboardReads {
  readonly #say: (body: ClipboardBody) => unknown;
  #waiting: Reading[] = [];
  #current: Reading | undefined;
  #transfer = 0n;

  /** `say` tells the guest. */
  constructor(say: (body: ClipboardBody) => unknown) {
    this.#say = say;
  }

  /** Whether pieces are waited for. */
  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  /** Asks for a format of a content, when what was asked for before is there. */
  ask(what: {
    readonly format: ContentFormat;
    readonly content: bigint;
    readonly maxBytes: number;
  }): ClipboardRead {
    const { format, content, maxBytes } = what;
    if (this.#waiting.length >= MAX_CLIPBOARD_READS) return NOTHING;
    let reading: Reading | undefined;
    const contents = new Promise<Uint8Array | undefined>((settle, fail) => {
      const place = { contents: new ClipboardContents(maxBytes), transfer: 0n, movedMs: 0 };
      reading = { format, content, settle, fail, ...place };
      this.#waiting.push(reading);
    });
    return {
      contents,
      cancel: () => {
        if (reading === this.#current) this.#end('aborted');
        this.#waiting = this.#waiting.filter((one) => one !== reading);
        reading?.settle(undefined);
      },
    };
  }

  /** Goes on: ends what takes too long, and begins the next. `content` is what the guest has. */
  advance(content: bigint | undefined, nowMs: number): void {
    const current = this.#current;
    if (current !== undefined && nowMs - current.movedMs > CLIPBOARD_READ_MS) this.#end('aborted');
    while (this.#current === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next.content === content) this.#begin(next, nowMs);
      else next.settle(undefined);
    }
  }

  /**
   * Takes a piece; one of a transfer that is over is let pass. Gives its bytes, if they were wanted.
   *
   * @throws ERR_KVMFR_CORRUPT for one that cannot be: the transfer is over then
   */
  take(body: ClipboardBody & { readonly kind: 'data' }, bytes: Uint8Array, nowMs: number): number {
    const current = this.#current;
    if (current === undefined || body.transfer !== current.transfer) return 0;
    const outcome = current.contents.take(body.piece, bytes);
    current.movedMs = nowMs;
    if (outcome === 'whole') this.#end(undefined, current.contents.join());
    else if (outcome === 'too-large') {
      const what = `the guest's clipboard has more ${current.format} than is taken`;
      current.fail(new KvmfrError('ERR_KVMFR_SIZE', what));
      this.#end('aborted');
    }
    return bytes.byteLength;
  }

  /** What came cannot be. */
  refuse(): void {
    this.#end('invalid');
  }

  /** The guest has ended a transfer. Gives whether it was one of these. */
  cancelled(transfer: bigint): boolean {
    if (this.#current?.transfer !== transfer) return false;
    this.#end(undefined);
    return true;
  }

  /** The guest has another content now. */
  replaced(content: bigint): void {
    if (this.#current?.content !== content) this.#end(undefined);
  }

  /** Whoever waits gets nothing. */
  end(): void {
    for (const { settle } of this.#waiting.splice(0)) settle(undefined);
    this.#end(undefined);
  }

  #begin(next: Reading, nowMs: number): void {
    this.#transfer += 1n;
    next.transfer = this.#transfer;
    next.movedMs = nowMs;
    this.#current = next;
    const { content, transfer, format } = next;
    this.#say({ kind: 'request', content, transfer, format });
  }

  /** The read is over; with a reason the guest is told. */
  #end(reason: 'aborted' | 'invalid' | undefined, contents?: Uint8Array): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    const { transfer, content, format } = current;
    if (reason !== undefined) this.#say({ kind: 'cancel', transfer, reason, content, format });
    current.settle(contents);
  }
}

/** A read that comes to nothing. */
export const NOTHING: ClipboardRead = {
  contents: Promise.resolve(undefined),
  cancel: () => undefined,
};
