import { describe, expect, it } from 'vitest';
import {
  type LatencySample,
  latencySample,
  pictureAgeMs,
  STAGES,
  viewerTimes,
} from '../../../viewer/web/core/latency.ts';
import { LatencyWindow, scaleTopMs, totalMs } from '../../../viewer/web/page/latency-window.ts';

const STAGES_US = { notice: 100, arrive: 200, apply: 300, queue: 400, encode: 500, send: 600 };
const TIMES = {
  epoch: 1,
  serial: 1,
  stages: { producer: 0xffff_ffff, ...STAGES_US },
  sentMs: 1_000_000,
};
const UPDATE = {
  epoch: 1,
  serial: 1,
  parts: [],
  receivedMs: 2000,
  decodedMs: 2003,
  presentedMs: 2010,
  times: TIMES,
};

/** A sample of so many milliseconds in the stage `encode`, and nothing else. */
function sample(atMs: number, encodeMs: number): LatencySample {
  const stagesMs = STAGES.map((stage) => (stage === 'encode' ? encodeMs : undefined));
  return { atMs, stagesMs, boundMs: undefined };
}

describe('viewerTimes()', () => {
  it('takes the network from the relay’s clock, and says how far it may be off', () => {
    expect(viewerTimes(UPDATE, { offsetMs: 998_004, boundMs: 0.5 })).toEqual({
      networkMs: 4,
      boundMs: 0.5,
      decodeMs: 3,
      presentMs: 7,
    });
  });

  it('knows nothing of the network before the first answer to a ping, or without times', () => {
    expect(viewerTimes(UPDATE, undefined).networkMs).toBeUndefined();
    const untold = { ...UPDATE, times: undefined };
    expect(viewerTimes(untold, { offsetMs: 0, boundMs: 1 })).toEqual({
      networkMs: undefined,
      boundMs: undefined,
      decodeMs: 3,
      presentMs: 7,
    });
  });

  it('is never negative, though a clock may be off', () => {
    expect(viewerTimes(UPDATE, { offsetMs: 997_999, boundMs: 2 }).networkMs).toBe(0);
  });
});

describe('pictureAgeMs()', () => {
  const viewer = { networkMs: 4, boundMs: 1, decodeMs: 3, presentMs: 7 };

  it('adds up all stages from publishing to showing', () => {
    expect(pictureAgeMs(TIMES, viewer)).toBeCloseTo(0.1 + 0.2 + 0.3 + 0.4 + 0.5 + 0.6 + 14, 6);
  });

  it('begins with being noticed where no guest tells when it published', () => {
    const stages = { ...TIMES.stages, notice: 0xffff_ffff };
    expect(pictureAgeMs({ ...TIMES, stages }, viewer)).toBeCloseTo(2 + 14, 6);
  });

  it('is not known without the relay’s times, or its clock', () => {
    expect(pictureAgeMs(undefined, viewer)).toBeUndefined();
    expect(pictureAgeMs(TIMES, { ...viewer, networkMs: undefined })).toBeUndefined();
  });
});

describe('latencySample()', () => {
  it('puts both sides together in the order of the stages', () => {
    const viewer = { networkMs: 4, boundMs: 0.5, decodeMs: 3, presentMs: 7 };
    const made = latencySample(5000, TIMES, viewer);
    expect(made).toEqual({
      atMs: 5000,
      stagesMs: [undefined, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 4, 3, 7],
      boundMs: 0.5,
    });
    expect(totalMs(made)).toBeCloseTo(16.1, 9);
    expect(latencySample(5000, undefined, viewer).stagesMs.slice(0, 8)).toEqual([
      ...Array.from({ length: 7 }, () => undefined),
      4,
    ]);
  });
});

describe('LatencyWindow', () => {
  it('tells what half and what 95 of 100 updates stay within, stage by stage and in all', () => {
    const window = new LatencyWindow(10_000);
    for (let ms = 100; ms >= 1; ms--) window.add(sample(1000, ms));
    const { stages, total, boundMs, from } = window.summary();
    expect(total).toEqual({ p50Ms: 50, p95Ms: 95 });
    expect(stages.map(({ stage }) => stage)).toEqual(STAGES);
    expect(stages[STAGES.indexOf('encode')]).toEqual({ stage: 'encode', p50Ms: 50, p95Ms: 95 });
    expect(stages[0]).toEqual({ stage: 'producer', p50Ms: undefined, p95Ms: undefined });
    expect(boundMs).toBeUndefined();
    expect(from).toBe('received');
  });

  it('says where its sum begins: at what the guest or the relay told', () => {
    const viewer = { networkMs: 4, boundMs: 0.5, decodeMs: 3, presentMs: 7 };
    const window = new LatencyWindow(10_000);
    window.add(latencySample(0, TIMES, viewer));
    expect(window.summary()).toMatchObject({ from: 'published', boundMs: 0.5 });
    const stages = { ...TIMES.stages, producer: 1000 };
    window.add(latencySample(0, { ...TIMES, stages }, viewer));
    expect(window.summary().from).toBe('captured');
  });

  it('is empty before the first sample, and after the last has grown old', () => {
    const window = new LatencyWindow(10_000);
    expect(window.summary().total).toEqual({ p50Ms: undefined, p95Ms: undefined });
    window.add(sample(0, 1));
    window.add(sample(6000, 2));
    window.forget(10_000);
    expect(window.samples).toHaveLength(2);
    window.forget(10_001);
    expect(window.samples.map(totalMs)).toEqual([2]);
    window.add(sample(20_000, 3));
    expect(window.samples.map(totalMs)).toEqual([3]);
  });

  it('never keeps more than some thousands, however fast they come', () => {
    const window = new LatencyWindow(10_000);
    for (let i = 0; i < 5000; i++) window.add(sample(0, i));
    expect(window.samples).toHaveLength(4096);
    expect(window.samples.at(-1)?.stagesMs).toContain(4999);
  });

  it('gives the slowest of each slice of time, which stays where it is in time', () => {
    const window = new LatencyWindow(1000);
    window.add(sample(10_050, 1));
    window.add(sample(10_099, 5));
    window.add(sample(10_060, 2));
    window.add(sample(10_100, 3));
    const at = (nowMs: number) =>
      window
        .columns(10, nowMs)
        .map((one) => (one === undefined ? '.' : totalMs(one)))
        .join('');
    expect(at(10_199)).toBe('........53');
    expect(at(10_200)).toBe('.......53.');
    expect(at(10_299)).toBe('.......53.');
    expect(at(11_000)).toBe('3.........');
  });
});

describe('scaleTopMs()', () => {
  it.each([
    [0, 4],
    [3.9, 4],
    [4.1, 6],
    [9, 10],
    [10.1, 20],
    [33, 40],
    [61, 100],
    [101, 200],
    [4001, 6000],
  ])('has room for %d ms below %d', (ms, top) => {
    expect(scaleTopMs(ms)).toBe(top);
  });
});
