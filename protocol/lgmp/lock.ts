import { hex, KvmfrError } from '../error.ts';
import { LOCK_SPINS } from '../limits.ts';
import type { Region } from '../memory/region.ts';
import { compareExchangeU32, exchangeU8, storeU8, storeU32 } from '../memory/word.ts';

/**
 * Tries to take a lock of the region, spinning for a bounded number of turns.
 *
 * Holders keep a lock for well below a microsecond, but a holder may die with it: the caller waits
 * without the processor and tries again, and gives the session up after LOCK_TIMEOUT_MS.
 *
 * @returns false when it stayed taken
 * @throws ERR_KVMFR_CORRUPT when the word is neither 0 nor 1
 */
export function tryLock(
  region: Region,
  at: number,
  lockBytes: 1 | 4,
  spins: number = LOCK_SPINS,
): boolean {
  for (let turn = 0; turn < spins; turn++) {
    if (lockBytes === 1) {
      // A byte exchange, as LGMP 5 does: the seven bytes behind it belong to nobody.
      if (exchangeU8(region, at, 1) === 0) return true;
      continue;
    }
    const before = compareExchangeU32(region, at, { expected: 0, value: 1 });
    if (before === 0) return true;
    if (before !== 1)
      throw new KvmfrError(
        'ERR_KVMFR_CORRUPT',
        `a lock word at ${hex(at)} must be 0 or 1, but is ${hex(before)}`,
      );
  }
  return false;
}

/** Gives a lock back. */
export function unlock(region: Region, at: number, lockBytes: 1 | 4): void {
  if (lockBytes === 1) storeU8(region, at, 0);
  else storeU32(region, at, 0);
}
