import { describe, expect, it } from 'vitest';
import { TileSet } from '../../../viewer/web/core/decode/cover.ts';
import { StatsCounter, type ViewStats } from '../../../viewer/web/core/stats.ts';
import { encodingLine, snapshotName, statsLine } from '../../../viewer/web/page/info.ts';

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
    counter.update({ decodeMs: 2, presentMs: 8 }, []);
    counter.update({ decodeMs: 4, presentMs: 16 }, []);
    expect(counter.sample(5500)).toEqual({
      fps: 60,
      mbitPerS: 8,
      decodeMs: 3,
      presentMs: 12,
      encodings: [],
      video: undefined,
      dropped: 0,
      roundTripMs: undefined,
      relay: undefined,
    });
  });

  it('starts anew after each sample, but remembers how long an update takes', () => {
    const counter = new StatsCounter(0);
    counter.received(1000);
    counter.frame();
    counter.update({ decodeMs: 2, presentMs: 8 }, []);
    counter.roundTrip(1.5);
    counter.sample(1000);
    expect(counter.sample(2000)).toEqual({
      fps: 0,
      mbitPerS: 0,
      decodeMs: 2,
      presentMs: 8,
      encodings: [],
      video: undefined,
      dropped: 0,
      roundTripMs: 1.5,
      relay: undefined,
    });
  });

  it('names how the picture travelled, in the last second in which it did', () => {
    const counter = new StatsCounter(0);
    const grid = { widthPx: 1, heightPx: 1, tilePx: 64 };
    const release = () => undefined;
    const took = { decodeMs: 1, presentMs: 1 };
    counter.update(took, [
      { kind: 'uncover', cover: new TileSet(grid), region: { x: 0, y: 0, width: 1, height: 1 } },
      { kind: 'pixels', blocks: [], release },
    ]);
    const video = { codec: 'vp8', codecString: 'vp8', drawnBy: 'canvas' } as const;
    expect(counter.sample(1000, video)).toMatchObject({ encodings: ['lossless', 'video'], video });
    expect(counter.sample(2000).encodings).toEqual(['lossless', 'video']);
    counter.update(took, [{ kind: 'nothing' }, { kind: 'pixels', blocks: [], release }]);
    expect(counter.sample(3000).encodings).toEqual(['lossless']);
    counter.reset(4000);
    expect(counter.sample(5000).encodings).toEqual([]);
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

const STATS: ViewStats = {
  fps: 59.8,
  mbitPerS: 12.34,
  decodeMs: 2.06,
  presentMs: 8,
  encodings: ['lossless'],
  video: undefined,
  dropped: 0,
  roundTripMs: 1,
  relay: undefined,
};

describe('statsLine()', () => {
  it('tells rate, volume and size', () => {
    expect(statsLine(STATS, PICTURE)).toBe('60 fps  ·  12 Mbit/s  ·  1920 × 1080');
  });

  it('gives small volumes a decimal', () => {
    expect(statsLine({ ...STATS, mbitPerS: 0.26 }, undefined)).toBe('60 fps  ·  0.3 Mbit/s');
  });
});

describe('encodingLine()', () => {
  const video = { codec: 'h264', codecString: 'avc1.42C028', drawnBy: 'track' } as const;

  it('tells how the picture travels, and who draws the video', () => {
    expect(encodingLine(STATS, undefined)).toBe('Lossless tiles');
    expect(encodingLine(STATS, undefined, 'lgmp')).toBe('Lossless tiles');
    expect(encodingLine(STATS, undefined, 'spice')).toBe('Lossless tiles  ·  by SPICE');
    expect(encodingLine({ ...STATS, encodings: ['lossless', 'video'], video }, undefined)).toBe(
      'Lossless tiles and H.264  ·  WebCodecs, on its own layer',
    );
    const drawnBy = 'canvas';
    const vp8 = { codec: 'vp8', codecString: 'vp8', drawnBy } as const;
    expect(
      encodingLine({ ...STATS, encodings: ['video'], video: vp8, dropped: 3 }, undefined),
    ).toBe('VP8  ·  WebCodecs, on the canvas  ·  3 dropped');
  });

  it('says nothing of a decoder whose stream is not shown now', () => {
    expect(encodingLine({ ...STATS, video }, undefined)).toBe('Lossless tiles');
    expect(encodingLine({ ...STATS, encodings: [] }, undefined)).toBe('Nothing has been sent yet');
  });

  it('says when the page came in a way that forbids video', () => {
    expect(encodingLine({ ...STATS, encodings: ['jpeg'] }, 'insecure')).toBe(
      'JPEG  ·  no video over plain http',
    );
  });
});

describe('snapshotName()', () => {
  it('sorts by time', () => {
    expect(snapshotName(new Date(2026, 2, 9, 4, 5, 7))).toBe('kvmfr-2026-03-09-040507.png');
  });
});
