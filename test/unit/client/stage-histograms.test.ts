import { describe, expect, it } from 'vitest';
import {
  MAX_STAGE_US,
  STAGE_BUCKETS_US,
  StageHistogram,
  StageHistograms,
} from '../../../client/stage-histograms.ts';

describe('StageHistogram', () => {
  it('tells the percentiles of 1 to 1000 us', () => {
    const histogram = new StageHistogram();
    for (let us = 1000; us >= 1; us--) expect(histogram.record(us)).toBe(true);
    expect(histogram.summary()).toEqual({
      count: 1000,
      minUs: 1,
      meanUs: 500.5,
      p50Us: 500,
      p90Us: 900,
      p99Us: 990,
      p999Us: 999,
      maxUs: 1000,
    });
    expect(histogram.sumUs).toBe(500_500);
  });

  it('tells a single time as it is, also one of three figures too many', () => {
    const histogram = new StageHistogram();
    histogram.record(1_234_567);
    expect(histogram.summary()).toEqual({
      count: 1,
      minUs: 1_234_567,
      meanUs: 1_234_567,
      p50Us: 1_234_567,
      p90Us: 1_234_567,
      p99Us: 1_234_567,
      p999Us: 1_234_567,
      maxUs: 1_234_567,
    });
  });

  it('is right to a thousandth for long times', () => {
    const histogram = new StageHistogram();
    for (let us = 10_000; us <= 1_000_000; us += 10_000) histogram.record(us);
    const p50 = histogram.percentile(50);
    expect(p50).toBeGreaterThanOrEqual(500_000);
    expect(p50).toBeLessThanOrEqual(500_500);
    expect(histogram.percentile(100)).toBe(1_000_000);
  });

  it('counts no time at all as one', () => {
    const histogram = new StageHistogram();
    histogram.record(0);
    histogram.record(0);
    histogram.record(0.4);
    expect(histogram.summary()).toMatchObject({ count: 3, minUs: 0, p50Us: 0, maxUs: 0 });
    histogram.record(4);
    expect(histogram.summary()).toMatchObject({ count: 4, minUs: 0, meanUs: 1, maxUs: 4 });
  });

  it('does not believe what is no time, or is longer than a minute', () => {
    const histogram = new StageHistogram();
    for (const us of [-1, Number.NaN, Number.POSITIVE_INFINITY, 0xffff_ffff, 60_000_001])
      expect(histogram.record(us)).toBe(false);
    expect([histogram.count, histogram.sumUs, histogram.summary()]).toEqual([0, 0, undefined]);
    expect(histogram.curve()).toEqual([]);
    expect(histogram.record(MAX_STAGE_US)).toBe(true);
    expect(histogram.percentile(50)).toBe(60_000_000);
  });

  it('counts each time in the bucket whose bound it does not exceed', () => {
    expect(STAGE_BUCKETS_US).toEqual([
      50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
      1_000_000,
    ]);
    const histogram = new StageHistogram();
    for (const us of [0, 50, 51, 100, 101, 2500, 1_000_000, 1_000_001, 60_000_000])
      histogram.record(us);
    expect([...histogram.bucketCounts]).toEqual([2, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
  });

  it('draws its curve from the shortest time to the longest, rising', () => {
    const histogram = new StageHistogram();
    for (let us = 1; us <= 1000; us++) histogram.record(us);
    const curve = histogram.curve();
    expect(curve.slice(0, 4)).toEqual([
      { percentile: 0, us: 1 },
      { percentile: 50, us: 500 },
      { percentile: 75, us: 750 },
      { percentile: 87.5, us: 875 },
    ]);
    expect(curve.at(-1)).toEqual({ percentile: 100, us: 1000 });
    for (const [index, { percentile, us }] of curve.slice(1).entries()) {
      expect(percentile).toBeGreaterThan(curve[index]?.percentile ?? 0);
      expect(us).toBeGreaterThanOrEqual(curve[index]?.us ?? 0);
    }
  });
});

describe('StageHistograms', () => {
  it('keeps stages apart, and as JSON has those that were measured', () => {
    const histograms = new StageHistograms(['notice', 'arrive']);
    expect(histograms.record('arrive', 7)).toBe(true);
    expect(histograms.stages).toEqual(['notice', 'arrive']);
    expect(histograms.of('notice')?.count).toBe(0);
    expect(JSON.parse(JSON.stringify({ stages: histograms }))).toEqual({
      stages: {
        arrive: {
          count: 1,
          minUs: 7,
          meanUs: 7,
          p50Us: 7,
          p90Us: 7,
          p99Us: 7,
          p999Us: 7,
          maxUs: 7,
        },
      },
    });
  });
});

describe('reset()', () => {
  it('forgets all, and goes on', () => {
    const histograms = new StageHistograms(['decode', 'present'] as const);
    histograms.record('decode', 700);
    histograms.record('present', 7);
    histograms.reset();
    expect(histograms.summary()).toEqual({});
    expect([...(histograms.of('decode')?.bucketCounts ?? [1])].every((count) => count === 0)).toBe(
      true,
    );
    histograms.record('decode', 90);
    expect(histograms.of('decode')?.summary()).toMatchObject({ count: 1, minUs: 90, maxUs: 90 });
  });
});
