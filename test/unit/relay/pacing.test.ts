import { describe, expect, it } from 'vitest';
import type { PictureUpdate } from '../../../client/reader/reader.ts';
import { UNKNOWN_US } from '../../../protocol/wire/index.ts';
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

describe('what Pacing tells the guest of its frames', () => {
  const times = { producerMs: 0, beforeMs: 0, seenMs: 0, arrivedMs: 0, appliedMs: 0 };

  /** A frame is in the picture that was made for this deadline. */
  function update(serial: number, deadlineSerial?: number): PictureUpdate {
    const deadline =
      deadlineSerial === undefined
        ? undefined
        : { frameSerial: serial, generation: 1, epoch: 1, deadlineSerial };
    return { outcome: 'changed', epoch: 7, serial, times, deadline };
  }

  it('is how long the fastest display had them ready, for those made for a refresh', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, undefined);
    const [slow, fast] = [viewer(60), viewer(144)];
    pacing.follow([slow, fast]);
    pacing.updated(update(1, 10));
    pacing.updated(update(2));
    pacing.updated(update(3, 12));
    pacing.presented(fast, { epoch: 7, serial: 1, presentUs: 1500 });
    pacing.presented(slow, { epoch: 7, serial: 1, presentUs: 9000 });
    pacing.presented(fast, { epoch: 7, serial: 2, presentUs: 1600 });
    pacing.presented(fast, { epoch: 6, serial: 3, presentUs: 1700 });
    pacing.presented(fast, { epoch: 7, serial: 3, presentUs: UNKNOWN_US });
    pacing.presented(fast, { epoch: 7, serial: 3, presentUs: 1800 });
    expect(guest.shown).toEqual([
      [10, 1_500_000],
      [12, 1_800_000],
    ]);
  });

  it('is of one display among those that are as fast, and always of the same', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, undefined);
    const [first, second] = [viewer(60), viewer(60)];
    pacing.follow([second]);
    pacing.follow([first, second]);
    pacing.updated(update(1, 1));
    pacing.presented(first, { epoch: 7, serial: 1, presentUs: 1 });
    pacing.presented(second, { epoch: 7, serial: 1, presentUs: 2 });
    pacing.follow([first]);
    pacing.presented(first, { epoch: 7, serial: 1, presentUs: 3 });
    expect(guest.shown).toEqual([
      [1, 2000],
      [1, 3000],
    ]);
  });

  it('is nothing when the guest is asked for fewer than the display shows', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, 30);
    const one = viewer(60);
    pacing.follow([one]);
    pacing.updated(update(1, 1));
    pacing.presented(one, { epoch: 7, serial: 1, presentUs: 1 });
    expect(guest.shown).toEqual([]);
  });

  it('is nothing of frames that are long gone, or from before nobody looked', () => {
    const guest = new FakeGuest();
    const pacing = new Pacing(guest, undefined);
    const one = viewer(60);
    pacing.follow([one]);
    for (let serial = 1; serial <= 33; serial++) pacing.updated(update(serial, serial));
    pacing.presented(one, { epoch: 7, serial: 1, presentUs: 1 });
    pacing.presented(one, { epoch: 7, serial: 2, presentUs: 2 });
    pacing.follow([]);
    pacing.follow([one]);
    pacing.presented(one, { epoch: 7, serial: 3, presentUs: 3 });
    expect(guest.shown).toEqual([[2, 2000]]);
  });
});
