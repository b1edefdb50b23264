const KEPT_BUFFERS = 4;
const SMALLEST_BYTES = 64 * 1024;

/** Buffers that are used again, so that a steady stream of updates allocates no pixels. */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];

  /** A buffer of at least this many bytes. Ownership: the caller's until `give`. */
  take(atLeastBytes: number): ArrayBuffer {
    let best = -1;
    for (const [index, buffer] of this.#free.entries()) {
      if (buffer.byteLength < atLeastBytes) continue;
      const smallest = this.#free[best];
      if (smallest === undefined || buffer.byteLength < smallest.byteLength) best = index;
    }
    const found = best < 0 ? undefined : this.#free.splice(best, 1)[0];
    if (found !== undefined) return found;
    let size = SMALLEST_BYTES;
    while (size < atLeastBytes) size *= 2;
    return new ArrayBuffer(size);
  }

  /** Takes a buffer back. */
  give(buffer: ArrayBuffer): void {
    this.#free.push(buffer);
    if (this.#free.length > KEPT_BUFFERS) this.#free.shift();
  }
}
