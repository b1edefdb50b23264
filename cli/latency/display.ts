import type { WriteStream } from 'node:tty';
import type { Measurement } from './measurement.ts';
import { framesPerSecond, lineText, tableText } from './table.ts';
import type { Interval } from './timeline.ts';

/** Where a measurement is shown to people: standard output, or standard error when that is taken. */
export type DisplayStream = Pick<WriteStream, 'write' | 'isTTY' | 'rows'>;

const ERASE_BELOW = '\u001b[J';

function upLines(count: number): string {
  return `\u001b[${count}A\r`;
}

/** Shows a measurement while it runs: a table drawn in place on a terminal, else a line a second. */
export class Display {
  readonly #stream: DisplayStream;
  /** Lines of the table that stand on the terminal. */
  #drawn = 0;

  constructor(stream: DisplayStream) {
    this.#stream = stream;
  }

  /** Prints a line of its own. */
  say(line: string): void {
    this.#clear();
    this.#stream.write(`${line}\n`);
  }

  /** Shows an interval that has ended. */
  show(measurement: Measurement, title: string, interval: Interval): void {
    const table = `${title}, ${framesPerSecond(interval).toFixed(1)} fps\n${tableText(measurement)}`;
    const lines = table.split('\n').length;
    // A table that is higher than the terminal could not be drawn over.
    if (this.#stream.isTTY !== true || lines + 1 > this.#stream.rows) {
      this.say(lineText(measurement, interval));
      return;
    }
    this.#clear();
    this.#stream.write(`${table}\n`);
    this.#drawn = lines;
  }

  /** Shows the table for the last time. */
  end(measurement: Measurement, title: string): void {
    this.#clear();
    this.#stream.write(`${title}\n${tableText(measurement)}\n`);
  }

  #clear(): void {
    if (this.#drawn > 0) this.#stream.write(upLines(this.#drawn) + ERASE_BELOW);
    this.#drawn = 0;
  }
}
