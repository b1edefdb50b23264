import { strokesOf } from './typing.ts';

/** From one stroke to the next: slower than guests' keyboards need, quicker than a person. */
const STROKE_MS = 12;

/** Types texts, one after the other, a key at a time. */
export class Typist {
  readonly #press: (codes: readonly string[]) => void;
  #before: Promise<unknown> = Promise.resolve();
  #stopped = new AbortController();

  constructor(press: (codes: readonly string[]) => void) {
    this.#press = press;
  }

  /** Types a text. Settles with the characters that have no key. */
  type(text: string): Promise<readonly string[]> {
    const { signal } = this.#stopped;
    const typed = this.#before.then(() => this.#type(text, signal));
    this.#before = typed;
    return typed;
  }

  /** Stops in the middle of whatever is typed. */
  stop(): void {
    this.#stopped.abort();
    this.#stopped = new AbortController();
  }

  async #type(text: string, signal: AbortSignal): Promise<readonly string[]> {
    const { strokes, missing } = strokesOf(text);
    for (const { code, shift } of strokes) {
      if (signal.aborted) break;
      this.#press(shift ? ['ShiftLeft', code] : [code]);
      await new Promise<void>((resolve) => setTimeout(resolve, STROKE_MS));
    }
    return missing;
  }
}
