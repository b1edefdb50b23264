import { giveBackMemory } from '../../native/index.ts';

/** Often enough that what coding leaves does not add up, and too rarely to be noticed. */
const EVERY_MS = 60_000;

/** Gives memory back that coding has left: once a minute at the most, and when all is at rest. */
export class SpareMemory {
  #givenMs = 0;
  #giving: Promise<unknown> | undefined;

  /** Something was coded. Units: milliseconds of any clock that does not jump. */
  tick(nowMs: number): void {
    if (this.#givenMs === 0) this.#givenMs = nowMs;
    if (nowMs - this.#givenMs >= EVERY_MS) this.give(nowMs);
  }

  /** Nothing will be coded for a while. */
  give(nowMs: number): void {
    this.#givenMs = nowMs;
    this.#giving ??= giveBackMemory().finally(() => {
      this.#giving = undefined;
    });
  }

  /** Settles when nothing is under way. */
  async close(): Promise<void> {
    await this.#giving;
  }
}
