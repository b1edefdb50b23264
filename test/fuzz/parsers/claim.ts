/** Fails a run whose parser gave something that it must not give. */
export function claim(truth: boolean, what: string): asserts truth {
  if (!truth) throw new Error(`not so: ${what}`);
}
