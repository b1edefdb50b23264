const BITS = 2 ** 26;

/** Counts different inputs without keeping them: a bit for each, by its hash. */
export class Distinct {
  readonly #seen: Uint32Array = new Uint32Array(BITS / 32);
  #count = 0;

  add(bytes: Uint8Array): void {
    let hash = 0x811c_9dc5 ^ bytes.byteLength;
    const whole = bytes.byteOffset % 4 === 0 ? bytes.byteLength >> 2 : 0;
    const words = new Uint32Array(bytes.buffer, whole === 0 ? 0 : bytes.byteOffset, whole);
    for (const word of words) hash = mixed(hash, word);
    for (let i = whole * 4; i < bytes.byteLength; i++) hash = mixed(hash, bytes[i] ?? 0);
    const bit = (hash ^ (hash >>> 15)) >>> 6;
    const at = bit >>> 5;
    const mask = 1 << (bit & 31);
    const word = this.#seen[at] ?? 0;
    if ((word & mask) !== 0) return;
    this.#seen[at] = word | mask;
    this.#count += 1;
  }

  /** At least so many were different: two with one hash count once. */
  get count(): number {
    return this.#count;
  }
}

function mixed(hash: number, word: number): number {
  const sum = Math.imul(hash ^ word, 0x0100_0193);
  return sum ^ (sum >>> 13);
}
