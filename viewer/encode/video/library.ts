import type { Codec } from '../../../protocol/wire/index.ts';
import { h264CodecString, h264Fits } from './h264.ts';
import type { CodedSize } from './planes.ts';

// The part of WebCodecs that is used here, as the W3C writes it. Node has no types for it.

/** A picture for a codec. Source: W3C WebCodecs, `VideoFrame`. */
export interface LibraryFrame {
  close(): void;
}

/** A coded picture as it leaves a codec. Source: W3C WebCodecs, `EncodedVideoChunk`. */
export interface LibraryChunk {
  readonly type: 'key' | 'delta';
  readonly timestamp: number;
  readonly byteLength: number;
  copyTo(destination: Uint8Array): void;
}

/** How a codec is set up. Source: W3C WebCodecs, `VideoEncoderConfig`. */
export interface LibraryConfig {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly bitrate: number;
  readonly framerate: number;
  readonly latencyMode: 'realtime';
  readonly hardwareAcceleration: 'prefer-software';
  readonly avc?: { readonly format: 'annexb' };
  readonly colorSpace: LibraryColorSpace;
}

/** Source: W3C WebCodecs, `VideoColorSpaceInit`. */
export interface LibraryColorSpace {
  readonly primaries: 'bt709';
  readonly transfer: 'bt709';
  readonly matrix: 'bt709';
  readonly fullRange: boolean;
}

/** A codec. Source: W3C WebCodecs, `VideoEncoder`. */
export interface LibraryEncoder {
  configure(config: LibraryConfig): void;
  encode(frame: LibraryFrame, options: { readonly keyFrame: boolean }): void;
  close(): void;
}

/** A WebCodecs implementation. */
export interface Library {
  readonly VideoFrame: new (
    pixels: Uint8Array,
    init: {
      readonly format: 'I420';
      readonly codedWidth: number;
      readonly codedHeight: number;
      readonly timestamp: number;
      readonly colorSpace: LibraryColorSpace;
    },
  ) => LibraryFrame;
  readonly VideoEncoder: {
    new (init: {
      readonly output: (chunk: LibraryChunk) => void;
      readonly error: (error: unknown) => void;
    }): LibraryEncoder;
    isConfigSupported(config: LibraryConfig): Promise<{ readonly supported?: boolean }>;
  };
}

/** The implementation that is used when no other is named. */
export const DEFAULT_LIBRARY = 'node-webcodecs';

/** Colours as the planes hold them. */
export const COLOR_SPACE: LibraryColorSpace = {
  primaries: 'bt709',
  transfer: 'bt709',
  matrix: 'bt709',
  fullRange: false,
};

/** `node-webcodecs` makes a key frame every so many pictures as its frame rate says: never, then. */
const NEVER = 1_000_000;
/** openh264 believes at most this rate, and gives each picture the bit rate divided by it. */
const OPENH264_FPS = 60;
/** The most that any H.264 level of openh264 takes. */
const MAX_BITRATE = 240_000_000;

/** Sides of a VP8 picture have 14 bits. */
const MAX_VP8_PX = 16_383;

/** Whether a codec can code pictures of a size; above about 4096 x 2304 H.264 cannot. */
export function codecFits(codec: Codec, widthPx: number, heightPx: number): boolean {
  return codec === 'h264' ? h264Fits(widthPx, heightPx) : Math.max(widthPx, heightPx) < MAX_VP8_PX;
}

/** How a picture is coded, as {@link libraryConfig} needs it. */
export interface CodingSettings extends CodedSize {
  readonly codec: Codec;
  readonly bitrateKbits: number;
  readonly framesPerSecond: number;
}

/**
 * The configuration of a codec for real time: each picture comes out before the next goes in.
 *
 * `node-webcodecs` takes the distance of key frames from the frame rate, so it is told a very high
 * one. Its VP8 goes by timestamps instead, and its H.264 by at most 60 pictures a second: the bit
 * rate is stated for that many.
 */
export function libraryConfig(library: string, settings: CodingSettings): LibraryConfig {
  const { codec, codedWidthPx: width, codedHeightPx: height, framesPerSecond } = settings;
  const bitrate = settings.bitrateKbits * 1000;
  const odd = library === DEFAULT_LIBRARY;
  const scale = odd && codec === 'h264' ? OPENH264_FPS / framesPerSecond : 1;
  return {
    codec: codec === 'h264' ? h264CodecString({ width, height, framesPerSecond }) : codec,
    width,
    height,
    bitrate: Math.min(MAX_BITRATE, Math.round(bitrate * scale)),
    framerate: odd ? NEVER : framesPerSecond,
    latencyMode: 'realtime',
    // A hardware encoder may hold pictures back and may write a stream that allows reordering.
    hardwareAcceleration: 'prefer-software',
    ...(codec === 'h264' ? { avc: { format: 'annexb' } } : {}),
    colorSpace: COLOR_SPACE,
  };
}

/**
 * Loads a WebCodecs implementation and asks it for a codec.
 *
 * @throws Error that says what is missing
 */
export async function loadLibrary(name: string, codec: Codec): Promise<Library> {
  const found: unknown = await import(name);
  const library = asLibrary(found) ?? asLibrary(fieldOf(found, 'default'));
  if (library === undefined)
    throw new Error(`${name} has no VideoEncoder and VideoFrame as WebCodecs has them`);
  const config = libraryConfig(name, {
    codec,
    codedWidthPx: 640,
    codedHeightPx: 480,
    bitrateKbits: 1000,
    framesPerSecond: 60,
  });
  const { supported } = await library.VideoEncoder.isConfigSupported(config);
  if (supported !== true) throw new Error(`${name} cannot encode ${config.codec}`);
  return library;
}

function asLibrary(found: unknown): Library | undefined {
  return typeof fieldOf(found, 'VideoEncoder') === 'function' &&
    typeof fieldOf(found, 'VideoFrame') === 'function'
    ? (found as Library)
    : undefined;
}

function fieldOf(found: unknown, name: string): unknown {
  return typeof found === 'object' && found !== null && name in found
    ? (found as { readonly [key: string]: unknown })[name]
    : undefined;
}
