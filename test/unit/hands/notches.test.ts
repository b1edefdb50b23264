import { describe, expect, it } from 'vitest';
import { MAX_NOTCHES_PER_SECOND, Notches } from '../../../viewer/hands/notches.ts';

describe('Notches', () => {
  it('keeps what is left of a notch, and drops it when the wheel turns back', () => {
    const notches = new Notches(() => 0);
    expect([40, 40, 40, 100, 20, -100, -20].map((parts) => notches.add(parts))).toEqual([
      ...[0, 0, 1, 0, 1, 0, -1],
    ]);
    expect([60, -60, 60, 60].map((parts) => notches.add(parts))).toEqual([0, 0, 0, 1]);
  });

  it('gives no more in a second than a wheel can turn, and goes on in the next', () => {
    let nowMs = 5000;
    const notches = new Notches(() => nowMs);
    let sum = 0;
    for (let i = 0; i < 256; i++) sum += notches.add(32767);
    expect(sum).toBe(MAX_NOTCHES_PER_SECOND);
    expect(notches.add(-120)).toBe(0);
    nowMs = 6000;
    expect(notches.add(-240)).toBe(-2);
  });
});
