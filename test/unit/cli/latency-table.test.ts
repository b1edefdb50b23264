import { describe, expect, it } from 'vitest';
import { Display } from '../../../cli/latency/display.ts';
import { missingReason } from '../../../cli/latency/rows.ts';
import { lineText, tableText, timeText } from '../../../cli/latency/table.ts';
import { measuredStage } from './latency.ts';

describe('timeText()', () => {
  it.each([
    [0, '0 us'],
    [999, '999 us'],
    [1000, '1.00 ms'],
    [9994, '9.99 ms'],
    [9996, '10.0 ms'],
    [99_940, '99.9 ms'],
    [99_960, '100 ms'],
    [999_499, '999 ms'],
    [999_501, '1.00 s'],
    [60_000_000, '60.0 s'],
  ])('says %i us as %s', (us, text) => {
    expect(timeText(us)).toBe(text);
  });
});

describe('the table', () => {
  it('has stages as rows, percentiles as columns, and a reason where nothing was measured', () => {
    const { measurement, latency } = measuredStage({ listening: true });
    for (let us = 1; us <= 1000; us++) latency.record('encode', us);
    latency.record('send', 2);
    expect(tableText(measurement)).toBe(
      [
        'stage                 p50      p90      p99    p99.9      max    count',
        'producer            no frames',
        'notice              no frames',
        'arrive              no frames',
        'apply               no frames',
        'queue               no frames',
        'encode             500 us   900 us   990 us   999 us  1.00 ms     1000',
        'send                 2 us     2 us     2 us     2 us     2 us        1',
        'network             no frames',
        'decode              no frames',
        'present             no frames',
        'total               no frames',
      ].join('\n'),
    );
  });

  it('has the rows of input when there is a stimulus', () => {
    const { measurement } = measuredStage({ stimulus: true });
    measurement.answered('inputToPicture', 12.3456);
    expect(tableText(measurement).split('\n').slice(-2)).toEqual([
      'input to picture  12.3 ms  12.3 ms  12.3 ms  12.3 ms  12.3 ms        1',
      'input to ack        no frames',
    ]);
  });

  it('of an interval is one line of means', () => {
    const { measurement, latency } = measuredStage();
    latency.record('encode', 100);
    latency.record('encode', 300);
    latency.record('total', 2000);
    const line = lineText(measurement, {
      fromMs: 1000,
      toMs: 3000,
      frames: 119,
      stages: measurement.sample().stages,
    });
    expect(line).toBe('  3 s  59.5 fps  mean: encode 200 us, total 2.00 ms');
    expect(measurement.sample().stages).toEqual({});
  });
});

describe('missingReason()', () => {
  const found = { release: 'B7', listening: true, frames: 5, looked: true, stimulus: true };
  it.each([
    ['producer', {}, 'not told by B7'],
    ['producer', { release: undefined }, 'not told by the guest'],
    ['producer', { frames: 0 }, 'no frames'],
    ['notice', {}, 'never waited for'],
    ['encode', { listening: false, looked: false }, 'no --listen'],
    ['encode', { looked: false }, 'no browser'],
    ['network', {}, 'not told'],
    ['inputToPicture', { stimulus: false }, 'no --stimulus'],
    ['inputToPicture', {}, 'no answer'],
    ['inputToAck', { looked: false }, 'no browser'],
    ['inputToAck', {}, 'no answer'],
  ] as const)('of %s with %o is "%s"', (name, change, reason) => {
    expect(missingReason(name, { ...found, ...change })).toBe(reason);
  });
});

describe('Display', () => {
  function shown(terminal: { readonly isTTY: boolean; readonly rows: number }): string {
    const { measurement } = measuredStage();
    let text = '';
    const display = new Display({
      ...terminal,
      write: (more: string) => {
        text += more;
        return true;
      },
    });
    display.say('hello');
    display.show(measurement, 'a guest', measurement.sample());
    display.show(measurement, 'a guest', measurement.sample());
    display.say('and more');
    display.end(measurement, 'a guest');
    return text;
  }

  it('draws the table over the one before on a terminal, and lets lines stand', () => {
    const parts = shown({ isTTY: true, rows: 40 }).split('\u001b[13A\r\u001b[J');
    expect(parts).toHaveLength(3);
    expect(parts[0]).toMatch(/^hello\na guest, 0\.0 fps\nstage .*\n(.*\n){11}$/);
    expect(parts[1]).toMatch(/^a guest, 0\.0 fps\nstage .*\n(.*\n){11}$/);
    expect(parts[2]).toMatch(/^and more\na guest\nstage .*\n(.*\n){11}$/);
  });

  it.each([
    ['that is none', { isTTY: false, rows: 40 }],
    ['that is too low', { isTTY: true, rows: 13 }],
  ])('prints lines on a terminal %s, and the table at the end', (_, terminal) => {
    const text = shown(terminal);
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(
      /^hello\n {2}0 s {2}0\.0 fps\n {2}0 s {2}0\.0 fps\nand more\na guest\nstage /,
    );
  });
});
