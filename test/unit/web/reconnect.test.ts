import { describe, expect, it } from 'vitest';
import { backoffMs, RELAY_BACKOFF } from '../../../viewer/web/core/reconnect.ts';

describe('backoffMs()', () => {
  it('doubles from the first wait to the longest', () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 100].map((failures) =>
      backoffMs(failures, 0.5, RELAY_BACKOFF),
    );
    expect(waits).toEqual([50, 100, 200, 400, 800, 1500, 1500, 1500]);
  });

  it('varies by an eighth to either side', () => {
    expect(backoffMs(5, 0, RELAY_BACKOFF)).toBe(1313);
    expect(backoffMs(5, 1, RELAY_BACKOFF)).toBe(1688);
  });
});
