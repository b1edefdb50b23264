import { describe, expect, it } from 'vitest';
import { niceTicks } from '../../../cli/latency/svg.ts';
import { IntervalLine } from '../../../cli/latency/timeline.ts';
import { StageHistogram } from '../../../client/index.ts';

function lineOf(histogram: StageHistogram): IntervalLine {
  return new IntervalLine((name) => (name === 'encode' ? histogram : undefined));
}

describe('IntervalLine', () => {
  it('tells what was measured in each interval, not since the beginning', () => {
    const histogram = new StageHistogram();
    const line = lineOf(histogram);
    histogram.record(10);
    histogram.record(20);
    line.sample(1000, 60);
    line.sample(2000, 119);
    histogram.record(5);
    line.sample(3000, 180);
    expect(line.intervals).toEqual([
      { fromMs: 0, toMs: 1000, frames: 60, stages: { encode: { count: 2, sumUs: 30 } } },
      { fromMs: 1000, toMs: 2000, frames: 59, stages: {} },
      { fromMs: 2000, toMs: 3000, frames: 61, stages: { encode: { count: 1, sumUs: 5 } } },
    ]);
  });

  it('keeps a long measurement in a few hundred intervals, and loses nothing of it', () => {
    const histogram = new StageHistogram();
    const line = lineOf(histogram);
    const samples = 5003;
    for (let i = 1; i <= samples; i++) {
      histogram.record(i);
      line.sample(i * 1000, i * 60);
    }
    const { intervals } = line;
    expect(intervals.length).toBeLessThanOrEqual(600);
    expect(intervals.length).toBeGreaterThanOrEqual(300);
    expect(intervals[0]?.fromMs).toBe(0);
    for (const [index, { fromMs }] of intervals.slice(1).entries())
      expect(fromMs).toBe(intervals[index]?.toMs);
    expect(intervals.at(-1)?.toMs).toBe(samples * 1000);
    const sum = (pick: (interval: (typeof intervals)[number]) => number): number =>
      intervals.reduce((total, interval) => total + pick(interval), 0);
    expect(sum(({ frames }) => frames)).toBe(samples * 60);
    expect(sum(({ stages }) => stages.encode?.count ?? 0)).toBe(samples);
    expect(sum(({ stages }) => stages.encode?.sumUs ?? 0)).toBe((samples * (samples + 1)) / 2);
  });
});

describe('niceTicks()', () => {
  it.each([
    [22, 5, [0, 5, 10, 15, 20, 25]],
    [1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.37, 5, [0, 0.1, 0.2, 0.3, 0.4]],
    [0, 5, [0, 1]],
    [3600, 8, [0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000]],
  ])('up to %d in about %i steps', (most, wanted, ticks) => {
    expect(niceTicks(most, wanted)).toEqual(ticks);
  });
});
