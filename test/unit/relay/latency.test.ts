import { describe, expect, it } from 'vitest';
import { type RelayTimes, UNKNOWN_US } from '../../../protocol/wire/index.ts';
import { LATENCY_STAGES, Latency } from '../../../viewer/relay/latency.ts';

const TIMES: RelayTimes = {
  producer: 1000,
  notice: 10,
  arrive: 20,
  apply: 30,
  queue: 40,
  encode: 50,
  send: 60,
};
const VIEWER = { networkUs: 100, decodeUs: 200, presentUs: 300 };

function counts(latency: Latency): { readonly [stage: string]: number } {
  const { histograms } = latency;
  return Object.fromEntries(
    LATENCY_STAGES.map((stage) => [stage, histograms.of(stage)?.count ?? -1]),
  );
}

describe('Latency', () => {
  it('counts every stage, and a total from published to presented', () => {
    const latency = new Latency();
    latency.record(TIMES, VIEWER);
    const sums = LATENCY_STAGES.map((stage) => [stage, latency.histograms.of(stage)?.sumUs]);
    expect(Object.fromEntries(sums)).toEqual({
      producer: 1000,
      notice: 10,
      arrive: 20,
      apply: 30,
      queue: 40,
      encode: 50,
      send: 60,
      network: 100,
      decode: 200,
      present: 300,
      // Without the producer's, which is before the publishing and by another clock.
      total: 810,
    });
  });

  it('counts what is known, and sums that', () => {
    const latency = new Latency();
    latency.record({ ...TIMES, producer: UNKNOWN_US, notice: UNKNOWN_US }, VIEWER);
    expect(counts(latency)).toMatchObject({ producer: 0, notice: 0, arrive: 1, total: 1 });
    expect(latency.histograms.of('total')?.sumUs).toBe(800);
  });

  it('has no total of an update whose viewer does not tell all of its stages', () => {
    for (const stage of ['networkUs', 'decodeUs', 'presentUs']) {
      const latency = new Latency();
      latency.record(TIMES, { ...VIEWER, [stage]: UNKNOWN_US });
      expect(counts(latency)).toMatchObject({ arrive: 1, total: 0 });
      expect(latency.histograms.of('network')?.count).toBe(stage === 'networkUs' ? 0 : 1);
    }
  });

  it('does not believe a viewer that tells of more than a minute', () => {
    const latency = new Latency();
    latency.record(TIMES, { ...VIEWER, decodeUs: 60_000_001 });
    expect(counts(latency)).toMatchObject({ network: 1, decode: 0, present: 1, total: 0 });
  });
});
