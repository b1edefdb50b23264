import type { Readable } from 'node:stream';

/** Lines that a program writes: all of them, and a place from which the next one is waited for. */
export class Lines {
  readonly #lines: string[] = [];
  readonly #what: string;
  #rest = '';
  #at = 0;
  #ended: Error | undefined;
  #wake: (() => void) | undefined;
  #endNow: (reason: Error) => void = () => undefined;
  /** Rejects with the reason when nothing more comes. */
  readonly over: Promise<never> = new Promise((_, reject) => {
    this.#endNow = reject;
  });

  constructor(what: string, stream?: Readable) {
    this.#what = what;
    this.over.catch(() => undefined);
    stream?.setEncoding('utf8').on('data', (text: string) => this.push(text));
  }

  /** Every line so far. */
  get all(): readonly string[] {
    return this.#lines;
  }

  /** Takes text as it comes. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#lines.push(line.replace(/\r$/, ''));
    this.#wake?.();
  }

  /** Nothing more comes, and why. */
  end(reason: Error): void {
    this.#ended ??= reason;
    this.#endNow(reason);
    this.#wake?.();
  }

  /** The next line; those that were taken before are not given again. */
  async next(): Promise<string> {
    for (;;) {
      const line = this.#lines[this.#at];
      if (line !== undefined) {
        this.#at += 1;
        return line;
      }
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next line that is like this; the ones before it are passed over. */
  async take(pattern: RegExp): Promise<string> {
    const from = this.#at;
    try {
      for (;;) {
        const line = await this.next();
        if (pattern.test(line)) return line;
      }
    } catch (cause) {
      const seen = this.#lines.slice(from).slice(-20).join('\n');
      throw new Error(`${this.#what} must say ${pattern}, but said:\n${seen}`, { cause });
    }
  }
}
