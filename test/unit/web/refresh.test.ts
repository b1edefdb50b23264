import { describe, expect, it } from 'vitest';
import { RefreshMeter } from '../../../viewer/web/core/refresh.ts';
import { FakeClock } from './fakes.ts';

function setUp() {
  const clock = new FakeClock();
  const told: number[] = [];
  const calls: ((atMs: number) => void)[] = [];
  let atMs = 5000;
  const meter = new RefreshMeter({
    clock,
    onRefresh: (run) => calls.push(run),
    told: (refreshHz) => told.push(refreshHz),
  });
  /** The display is refreshed after each of these times. */
  const refresh = (...gapsMs: readonly number[]) => {
    for (const gapMs of gapsMs) {
      atMs += gapMs;
      for (const run of calls.splice(0)) run(atMs);
    }
  };
  return { clock, told, calls, meter, refresh };
}

/** One measurement and the refresh it begins at. */
function display(periodMs: number): number[] {
  return Array.from({ length: 32 }, () => periodMs);
}

describe('RefreshMeter', () => {
  it('tells the rate of the display once', () => {
    const { meter, told, calls, refresh } = setUp();
    meter.start();
    refresh(...display(1000 / 144));
    expect(told).toEqual([144]);
    expect(meter.refreshHz).toBe(144);
    expect(calls).toEqual([]);
  });

  it('is not led astray by refreshes that were missed', () => {
    const { meter, told, refresh } = setUp();
    meter.start();
    const gaps = display(1000 / 60);
    for (const at of [3, 9, 15, 22, 28]) gaps[at] = (at * 1000) / 60;
    refresh(...gaps, ...display(1000 / 60));
    expect(told).toEqual([60]);
  });

  it('makes up for a clock of whole milliseconds', () => {
    const { meter, told, refresh } = setUp();
    meter.start();
    refresh(...Array.from({ length: 32 }, (_, i) => (i % 3 === 1 ? 16 : 17)));
    expect(told[0]).toBeGreaterThan(59);
    expect(told[0]).toBeLessThan(61);
  });

  it('measures again later, and tells of another display but not of the same', () => {
    const { meter, clock, told, calls, refresh } = setUp();
    meter.start();
    refresh(...display(1000 / 60));
    clock.pass(10_000);
    refresh(...display(1000 / 60.5));
    expect(told).toEqual([60]);
    clock.pass(9_999);
    expect(calls).toEqual([]);
    clock.pass(1);
    refresh(...display(1000 / 75));
    expect(told).toEqual([60, 75]);
  });

  it('that was stopped measures nothing, and one that is started again begins afresh', () => {
    const { meter, clock, told, refresh } = setUp();
    meter.start();
    refresh(...display(1000 / 60).slice(0, 20));
    meter.stop();
    refresh(...display(1000 / 60));
    clock.pass(60_000);
    expect(told).toEqual([]);
    meter.start();
    refresh(...display(1000 / 30));
    expect(told).toEqual([30]);
  });

  it('takes a pause of the page for nothing', () => {
    const { meter, told, refresh } = setUp();
    meter.start();
    refresh(8, 251, 4000, ...display(8));
    expect(told).toEqual([125]);
  });
});
