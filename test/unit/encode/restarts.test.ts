import { describe, expect, it } from 'vitest';
import { Restarts } from '../../../viewer/encode/restarts.ts';

describe('Restarts', () => {
  it('starts again at once, then less and less soon, and gives up at the sixth fault', () => {
    const restarts = new Restarts();
    const pauses = [0, 1, 2, 3, 4, 5].map((ms) => restarts.pauseAfterFault(ms));
    expect(pauses).toEqual([0, 100, 200, 400, 800, undefined]);
  });

  it('forgets a fault after a minute', () => {
    const restarts = new Restarts();
    for (const ms of [0, 10_000, 20_000, 30_000]) restarts.pauseAfterFault(ms);
    expect(restarts.pauseAfterFault(59_999)).toBe(800);
    expect(restarts.pauseAfterFault(60_000)).toBe(800);
    expect(restarts.pauseAfterFault(200_000)).toBe(0);
  });
});
