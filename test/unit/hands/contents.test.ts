import { describe, expect, it } from 'vitest';
import { linesToCrlf, linesToLf } from '../../../viewer/hands/contents.ts';

const PART_BYTES = 256 * 1024;

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

describe('the ends of lines', () => {
  it('are made LF, and a CR that ends none stays', async () => {
    const text = bytes('a\r\nb\rc\n\r\r\n\r');
    expect(bytes('a\nb\rc\n\r\n\r').equals(await linesToLf(text))).toBe(true);
    const plain = bytes('a\nb\r');
    expect(await linesToLf(plain)).toBe(plain);
  });

  it('are made CR LF, and those that are so stay', async () => {
    const text = bytes('\na\r\nb\rc\n\n');
    expect(bytes('\r\na\r\nb\rc\r\n\r\n').equals(await linesToCrlf(text))).toBe(true);
    const plain = bytes('a\r\nb\r');
    expect(await linesToCrlf(plain)).toBe(plain);
  });

  it('are found wherever a large text is cut', async () => {
    for (const before of [PART_BYTES - 2, PART_BYTES - 1, PART_BYTES]) {
      const [start, end] = ['x'.repeat(before), 'y'.repeat(PART_BYTES)];
      const [lf, crlf] = [bytes(`${start}\n${end}\n`), bytes(`${start}\r\n${end}\r\n`)];
      expect([isSame(await linesToLf(crlf), lf), isSame(await linesToCrlf(lf), crlf)]).toEqual([
        ...[true, true],
      ]);
    }
  });

  it('of a large text leave a turn to all else after each part', async () => {
    for (const [convert, line] of [
      [linesToLf, 'x\r\n'],
      [linesToCrlf, 'xy\n'],
    ] as const) {
      const text = bytes(line.repeat(PART_BYTES));
      let turns = 0;
      let isOver = false;
      const count = (): void => {
        turns++;
        if (!isOver) setImmediate(count);
      };
      setImmediate(count);
      await convert(text);
      isOver = true;
      // Three parts are looked at, and converted: two pauses each.
      expect(turns).toBeGreaterThanOrEqual(4);
    }
  });
});
