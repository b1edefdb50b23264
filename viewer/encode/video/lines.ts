import { StringDecoder } from 'node:string_decoder';

/** A line that is longer is cut: a codec library prints what it likes. */
const MAX_LINE_CHARS = 400;

/** The newest lines of a stream of text, so that what a library printed can be told when it fails. */
export class LastLines {
  readonly #most: number;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #lines: readonly string[] = [];
  #partial = '';

  /** Keeps at most `most` lines; `onLine` is called for each. */
  constructor(most: number, onLine: (line: string) => void = () => undefined) {
    this.#most = most;
    this.#onLine = onLine;
  }

  /** The newest lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Takes what was printed next. */
  feed(chunk: Buffer): void {
    const lines = (this.#partial + this.#decoder.write(chunk)).split('\n');
    this.#partial = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS);
    const whole = lines.map((line) => line.trim().slice(0, MAX_LINE_CHARS)).filter(Boolean);
    this.#lines = [...this.#lines, ...whole].slice(-this.#most);
    for (const line of whole) this.#onLine(line);
  }
}
