import { hex, KvmfrError } from '../error.ts';

/**
 * A block of bytes with bounds: a mapping of a region, or a plain copy of a part of one.
 *
 * Shape: views of every width over one ArrayBuffer, made once.
 * Ownership: the buffer belongs to whoever made it; after its mapping closed it is detached, every
 * length is 0 and every access throws.
 */
export class Region {
  readonly buffer: ArrayBuffer;
  readonly byteLength: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** 32-bit words, for word.ts. */
  readonly words: Int32Array<ArrayBuffer>;
  /** 64-bit words, for word.ts. */
  readonly longs: BigInt64Array<ArrayBuffer>;
  /** Single bytes, for word.ts: the lock of LGMP 5 is one. */
  readonly octets: Int8Array<ArrayBuffer>;

  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.byteLength = buffer.byteLength;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    this.longs = new BigInt64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
    this.octets = new Int8Array(buffer);
  }

  /** A Region over a private copy of bytes, for parsing what the peer can no longer change. */
  static copyOf(bytes: Uint8Array): Region {
    const copy = new Uint8Array(bytes.byteLength);
    copy.set(bytes);
    return new Region(copy.buffer);
  }

  /** Whether the mapping behind this region is gone. */
  get detached(): boolean {
    return this.byteLength !== 0 && this.buffer.byteLength === 0;
  }

  /**
   * Checks that a span lies inside.
   *
   * @throws ERR_KVMFR_BOUNDS with the place, the need and the end
   */
  check(span: { readonly at: number; readonly bytes: number; readonly what: string }): void {
    if (span.at < 0 || span.bytes < 0 || span.at + span.bytes > this.byteLength)
      throw new KvmfrError(
        'ERR_KVMFR_BOUNDS',
        `${span.what} at ${hex(span.at)} needs ${span.bytes} bytes, but the region ends at ${hex(this.byteLength)}`,
      );
  }

  /** Copies a span out; the caller has checked it. */
  copyOut(at: number, bytes: number): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(at, at + bytes);
  }
}
