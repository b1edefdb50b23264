import { describe, expect, it } from 'vitest';
import { type PacedViewer, Pacing } from '../../../viewer/relay/pacing.ts';
import { FakeGuest } from './fake-guest.ts';

function viewer(refreshHz: number | undefined, visible = true): PacedViewer {
  return { refreshHz, visible };
}

describe('Pacing', () => {
  it('asks for the fastest display that somebody looks at, in nanoseconds', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, undefined);
    pacing.follow([viewer(60), viewer(144, false), viewer(undefined)]);
    pacing.follow([viewer(60), viewer(144), viewer(undefined)]);
    pacing.follow([viewer(60), viewer(undefined)]);
    expect(guest.schedules).toEqual([16_666_667, 6_944_444, 16_666_667]);
  });

  it('asks for nothing when nobody knows, and lets go once when nobody looks', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, undefined);
    pacing.follow([viewer(undefined)]);
    pacing.follow([]);
    expect(guest.schedules).toEqual([]);
    pacing.follow([viewer(60)]);
    pacing.follow([viewer(60, false)]);
    pacing.follow([]);
    pacing.release();
    expect(guest.schedules).toEqual([16_666_667, undefined]);
    expect(pacing.periodNs).toBeUndefined();
  });

  it('does not ask again for a difference that is within what is measured', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, undefined);
    for (const rate of [60, 60.2, 59.8, 60.4]) pacing.follow([viewer(rate)]);
    expect(guest.schedules).toEqual([16_666_667, 16_556_291]);
  });

  it('asks for no more than can be asked for, or than is taken', () => {
    const asked = (rate: number, maxFps?: number): (number | undefined)[] => {
      const guest = new FakeGuest();
      new Pacing(guest, maxFps).follow([viewer(rate)]);
      return guest.schedules;
    };
    expect(asked(10_000)).toEqual([2_000_000]);
    expect(asked(0.1)).toEqual([1_000_000_000]);
    expect(asked(144, 30)).toEqual([33_333_333]);
    expect(asked(24, 30)).toEqual([41_666_667]);
  });

  it('leaves a guest alone that cannot be asked', () => {
    const guest: Partial<FakeGuest> = new FakeGuest();
    Object.assign(guest, { schedule: undefined });
    const pacing = new Pacing(guest as FakeGuest, undefined);
    pacing.follow([viewer(60)]);
    pacing.release();
    expect(pacing.periodNs).toBeUndefined();
  });
});
