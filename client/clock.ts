// Each thread's performance.now() counts from another moment. Both are readings of one clock.
const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/**
 * The machine's monotonic clock, the same in all threads and processes: that of `process.hrtime`.
 *
 * Units: milliseconds.
 */
export function monotonicMs(): number {
  return performance.now() + OFFSET_MS;
}
