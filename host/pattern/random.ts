/**
 * A number from 0 to 1 that depends on its arguments alone, and looks random.
 *
 * The pictures of the synthetic guest have to be the same for the same seed and frame, in whatever
 * order frames are drawn; a generator with a state would not give that.
 */
export function hash(seed: number, index: number): number {
  let bits = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  bits ^= bits >>> 15;
  bits = Math.imul(bits, 0x2c1b3c6d);
  bits ^= bits >>> 12;
  bits = Math.imul(bits, 0x297a2d39);
  bits ^= bits >>> 15;
  return (bits >>> 0) / 0x1_0000_0000;
}

/** One of the values, chosen by {@link hash}. */
export function pick<T>(values: readonly [T, ...T[]], seed: number, index: number): T {
  return values[Math.floor(hash(seed, index) * values.length)] ?? values[0];
}
