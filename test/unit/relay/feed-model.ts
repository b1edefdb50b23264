import { vi } from 'vitest';
import { monotonicMs } from '../../../client/clock.ts';
import { Picture } from '../../../client/tiles/picture.ts';
import type { PictureFrame } from '../../../client/tiles/picture-frame.ts';
import { TILE_PX } from '../../../protocol/limits.ts';
import type { Rect } from '../../../protocol/rect.ts';
import {
  decodeCover,
  decodeImage,
  decodeMoves,
  decodeVideo,
  type Envelope,
  readEnvelope,
  tileRect,
  type VideoMessage,
  WIRE_TYPES,
} from '../../../protocol/wire/index.ts';
import {
  type EncodedUpdate,
  type Encoder,
  JpegEncoder,
  LosslessEncoder,
  type SharedPlanes,
  type VideoEncoder,
  type VideoOutcome,
  type VideoRequest,
  type VideoSettings,
  type VideoState,
} from '../../../viewer/encode/index.ts';
import { Coding } from '../../../viewer/relay/coding.ts';
import { Feed } from '../../../viewer/relay/feed.ts';
import type { FeedAbilities } from '../../../viewer/relay/taste.ts';
import { drawTiles, readTiles } from '../encode/pictures.ts';

const WIDTH = 640;
const HEIGHT = 384;
const COLUMNS = WIDTH / TILE_PX;
const TILES = COLUMNS * (HEIGHT / TILE_PX);
const GRID = { widthPx: WIDTH, heightPx: HEIGHT, tilePx: TILE_PX };
const CREDIT = 3;
/** What is drawn of anything that is not exact: no pixel of the guest has it. */
const BLURRED = 1;

const PLANES: SharedPlanes = {
  memory: { path: '/nowhere', inode: 0n, byteLength: 4096 + WIDTH * HEIGHT * 2 },
  epochOffsetBytes: 0,
  widthPx: WIDTH,
  heightPx: HEIGHT,
  y: { offsetBytes: 64, pitchBytes: WIDTH },
  u: { offsetBytes: 64 + WIDTH * HEIGHT, pitchBytes: WIDTH / 2 },
  v: { offsetBytes: 64 + WIDTH * HEIGHT * 1.25, pitchBytes: WIDTH / 2 },
};

/** What the model's guest shows: noise of samples that are even, so that none is {@link BLURRED}. */
class Guest {
  readonly bgra: Uint8Array<ArrayBuffer> = new Uint8Array(WIDTH * HEIGHT * 4);
  #state = 1;

  noise({ x, y, width, height }: Rect): void {
    const words = new Uint32Array(this.bgra.buffer);
    for (let row = y; row < y + height; row++)
      for (let at = row * WIDTH + x; at < row * WIDTH + x + width; at++) {
        this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
        words[at] = (Math.imul(this.#state, 0x9e37_79b1) & 0xfe_fefe) | 0xff00_0000;
      }
  }

  scroll(rows: number): void {
    this.bgra.copyWithin(0, rows * WIDTH * 4);
    this.noise({ x: 0, y: HEIGHT - rows, width: WIDTH, height: rows });
  }

  frame(intact: boolean): PictureFrame {
    return {
      pixels: this.bgra,
      format: 'BGRA',
      widthPx: WIDTH,
      heightPx: HEIGHT,
      dataHeightPx: HEIGHT,
      screenWidthPx: WIDTH,
      screenHeightPx: HEIGHT,
      pitchBytes: WIDTH * 4,
      rotation: 0,
      damage: [],
      complete: HEIGHT,
      intact,
      whenRows: async () => true,
    };
  }
}

/** An encoder of video that does what the test says. */
class ModelVideo implements VideoEncoder {
  readonly settings: VideoSettings;
  state: VideoState = { kind: 'ready' };
  readonly pid = undefined;
  readonly printed: readonly string[] = [];
  readonly stats = {
    chunks: 0,
    keyFrames: 0,
    bytes: 0,
    replaced: 0,
    missed: 0,
    restarts: 0,
    startMs: 0,
  };
  #asked: { readonly planes: SharedPlanes; readonly request: VideoRequest } | undefined;
  #resolve: ((outcome: VideoOutcome) => void) | undefined;
  #owesKey = true;

  constructor(settings: VideoSettings) {
    this.settings = settings;
  }

  encode(planes: SharedPlanes, request: VideoRequest): Promise<VideoOutcome> {
    if (this.#asked !== undefined) throw new Error('a lane has asked twice');
    this.#asked = { planes, request };
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Answers what was asked, unless its process is not there. */
  answer(how: 'chunk' | 'missed'): void {
    const { planes, request } = this.#asked ?? {};
    if (planes === undefined || request === undefined || this.state.kind !== 'ready') return;
    this.#asked = undefined;
    const key = this.#owesKey || request.keyFrame === true;
    if (how === 'missed') {
      this.#owesKey = key;
      this.#resolve?.({ kind: 'missed' });
      return;
    }
    this.#owesKey = false;
    const { widthPx, heightPx } = planes;
    this.#resolve?.({
      kind: 'chunk',
      serial: request.serial,
      keyFrame: key,
      bytes: Uint8Array.of(1),
      format: {
        ...{ codec: 'h264', codecString: 'avc1.42C028', widthPx, heightPx },
        ...{ codedWidthPx: widthPx, codedHeightPx: heightPx },
      },
      timing: { queuedNs: 1, startedNs: 2, copiedNs: 3, doneNs: 4 },
    });
  }

  /** Its process has died: what was asked for waits for the next one. */
  die(): void {
    this.state = { kind: 'starting' };
    this.#owesKey = true;
  }

  live(): void {
    this.state = { kind: 'ready' };
  }

  setBitrate(): void {}

  async settled(): Promise<VideoState> {
    return this.state;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A viewer that draws each message; what is not exact it draws as {@link BLURRED}. */
export class ModelViewer {
  readonly feed: Feed;
  readonly rgb: Uint8Array = new Uint8Array(WIDTH * HEIGHT * 3);
  readonly faults: string[] = [];
  /** What it was ever sent. */
  readonly kinds: Set<string> = new Set();
  hasRoom = true;
  updates = 0;
  #wake: (() => void) | undefined;
  #keyed = false;
  #cover: Uint8Array = new Uint8Array(0);
  #unacknowledged: { readonly epoch: number; readonly serial: number }[] = [];
  readonly #model: FeedModel;

  constructor(model: FeedModel, abilities: FeedAbilities) {
    this.#model = model;
    const viewer = this;
    this.feed = new Feed({
      hub: model,
      outlet: {
        get hasRoom() {
          return viewer.hasRoom;
        },
        whenRoom: () =>
          new Promise<void>((resolve) => {
            const before = this.#wake;
            this.#wake = () => {
              before?.();
              resolve();
            };
          }),
        end: () => this.#end(),
      },
      credit: CREDIT,
      totals: {
        bytesSent: 0,
        updatesSent: 0,
        updatesAcked: 0,
        decodeUs: 0,
        presentUs: 0,
        falls: 0,
      },
      send: (message) => this.#take(message),
      failed: (error) => this.faults.push(String(error)),
    });
    this.feed.accept(abilities);
    this.feed.setVisible(true);
  }

  pump(): void {
    const { picture, presentable } = this.#model;
    if (!this.hasRoom) return;
    if (presentable && this.feed.epoch !== picture.epoch) {
      this.feed.enter(picture.epoch);
      this.rgb.fill(0);
      this.#cover = new Uint8Array(0);
    }
    this.feed.pump();
  }

  /** Tiles that it shows other than in a picture. */
  tilesOther(rgb: Uint8Array): number[] {
    const other: number[] = [];
    for (let tile = 0; tile < TILES; tile++) {
      const { x, y, width, height } = tileRect(tile, GRID);
      for (let row = y; row < y + height; row++) {
        const from = (row * WIDTH + x) * 3;
        const to = from + width * 3;
        if (Buffer.compare(this.rgb.subarray(from, to), rgb.subarray(from, to)) === 0) continue;
        other.push(tile);
        break;
      }
    }
    return other;
  }

  setRoom(hasRoom: boolean): void {
    this.hasRoom = hasRoom;
    if (!hasRoom) return;
    this.#end();
    this.pump();
  }

  /** Acknowledges the oldest updates that it has. */
  acknowledge(count: number): void {
    for (const update of this.#unacknowledged.splice(0, count)) {
      const stages = { networkUs: 0, boundUs: 0, decodeUs: 0, presentUs: 0 };
      this.feed.acknowledged({ ...update, ...stages });
    }
    this.pump();
  }

  refresh(): void {
    this.feed.forget();
    this.pump();
  }

  #end(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #take(message: Uint8Array): void {
    const envelope = readEnvelope(message);
    switch (envelope.type) {
      case WIRE_TYPES.tiles: {
        const tiles = readTiles(message, GRID);
        drawTiles(tiles, GRID, this.rgb);
        this.#took('lossless', tiles);
        break;
      }
      case WIRE_TYPES.image: {
        const image = decodeImage(envelope, GRID);
        this.#blur(image.rect);
        this.#took('jpeg', image);
        break;
      }
      case WIRE_TYPES.moves:
        this.kinds.add('moves');
        this.#move(envelope);
        break;
      case WIRE_TYPES.videoStream:
        this.#keyed = false;
        break;
      case WIRE_TYPES.cover:
        this.#cover = decodeCover(envelope, TILES).bits.slice();
        break;
      case WIRE_TYPES.video:
        this.#show(decodeVideo(envelope));
        break;
      default:
        break;
    }
  }

  #show(video: VideoMessage): void {
    this.#keyed ||= video.key;
    if (!this.#keyed) this.feed.needKey(video.stream);
    for (let tile = 0; tile < TILES; tile++)
      if (((this.#cover[tile >> 3] ?? 0) >> (tile & 7)) & 1) this.#blur(tileRect(tile, GRID));
    this.#took('video', video);
  }

  #took(
    kind: string,
    update: { readonly epoch: number; readonly serial: number; readonly last: boolean },
  ): void {
    this.kinds.add(kind);
    const { epoch, serial, last } = update;
    if (!last) return;
    this.updates++;
    this.#unacknowledged.push({ epoch, serial });
  }

  #blur({ x, y, width, height }: Rect): void {
    for (let row = y; row < y + height; row++)
      this.rgb.fill(BLURRED, (row * WIDTH + x) * 3, (row * WIDTH + x + width) * 3);
  }

  #move(envelope: Envelope): void {
    for (const { to, fromX, fromY } of decodeMoves(envelope, GRID).moves) {
      const before = this.rgb.slice();
      for (let row = 0; row < to.height; row++) {
        const from = ((fromY + row) * WIDTH + fromX) * 3;
        const pixels = before.subarray(from, from + to.width * 3);
        this.rgb.set(pixels, ((to.y + row) * WIDTH + to.x) * 3);
      }
    }
  }
}

/** The most that viewers of each kind take; the page takes all. */
const KINDS: readonly FeedAbilities[] = [
  {
    encodings: ['lossless'],
    moves: false,
    videoRegions: false,
    codec: undefined,
    tileCoding: undefined,
  },
  {
    encodings: ['lossless', 'video'],
    moves: false,
    videoRegions: false,
    codec: 'h264',
    tileCoding: undefined,
  },
  {
    encodings: ['lossless', 'jpeg'],
    moves: true,
    videoRegions: false,
    codec: undefined,
    tileCoding: undefined,
  },
  {
    encodings: ['lossless', 'video', 'jpeg'],
    moves: true,
    videoRegions: true,
    codec: 'h264',
    tileCoding: 'ops',
  },
];

/** Feeds of several viewers on a picture, with encoders that fail and lines that stop as the test says. */
export class FeedModel {
  readonly picture: Picture = new Picture();
  readonly coding: Coding;
  readonly viewers: readonly ModelViewer[];
  readonly videos: ModelVideo[] = [];
  readonly #guest = new Guest();
  readonly #parts: Promise<unknown>[] = [];
  /** Whether the picture is to be kept in I420. */
  wantsPlanes = false;

  constructor() {
    const model = this;
    const onIdle = (): void => this.#pump();
    this.coding = new Coding({
      picture: this.picture,
      encoders: [new LosslessEncoder({ onIdle }), new JpegEncoder({ onIdle })].map((encoder) =>
        this.#watched(encoder),
      ),
      codecs: ['h264'],
      openVideo: (settings) => {
        const video = new ModelVideo(settings);
        this.videos.push(video);
        return video;
      },
      planes: {
        get current() {
          return model.wantsPlanes ? PLANES : undefined;
        },
        want: (wanted) => {
          this.wantsPlanes = wanted;
        },
      },
      pump: onIdle,
      log: () => {},
    });
    this.viewers = KINDS.map((abilities) => new ModelViewer(this, abilities));
  }

  get presentable(): boolean {
    return this.picture.epoch > 0 && !this.picture.updating;
  }

  /** Samples of the guest's screen. */
  get rgb(): Uint8Array {
    const { bgra } = this.#guest;
    const rgb = new Uint8Array(WIDTH * HEIGHT * 3);
    for (let from = 0, to = 0; from < bgra.length; from += 4, to += 3)
      rgb.set([bgra[from + 2] ?? 0, bgra[from + 1] ?? 0, bgra[from] ?? 0], to);
    return rgb;
  }

  /** The guest shows noise in a part of its screen. */
  async draw(rect: Rect): Promise<void> {
    this.#guest.noise(rect);
    await this.show();
  }

  /** The same, but no frame of it comes. */
  paint(rect: Rect): void {
    this.#guest.noise(rect);
  }

  async scroll(rows: number): Promise<void> {
    this.#guest.scroll(rows);
    await this.show();
  }

  /** Whether everybody shows this picture. */
  isExact(rgb: Uint8Array): boolean {
    return this.viewers.every((viewer) => Buffer.compare(viewer.rgb, rgb) === 0);
  }

  /** Ends all that runs. */
  async close(): Promise<void> {
    for (const { feed } of this.viewers) feed.end();
    await this.coding.close();
    this.picture.close();
  }

  /** A frame is taken; one that is not intact is given up. */
  async show(intact = true): Promise<void> {
    const seenMs = monotonicMs();
    const outcome = await this.picture.update(this.#guest.frame(intact));
    const { arrivedMs } = this.picture;
    const appliedMs = monotonicMs();
    const times = { producerMs: undefined, beforeMs: undefined, seenMs, arrivedMs, appliedMs };
    if (outcome === 'changed') this.coding.pictureChanged(times);
    this.#pump();
    await this.settle();
  }

  /** Time passes. */
  async wait(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
    await this.settle();
  }

  /** Waits for all that is coded in other threads. */
  async settle(): Promise<void> {
    while (this.#parts.length > 0) await Promise.allSettled(this.#parts.splice(0));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #pump(): void {
    for (const viewer of this.viewers) viewer.pump();
  }

  #watched(encoder: Encoder): Encoder {
    const keep = (update: EncodedUpdate | undefined): EncodedUpdate | undefined => {
      this.#parts.push(...(update?.parts ?? []));
      return update;
    };
    return {
      encoding: encoder.encoding,
      get stats() {
        return encoder.stats;
      },
      encode: (picture, from, coding) => keep(encoder.encode(picture, from, coding)),
      encodeTiles: (picture, tiles, count, coding, newest) =>
        keep(encoder.encodeTiles(picture, tiles, count, coding, newest)),
      rest: () => encoder.rest(),
      close: () => encoder.close(),
    };
  }
}
