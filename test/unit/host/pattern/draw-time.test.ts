import { expect, it } from 'vitest';
import { DrawTime } from '../../../../host/pattern/draw-time.ts';

const PERIOD_MS = 50;

/** Drawn so often that the mean is what each took. */
function drawn(tookMs: number): DrawTime {
  const time = new DrawTime();
  for (let i = 0; i < 200; i++) time.drew(tookMs, PERIOD_MS);
  return time;
}

it('a frame is begun as long before it is due as drawing takes, and a timer may be late', () => {
  expect(new DrawTime().untilNextMs(30)).toBe(29);
  expect(drawn(8).untilNextMs(30)).toBe(21);
  expect(drawn(8).untilNextMs(5)).toBe(0);
});

it('a frame that was held up does not have the next begun half a period too early', () => {
  const time = drawn(2);
  time.drew(4000, PERIOD_MS);
  expect(time.untilNextMs(PERIOD_MS)).toBeGreaterThan(PERIOD_MS / 2);
  // What always takes that long does.
  expect(drawn(40).untilNextMs(PERIOD_MS)).toBe(9);
});

it('a frame is left out when it is woken too late for its deadline, but not two in a row', () => {
  const time = drawn(8);
  expect(time.leavesOut(9)).toBe(false);
  expect(time.leavesOut(40)).toBe(true);
  expect(time.leavesOut(40)).toBe(false);
  expect(time.leavesOut(40)).toBe(true);
});
