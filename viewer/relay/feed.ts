import { monotonicMs } from '../../client/clock.ts';
import {
  type AckMessage,
  type Codec,
  type Encoding,
  encodeCover,
  encodeMoves,
  encodeTimes,
  type RelayTimes,
  type TileCodingName,
  UNKNOWN_US,
} from '../../protocol/wire/index.ts';
import type { EncodedUpdate } from '../encode/index.ts';
import type { Hub } from './hub.ts';
import { Line, type LineState } from './line.ts';
import { MoveBase } from './move-base.ts';
import { type MovePlan, tilesOfBits } from './move-log.ts';
import type { Outlet } from './outlet.ts';
import { Screen } from './screen.ts';
import type { LaneMember, LanePicture, VideoLane } from './video-lane.ts';
import type { ViewerTotals } from './viewer-info.ts';

/** What a feed is made with. */
export interface FeedOptions {
  readonly hub: Pick<Hub, 'picture' | 'coding' | 'presentable'>;
  readonly outlet: Pick<Outlet, 'hasRoom' | 'whenRoom' | 'end'>;
  /** Updates that may be on the way without being acknowledged. */
  readonly credit: number;
  readonly totals: ViewerTotals;
  readonly send: (message: Uint8Array) => void;
  /** An update could not be made or sent. */
  readonly failed: (error: unknown) => void;
}

/** What a viewer can decode. */
export interface FeedAbilities {
  /** The one it likes best first. */
  readonly encodings: readonly Encoding[];
  readonly codec: Codec | undefined;
  readonly tileCoding: TileCodingName | undefined;
  /** Whether it takes video of a part of the picture. */
  readonly videoRegions: boolean;
  readonly moves: boolean;
}

/** How a viewer wants to be served: one encoding and nothing else, or whatever is best. */
export type Wish = Encoding | 'auto';

/** How changes travel to a viewer now. */
export type Way = 'lossless' | 'video' | 'jpeg';

/** An update for one viewer: what all may share, and the moves that come before it. */
interface FeedUpdate extends EncodedUpdate {
  readonly moved?: MovePlan;
}

/** An update that a viewer has not acknowledged. */
interface OnTheWay {
  readonly serial: number;
  /** The last of it was handed to the socket. */
  sentMs: number;
  /** From when its acknowledgement is waited for. */
  sinceMs: number;
  bytes: number;
  stages: RelayTimes | undefined;
  /** Whether its picture is one that the viewer waited for. */
  news: boolean;
}

/** Coded pictures that may be on the way before a viewer falls out of the stream. */
const VIDEO_CREDIT = 8;
/** Coded pictures that wait until the update before them has been handed over. */
const MAX_WAITING = 3;
/** A tile that has not changed for this long is repaired, whatever moves beside it. */
const REST_MS = 250;
/** Tiles repaired in one update while others move; and while all is still. */
const REPAIR_MOVING = 24;
const REPAIR_STILL = 96;
/** Times a viewer may fall out of the stream in a while before it is given a slower one. */
const MAX_FALLS = 2;
const FALLS_KEPT_MS = 10_000;
/** How long a viewer that has kept up stays in the slower stream. */
const SLOW_LANE_MS = 15_000;
/** How long video is preferred after a line was found congested. */
const NARROW_MS = 3000;

/**
 * What one viewer is sent of the picture. It is pulled: when there is room and credit, whatever is
 * owed now is coded and sent; between two such moments nothing is kept but what the screen shows.
 */
export class Feed implements LaneMember {
  readonly line: Line = new Line();
  readonly #options: FeedOptions;
  readonly #screen = new Screen();
  #tiles: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #encodings: readonly Encoding[] = [];
  #codec: Codec | undefined;
  #tileCoding: TileCodingName | undefined;
  #videoRegions = false;
  #takesMoves = false;
  #wish: Wish = 'auto';
  #visible = false;
  #epoch = 0;
  #serial = 0;
  readonly #base = new MoveBase();
  /** The newest serial whose times were told. */
  #toldSerial = 0;
  /** Since when it has looked, or had nothing. Units: as {@link monotonicMs}. */
  #lookingMs = 0;
  /** Counts up when what is on the way has become void, so that whoever sends it stops. */
  #generation = 0;
  #sending = false;
  #onTheWay: OnTheWay[] = [];
  #waiting: LanePicture[] = [];
  #lane: VideoLane | undefined;
  #stream = 0;
  #falls = 0;
  #fallsSinceMs = 0;
  #slowUntilMs = 0;
  #narrowUntilMs = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** What the viewer can decode, the one it likes best first. */
  accept(takes: FeedAbilities): void {
    this.#encodings = takes.encodings;
    this.#codec = takes.codec;
    this.#tileCoding = takes.tileCoding;
    this.#videoRegions = takes.videoRegions && takes.encodings.includes('lossless');
    this.#takesMoves = takes.moves;
  }

  /** How the viewer wants to be served from now on. */
  wish(wish: Wish): void {
    this.#wish = wish;
    if (this.#way !== 'video') this.#leaveLane();
  }

  /** Epoch of the picture that the viewer was told. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Serial of the picture that was sent last. */
  get serial(): number {
    return this.#serial;
  }

  /** Updates that are not acknowledged. */
  get inFlight(): number {
    return this.#onTheWay.length;
  }

  /** How changes travel now. */
  get way(): Way {
    return this.#way;
  }

  /** Since when the oldest update has waited to be acknowledged. Units: `performance.now()`. */
  get oldestMs(): number | undefined {
    return this.#onTheWay[0]?.sinceMs;
  }

  get ready(): boolean {
    const { outlet, credit } = this.#options;
    return (
      this.#current &&
      this.#waiting.length === 0 &&
      this.#onTheWay.length < credit &&
      outlet.hasRoom
    );
  }

  /** The viewer wants pictures, or none. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (visible) this.#lookingMs = monotonicMs();
    // Nobody is blamed for what was left lying while hidden.
    const nowMs = performance.now();
    if (visible) this.forgive(nowMs);
    else this.#leaveLane();
  }

  /** Nobody could acknowledge anything until now. */
  forgive(nowMs: number): void {
    for (const update of this.#onTheWay) update.sinceMs = nowMs;
  }

  /** A picture of another geometry begins, and makes void what is on the way. */
  enter(epoch: number): void {
    this.void();
    this.#epoch = epoch;
    this.#serial = 0;
    this.#base.clear();
    this.#toldSerial = 0;
    // What it knew of the video it may have lost with the picture.
    this.#stream = 0;
    this.#screen.reset(this.#options.hub.picture.grid.tileCount);
  }

  /** The viewer has lost what it had. */
  forget(): void {
    this.#epoch = 0;
    this.#lookingMs = monotonicMs();
    this.#leaveLane();
  }

  /** Stops sending what is being sent. */
  void(): void {
    this.#generation++;
    this.#sending = false;
    this.#onTheWay = [];
    this.#waiting = [];
    this.#options.outlet.end();
  }

  /** Ends: nothing is sent any more. */
  end(): void {
    this.#visible = false;
    this.void();
    this.#leaveLane();
  }

  /** Sends whatever is owed and there is room for. */
  pump(): void {
    if (!this.#current) return;
    const { hub, outlet, credit } = this.#options;
    const way = this.#way;
    if (way === 'video') this.#joinLane();
    else this.#leaveLane();
    if (this.#sending || !outlet.hasRoom || this.#onTheWay.length >= credit) return;
    if (!hub.presentable) return;
    try {
      const update = this.#nextUpdate(way);
      if (update !== undefined) void this.#sendUpdate(update);
    } catch (error) {
      this.#options.failed(error);
    }
    this.#lane?.pump();
  }

  takeVideo(picture: LanePicture): boolean {
    if (!this.#current || picture.epoch !== this.#epoch) return false;
    const { outlet } = this.#options;
    if (
      this.#onTheWay.length >= VIDEO_CREDIT ||
      this.#waiting.length >= MAX_WAITING ||
      !outlet.hasRoom
    ) {
      this.#fell();
      return false;
    }
    if (this.#sending) this.#waiting.push(picture);
    else this.#sendVideo(picture);
    return true;
  }

  get lineState(): LineState {
    return this.line.state;
  }

  slowDown(): void {
    this.#slowUntilMs = performance.now() + SLOW_LANE_MS;
  }

  /** The viewer's decoder needs a key picture of a stream. */
  needKey(stream: number): void {
    if (stream === this.#stream) this.#lane?.needKey(this);
  }

  /**
   * An update was presented.
   *
   * @returns the stages of the newest update that is acknowledged, and whether its picture is one
   *   that the viewer waited for; undefined when it was void
   */
  acknowledged(
    ack: AckMessage,
  ): { readonly count: number; readonly stages: RelayTimes; readonly news: boolean } | undefined {
    // What an earlier epoch or a refresh made void is acknowledged too late, not wrongly.
    if (ack.epoch !== this.#epoch) return undefined;
    const at = this.#onTheWay.findIndex((update) => update.serial === ack.serial);
    const update = this.#onTheWay[at];
    if (update === undefined) return undefined;
    const nowMs = performance.now();
    let bytes = 0;
    for (let i = 0; i <= at; i++) bytes += this.#onTheWay[i]?.bytes ?? 0;
    this.#onTheWay.splice(0, at + 1);
    const own = (us: number): number => (us === UNKNOWN_US ? 0 : us / 1000);
    this.line.acknowledged({
      bytes,
      sentMs: update.sentMs,
      nowMs,
      ownMs: own(ack.decodeUs) + own(ack.presentUs),
      busy: this.#onTheWay.length > 0,
    });
    if (this.line.state.congested) this.#narrowUntilMs = nowMs + NARROW_MS;
    const { stages, news } = update;
    return stages === undefined ? undefined : { count: at + 1, stages, news };
  }

  /** About a second has passed. */
  tick(nowMs: number): void {
    const oldest = this.#onTheWay[0];
    if (oldest !== undefined && this.#visible) this.line.waiting(oldest.sentMs, nowMs);
    if (nowMs - this.#fallsSinceMs > FALLS_KEPT_MS) this.#falls = 0;
  }

  get #current(): boolean {
    const { picture } = this.#options.hub;
    return this.#visible && this.#epoch !== 0 && this.#epoch === picture.epoch;
  }

  /** Whether its line was found too narrow for exact tiles a moment ago. */
  get #isNarrow(): boolean {
    return performance.now() < this.#narrowUntilMs;
  }

  get #way(): Way {
    const wish = this.#wish;
    const { hub } = this.#options;
    const canVideo =
      this.#codec !== undefined &&
      this.#encodings.includes('video') &&
      hub.coding.canCode(this.#codec, this.#videoRegions);
    if (
      wish === 'video' ||
      (wish === 'auto' && (hub.coding.content(this.#takesMoves) === 'moving' || this.#isNarrow))
    ) {
      if (canVideo) return 'video';
      if (this.#encodings.includes('jpeg')) return 'jpeg';
    }
    if (wish === 'lossless' || wish === 'jpeg') return wish;
    // Of what serves a picture that hardly moves, what the viewer likes best.
    const still = this.#encodings.find((encoding) => encoding !== 'video');
    return still ?? 'video';
  }

  /** The update that is owed now; undefined when there is none, or none can be made yet. */
  #nextUpdate(way: Way): FeedUpdate | undefined {
    const { hub } = this.#options;
    const { picture } = hub;
    const { tileCount } = picture.grid;
    if (this.#tiles.length < tileCount) this.#tiles = new Uint32Array(tileCount);
    const repairs = this.#wish === 'auto' && this.#encodings.includes('lossless');
    if (way === 'jpeg') {
      const count = this.#screen.missing(picture, this.#tiles);
      if (count > 0) return hub.coding.encode('jpeg', this.#tiles, count);
    }
    if (way === 'jpeg' || way === 'video') {
      if (!repairs) return this.#bare(way);
      return this.#repair(way) ?? this.#bare(way);
    }
    const count = this.#screen.inexact(
      picture,
      { restSerial: hub.coding.serialBefore(REST_MS), most: REPAIR_STILL, missing: 'all' },
      this.#tiles,
    );
    if (count === 0) return this.#bare(way);
    const moved = this.#base.plan(picture, hub.coding.moves, count);
    if (moved === undefined)
      return hub.coding.encode('lossless', this.#tiles, count, this.#tileCoding);
    tilesOfBits(moved.rest, this.#tiles);
    const update = hub.coding.encodeRest(this.#tiles, moved.restTiles, this.#tileCoding);
    return update && { ...update, moved };
  }

  /** Takes note of what the screen shows now, from which moves can be made. */
  #settleBase(): void {
    if (this.#takesMoves) this.#base.settle(this.#options.hub.picture, this.#screen);
  }

  /** Tiles that are at rest and not exact, and all that the video does not show. */
  #repair(way: Way): EncodedUpdate | undefined {
    const { hub } = this.#options;
    const restSerial = hub.coding.serialBefore(REST_MS);
    // A video of all the screen has all of it only for as long as anything moves.
    const isVideos = way === 'video' && this.#screen.flooded && restSerial < hub.picture.serial;
    const most = isVideos ? 0 : REPAIR_MOVING;
    const count = this.#screen.inexact(
      hub.picture,
      { restSerial, most, missing: 'outside' },
      this.#tiles,
    );
    if (count === 0) return undefined;
    return hub.coding.encode('lossless', this.#tiles, count, this.#tileCoding);
  }

  /** A serial that changed nothing which the viewer lacks is taken note of without a message. */
  #bare(way: Way): undefined {
    if (way === 'video') return undefined;
    const { serial } = this.#options.hub.picture;
    this.#serial = serial;
    if (this.#base.serial !== serial) this.#settleBase();
    return undefined;
  }

  async #sendUpdate(update: FeedUpdate): Promise<void> {
    const generation = this.#generation;
    const { outlet, totals } = this.#options;
    const takenMs = monotonicMs();
    this.#sending = true;
    this.#serial = Math.max(this.#serial, update.to);
    const { moved } = update;
    if (moved !== undefined) this.#screen.tookMoves(moved.rest, update.to);
    this.#screen.tookTiles(update.tiles, update.to, update.exact);
    this.#screen.distrust(update.torn, update.torn.length);
    this.#settleBase();
    const onTheWay = this.#begin(update.to);
    if (moved !== undefined) {
      const { epoch, to: serial } = update;
      const message = encodeMoves({ epoch, serial, moves: moved.moves });
      onTheWay.bytes += message.byteLength;
      this.#options.send(message);
    }
    // What is around a film comes before the film: the frame is seen when both are.
    const isWhole = !this.#screen.awaitsVideo(this.#options.hub.picture);
    try {
      for (const [index, part] of update.parts.entries()) {
        const message = await part;
        const codedMs = monotonicMs();
        while (!outlet.hasRoom && generation === this.#generation) await outlet.whenRoom();
        if (generation !== this.#generation) return;
        onTheWay.bytes += message.byteLength;
        if (index === update.parts.length - 1)
          this.#announce(onTheWay, { takenMs, codedMs, isWhole });
        this.#options.send(message);
      }
    } catch (error) {
      this.#options.failed(error);
    }
    if (generation !== this.#generation) return;
    this.#sending = false;
    totals.updatesSent++;
    for (const picture of this.#waiting.splice(0)) this.#sendVideo(picture);
    this.pump();
  }

  #sendVideo(picture: LanePicture): void {
    const { hub, totals } = this.#options;
    const { epoch, serial, chunk } = picture;
    if (picture.stream !== this.#stream) {
      this.#stream = picture.stream;
      this.#options.send(picture.announcement);
    }
    this.#base.clear();
    const restSerial = hub.coding.serialBefore(REST_MS);
    const isOther = this.#screen.tookVideo(hub.picture, serial, restSerial, picture.region);
    if (isOther || picture.key)
      this.#options.send(encodeCover({ epoch, serial, bits: this.#screen.cover }));
    this.#serial = Math.max(this.#serial, serial);
    const onTheWay = this.#begin(serial);
    onTheWay.bytes = picture.message.byteLength;
    const { startedNs, doneNs } = chunk.timing;
    this.#announce(onTheWay, { takenMs: startedNs / 1e6, codedMs: doneNs / 1e6, isWhole: true });
    this.#options.send(picture.message);
    totals.updatesSent++;
  }

  /** Counts an update as on the way. */
  #begin(serial: number): OnTheWay {
    const nowMs = performance.now();
    const update = {
      serial,
      sentMs: nowMs,
      sinceMs: nowMs,
      bytes: 0,
      stages: undefined,
      news: false,
    };
    this.#onTheWay.push(update);
    return update;
  }

  /** Tells what an update has been through, as its last message is handed over. */
  #announce(
    update: OnTheWay,
    times: { readonly takenMs: number; readonly codedMs: number; readonly isWhole: boolean },
  ): void {
    const { serial } = update;
    const stages = this.#options.hub.coding.timeline.stages(serial, {
      ...times,
      sentMs: monotonicMs(),
    });
    update.sentMs = performance.now();
    update.stages = stages;
    // What it has seen before, or what lay there when it came, says nothing of how long frames take.
    const isKnown = stages.queue !== UNKNOWN_US && serial > this.#toldSerial;
    update.news =
      isKnown && times.isWhole && times.takenMs - stages.queue / 1000 >= this.#lookingMs;
    if (times.isWhole) this.#toldSerial = Math.max(this.#toldSerial, serial);
    const sentMs = performance.timeOrigin + update.sentMs;
    this.#options.send(encodeTimes({ epoch: this.#epoch, serial, stages, sentMs }));
  }

  #joinLane(): void {
    const codec = this.#codec;
    if (codec === undefined) return;
    const tier = performance.now() < this.#slowUntilMs ? 'slow' : 'full';
    // Whatever is around the part that moves is sent exactly: not what a narrow line is for.
    const part = this.#videoRegions && this.#wish === 'auto' && tier === 'full' && !this.#isNarrow;
    const lane = this.#options.hub.coding.lane({ codec, tier, part });
    if (lane === this.#lane) return;
    this.#leaveLane();
    this.#lane = lane;
    lane?.join(this);
  }

  #leaveLane(): void {
    this.#lane?.leave(this);
    this.#lane = undefined;
    // Sent now they would come between the messages of another update; who comes back gets a key.
    this.#waiting = [];
  }

  /** It did not keep up with its lane: after a few times it is given a slower one. */
  #fell(): void {
    const nowMs = performance.now();
    if (this.#falls === 0) this.#fallsSinceMs = nowMs;
    this.#falls++;
    this.#options.totals.falls++;
    if (this.#falls > MAX_FALLS) this.slowDown();
  }
}
