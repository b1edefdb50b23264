import { describe, expect, it } from 'vitest';
import { codecStringOf, h264CodecString, h264Fits } from '../../../../viewer/encode/video/h264.ts';

describe('h264CodecString', () => {
  it.each([
    [640, 480, 30, 'avc1.42E01E'],
    [1280, 720, 30, 'avc1.42E01F'],
    [1280, 720, 60, 'avc1.42E020'],
    [1920, 1080, 30, 'avc1.42E028'],
    [1920, 1080, 60, 'avc1.42E02A'],
    [2560, 1440, 60, 'avc1.42E033'],
    [3840, 2160, 30, 'avc1.42E033'],
    [3840, 2160, 60, 'avc1.42E034'],
    [3840, 2160, 144, 'avc1.42E03E'],
  ])('of %i x %i at %i Hz is %s', (width, height, framesPerSecond, codec) => {
    expect(h264CodecString({ width, height, framesPerSecond })).toBe(codec);
  });
});

describe('h264Fits', () => {
  it.each([
    [4096, 2304, true],
    [4096, 2305, false],
    [5120, 1440, true],
    [5120, 2880, false],
  ])('%i x %i: %s', (width, height, fits) => {
    expect(h264Fits(width, height)).toBe(fits);
  });
});

describe('codecStringOf', () => {
  it('reads profile, constraints and level of the parameter set', () => {
    const delimiter = [0, 0, 0, 1, 0x09, 0xf0];
    const parameters = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x2a, 0x8c, 0x68];
    expect(codecStringOf(Uint8Array.of(...delimiter, ...parameters))).toBe('avc1.42C02A');
  });

  it('finds none behind the first picture, or in a stream that ends too early', () => {
    const picture = [0, 0, 1, 0x65, 0x88, 0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x2a, 0x8c];
    expect(codecStringOf(Uint8Array.of(...picture))).toBeUndefined();
    expect(codecStringOf(Uint8Array.of(0, 0, 1, 0x67, 0x42, 0xc0))).toBeUndefined();
    expect(codecStringOf(new Uint8Array(0))).toBeUndefined();
  });
});
