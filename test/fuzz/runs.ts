import type fc from 'fast-check';

/** Multiplies the number of runs; 1 when left out. */
const RUNS = 'KVMFR_FUZZ_RUNS';
/** Repeats what a failure printed. */
const SEED = 'KVMFR_FUZZ_SEED';

/**
 * How a property is run: so many times as a matter of course, more by `KVMFR_FUZZ_RUNS=20`. A failure
 * prints the seed, for `KVMFR_FUZZ_SEED`, and the smallest bytes that still fail.
 */
export function fuzzed<T>(runs: number): fc.Parameters<T> {
  const factor = Number(process.env[RUNS] ?? 1);
  if (!(factor > 0)) throw new Error(`${RUNS} must be a number above 0, but is ${factor}`);
  const seed = process.env[SEED];
  return {
    numRuns: Math.ceil(runs * factor),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
}

/** How long a test with more runs may take, on a machine with other work. Units: milliseconds. */
export function fuzzTimeoutMs(): number {
  return 240_000 * Math.max(1, Number(process.env[RUNS] ?? 1));
}
