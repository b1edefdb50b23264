import type { VideoMessage, VideoStream } from '../../../../protocol/wire/index.ts';
import type { Clock } from '../clock.ts';

/** What is used of the browser's `VideoDecoder`. */
export interface PictureDecoder {
  readonly state: CodecState;
  configure(config: VideoDecoderConfig): void;
  decode(chunk: EncodedVideoChunk): void;
  close(): void;
}

/** Makes a decoder; the browser's, or a test's. */
export type NewDecoder = (handlers: {
  /** Ownership: the frame is the callee's. */
  output(frame: VideoFrame): void;
  error(error: Error): void;
}) => PictureDecoder;

/** What a stream decoder works with. */
export interface StreamDecoderOptions {
  readonly clock: Clock;
  readonly newDecoder: NewDecoder;
  /** Asks the relay for a key picture of a stream. */
  readonly needKey: (stream: number) => void;
  /** Called when a codec fails again and again, though the browser said it has it. */
  readonly gaveUp: (stream: VideoStream) => void;
}

/** A decoder that has not answered for this long has failed, whatever it says. */
const PATIENCE_MS = 3000;
/** Chunks a relay that keeps to its credit never has waiting here. */
const MOST_WAITING = 16;
/** Failures without a picture between them before a codec is given up. */
const MOST_FAILURES = 4;
/** Failures without a picture between them after which it may be the hardware. */
const DISTRUST = 2;

interface Waiting {
  readonly stream: VideoStream;
  readonly timestamp: number;
  readonly resolve: (frame: VideoFrame | undefined) => void;
}

/**
 * Decodes the pictures of one stream after the other. Each chunk that goes in is answered once: by
 * its picture, or by nothing when there is none to be had of it. After a failure it asks for a key
 * picture, once, and answers nothing until that comes.
 *
 * Ownership: a picture is its taker's, who closes it.
 */
export class StreamDecoder {
  readonly #options: StreamDecoderOptions;
  #decoder: PictureDecoder | undefined;
  #stream: VideoStream | undefined;
  /** Whether the chunks so far can be built upon. */
  #keyed = false;
  #asked = false;
  #failures = 0;
  #lastTimestamp = 0;
  #waiting: Waiting[] = [];
  #cancelPatience: (() => void) | undefined;

  constructor(options: StreamDecoderOptions) {
    this.#options = options;
  }

  /** The stream that is decoded now. */
  get stream(): VideoStream | undefined {
    return this.#stream;
  }

  /** Another stream begins. Pictures of the one before that are under way still come. */
  start(stream: VideoStream): void {
    const before = this.#stream;
    this.#stream = stream;
    this.#keyed = false;
    this.#asked = false;
    if (before?.codec !== stream.codec) this.#failures = 0;
    if (this.#decoder !== undefined) this.#configure(stream);
  }

  /** Decodes a chunk; the answer is its picture, or undefined when there is none. */
  decode(video: VideoMessage): Promise<VideoFrame | undefined> {
    const stream = this.#stream;
    if (stream === undefined || video.stream !== stream.stream) return Promise.resolve(undefined);
    if (!this.#keyed && !video.key) {
      this.#askForKey(stream);
      return Promise.resolve(undefined);
    }
    if (this.#waiting.length >= MOST_WAITING) {
      this.#fail();
      return Promise.resolve(undefined);
    }
    const decoder = this.#decoder ?? this.#newDecoder(stream);
    if (decoder === undefined) return Promise.resolve(undefined);
    return this.#feed(decoder, stream, video);
  }

  /** Ends it; what is under way is answered with nothing. */
  stop(): void {
    this.#stream = undefined;
    this.#keyed = false;
    this.#asked = false;
    this.#failures = 0;
    this.#close();
  }

  #feed(
    decoder: PictureDecoder,
    stream: VideoStream,
    video: VideoMessage,
  ): Promise<VideoFrame | undefined> {
    // Any number would do that no other picture has; this one lets a sink that looks at it be right.
    const timestamp = Math.max(
      this.#lastTimestamp + 1,
      Math.round(this.#options.clock.now() * 1000),
    );
    this.#lastTimestamp = timestamp;
    return new Promise((resolve) => {
      this.#waiting.push({ stream, timestamp, resolve });
      if (this.#waiting.length === 1) this.#hopeForOutput();
      try {
        const { data } = video;
        const type = video.key ? 'key' : 'delta';
        decoder.decode(new EncodedVideoChunk({ type, timestamp, data }));
        this.#keyed = true;
        this.#asked = false;
      } catch {
        this.#fail();
      }
    });
  }

  #newDecoder(stream: VideoStream): PictureDecoder | undefined {
    try {
      const decoder = this.#options.newDecoder({
        output: (frame) => {
          if (decoder === this.#decoder) this.#take(frame);
          else frame.close();
        },
        error: () => {
          if (decoder === this.#decoder) this.#fail();
        },
      });
      this.#decoder = decoder;
    } catch {
      this.#fail();
      return undefined;
    }
    return this.#configure(stream) ? this.#decoder : undefined;
  }

  #configure(stream: VideoStream): boolean {
    try {
      this.#decoder?.configure({
        ...decoderConfig(stream),
        hardwareAcceleration: this.#failures < DISTRUST ? 'no-preference' : 'prefer-software',
      });
      return true;
    } catch {
      this.#fail();
      return false;
    }
  }

  #take(frame: VideoFrame): void {
    const { displayWidth, displayHeight } = frame;
    const { codedWidthPx, codedHeightPx } = this.#waiting[0]?.stream ?? {};
    if (displayWidth !== codedWidthPx || displayHeight !== codedHeightPx) {
      // Parameter sets of another size than announced: nothing fits to it.
      frame.close();
      this.#fail();
      return;
    }
    this.#failures = 0;
    const { timestamp } = frame;
    // Pictures come in the order of their chunks: those that were passed over come no more.
    while ((this.#waiting[0]?.timestamp ?? timestamp) < timestamp)
      this.#waiting.shift()?.resolve(undefined);
    if (this.#waiting[0]?.timestamp === timestamp) this.#waiting.shift()?.resolve(frame);
    else frame.close();
    this.#hopeForOutput();
  }

  #hopeForOutput(): void {
    this.#cancelPatience?.();
    this.#cancelPatience =
      this.#waiting.length === 0
        ? undefined
        : this.#options.clock.after(PATIENCE_MS, () => this.#fail());
  }

  #fail(): void {
    const stream = this.#stream;
    this.#keyed = false;
    this.#close();
    if (stream === undefined) return;
    this.#failures += 1;
    if (this.#failures >= MOST_FAILURES) {
      this.#failures = 0;
      this.#options.gaveUp(stream);
    } else {
      this.#asked = false;
      this.#askForKey(stream);
    }
  }

  #askForKey(stream: VideoStream): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#options.needKey(stream.stream);
  }

  #close(): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    // An error has closed it already.
    if (decoder !== undefined && decoder.state !== 'closed') decoder.close();
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#hopeForOutput();
    for (const { resolve } of waiting) resolve(undefined);
  }
}

/** How a decoder is set up for a stream. What the wire promises is said, not left to be guessed. */
function decoderConfig(stream: VideoStream): VideoDecoderConfig {
  return {
    codec: stream.codecString,
    codedWidth: stream.codedWidthPx,
    codedHeight: stream.codedHeightPx,
    optimizeForLatency: true,
    colorSpace: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false },
  };
}
