import { describe, expect, it } from 'vitest';
import { codecFits, libraryConfig, loadLibrary } from '../../../../viewer/encode/video/library.ts';

const FAULTY = new URL('../../../support/faulty-codec.mjs', import.meta.url).href;
const SETTINGS = {
  codec: 'h264',
  codedWidthPx: 1920,
  codedHeightPx: 1080,
  bitrateKbits: 8000,
  framesPerSecond: 60,
} as const;

describe('libraryConfig', () => {
  it('asks for software, real time, Annex B and the colours of the planes', () => {
    expect(libraryConfig('other', SETTINGS)).toEqual({
      codec: 'avc1.42E02A',
      width: 1920,
      height: 1080,
      bitrate: 8_000_000,
      framerate: 60,
      latencyMode: 'realtime',
      hardwareAcceleration: 'prefer-software',
      avc: { format: 'annexb' },
      colorSpace: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false },
    });
  });

  it('tells node-webcodecs a frame rate by which no key frame is ever due', () => {
    expect(libraryConfig('node-webcodecs', SETTINGS).framerate).toBe(1_000_000);
  });

  it('states the bit rate of its H.264 for 60 pictures a second', () => {
    const rate = (framesPerSecond: number): number =>
      libraryConfig('node-webcodecs', { ...SETTINGS, framesPerSecond }).bitrate;
    expect([30, 60, 120].map(rate)).toEqual([16_000_000, 8_000_000, 4_000_000]);
    expect(rate(1)).toBe(240_000_000);
  });

  it('states the bit rate of VP8 as it is', () => {
    const config = libraryConfig('node-webcodecs', {
      ...SETTINGS,
      codec: 'vp8',
      framesPerSecond: 30,
    });
    expect([config.codec, config.bitrate, config.avc]).toEqual(['vp8', 8_000_000, undefined]);
  });
});

describe('codecFits', () => {
  it.each([
    ['h264', 4096, 2304, true],
    ['h264', 7680, 4320, false],
    ['vp8', 7680, 4320, true],
    ['vp8', 16_383, 100, false],
  ] as const)('%s, %i x %i: %s', (codec, widthPx, heightPx, fits) => {
    expect(codecFits(codec, widthPx, heightPx)).toBe(fits);
  });
});

describe('loadLibrary', () => {
  it('loads an implementation of WebCodecs', async () => {
    const library = await loadLibrary(FAULTY, 'h264');
    expect(library.VideoEncoder).toBeTypeOf('function');
  });

  it.each([
    ['no-such-package-as-this', /no-such-package-as-this/],
    ['node:path', /node:path has no VideoEncoder and VideoFrame/],
  ])('says why %s cannot be used', async (name, reason) => {
    await expect(loadLibrary(name, 'h264')).rejects.toThrow(reason);
  });
});
