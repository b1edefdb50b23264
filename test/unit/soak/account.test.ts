import { describe, expect, it } from 'vitest';
import { type Account, accountText, promises } from '../../../bench/soak/account.ts';
import { type Belongings, Trend } from '../../../bench/soak/watch.ts';

const HELD: Belongings = { ownMib: 100, descriptors: 29, threads: 12, maps: 300, children: 0 };

/** Memory that grows like a line, looked at every two seconds, with the noise of a collector. */
function growing(mibPerHour: number, minutes: number): Trend {
  const trend = new Trend();
  for (let seconds = 0; seconds <= minutes * 60; seconds += 2)
    trend.add(seconds * 1000, 100 + (mibPerHour * seconds) / 3600 + ((seconds / 2) % 7) - 3);
  return trend;
}

function account(change: Partial<Account> = {}): Account {
  return {
    seed: 1,
    minutes: 60,
    browser: false,
    startedAt: '2026-01-01 00:00',
    recoveries: [{ fault: 'guest-killed', atSeconds: 3, newMs: 120, exactMs: 40 }],
    totals: { posted: 100, dropped: 1, restarts: 0, timedOut: 0 },
    relay: { framesSeen: 90, framesSkipped: 2, framesGivenUp: 0, viewersJoined: 3 },
    viewers: { updates: 80, steady: 40, videos: 5, wrong: 0 },
    reader: { framesSeen: 95, framesSkipped: 0 },
    browserShown: 0,
    memory: { relay: growing(0, 45), reader: growing(0, 45), encoders: growing(0, 45) },
    before: HELD,
    after: HELD,
    placesLeft: 0,
    errors: [],
    ...change,
  };
}

function broken(change: Partial<Account>): readonly string[] {
  return promises(account(change))
    .filter(({ kept }) => !kept)
    .map(({ name }) => name);
}

describe('a soak', () => {
  it('keeps its promises when nothing was wrong', () => {
    expect(broken({})).toEqual([]);
    expect(accountText(account())).toMatch(/guest-killed +1 +120 +120 +120 +40 +40 +40\n/);
  });

  it.each<[string, Partial<Account>, string]>([
    ['an error', { errors: ['boom'] }, 'no error that nobody handled'],
    [
      'a message that nobody can read',
      { viewers: { updates: 80, steady: 40, videos: 5, wrong: 1 } },
      'every message can be read',
    ],
    ['no fault at all', { recoveries: [] }, 'every viewer exact after every fault'],
    ['a descriptor', { after: { ...HELD, descriptors: 30 } }, 'no descriptors left over'],
    ['a thread', { after: { ...HELD, threads: 13 } }, 'no threads left over'],
    ['a process', { after: { ...HELD, children: 1 } }, 'no children left over'],
    ['a map', { after: { ...HELD, maps: 301 } }, 'no maps left over'],
    ['a subscriber', { placesLeft: 1 }, 'no place left in a queue'],
  ])('breaks one by %s', (_, change, promise) => {
    expect(broken(change)).toEqual([promise]);
  });

  it.each([
    ['much in a minute', 3600, 1],
    ['little in an hour, on and on', 25, 45],
  ])('breaks one by memory that grows %s', (_, mibPerHour, minutes) => {
    const memory = { ...account().memory, relay: growing(mibPerHour, minutes) };
    expect(broken({ memory })).toEqual(['memory of the relay does not grow']);
  });
});

describe('the trend of memory', () => {
  it('is the slope of the line, whatever the noise', () => {
    expect(growing(30, 60).perHour).toBeCloseTo(30, 0);
    expect(growing(-12, 60).perHour).toBeCloseTo(-12, 0);
  });

  it('of one value is none', () => {
    const trend = new Trend();
    trend.add(0, 5);
    expect(trend.perHour).toBe(0);
  });
});
