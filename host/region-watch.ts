import type { Mapping, RegionPresence } from '../native/index.ts';
import { KvmfrError } from '../protocol/index.ts';

// How often the path of the region is looked at.
const LOOK_INTERVAL_MS = 1000;

/** Looks whether what is written into a region still reaches who opens its path. */
export class RegionWatch {
  readonly #mapping: Mapping | undefined;
  #lookedAt = 0;

  /** A region without a mapping is memory of this process, and stays. */
  constructor(mapping: Mapping | undefined) {
    this.#mapping = mapping;
  }

  /** What to tell when the memory went away: what we write there nobody sees. */
  memoryLoss(): KvmfrError | undefined {
    return this.#mapping?.lost === true ? this.#mapping.lossError() : undefined;
  }

  /** What to tell when the memory, or the path, is not ours any more. */
  loss(nowMs: number): KvmfrError | undefined {
    const mapping = this.#mapping;
    const lost = this.memoryLoss();
    if (lost !== undefined || mapping === undefined) return lost;
    if (nowMs - this.#lookedAt < LOOK_INTERVAL_MS) return undefined;
    this.#lookedAt = nowMs;
    let presence: RegionPresence;
    try {
      presence = mapping.stillThere();
    } catch {
      // What the path names cannot be seen now; the mapping itself is as good as before.
      return undefined;
    }
    if (presence === 'same') return undefined;
    // Whoever opens the path from now on gets another file: nobody would ever see us.
    const { path } = mapping;
    const found = presence === 'gone' ? 'it is gone' : `it was ${presence}`;
    const what = `the region ${path} must stay, but ${found}`;
    return new KvmfrError('ERR_KVMFR_ABSENT', what, { path });
  }
}
