import type { Rect } from '../../protocol/rect.ts';
import { encodeVideo, encodeVideoStream } from '../../protocol/wire/index.ts';
import type {
  SharedPlanes,
  VideoChunk,
  VideoEncoder,
  VideoFormat,
  VideoStats,
} from '../encode/index.ts';
import type { LineState } from './line.ts';

/** A coded picture, ready to be sent to everybody in the lane. */
export interface LanePicture {
  readonly stream: number;
  readonly epoch: number;
  readonly serial: number;
  readonly key: boolean;
  /** The part of the picture that it shows; undefined for all of it. */
  readonly region: Rect | undefined;
  /** Announces the stream. */
  readonly announcement: Uint8Array;
  /** The video message; the last one of its update. */
  readonly message: Uint8Array;
  readonly chunk: VideoChunk;
}

/** A viewer that is served by a lane. Nothing here ever throws. */
export interface LaneMember {
  /** Whether it could be sent another picture now. */
  readonly ready: boolean;
  /**
   * Takes a picture; it was given all since the last key picture.
   *
   * @returns false when it cannot take it: it has fallen out of the stream until the next key
   */
  takeVideo(picture: LanePicture): boolean;
  /** What its line carries. */
  readonly lineState: LineState;
  /** It holds up the others: it is to ask for the slower stream. */
  slowDown(): void;
}

/** What a lane needs of the picture. */
export interface LaneSource {
  readonly epoch: number;
  readonly serial: number;
  /** The part that is coded, the same object for as long as it is the same; undefined for all. */
  readonly region: Rect | undefined;
  /** The part in I420; undefined while there is none. */
  readonly planes: SharedPlanes | undefined;
}

/** How a lane is made. */
export interface VideoLaneOptions {
  readonly source: LaneSource;
  readonly encoder: VideoEncoder;
  /** Numbers for streams; no two streams that a viewer may see have the same. */
  readonly nextStream: () => number;
  /** Least time from one picture to the next; 0 for no bound. */
  readonly gapMs?: number;
  /** A picture could not be coded; `forGood`: nor will any other. */
  readonly failed: (message: string, forGood: boolean) => void;
}

/** Key pictures are several times as large as others, and whoever asks is one of many. */
export const KEY_GAP_MS: number = 500;
/** Seconds for which the lines of fewer than half may be congested before they are sent away. */
const PATIENCE = 3;
const LESS = 0.75;
const MORE = 1.5;
/** Each change of the bit rate costs a key picture: a line proves itself for so many seconds before more. */
const CALM_SECONDS = 4;
/** Part of what a line was found to carry that a stream uses. */
const SHARE = 0.85;
/** A picture that was missed is asked for again after a moment, not at once. */
const RETRY_MS = 5;

/**
 * One stream of coded pictures for all viewers of one quality. It codes the newest picture whenever
 * there is a new one and somebody has room for it; the picture's way is pulled by its viewers, so
 * with nobody ready nothing is coded.
 *
 * Viewers come in with a key picture, and come back with one after they fell behind. However many
 * ask for one, it is made once, and at most twice a second.
 */
export class VideoLane {
  readonly encoder: VideoEncoder;
  readonly #options: VideoLaneOptions;
  /** Whether each member has all pictures since the last key. */
  readonly #members = new Map<LaneMember, boolean>();
  #coding = false;
  #timer: NodeJS.Timeout | undefined;
  #epoch = 0;
  #serial = 0;
  #region: Rect | undefined;
  #stream = 0;
  #format: VideoFormat | undefined;
  #announcement: Uint8Array = new Uint8Array(0);
  #keyAtMs = Number.NEGATIVE_INFINITY;
  #codedAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;
  #kbits: number;
  #calm = 0;
  readonly #congestedFor = new Map<LaneMember, number>();

  constructor(options: VideoLaneOptions) {
    this.#options = options;
    this.encoder = options.encoder;
    this.#kbits = options.encoder.settings.bitrateKbits;
  }

  /** Viewers that are served. */
  get memberCount(): number {
    return this.#members.size;
  }

  /** What its encoder has done. */
  get stats(): VideoStats {
    return this.encoder.stats;
  }

  /** Whether it can serve at all. */
  get usable(): boolean {
    return !this.#closed && this.encoder.state.kind !== 'failed';
  }

  /** Lets a viewer in; its first picture is a key picture. Once is enough. */
  join(member: LaneMember): void {
    if (!this.#members.has(member)) this.#members.set(member, false);
  }

  /** Lets a viewer go. */
  leave(member: LaneMember): void {
    this.#members.delete(member);
    this.#congestedFor.delete(member);
  }

  /** A viewer cannot go on without a key picture. */
  needKey(member: LaneMember): void {
    if (!this.#members.has(member)) return;
    this.#members.set(member, false);
    this.pump();
  }

  /** Codes the newest picture if there is one to code and somebody who has room for it. */
  pump(): void {
    if (this.#coding || !this.usable) return;
    const { source } = this.#options;
    const nowMs = performance.now();
    let synced = false;
    let lost = false;
    for (const [member, isSynced] of this.#members) {
      if (!member.ready) continue;
      synced ||= isSynced;
      lost ||= !isSynced;
    }
    const isNew = source.epoch !== this.#epoch || source.serial !== this.#serial;
    // What is decoded with pictures of something else before it would be a mixture of both.
    const isElse = source.epoch !== this.#epoch || source.region !== this.#region;
    const isOther = isElse && (synced || lost);
    const wantsKey = isOther || (lost && nowMs - this.#keyAtMs >= KEY_GAP_MS);
    if (lost && !wantsKey) this.#again(this.#keyAtMs + KEY_GAP_MS - nowMs);
    if (!wantsKey && !(synced && isNew)) return;
    const waitMs = this.#codedAtMs + (this.#options.gapMs ?? 0) - nowMs;
    if (waitMs > 0.5) {
      this.#again(waitMs);
      return;
    }
    const { planes } = source;
    if (source.epoch === 0 || planes === undefined) return;
    this.#codedAtMs = nowMs;
    void this.#code(planes, wantsKey);
  }

  /**
   * About a second has passed: the bit rate follows what most lines carry. Less at once when half
   * of them are congested, slowly more when none is. A few that are congested while the others
   * are not are sent to the slower stream: one bad line is not everybody's.
   */
  follow(mostKbits: number, leastKbits: number): void {
    if (this.#members.size === 0) return;
    let congested = 0;
    let carried = Number.POSITIVE_INFINITY;
    for (const member of this.#members.keys()) {
      const { lineState } = member;
      if (lineState.congested) {
        congested++;
        if (lineState.kbits > 0) carried = Math.min(carried, lineState.kbits * SHARE);
        this.#congestedFor.set(member, (this.#congestedFor.get(member) ?? 0) + 1);
      } else {
        this.#congestedFor.delete(member);
      }
    }
    if (congested > 0) this.#calm = 0;
    if (congested * 2 >= this.#members.size && congested > 0)
      this.#kbits = Math.min(this.#kbits * LESS, carried);
    else if (congested === 0) {
      this.#calm++;
      if (this.#calm % CALM_SECONDS === 0) this.#kbits *= MORE;
    } else
      for (const [member, seconds] of this.#congestedFor)
        if (seconds >= PATIENCE) member.slowDown();
    this.#kbits = Math.round(Math.min(mostKbits, Math.max(leastKbits, this.#kbits)));
    if (this.usable) this.encoder.setBitrate(this.#kbits);
  }

  /** Ends its encoder. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#members.clear();
    await this.encoder.close();
  }

  async #code(planes: SharedPlanes, keyFrame: boolean): Promise<void> {
    const { epoch, serial, region } = this.#options.source;
    this.#coding = true;
    const outcome = await this.encoder.encode(planes, { serial, keyFrame });
    this.#coding = false;
    if (this.#closed) return;
    if (outcome.kind === 'failed') {
      // A picture that the codec does not take is no end of the encoder, but of this lane's use now.
      this.#options.failed(outcome.error.message, this.encoder.state.kind === 'failed');
      return;
    }
    if (outcome.kind === 'chunk') {
      this.#deliver(outcome, { epoch, region });
      this.pump();
    } else {
      this.#again(RETRY_MS);
    }
  }

  #deliver(chunk: VideoChunk, of: { readonly epoch: number; readonly region: Rect | undefined }) {
    const { epoch, region } = of;
    const isElse = epoch !== this.#epoch || region !== this.#region;
    const isOther = chunk.format !== this.#format || isElse;
    this.#epoch = epoch;
    this.#region = region;
    this.#serial = chunk.serial;
    if (chunk.keyFrame) this.#keyAtMs = performance.now();
    if (isOther || this.#stream === 0) this.#beginStream(chunk, epoch);
    const { serial, keyFrame: key, bytes: data } = chunk;
    const stream = this.#stream;
    const message = encodeVideo({ epoch, serial, stream, key, last: true, data });
    const announcement = this.#announcement;
    const coded = { stream, epoch, serial, key, region };
    const picture: LanePicture = { ...coded, announcement, message, chunk };
    for (const [member, isSynced] of this.#members)
      if (isSynced || key) this.#members.set(member, member.takeVideo(picture));
  }

  #beginStream(chunk: VideoChunk, epoch: number): void {
    this.#format = chunk.format;
    this.#stream = this.#options.nextStream();
    const { codec, codecString, codedWidthPx, codedHeightPx } = chunk.format;
    const stream = this.#stream;
    const format = { codec, codecString, codedWidthPx, codedHeightPx };
    const part = this.#region === undefined ? {} : { region: this.#region };
    this.#announcement = encodeVideoStream({ stream, epoch, ...format, ...part });
  }

  #again(waitMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.pump(), Math.max(1, waitMs));
  }
}
