/** Waiting times between attempts to connect. Units: milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** A relay that was restarted is found again within about this long. */
export const RELAY_BACKOFF: Backoff = { firstMs: 50, longestMs: 1500 };

/**
 * How long to wait before attempt `failures + 1`: doubles from `firstMs` to `longestMs`, and
 * varies by a quarter so that many viewers do not return in the same instant.
 *
 * @param random a number from 0 to 1
 */
export function backoffMs(failures: number, random: number, backoff: Backoff): number {
  const plain = Math.min(backoff.longestMs, backoff.firstMs * 2 ** Math.min(failures, 16));
  return Math.round(plain * (0.875 + random * 0.25));
}
