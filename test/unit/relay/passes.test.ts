import { describe, expect, it } from 'vitest';
import { MAX_PASSES, PASS_MS, Passes } from '../../../viewer/relay/passes.ts';

describe('Passes', () => {
  it('are 256 random bits each, and good for whoever brings them', () => {
    const passes = new Passes();
    const [one, other] = [passes.issue('full'), passes.issue('view')];
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(one).not.toBe(other);
    expect(passes.find(one)?.role).toBe('full');
    expect(passes.find(other)?.role).toBe('view');
    expect(passes.find(one.replace(/.$/, (last) => (last === '0' ? '1' : '0')))).toBeUndefined();
    expect(passes.find('')).toBeUndefined();
    passes.clear();
  });

  it('end when they are revoked, and tell who came in by them', () => {
    const passes = new Passes();
    const value = passes.issue('full');
    const told: string[] = [];
    passes.find(value)?.whenEnded(() => told.push('stays'));
    passes.find(value)?.whenEnded(() => told.push('left before'))();
    passes.revoke('something else');
    expect(told).toEqual([]);
    passes.revoke(value);
    expect(told).toEqual(['stays']);
    expect(passes.find(value)).toBeUndefined();
  });

  it('end after a day', () => {
    let nowMs = 0;
    const passes = new Passes(() => nowMs);
    const value = passes.issue('full');
    let ended = false;
    passes.find(value)?.whenEnded(() => {
      ended = true;
    });
    nowMs = PASS_MS - 1;
    expect(passes.find(value)).toBeDefined();
    nowMs = PASS_MS;
    expect(passes.find(value)).toBeUndefined();
    expect([ended, passes.size, PASS_MS]).toEqual([true, 0, 86_400_000]);
  });

  it('are no more than 256 at a time: a new one ends the oldest', () => {
    const passes = new Passes();
    const values = Array.from({ length: MAX_PASSES + 1 }, () => passes.issue('full'));
    expect(passes.size).toBe(MAX_PASSES);
    expect(passes.find(values[0] ?? '')).toBeUndefined();
    expect(passes.find(values[1] ?? '')).toBeDefined();
    passes.clear();
  });
});
