import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHost } from '../../../host/index.ts';
import { Region } from '../../../protocol/index.ts';
import { FRAME_QUEUE_AT, LgmpClient } from './lgmp-client.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** How often the heartbeat moves within a second. */
function beats({ view }: Region): number {
  let count = 0;
  let before = view.getBigUint64(16, true);
  for (let ms = 0; ms < 1000; ms++) {
    vi.advanceTimersByTime(1);
    const now = view.getBigUint64(16, true);
    if (now !== before) count++;
    before = now;
  }
  return count;
}

describe('a host that nobody reads', () => {
  it('rests after a second, and is there again for who subscribes', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    const clock = (): number => performance.now() + 1000;
    await using host = await createHost(region, { clock });
    expect(beats(region)).toBe(100);
    vi.advanceTimersByTime(100);
    expect(beats(region)).toBe(20);
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    vi.advanceTimersByTime(50);
    expect(host.stats.subscribers).toBe(1);
    expect(beats(region)).toBe(100);
    client.unsubscribe();
    // Who comes back within a second is not waited for longer than before.
    expect(beats(region)).toBe(100);
    vi.advanceTimersByTime(100);
    expect(beats(region)).toBe(20);
  });

  it('keeps to what it was told', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    await using _host = await createHost(region, {
      clock: () => performance.now() + 1000,
      housekeepingMs: 10,
    });
    vi.advanceTimersByTime(5000);
    expect(beats(region)).toBe(100);
  });

  it('leaves no timer behind', async () => {
    const host = await createHost(new Region(new ArrayBuffer(4 * 2 ** 20)));
    vi.advanceTimersByTime(25);
    await host.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
