import { KvmfrError } from '../../../protocol/error.ts';

/** The error for bytes of a SPICE server that break the protocol. */
export function brokenSpice(message: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_SPICE', message, {
    hint: 'see whether the address is that of a SPICE server, and which version it has',
  });
}

/**
 * The body of one message, read field by field. Every read is checked against the body's end.
 *
 * Ownership: one object per channel, turned to each message in its turn; the bytes are valid while the
 * message is handled.
 */
export class Body {
  /** What it is the body of, for errors. */
  what = '';
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #at = 0;

  /** Turns to other bytes. */
  reset(what: string, bytes: Buffer, start: number, end: number): this {
    this.what = what;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#at = start;
    return this;
  }

  /** Bytes of all of it. */
  get size(): number {
    return this.#end - this.#start;
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** Where the next read begins, counted from the body's start. */
  get offset(): number {
    return this.#at - this.#start;
  }

  /** Where the next read begins in {@link buffer}. */
  get position(): number {
    return this.#at;
  }

  /** The bytes that the body is part of: beware, it begins and ends anywhere. */
  get buffer(): Buffer {
    return this.#bytes;
  }

  /** Goes on at an offset from the body's start. */
  seek(offset: number, name: string): void {
    if (offset > this.size)
      throw brokenSpice(
        `${name} of ${this.what} must point within its ${this.size} bytes, but is ${offset}`,
      );
    this.#at = this.#start + offset;
  }

  u8(name: string): number {
    return this.#bytes.readUInt8(this.#take(1, name));
  }

  u16(name: string): number {
    return this.#bytes.readUInt16LE(this.#take(2, name));
  }

  i16(name: string): number {
    return this.#bytes.readInt16LE(this.#take(2, name));
  }

  u32(name: string): number {
    return this.#bytes.readUInt32LE(this.#take(4, name));
  }

  i32(name: string): number {
    return this.#bytes.readInt32LE(this.#take(4, name));
  }

  u64(name: string): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8, name));
  }

  /** A u32 that may not exceed a bound. */
  count(name: string, max: number): number {
    return this.#bounded(name, this.u32(name), max);
  }

  /** A u16 that may not exceed a bound. */
  count16(name: string, max: number): number {
    return this.#bounded(name, this.u16(name), max);
  }

  /** Passes bytes over. */
  skip(size: number, name: string): void {
    this.#take(size, name);
  }

  /** The next bytes, not copied: valid while the message is handled. */
  view(size: number, name: string): Buffer {
    const at = this.#take(size, name);
    return this.#bytes.subarray(at, at + size);
  }

  /** A copy of the next bytes, for who keeps them. */
  copy(size: number, name: string): Uint8Array {
    return Uint8Array.from(this.view(size, name));
  }

  #bounded(name: string, value: number, max: number): number {
    if (value > max)
      throw brokenSpice(`${name} of ${this.what} must be at most ${max}, but is ${value}`);
    return value;
  }

  #take(size: number, name: string): number {
    const at = this.#at;
    if (size > this.#end - at)
      throw brokenSpice(
        `${name} of ${this.what} needs ${size} bytes at ${this.offset}, but it has ${this.size}`,
      );
    this.#at = at + size;
    return at;
  }
}
