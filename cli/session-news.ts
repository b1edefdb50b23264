/** A host that begins its session this often within the time below is not alone in its region. */
const OFTEN = 3;
const WITHIN_MS = 10_000;

/** What to say of sessions that a host had to begin anew. */
export class SessionNews {
  readonly #begunMs: number[] = [];
  #isRivalTold = false;

  /**
   * The line for a session that took the place of the one before, or undefined when all is said:
   * two hosts in one region begin theirs in turns, for as long as both run.
   *
   * @param nowMs monotonic
   */
  begun(id: number, nowMs: number): string | undefined {
    const begunMs = this.#begunMs;
    begunMs.push(nowMs);
    while ((begunMs[0] ?? nowMs) < nowMs - WITHIN_MS) begunMs.shift();
    if (begunMs.length === 1) this.#isRivalTold = false;
    if (this.#isRivalTold) return undefined;
    if (begunMs.length < OFTEN)
      return `session 0x${id.toString(16)}, because the one before was written over`;
    this.#isRivalTold = true;
    return 'something else publishes in this region again and again, perhaps another host: end one of the two';
  }
}
