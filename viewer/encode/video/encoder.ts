import type { SharedPlanes } from '../../../client/tiles/shared-planes.ts';
import type { KvmfrError } from '../../../protocol/error.ts';
import type { Codec } from '../../../protocol/wire/index.ts';

/** How a video encoder codes. The size is that of the picture it is given. */
export interface VideoSettings {
  readonly codec: Codec;
  /** What the stream may use when pictures come at {@link framesPerSecond}; fewer use less. */
  readonly bitrateKbits: number;
  /** The rate pictures come at when all moves: each may use this part of the bit rate. */
  readonly framesPerSecond: number;
}

/** What is asked of an encoder besides the picture itself. */
export interface VideoRequest {
  /** Serial of the picture when it is asked for; the chunk shows this one or a later one. */
  readonly serial: number;
  /** Whether the chunk must be decodable without those before it. */
  readonly keyFrame?: boolean;
}

/** What a decoder has to be told; the same object for as long as nothing of it changes. */
export interface VideoFormat {
  readonly codec: Codec;
  /** The codec as WebCodecs spells it, read from the stream itself: `avc1.42C02A` or `vp8`. */
  readonly codecString: string;
  /** Size of the coded pictures: even, 16 at least, and not smaller than the picture. */
  readonly codedWidthPx: number;
  readonly codedHeightPx: number;
  /**
   * Size of the picture, at the top left of the coded one. What lies beyond repeats the last column
   * and row, and is for whoever draws to leave out: no stream can say half a chroma sample.
   */
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * When a chunk passed its stages.
 *
 * Units: nanoseconds of the monotonic clock, which all processes of a machine share.
 */
export interface VideoTiming {
  /** The encoder was asked. */
  readonly queuedNs: number;
  /** The encoder's process began to copy the picture. */
  readonly startedNs: number;
  /** It had its copy. */
  readonly copiedNs: number;
  /** The codec was done. */
  readonly doneNs: number;
}

/** A coded picture. */
export interface VideoChunk {
  readonly kind: 'chunk';
  readonly serial: number;
  /** Whether it can be decoded without those before it: H.264 IDR with its parameter sets, VP8 key. */
  readonly keyFrame: boolean;
  /** H.264 in Annex B, or a VP8 frame. Ownership: the receiver's. */
  readonly bytes: Uint8Array;
  readonly format: VideoFormat;
  readonly timing: VideoTiming;
}

/**
 * What became of a request: a chunk; `replaced` by a newer request before it began; `missed`
 * because the picture was written all the time or its memory had gone: ask again; or `failed`,
 * because the picture is too large for the codec, or the encoder has failed (see its state).
 */
export type VideoOutcome =
  | VideoChunk
  | { readonly kind: 'replaced' }
  | { readonly kind: 'missed' }
  | { readonly kind: 'failed'; readonly error: KvmfrError };

/**
 * How an encoder is: `starting` (also again, after a fault), `ready`, or `failed` for good: the
 * library does not load here, it failed again and again, or the encoder was closed.
 */
export type VideoState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: KvmfrError };

/** What a video encoder has done since it was made. */
export interface VideoStats {
  readonly chunks: number;
  readonly keyFrames: number;
  readonly bytes: number;
  readonly replaced: number;
  readonly missed: number;
  /** Times that its process had to be started again. */
  readonly restarts: number;
  /** Time in which the newest process became ready. Units: milliseconds. */
  readonly startMs: number;
}

/**
 * Codes the newest picture as video, one at a time.
 *
 * Each stream begins with a key frame: the first one, one in another size or bit rate, and one
 * after a fault. A decoder that is given all chunks in their order needs nothing else.
 */
export interface VideoEncoder extends AsyncDisposable {
  readonly settings: VideoSettings;
  readonly state: VideoState;
  readonly stats: VideoStats;
  /** Process that encodes; undefined while there is none. */
  readonly pid: number | undefined;
  /** The newest lines that the codec library printed, oldest first. */
  readonly printed: readonly string[];
  /**
   * Codes the picture as it is when the encoder gets to it. One request is worked on and one
   * waits; a newer one takes the place of the one that waits, and its wish for a key frame.
   *
   * Never rejects: how it ended is the value.
   *
   * @throws ERR_KVMFR_ARGUMENT when the planes do not lie in their memory or are no picture
   */
  encode(planes: SharedPlanes, request: VideoRequest): Promise<VideoOutcome>;
  /**
   * Asks for another bit rate. It may be called often: changes of less than a fifth are passed
   * over, a lower rate is taken with the next picture, a higher one at most once a second. Each
   * change costs a key frame.
   *
   * @throws ERR_KVMFR_ARGUMENT
   */
  setBitrate(bitrateKbits: number): void;
  /** Settles when the state is no longer `starting`. */
  settled(): Promise<VideoState>;
  /** Ends the process; requests that are under way fail. */
  close(): Promise<void>;
}
