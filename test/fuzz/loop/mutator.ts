import type { Random } from './random.ts';

/** Numbers at which arithmetic of sizes, offsets and counts goes wrong. */
const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 512, 513, 1023, 4095, 4096,
  32767, 32768, 32769, 65535, 65536, 0x00ff_ffff, 0x7fff_fffc, 0x7fff_ffff, 0x8000_0000,
  0xffff_fff0, 0xffff_fffc, 0xffff_ffff,
] as const;
const MOST_CHANGES = 6;

/** Makes inputs: takes one that is known and does a few odd things to it. */
export class Mutator {
  readonly #random: Random;
  readonly #words: readonly Uint8Array[];
  readonly #buffer: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #length = 0;

  /** @param words texts that a parser looks for */
  constructor(
    random: Random,
    options: { readonly maxBytes: number; readonly words?: readonly string[] | undefined },
  ) {
    this.#random = random;
    this.#words = (options.words ?? []).map((word) => new TextEncoder().encode(word));
    this.#buffer = new Uint8Array(options.maxBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** The next input. Ownership: valid until the next call. */
  next(corpus: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    const random = this.#random;
    const seed = random.pick(corpus);
    this.#length = Math.min(seed.byteLength, this.#buffer.byteLength);
    this.#buffer.set(seed.subarray(0, this.#length));
    for (let i = 1 + random.below(MOST_CHANGES); i > 0; i--) this.#change(corpus);
    return this.#buffer.subarray(0, this.#length);
  }

  /** A place with so many bytes behind it, mostly a whole number of them from the start. */
  #place(bytes: number): number | undefined {
    const last = this.#length - bytes;
    if (last < 0) return undefined;
    const at = this.#random.below(last + 1);
    return this.#random.below(4) === 0 ? at : at - (at % bytes);
  }

  #number(): number {
    const random = this.#random;
    return random.below(3) === 0 ? random.next() : random.pick(EDGES);
  }

  #change(corpus: readonly Uint8Array[]): void {
    const random = this.#random;
    const kind = random.below(13);
    if (kind <= 1) this.#withPlace(1, (at) => this.#flip(at));
    else if (kind === 2) this.#withPlace(1, (at) => this.#view.setUint8(at, random.next() & 255));
    else if (kind === 3) this.#withPlace(2, (at) => this.#view.setUint16(at, this.#number(), true));
    else if (kind <= 6) this.#withPlace(4, (at) => this.#view.setUint32(at, this.#number(), true));
    else if (kind === 7) this.#withPlace(4, (at) => this.#step(at));
    else if (kind === 8)
      this.#withPlace(8, (at) => this.#view.setBigUint64(at, BigInt(this.#number()), true));
    else if (kind === 9) this.#cut();
    else if (kind === 10) this.#insert(this.#buffer.slice(0, this.#length));
    else if (kind === 11) this.#insert(random.pick(corpus));
    else if (this.#words.length > 0) this.#insertWhole(random.pick(this.#words));
    else this.#withPlace(1, (at) => this.#flip(at));
  }

  #withPlace(bytes: number, work: (at: number) => void): void {
    const at = this.#place(bytes);
    if (at !== undefined) work(at);
  }

  #flip(at: number): void {
    this.#buffer[at] = (this.#buffer[at] ?? 0) ^ (1 << this.#random.below(8));
  }

  #step(at: number): void {
    const by = this.#random.below(9) - 4;
    this.#view.setUint32(at, this.#view.getUint32(at, true) + by, true);
  }

  /** Takes bytes out, mostly few, sometimes all to the end. */
  #cut(): void {
    const at = this.#random.below(this.#length + 1);
    const few = this.#random.below(4) === 0 ? this.#length : 8;
    const bytes = Math.min(this.#random.below(few + 1), this.#length - at);
    this.#buffer.copyWithin(at, at + bytes, this.#length);
    this.#length -= bytes;
  }

  /** Puts a part of something over or between what is there. */
  #insert(from: Uint8Array): void {
    const start = this.#random.below(from.byteLength + 1);
    const bytes = this.#random.below(Math.min(64, from.byteLength - start) + 1);
    this.#insertWhole(from.subarray(start, start + bytes));
  }

  #insertWhole(bytes: Uint8Array): void {
    const at = this.#random.below(this.#length + 1);
    const room = this.#buffer.byteLength;
    const isOver = this.#random.below(2) === 0;
    if (at + bytes.byteLength > room) return;
    if (!isOver) this.#buffer.copyWithin(at + bytes.byteLength, at, this.#length);
    this.#buffer.set(bytes, at);
    const end = isOver
      ? Math.max(this.#length, at + bytes.byteLength)
      : this.#length + bytes.byteLength;
    this.#length = Math.min(room, end);
  }
}
