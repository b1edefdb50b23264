import { monotonicMs } from '../../client/clock.ts';
import type { PictureTimes } from '../../client/reader/reader.ts';
import type { PlaneLayout } from '../../client/tiles/shared-planes.ts';
import type { PictureGeometry, PictureView } from '../../client/tiles/view.ts';
import type { Rect } from '../../protocol/rect.ts';
import type { Codec, Encoding, TileCodingName } from '../../protocol/wire/index.ts';
import {
  type EncodedUpdate,
  type Encoder,
  type SharedPlanes,
  SpareMemory,
  type VideoEncoder,
  type VideoSettings,
} from '../encode/index.ts';
import { type Content, ContentMeter, type TileCost } from './content-meter.ts';
import { MoveLog } from './move-log.ts';
import { MovingRegion } from './moving-region.ts';
import { Timeline } from './timeline.ts';
import { VideoLane } from './video-lane.ts';

/** Which of the streams of a codec: the one for everybody, or the one for slow lines. */
export type Tier = 'full' | 'slow';

/** What a stream shows. */
export interface LaneKind {
  readonly codec: Codec;
  readonly tier: Tier;
  /** Only the part of the picture that moves, when that is not all of it. */
  readonly part: boolean;
}

/** How the coding of a picture is made. */
export interface CodingOptions {
  readonly picture: PictureView;
  readonly encoders: readonly Encoder[];
  /** Video codecs that may be offered; empty when none. */
  readonly codecs: readonly Codec[];
  /** Starts the process of a video encoder. */
  readonly openVideo: (settings: VideoSettings) => VideoEncoder;
  /** The picture in I420, kept current while somebody needs it. */
  readonly planes: {
    readonly current: SharedPlanes | undefined;
    want(wanted: boolean): void;
  };
  /** Most bits a second of a video stream; by the size of the picture when left out. */
  readonly bitrateKbits?: number;
  readonly maxFps?: number;
  /** Whoever waits may be able to go on. */
  readonly pump: () => void;
  readonly log: (line: string) => void;
}

/** Exact tiles of more than this many bytes in a second are too many, whatever the line. */
const MAX_EXACT_BYTES = 12e6;
/** Weight of a new measurement of what tiles cost. */
const COST_WEIGHT = 0.2;
/** Measurements of which the shortest counts. */
const KEPT_SPANS = 8;
/** What a tile costs before one was measured: a desk as ops. */
const FIRST_COST: TileCost = { msPerTile: 0.02, bytesPerTile: 1400 };
/** While anything has changed of late, those at rest are looked after this often. */
const REST_TICK_MS = 100;
const REST_AFTER_MS = 3000;
/** Rate at which 1080p is coded when all moves, unless told otherwise. */
const KBITS_1080P = 12_000;
const MIN_KBITS = 500;
const MAX_KBITS = 80_000;
const PX_1080P = 1920 * 1080;
const VIDEO_FPS = 60;
const SLOW_FPS = 15;
const MIN_CODED_PX = 16;
/** Part of the full stream's bits that the slow one has. */
const SLOW_SHARE = 0.2;
/** The planes are kept current for this long after the last viewer of video. */
const PLANES_KEPT_MS = 5000;

/**
 * What turns the picture into messages: encoders of tiles, one stream of video for each codec and
 * quality, and the judgement which of them suits what the picture does. All viewers share it.
 */
export class Coding {
  readonly timeline: Timeline = new Timeline();
  readonly moves: MoveLog = new MoveLog();
  readonly #options: CodingOptions;
  readonly #encoders: ReadonlyMap<Encoding, Encoder>;
  readonly #meter = new ContentMeter({ bytesPerSecond: MAX_EXACT_BYTES });
  /** Of viewers that take moves: what has merely moved costs them nothing. */
  readonly #moveMeter = new ContentMeter({ bytesPerSecond: MAX_EXACT_BYTES });
  readonly #moving = new MovingRegion();
  readonly #lanes = new Map<string, { readonly kind: LaneKind; readonly lane: VideoLane }>();
  readonly #failed = new Set<Codec>();
  #tiles: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #serial = 0;
  #epoch = 0;
  #cost: TileCost = FIRST_COST;
  /** What tiles have taken of late. A machine that is busy makes them longer, nothing shorter. */
  readonly #spans: number[] = new Array<number>(KEPT_SPANS).fill(FIRST_COST.msPerTile);
  #nextSpan = 0;
  #measured = { rawBytes: 0, codedBytes: 0, seconds: 0 };
  #nextStream = 1;
  /** Epoch of the picture that no codec takes. */
  #refusedEpoch = 0;
  #changedMs = 0;
  #restTimer: NodeJS.Timeout | undefined;
  #wantedMs = 0;
  #wanted = false;
  readonly #spareMemory = new SpareMemory();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: CodingOptions) {
    this.#options = options;
    this.#encoders = new Map(options.encoders.map((encoder) => [encoder.encoding, encoder]));
  }

  /** The encoders of tiles and images. */
  get encoders(): readonly Encoder[] {
    return this.#options.encoders;
  }

  /** What the picture does, for viewers that take moves or for those that do not. */
  content(takesMoves: boolean): Content {
    return takesMoves ? this.#moveMeter.content : this.#meter.content;
  }

  /** Codecs that can be offered now. */
  get codecs(): readonly Codec[] {
    return this.#options.codecs.filter((codec) => !this.#failed.has(codec));
  }

  /** The update with these tiles; undefined when it is to be asked for again later. */
  encode(
    encoding: Encoding,
    tiles: Uint32Array,
    count: number,
    coding?: TileCodingName,
  ): EncodedUpdate | undefined {
    return this.#encoders.get(encoding)?.encodeTiles(this.#options.picture, tiles, count, coding);
  }

  /** The same for exact tiles that come after moves: it leads to the picture's serial. */
  encodeRest(
    tiles: Uint32Array,
    count: number,
    coding: TileCodingName | undefined,
  ): EncodedUpdate | undefined {
    const encoder = this.#encoders.get('lossless');
    return encoder?.encodeTiles(this.#options.picture, tiles, count, coding, true);
  }

  /** The newest serial that was in the picture so many milliseconds ago. */
  serialBefore(agoMs: number): number {
    return this.timeline.serialBefore(monotonicMs() - agoMs);
  }

  /** The picture was brought up to a frame. */
  pictureChanged(times: PictureTimes): void {
    const { picture } = this.#options;
    const { epoch, serial } = picture;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#serial = 0;
      this.timeline.clear();
      this.#moving.reset(picture.grid);
      this.moves.clear();
    }
    if (serial === this.#serial) return;
    this.moves.follow(picture);
    this.timeline.add(serial, times);
    if (this.#tiles.length < picture.grid.tileCount)
      this.#tiles = new Uint32Array(picture.grid.tileCount);
    const count = picture.changedSince(this.#serial, this.#tiles);
    const plan = this.moves.plan(picture.grid, { from: this.#serial, to: serial });
    this.#serial = serial;
    this.#changedMs = performance.now();
    this.#moving.changed(this.#tiles, count, { serial, nowMs: this.#changedMs });
    const cost = this.#measure();
    this.#meter.changed(count, this.#changedMs, cost);
    this.#moveMeter.changed(Math.min(count, plan?.restTiles ?? count), this.#changedMs, cost);
    this.#lookAfterRest();
  }

  /** Starts the encoder of a codec, so that it is there when it is needed. */
  warm(codec: Codec, part: boolean): void {
    this.#lane({ codec, tier: 'full', part });
  }

  /** Whether pictures can be coded in a codec now. */
  canCode(codec: Codec, part: boolean): boolean {
    const { epoch, grid } = this.#options.picture;
    if (this.#refusedEpoch === epoch) return false;
    // Smaller pictures would be coded larger than they are: codecs have blocks of 16 pixels.
    if (Math.min(grid.widthPx, grid.heightPx) < MIN_CODED_PX) return false;
    const lane = this.#lane({ codec, tier: 'full', part });
    return lane?.encoder.state.kind === 'ready';
  }

  /** The stream of a kind; undefined when it cannot be made. */
  lane(kind: LaneKind): VideoLane | undefined {
    this.#want();
    return this.#lane(kind);
  }

  /** About a second has passed: streams follow what their viewers' lines carry. */
  tick(): void {
    this.#spareMemory.tick(performance.now());
    const { picture } = this.#options;
    for (const { kind, lane } of this.#lanes.values()) {
      const most = this.#kbits(kind.tier, this.#shownBy(kind) ?? picture.geometry);
      lane.follow(most, Math.min(most, MIN_KBITS));
    }
  }

  /** Nobody looks any more. */
  rest(): void {
    this.#spareMemory.give(performance.now());
    clearInterval(this.#restTimer);
    this.#restTimer = undefined;
    this.#meter.rest();
    this.#moveMeter.rest();
    for (const encoder of this.#options.encoders) encoder.rest();
    this.#options.planes.want(false);
    this.#wanted = false;
    for (const { lane } of this.#lanes.values()) this.#closeLane(lane);
    this.#lanes.clear();
  }

  /** Settles when nothing is being coded any more. */
  async close(): Promise<void> {
    this.rest();
    await Promise.all(this.#closing);
    await this.#spareMemory.close();
    await Promise.all(this.#options.encoders.map((encoder) => encoder.close()));
  }

  /** The part of the picture that a stream shows; undefined for all of it. */
  #shownBy({ part }: LaneKind): Rect | undefined {
    return part ? this.#moving.region : undefined;
  }

  #lane(kind: LaneKind): VideoLane | undefined {
    const { codec, tier, part } = kind;
    if (this.#failed.has(codec) || !this.#options.codecs.includes(codec)) return undefined;
    const name = `${codec} ${tier} ${part ? 'part' : 'whole'}`;
    const found = this.#lanes.get(name);
    if (found !== undefined) return found.lane;
    const { picture, planes, maxFps = VIDEO_FPS } = this.#options;
    const shown = (): Rect | undefined => this.#shownBy(kind);
    const moving = this.#moving;
    const framesPerSecond = tier === 'slow' ? SLOW_FPS : Math.min(maxFps, VIDEO_FPS);
    const settings: VideoSettings = {
      codec,
      framesPerSecond,
      bitrateKbits: this.#kbits(tier, shown() ?? picture.geometry),
    };
    const lane = new VideoLane({
      source: {
        get epoch() {
          return picture.epoch;
        },
        get serial() {
          return part ? moving.serial : picture.serial;
        },
        get region() {
          return shown();
        },
        get planes() {
          const { current } = planes;
          const region = shown();
          return current === undefined || region === undefined ? current : cutOut(current, region);
        },
      },
      encoder: this.#options.openVideo(settings),
      nextStream: () => this.#nextStream++,
      gapMs: tier === 'slow' ? 1000 / SLOW_FPS : 0,
      failed: (message, forGood) => this.#refused(codec, message, forGood),
    });
    this.#lanes.set(name, { kind, lane });
    void lane.encoder.settled().then((state) => {
      if (state.kind === 'failed') this.#fail(codec, state.error.message);
      else this.#options.pump();
    });
    return lane;
  }

  #kbits(tier: Tier, size: Rect | PictureGeometry | undefined): number {
    const px =
      size === undefined
        ? PX_1080P
        : 'width' in size
          ? size.width * size.height
          : size.widthPx * size.heightPx;
    const fitting = KBITS_1080P * (px / PX_1080P) ** 0.75;
    const full = this.#options.bitrateKbits ?? Math.min(MAX_KBITS, Math.max(2000, fitting));
    return Math.round(Math.max(MIN_KBITS, tier === 'slow' ? full * SLOW_SHARE : full));
  }

  /** A picture could not be coded: not in this size, or never again. */
  #refused(codec: Codec, message: string, forGood: boolean): void {
    if (forGood) {
      this.#fail(codec, message);
      return;
    }
    if (this.#refusedEpoch !== this.#options.picture.epoch)
      this.#options.log(`video ${codec}: ${message}; going on without it in this size`);
    this.#refusedEpoch = this.#options.picture.epoch;
    this.#options.pump();
  }

  /** A codec cannot be had any more: viewers go on with tiles. */
  #fail(codec: Codec, message: string): void {
    if (this.#failed.has(codec)) return;
    this.#failed.add(codec);
    this.#options.log(`video ${codec}: ${message}; going on without it`);
    for (const [name, { kind, lane }] of this.#lanes) {
      if (kind.codec !== codec) continue;
      this.#lanes.delete(name);
      this.#closeLane(lane);
    }
    this.#options.pump();
  }

  /** Ends a stream; what has ended is not kept. */
  #closeLane(lane: VideoLane): void {
    const closing = lane.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #want(): void {
    this.#wantedMs = performance.now();
    // What is wanted has an end, also where nothing changes.
    this.#lookAfterRest();
    if (this.#wanted) return;
    this.#wanted = true;
    this.#options.planes.want(true);
  }

  /** What an exact tile has cost of late. */
  #measure(): TileCost {
    const encoder = this.#encoders.get('lossless');
    if (encoder === undefined) return this.#cost;
    const { rawBytes, codedBytes, seconds } = encoder.stats;
    const before = this.#measured;
    const { tilePx } = this.#options.picture.grid;
    const tiles = (rawBytes - before.rawBytes) / (tilePx * tilePx * 3);
    // A single tile says little of the next.
    if (tiles < 16) return this.#cost;
    this.#measured = { rawBytes, codedBytes, seconds };
    this.#spans[this.#nextSpan] = ((seconds - before.seconds) * 1000) / tiles;
    this.#nextSpan = (this.#nextSpan + 1) % this.#spans.length;
    const bytes = (codedBytes - before.codedBytes) / tiles;
    const { bytesPerTile } = this.#cost;
    this.#cost = {
      msPerTile: Math.min(...this.#spans),
      bytesPerTile: bytesPerTile + (bytes - bytesPerTile) * COST_WEIGHT,
    };
    return this.#cost;
  }

  #lookAfterRest(): void {
    this.#restTimer ??= setInterval(() => this.#tickRest(), REST_TICK_MS);
  }

  /** Looks after what has come to rest: nobody else notices that nothing happens. */
  #tickRest(): void {
    const nowMs = performance.now();
    const cost = this.#measure();
    this.#meter.judge(nowMs, cost);
    this.#moveMeter.judge(nowMs, cost);
    if (this.#wanted && nowMs - this.#wantedMs > PLANES_KEPT_MS) {
      this.#wanted = false;
      this.#options.planes.want(false);
    }
    this.#options.pump();
    if (nowMs - this.#changedMs < REST_AFTER_MS || this.#wanted) return;
    clearInterval(this.#restTimer);
    this.#restTimer = undefined;
  }
}

/** The planes of a part of a picture. Its corner lies on even pixels: tiles have even sides. */
function cutOut(planes: SharedPlanes, { x, y, width, height }: Rect): SharedPlanes {
  const at = (plane: PlaneLayout, column: number, row: number): PlaneLayout => ({
    offsetBytes: plane.offsetBytes + row * plane.pitchBytes + column,
    pitchBytes: plane.pitchBytes,
  });
  return {
    ...planes,
    widthPx: width,
    heightPx: height,
    y: at(planes.y, x, y),
    u: at(planes.u, x / 2, y / 2),
    v: at(planes.v, x / 2, y / 2),
  };
}
