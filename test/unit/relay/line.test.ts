import { describe, expect, it } from 'vitest';
import { Line } from '../../../viewer/relay/line.ts';

/** Acknowledges updates of some bytes as a line of this rate would. */
function run(
  line: Line,
  options: {
    readonly kbits: number;
    readonly bytes: number;
    readonly everyMs: number;
    readonly count: number;
    readonly fromMs?: number;
  },
): number {
  const { kbits, bytes, everyMs, count, fromMs = 0 } = options;
  let freeMs = fromMs;
  for (let i = 0; i < count; i++) {
    const sentMs = fromMs + i * everyMs;
    freeMs = Math.max(freeMs, sentMs) + (bytes * 8) / kbits;
    const nextMs = fromMs + (i + 1) * everyMs;
    line.acknowledged({ bytes, sentMs, nowMs: freeMs + 5, ownMs: 5, busy: nextMs < freeMs });
  }
  return freeMs;
}

describe('a line', () => {
  it('that carries more than it is given is not congested', () => {
    const line = new Line();
    run(line, { kbits: 100_000, bytes: 20_000, everyMs: 16, count: 100 });
    expect(line.state.congested).toBe(false);
    expect(line.state.delayMs).toBeLessThan(5);
  });

  it('that carries less is congested soon, and its rate is known', () => {
    const line = new Line();
    run(line, { kbits: 5000, bytes: 20_000, everyMs: 16, count: 20 });
    expect(line.state.congested).toBe(true);
    expect(line.state.kbits).toBeGreaterThan(4500);
    expect(line.state.kbits).toBeLessThan(5500);
  });

  it('is near where answers come at once', () => {
    const line = new Line();
    expect(line.state.near).toBe(false);
    line.acknowledged({ bytes: 1000, sentMs: 0, nowMs: 25, ownMs: 20, busy: false });
    expect(line.state.near).toBe(true);
    run(line, { kbits: 100_000, bytes: 200_000, everyMs: 16, count: 100, fromMs: 100 });
    expect(line.state.near).toBe(true);
    const far = new Line();
    far.acknowledged({ bytes: 1000, sentMs: 0, nowMs: 30, ownMs: 20, busy: false });
    expect(far.state.near).toBe(false);
  });

  it('is as near after a quiet minute and an answer that was held up', () => {
    const line = new Line();
    const answered = (nowMs: number, tripMs: number): void =>
      line.acknowledged({ bytes: 1000, sentMs: nowMs - tripMs, nowMs, ownMs: 0, busy: false });
    for (let i = 0; i < 20; i++) answered(i * 1000, 2);
    answered(90_000, 40);
    expect(line.state.near).toBe(true);
    // One that is slow from now on is far, once it has shown that.
    for (let i = 1; i < 60; i++) answered(90_000 + i * 1000, 40);
    expect(line.state).toMatchObject({ near: false, congested: false });
  });

  it('that is full is near only where it carries much', () => {
    for (const kbits of [3000, 20_000]) {
      const line = new Line();
      line.acknowledged({ bytes: 100, sentMs: 0, nowMs: 5, ownMs: 0, busy: false });
      run(line, { kbits, bytes: kbits * 4, everyMs: 16, count: 20, fromMs: 100 });
      expect(line.state).toMatchObject({ congested: true, near: kbits === 20_000 });
    }
  });

  it('recovers when it is given less', () => {
    const line = new Line();
    const endMs = run(line, { kbits: 5000, bytes: 20_000, everyMs: 16, count: 20 });
    run(line, { kbits: 5000, bytes: 2000, everyMs: 16, count: 60, fromMs: endMs + 100 });
    expect(line.state.congested).toBe(false);
  });

  it('is not judged by what a viewer claims to have spent itself beyond a bound', () => {
    const line = new Line();
    for (let i = 0; i < 50; i++)
      line.acknowledged({
        bytes: 1000,
        sentMs: i * 100,
        nowMs: i * 100 + 50,
        ownMs: Number.MAX_SAFE_INTEGER,
        busy: true,
      });
    expect(line.state.delayMs).toBe(0);
    expect(Number.isFinite(line.state.kbits)).toBe(true);
  });

  it('from which nothing is heard any more is congested', () => {
    const line = new Line();
    run(line, { kbits: 100_000, bytes: 20_000, everyMs: 16, count: 10 });
    line.waiting(160, 180);
    expect(line.state.congested).toBe(false);
    line.waiting(160, 1160);
    expect(line.state.congested).toBe(true);
  });
});
