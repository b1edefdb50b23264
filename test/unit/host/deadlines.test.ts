import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../../host/deadlines.ts';

const SCHEDULE = { periodMs: 10, slackMs: 1 };

/** One that was told at 100: its deadlines are at 110, 120 and so on. */
function make(): Deadlines {
  return new Deadlines(SCHEDULE, 100);
}

/** Publishes a frame that takes so long, and gives what it was made for. */
function publish(
  deadlines: Deadlines,
  atMs: number,
  workMs = 0,
  frameSerial = 1,
): [number, number?] {
  const aim = deadlines.aim(atMs);
  const lead = deadlines.complete({ aim, frameSerial, workMs }, atMs + workMs);
  return lead === undefined ? [aim.serial] : [aim.serial, lead];
}

describe('Deadlines', () => {
  it('counts a frame for the deadline it comes in time for, and each deadline once', () => {
    const deadlines = make();
    expect(publish(deadlines, 108)).toEqual([1, 2]);
    expect(publish(deadlines, 109)).toEqual([0]);
    expect(publish(deadlines, 117)).toEqual([2, 3]);
  });

  it('counts none that comes more than half a period early', () => {
    const deadlines = make();
    // Due at 108.75: a millisecond of slack and a quarter for what goes wrong.
    expect(publish(deadlines, 103.7)).toEqual([0]);
    expect(publish(deadlines, 103.8)).toEqual([1, expect.closeTo(6.2)]);
  });

  it('does not make up for deadlines that are over', () => {
    const deadlines = make();
    expect(publish(deadlines, 110)).toEqual([0]);
    expect(publish(deadlines, 147.5)).toEqual([5, 2.5]);
    expect(publish(deadlines, 1e9 + 8)).toEqual([99_999_991, 2]);
  });

  it('counts from one again when there are no higher numbers', () => {
    const deadlines = make();
    const end = 100 + 0xffff_ffff * 10;
    expect(publish(deadlines, end - 2)).toEqual([0xffff_ffff, 2]);
    expect(publish(deadlines, end + 8)).toEqual([1, 2]);
    expect(deadlines.report({ frameSerial: 1, deadlineSerial: 1, phaseErrorMs: 0 })).toBe(true);
  });

  it('does not count as met what is whole too late', () => {
    const deadlines = make();
    expect(publish(deadlines, 108, 2.5)).toEqual([1]);
    const report = { frameSerial: 1, deadlineSerial: 1, phaseErrorMs: 4 };
    expect(deadlines.report(report)).toBe(false);
  });

  it('is due earlier by what publishing takes', () => {
    const deadlines = make();
    expect(deadlines.dueInMs(100)).toBe(8.75);
    for (let n = 0; n < 200; n++) publish(deadlines, 106.5 + n * 10, 3);
    expect(deadlines.workMs).toBeCloseTo(3);
    // Slack 1, work 3, and an eighth of it for what goes wrong: 4.375 before 2110.
    expect(deadlines.dueInMs(2100)).toBeCloseTo(10 - 4.375);
  });

  it('leaves out a deadline that cannot be met any more', () => {
    const deadlines = make();
    for (let n = 0; n < 200; n++) publish(deadlines, 106.5 + n * 10, 3);
    // Two milliseconds are left, and it takes three: the one after.
    expect(deadlines.dueInMs(2108)).toBeCloseTo(12 - 4.375);
  });

  it('shifts by a quarter of the error, and by no more than a quarter of a period', () => {
    const shift = (phaseErrorMs: number): number => {
      const deadlines = make();
      publish(deadlines, 108);
      const before = deadlines.dueInMs(108);
      expect(deadlines.report({ frameSerial: 1, deadlineSerial: 1, phaseErrorMs })).toBe(true);
      return deadlines.dueInMs(108) - before;
    };
    expect([2, -2, 5, -5, 100, -100].map(shift)).toEqual([0.5, -0.5, 1.25, -1.25, 2.5, -2.5]);
  });

  it('believes a report of each deadline once, and of none before it', () => {
    const deadlines = make();
    for (let n = 0; n < 40; n++) publish(deadlines, 108 + n * 10, 0, n + 1);
    const report = (frameSerial: number, deadlineSerial: number): boolean =>
      deadlines.report({ frameSerial, deadlineSerial, phaseErrorMs: 1 });
    expect(report(38, 39)).toBe(false);
    // Longer ago than reports take.
    expect(report(8, 8)).toBe(false);
    expect([report(38, 38), report(38, 38), report(37, 37), report(39, 39)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  it('comes back to a steady phase when reports say how early frames were', () => {
    const deadlines = make();
    // The display is refreshed at 7 of each 10 ms; frames are to be whole a millisecond before.
    let early = 0;
    for (let n = 1; n <= 60; n++) {
      const at = 100 + n * 10 - 10;
      const published = at + deadlines.dueInMs(at);
      const [serial] = publish(deadlines, published, 0, n);
      early = (((7 - published) % 10) + 10) % 10;
      deadlines.report({ frameSerial: n, deadlineSerial: serial, phaseErrorMs: early - 1 });
    }
    expect(early).toBeCloseTo(1, 3);
  });
});
