import { describe, expect, it } from 'vitest';
import { RelayClock } from '../../../viewer/web/core/relay-clock.ts';
import { FakeClock } from './fakes.ts';

function setUp() {
  const clock = new FakeClock();
  const pings: number[] = [];
  const relayClock = new RelayClock({ clock, ping: (viewerMs) => pings.push(viewerMs) });
  /** An answer to a ping of now: so long there, so long back, and the relay's clock so far ahead. */
  const answer = (thereMs: number, backMs: number, aheadMs: number) => {
    const viewerMs = clock.now();
    const relayMs = viewerMs + thereMs + aheadMs;
    clock.pass(thereMs + backMs);
    return relayClock.take({ viewerMs, relayMs });
  };
  return { clock, pings, relayClock, answer };
}

describe('RelayClock', () => {
  it('asks five times in a row, each time after an answer', () => {
    const { relayClock, pings, answer } = setUp();
    relayClock.start();
    expect(pings).toEqual([1000]);
    for (let turn = 0; turn < 8; turn++) answer(1, 1, 0);
    expect(pings).toEqual([1000, 1002, 1004, 1006, 1008]);
  });

  it('knows the offset within half of the round trip', () => {
    const { relayClock, answer } = setUp();
    expect(relayClock.now()).toBeUndefined();
    expect(answer(4, 4, 500)).toBe(8);
    expect(relayClock.now()).toEqual({ offsetMs: 500, boundMs: 4 });
    // All of it on the way there: wrong by as much as the bound says, and no more.
    const lopsided = setUp();
    lopsided.answer(8, 0, 500);
    expect(lopsided.relayClock.now()).toEqual({ offsetMs: 504, boundMs: 4 });
  });

  it('keeps the shortest round trip, until its age makes a longer one better', () => {
    const { clock, relayClock, answer } = setUp();
    answer(1, 1, 500);
    answer(4, 2, 500);
    expect(relayClock.now()?.offsetMs).toBe(500);
    expect(relayClock.now()?.boundMs).toBeCloseTo(1 + 6 * 100e-6, 9);
    clock.pass(10_000);
    expect(relayClock.now()?.boundMs).toBeCloseTo(1 + 10_006 * 100e-6, 9);
    clock.pass(10_000);
    // Two milliseconds of drift are more than this one can be off.
    answer(4, 2, 500);
    expect(relayClock.now()).toEqual({ offsetMs: 501, boundMs: 3 });
  });

  it('believes a clock that was set, though its answer took longer', () => {
    const { relayClock, answer } = setUp();
    answer(1, 1, 500);
    answer(10, 10, 3_600_500);
    expect(relayClock.now()).toEqual({ offsetMs: 3_600_500, boundMs: 10 });
  });

  it('takes no answer from the future, and forgets with the connection', () => {
    const { clock, relayClock, answer } = setUp();
    expect(relayClock.take({ viewerMs: clock.now() + 1, relayMs: 0 })).toBeUndefined();
    expect(relayClock.take({ viewerMs: Number.NaN, relayMs: 0 })).toBeUndefined();
    expect(relayClock.take({ viewerMs: 0, relayMs: Number.POSITIVE_INFINITY })).toBeUndefined();
    expect(relayClock.now()).toBeUndefined();
    answer(1, 1, 500);
    relayClock.stop();
    expect(relayClock.now()).toBeUndefined();
  });
});
