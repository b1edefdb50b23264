import { describe, expect, it } from 'vitest';
import { LastLines } from '../../../../viewer/encode/video/lines.ts';

describe('LastLines', () => {
  it('keeps the newest lines, however they were cut when they came', () => {
    const heard: string[] = [];
    const lines = new LastLines(2, (line) => heard.push(line));
    for (const piece of ['on', 'e\n\ntwo\nth', 'ree\nfour']) lines.feed(Buffer.from(piece));
    expect(lines.lines).toEqual(['two', 'three']);
    expect(heard).toEqual(['one', 'two', 'three']);
  });

  it('puts characters together again', () => {
    const lines = new LastLines(2);
    const bytes = Buffer.from('Grüße\n');
    lines.feed(bytes.subarray(0, 3));
    lines.feed(bytes.subarray(3));
    expect(lines.lines).toEqual(['Grüße']);
  });

  it('cuts a line that does not end', () => {
    const lines = new LastLines(1);
    for (let i = 0; i < 100; i++) lines.feed(Buffer.from('x'.repeat(1000)));
    lines.feed(Buffer.from('\n'));
    expect(lines.lines).toEqual(['x'.repeat(400)]);
  });
});
