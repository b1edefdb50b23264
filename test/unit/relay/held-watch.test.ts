import { beforeEach, describe, expect, it } from 'vitest';
import { HELD_GONE_MS, HELD_SILENCE_MS, HeldWatch } from '../../../viewer/relay/held-watch.ts';

let nowMs: number;
let heardMs: number;
let holds: boolean;
let asked: number[];
let letGo: number[];
let timers: { readonly dueMs: number; readonly run: () => void }[];
let watch: HeldWatch;

beforeEach(() => {
  nowMs = 5000;
  heardMs = 5000;
  holds = true;
  asked = [];
  letGo = [];
  timers = [];
  watch = new HeldWatch({
    holds: () => holds,
    heardMs: () => heardMs,
    ask: () => asked.push(nowMs),
    letGo: () => {
      letGo.push(nowMs);
      holds = false;
    },
    nowMs: () => nowMs,
    after: (ms, run) => {
      const timer = { dueMs: nowMs + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  });
});

/** Time goes by, and every timer is in time. */
function pass(ms: number): void {
  const untilMs = nowMs + ms;
  for (;;) {
    const next = timers.find(({ dueMs }) => dueMs <= untilMs);
    if (next === undefined) break;
    timers = timers.filter((other) => other !== next);
    nowMs = Math.max(nowMs, next.dueMs);
    next.run();
  }
  nowMs = untilMs;
}

describe('a viewer that holds a key', () => {
  it('is asked for a sign of life after a quarter of a second of silence', () => {
    watch.look();
    pass(HELD_SILENCE_MS - 1);
    expect(asked).toEqual([]);
    pass(1);
    expect(asked).toEqual([5000 + HELD_SILENCE_MS]);
  });

  it('has let go after three seconds without one, and is watched no more', () => {
    watch.look();
    pass(HELD_GONE_MS - 1);
    expect(letGo).toEqual([]);
    pass(1);
    expect(letGo).toEqual([5000 + HELD_GONE_MS]);
    expect(asked.length).toBeLessThanOrEqual(HELD_GONE_MS / HELD_SILENCE_MS);
    expect(timers).toEqual([]);
  });

  it('keeps it for as long as it answers', () => {
    watch.look();
    for (let seconds = 0; seconds < 60; seconds++) {
      pass(1000);
      heardMs = nowMs;
    }
    expect(letGo).toEqual([]);
    expect(asked.length).toBeGreaterThan(60);
  });

  it('is not asked while it says things by itself', () => {
    watch.look();
    for (let i = 0; i < 100; i++) {
      pass(100);
      heardMs = nowMs;
    }
    expect(asked).toEqual([]);
  });

  it('keeps it when the relay itself stood still', () => {
    watch.look();
    nowMs += 30_000;
    pass(0);
    expect(letGo).toEqual([]);
    pass(HELD_GONE_MS);
    expect(letGo).toHaveLength(1);
  });

  it('costs nothing when it has let go, and is watched again when it presses again', () => {
    watch.look();
    holds = false;
    pass(1000);
    expect(timers).toEqual([]);
    watch.look();
    expect(timers).toEqual([]);
    holds = true;
    heardMs = nowMs;
    watch.look();
    watch.look();
    expect(timers).toHaveLength(1);
    watch.stop();
    expect(timers).toEqual([]);
  });
});
