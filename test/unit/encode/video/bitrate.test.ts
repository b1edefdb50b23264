import { describe, expect, it } from 'vitest';
import { Bitrate } from '../../../../viewer/encode/video/bitrate.ts';

describe('Bitrate', () => {
  it('passes over changes of less than a fifth', () => {
    const rate = new Bitrate(10_000);
    rate.want(8_001);
    expect(rate.at(0)).toBe(10_000);
    rate.want(11_999);
    expect(rate.at(10_000)).toBe(10_000);
  });

  it('goes down at once, as often as it is asked to', () => {
    const rate = new Bitrate(10_000);
    rate.want(8_000);
    expect(rate.at(0)).toBe(8_000);
    rate.want(4_000);
    expect(rate.at(1)).toBe(4_000);
  });

  it('goes up at most once a second, and then to what is wanted last', () => {
    const rate = new Bitrate(10_000);
    rate.want(12_000);
    expect(rate.at(0)).toBe(12_000);
    rate.want(20_000);
    expect(rate.at(1)).toBe(12_000);
    rate.want(30_000);
    expect(rate.at(999)).toBe(12_000);
    expect(rate.at(1000)).toBe(30_000);
  });

  it('does not go up for a second after it went down', () => {
    const rate = new Bitrate(10_000);
    rate.want(5_000);
    expect(rate.at(0)).toBe(5_000);
    rate.want(10_000);
    expect(rate.at(999)).toBe(5_000);
    expect(rate.at(1000)).toBe(10_000);
  });
});
