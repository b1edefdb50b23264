import {
  CLIPBOARD_CHUNK_BYTES,
  type ClipboardData,
  type ClipboardRequest,
  encodeClipboardData,
  wireError,
} from '../../protocol/wire/index.ts';
import { contentsFault } from '../hands/index.ts';

/** Bytes that may be on the way to us unasked for: enough for a line of some length, and no more. */
const WINDOW_BYTES = 4 * CLIPBOARD_CHUNK_BYTES;
/** A viewer that sends nothing of what it has offered for so long has it no more. */
const SILENCE_MS = 15_000;

/** What is known of contents before any of them has come. */
export interface IncomingOptions {
  readonly request: Omit<ClipboardRequest, 'upTo'>;
  readonly limitBytes: number;
  readonly nowMs: () => number;
  /** Told when {@link IncomingContents.wanted} is another. */
  readonly changed: () => void;
}

/** Contents on their way from a viewer, pulled piece by piece. */
export class IncomingContents {
  /** All of them; undefined when they do not come. */
  readonly whole: Promise<Uint8Array | undefined>;
  readonly #options: IncomingOptions;
  readonly #resolve: (bytes: Uint8Array | undefined) => void;
  #bytes: Uint8Array | undefined;
  #received = 0;
  #upTo: number = WINDOW_BYTES;
  #heardMs: number;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#heardMs = options.nowMs();
    let resolve: (bytes: Uint8Array | undefined) => void = () => undefined;
    this.whole = new Promise((done) => {
      resolve = done;
    });
    this.#resolve = resolve;
  }

  /** What the viewer is to be told. */
  get wanted(): ClipboardRequest {
    return { ...this.#options.request, upTo: this.#upTo };
  }

  /**
   * Takes a piece, or that there is none. The answer is whether that was the last.
   *
   * @throws ERR_KVMFR_WIRE for what no viewer sends that keeps to docs/wire.md
   */
  take(data: ClipboardData): boolean {
    this.#heardMs = this.#options.nowMs();
    if ('refused' in data) {
      this.end();
      return true;
    }
    const bytes = this.#room(data);
    bytes.set(data.bytes, data.offset);
    this.#received += data.bytes.length;
    if (this.#received === data.total) {
      this.#check(bytes);
      this.#resolve(bytes);
      return true;
    }
    if (this.#upTo - this.#received <= WINDOW_BYTES / 2) {
      this.#upTo = this.#received + WINDOW_BYTES;
      this.#options.changed();
    }
    return false;
  }

  /** Whether nothing has come for too long. */
  isSilent(): boolean {
    return this.#options.nowMs() - this.#heardMs > SILENCE_MS;
  }

  /** They are not wanted any more, or do not come. */
  end(): void {
    this.#resolve(undefined);
  }

  #room(data: Exclude<ClipboardData, { readonly refused: string }>): Uint8Array {
    const { kind } = this.#options.request;
    const { limitBytes } = this.#options;
    if (data.total > limitBytes)
      throw wireError(`at most ${limitBytes} bytes of ${kind} pass, but these are ${data.total}`);
    if (data.offset !== this.#received || data.total !== (this.#bytes?.length ?? data.total))
      throw wireError(
        `a piece of ${kind} must be at ${this.#received} of ${this.#bytes?.length ?? 'any'} bytes, but is at ${data.offset} of ${data.total}`,
      );
    this.#bytes ??= new Uint8Array(data.total);
    return this.#bytes;
  }

  #check(bytes: Uint8Array): void {
    const { kind } = this.#options.request;
    const fault = contentsFault(kind, bytes);
    if (fault === undefined) return;
    this.end();
    throw wireError(`what came as ${kind} ${fault}`);
  }
}

/** Contents on their way to a viewer: as much of them as it has asked for, piece by piece. */
export class OutgoingContents {
  readonly transfer: number;
  #upTo: number;
  #bytes: Uint8Array | undefined;
  #sent = 0;
  #refused: string | undefined;
  #isDone = false;

  constructor(transfer: number, upTo: number) {
    this.transfer = transfer;
    this.#upTo = upTo;
  }

  /** Whether nothing follows. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Bytes that have gone. */
  get sent(): number {
    return this.#sent;
  }

  /** The viewer takes so much now. */
  allow(upTo: number): void {
    this.#upTo = Math.max(this.#upTo, upTo);
  }

  /** Here they are. Ownership: they must not change any more. */
  fill(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  /** There are none, for a reason; what was sent of them is void. */
  refuse(reason: string): void {
    this.#refused = reason;
    this.#bytes = undefined;
  }

  /** The next message; undefined when there is nothing to be sent now. */
  next(): Uint8Array | undefined {
    const { transfer } = this;
    if (this.#isDone) return undefined;
    if (this.#refused !== undefined) {
      this.#isDone = true;
      return encodeClipboardData({ transfer, refused: this.#refused }, 'relay');
    }
    const bytes = this.#bytes;
    if (bytes === undefined) return undefined;
    const offset = this.#sent;
    const end = Math.min(bytes.length, this.#upTo, offset + CLIPBOARD_CHUNK_BYTES);
    if (end <= offset && bytes.length > 0) return undefined;
    this.#sent = end;
    this.#isDone = end === bytes.length;
    const piece = { transfer, offset, total: bytes.length, bytes: bytes.subarray(offset, end) };
    return encodeClipboardData(piece, 'relay');
  }
}
