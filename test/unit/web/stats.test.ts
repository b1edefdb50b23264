import { describe, expect, it } from 'vitest';
import { StatsCounter } from '../../../viewer/web/core/stats.ts';
import { snapshotName, statsLine } from '../../../viewer/web/page/info.ts';

const PICTURE = {
  epoch: 1,
  widthPx: 1920,
  heightPx: 1080,
  screenWidthPx: 1920,
  screenHeightPx: 1080,
  rotation: 0,
};

describe('StatsCounter', () => {
  it('counts per second of the clock, not per sample', () => {
    const counter = new StatsCounter(5000);
    counter.received(250_000);
    counter.received(250_000);
    for (let frame = 0; frame < 30; frame++) counter.frame();
    counter.update(2, 8);
    counter.update(4, 16);
    expect(counter.sample(5500)).toEqual({
      fps: 60,
      mbitPerS: 8,
      decodeMs: 3,
      presentMs: 12,
      dropped: 0,
      roundTripMs: undefined,
      relay: undefined,
    });
  });

  it('starts anew after each sample, but remembers how long an update takes', () => {
    const counter = new StatsCounter(0);
    counter.received(1000);
    counter.frame();
    counter.update(2, 8);
    counter.roundTrip(1.5);
    counter.sample(1000);
    expect(counter.sample(2000)).toEqual({
      fps: 0,
      mbitPerS: 0,
      decodeMs: 2,
      presentMs: 8,
      dropped: 0,
      roundTripMs: 1.5,
      relay: undefined,
    });
  });

  it('keeps what the relay said until another relay may be there', () => {
    const counter = new StatsCounter(0);
    const relay = { viewers: 2, guestFps: 60, framesSkipped: 3, framesGivenUp: 0 };
    counter.relay(relay);
    expect(counter.sample(1000).relay).toEqual(relay);
    counter.reset(1500);
    expect(counter.sample(2000).relay).toBeUndefined();
  });

  it('survives two samples in the same instant', () => {
    const counter = new StatsCounter(7);
    expect(Number.isFinite(counter.sample(7).fps)).toBe(true);
  });
});

describe('statsLine()', () => {
  const stats = {
    fps: 59.8,
    mbitPerS: 12.34,
    decodeMs: 2.06,
    presentMs: 8,
    dropped: 0,
    roundTripMs: 1,
    relay: undefined,
  };

  it('tells rate, volume, size and decoding', () => {
    expect(statsLine(stats, PICTURE)).toBe(
      '60 fps  ·  12 Mbit/s  ·  1920 × 1080  ·  decode 2.1 ms',
    );
  });

  it('gives small volumes a decimal', () => {
    expect(statsLine({ ...stats, mbitPerS: 0.26 }, undefined)).toBe(
      '60 fps  ·  0.3 Mbit/s  ·  decode 2.1 ms',
    );
  });
});

describe('snapshotName()', () => {
  it('sorts by time', () => {
    expect(snapshotName(new Date(2026, 2, 9, 4, 5, 7))).toBe('kvmfr-2026-03-09-040507.png');
  });
});
