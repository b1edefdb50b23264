import type { Codec, Encoding, RelayStats } from '../../../protocol/wire/index.ts';
import type { Part } from './render/surface.ts';
import type { SoundStats } from './sound/listening.ts';

/** The stream of video that is decoded. */
export interface VideoState {
  readonly codec: Codec;
  /** The codec as WebCodecs spells it. */
  readonly codecString: string;
  /** Who draws it: a `<video>` that plays a track of it, or the canvas. */
  readonly drawnBy: 'track' | 'canvas';
}

/** Numbers of the last second, for the statistics line. */
export interface ViewStats {
  /** Frames presented per second. */
  readonly fps: number;
  /** Megabits per second that arrived, all messages counted. */
  readonly mbitPerS: number;
  /** Mean time from the last byte of an update to its pixels, of the newest updates. Units: milliseconds. */
  readonly decodeMs: number;
  /** Mean time from the pixels to the display. Units: milliseconds. */
  readonly presentMs: number;
  /** How the picture travelled, in the last second in which it did. */
  readonly encodings: readonly Encoding[];
  /** The stream of video that is decoded; undefined when the relay sends none. */
  readonly video: VideoState | undefined;
  /** Pictures of the video that were decoded and overtaken by newer ones, since the connection began. */
  readonly dropped: number;
  /** Time to the relay and back; undefined until it was measured. Units: milliseconds. */
  readonly roundTripMs: number | undefined;
  /** The guest's sound; left out while nobody listens. */
  readonly sound?: SoundStats;
  /** What the relay last said about itself. */
  readonly relay: RelayStats | undefined;
}

/** Weight of the newest picture in how old they are. */
const PICTURE_WEIGHT = 0.1;

/** Counts what happens between two samples. */
export class StatsCounter {
  #sinceMs: number;
  #bytes = 0;
  #frames = 0;
  #updates = 0;
  #decodeMs = 0;
  #presentMs = 0;
  #meanDecodeMs = 0;
  #meanPresentMs = 0;
  #dropped = 0;
  #encodings = new Set<Encoding>();
  #lastEncodings: readonly Encoding[] = [];
  #roundTripMs: number | undefined;
  #relay: RelayStats | undefined;
  #pictureMs: number | undefined;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** A message arrived. */
  received(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Updates went to the display together. */
  frame(): void {
    this.#frames += 1;
  }

  /** One of them took this long, and had these parts. Units: milliseconds. */
  update(
    times: { readonly decodeMs: number; readonly presentMs: number },
    parts: readonly Part[],
  ): void {
    this.#updates += 1;
    this.#decodeMs += times.decodeMs;
    this.#presentMs += times.presentMs;
    for (const part of parts) {
      const encoding = encodingOf(part);
      if (encoding !== undefined) this.#encodings.add(encoding);
    }
  }

  /** How old a picture was when it was seen. Units: milliseconds. */
  picture(ageMs: number): void {
    this.#pictureMs =
      this.#pictureMs === undefined
        ? ageMs
        : this.#pictureMs + (ageMs - this.#pictureMs) * PICTURE_WEIGHT;
  }

  /** How old pictures are when they are seen; undefined while none was. Units: milliseconds. */
  get pictureMs(): number | undefined {
    return this.#pictureMs;
  }

  /** A picture of the video was overtaken. */
  dropped(): void {
    this.#dropped += 1;
  }

  /** A ping was answered. */
  roundTrip(ms: number): void {
    this.#roundTripMs = ms;
  }

  /** The relay told its numbers. */
  relay(stats: RelayStats): void {
    this.#relay = stats;
  }

  /** The numbers since the last sample; counting starts anew. */
  sample(nowMs: number, video?: VideoState, sound?: SoundStats): ViewStats {
    const seconds = Math.max(1, nowMs - this.#sinceMs) / 1000;
    // A second without an update says nothing about how long one takes.
    if (this.#updates > 0) {
      this.#meanDecodeMs = this.#decodeMs / this.#updates;
      this.#meanPresentMs = this.#presentMs / this.#updates;
    }
    if (this.#encodings.size > 0) this.#lastEncodings = [...this.#encodings].sort();
    const stats: ViewStats = {
      fps: this.#frames / seconds,
      mbitPerS: (this.#bytes * 8) / 1_000_000 / seconds,
      decodeMs: this.#meanDecodeMs,
      presentMs: this.#meanPresentMs,
      encodings: this.#lastEncodings,
      video,
      dropped: this.#dropped,
      roundTripMs: this.#roundTripMs,
      ...(sound === undefined ? {} : { sound }),
      relay: this.#relay,
    };
    this.#sinceMs = nowMs;
    this.#bytes = 0;
    this.#frames = 0;
    this.#updates = 0;
    this.#decodeMs = 0;
    this.#presentMs = 0;
    this.#encodings.clear();
    return stats;
  }

  /** Forgets everything: another relay may be at the other end. */
  reset(nowMs: number): void {
    this.#dropped = 0;
    this.#roundTripMs = undefined;
    this.#relay = undefined;
    this.#pictureMs = undefined;
    this.sample(nowMs);
    this.#lastEncodings = [];
    this.#meanDecodeMs = 0;
    this.#meanPresentMs = 0;
  }
}

function encodingOf(part: Part): Encoding | undefined {
  switch (part.kind) {
    case 'pixels':
      return 'lossless';
    case 'bitmap':
      return 'jpeg';
    case 'video':
    case 'uncover':
      return 'video';
    default:
      return undefined;
  }
}
