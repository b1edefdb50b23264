import { monotonicMs } from '../../client/clock.ts';
import {
  type AckMessage,
  encodeCover,
  encodeMoves,
  encodeTimes,
} from '../../protocol/wire/index.ts';
import type { EncodedUpdate } from '../encode/index.ts';
import { type Acknowledged, Flight, type OnTheWay } from './flight.ts';
import type { Hub } from './hub.ts';
import { LaneStay } from './lane-stay.ts';
import type { LineState } from './line.ts';
import { MoveBase } from './move-base.ts';
import { type MovePlan, tilesOfBits } from './move-log.ts';
import type { Outlet } from './outlet.ts';
import { Screen } from './screen.ts';
import { type FeedAbilities, Taste, type Way, type Wish } from './taste.ts';
import type { LaneMember, LanePicture } from './video-lane.ts';
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

/** An update for one viewer: what all may share, and the moves that come before it. */
interface FeedUpdate extends EncodedUpdate {
  readonly moved?: MovePlan;
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

/**
 * What one viewer is sent of the picture. It is pulled: when there is room and credit, whatever is
 * owed now is coded and sent; between two such moments nothing is kept but what the screen shows.
 */
export class Feed implements LaneMember {
  readonly #options: FeedOptions;
  readonly #flight: Flight = new Flight();
  readonly #taste: Taste;
  readonly #screen = new Screen();
  #tiles: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #visible = false;
  #epoch = 0;
  #serial = 0;
  readonly #base = new MoveBase();
  /** Counts up when what is on the way has become void, so that whoever sends it stops. */
  #generation = 0;
  #sending = false;
  #waiting: LanePicture[] = [];
  readonly #lane: LaneStay;
  #stream = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#taste = new Taste(options.hub.coding);
    this.#lane = new LaneStay({
      member: this,
      coding: options.hub.coding,
      left: () => {
        // Sent now they would come between the messages of another update; who comes back gets a key.
        this.#waiting = [];
      },
    });
  }

  /** What the viewer can decode, the one it likes best first. */
  accept(takes: FeedAbilities): void {
    this.#taste.accept(takes);
  }

  /** How the viewer wants to be served from now on. */
  wish(wish: Wish): void {
    this.#taste.wish = wish;
    if (this.#taste.way !== 'video') this.#lane.leave();
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
    return this.#flight.count;
  }

  /** How changes travel now. */
  get way(): Way {
    return this.#taste.way;
  }

  /** Since when the oldest update has waited to be acknowledged. Units: `performance.now()`. */
  get oldestMs(): number | undefined {
    return this.#flight.oldestMs;
  }

  get ready(): boolean {
    const { outlet, credit } = this.#options;
    return (
      this.#current && this.#waiting.length === 0 && this.#flight.count < credit && outlet.hasRoom
    );
  }

  /** The viewer wants pictures, or none. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (visible) this.#flight.looks();
    // Nobody is blamed for what was left lying while hidden.
    const nowMs = performance.now();
    if (visible) this.forgive(nowMs);
    else this.#lane.leave();
  }

  /** Nobody could acknowledge anything until now. */
  forgive(nowMs: number): void {
    this.#flight.forgive(nowMs);
  }

  /** A picture of another geometry begins, and makes void what is on the way. */
  enter(epoch: number): void {
    this.void();
    this.#epoch = epoch;
    this.#serial = 0;
    this.#base.clear();
    this.#flight.beginEpoch();
    // What it knew of the video it may have lost with the picture.
    this.#stream = 0;
    this.#screen.reset(this.#options.hub.picture.grid.tileCount);
  }

  /** The viewer has lost what it had. */
  forget(): void {
    this.#epoch = 0;
    this.#flight.looks();
    this.#lane.leave();
  }

  /** Stops sending what is being sent. */
  void(): void {
    this.#generation++;
    this.#sending = false;
    this.#flight.clear();
    this.#waiting = [];
    this.#options.outlet.end();
  }

  /** Ends: nothing is sent any more. */
  end(): void {
    this.#visible = false;
    this.void();
    this.#lane.leave();
  }

  /** Sends whatever is owed and there is room for. */
  pump(): void {
    if (!this.#current) return;
    const { hub, outlet, credit } = this.#options;
    const way = this.#taste.way;
    if (way === 'video') this.#lane.join(this.#taste);
    else this.#lane.leave();
    if (this.#sending || !outlet.hasRoom || this.#flight.count >= credit) return;
    if (!hub.presentable) return;
    try {
      const update = this.#nextUpdate(way);
      if (update !== undefined) void this.#sendUpdate(update);
    } catch (error) {
      this.#options.failed(error);
    }
    this.#lane.pump();
  }

  takeVideo(picture: LanePicture): boolean {
    if (!this.#current || picture.epoch !== this.#epoch) return false;
    const { outlet } = this.#options;
    if (
      this.#flight.count >= VIDEO_CREDIT ||
      this.#waiting.length >= MAX_WAITING ||
      !outlet.hasRoom
    ) {
      this.#options.totals.falls++;
      this.#lane.fell();
      return false;
    }
    if (this.#sending) this.#waiting.push(picture);
    else this.#sendVideo(picture);
    return true;
  }

  get lineState(): LineState {
    return this.#flight.line.state;
  }

  slowDown(): void {
    this.#lane.slowDown();
  }

  /** The viewer's decoder needs a key picture of a stream. */
  needKey(stream: number): void {
    if (stream === this.#stream) this.#lane.needKey();
  }

  /**
   * An update was presented.
   *
   * @returns undefined when it was void
   */
  acknowledged(ack: AckMessage): Acknowledged | undefined {
    // What an earlier epoch or a refresh made void is acknowledged too late, not wrongly.
    if (ack.epoch !== this.#epoch) return undefined;
    const nowMs = performance.now();
    const told = this.#flight.acknowledged(ack, nowMs);
    if (this.lineState.congested) this.#taste.foundNarrow(nowMs);
    return told;
  }

  /** About a second has passed. */
  tick(nowMs: number): void {
    if (this.#visible) this.#flight.tick(nowMs);
    this.#lane.tick(nowMs);
  }

  get #current(): boolean {
    const { picture } = this.#options.hub;
    return this.#visible && this.#epoch !== 0 && this.#epoch === picture.epoch;
  }

  /** The update that is owed now; undefined when there is none, or none can be made yet. */
  #nextUpdate(way: Way): FeedUpdate | undefined {
    const { hub } = this.#options;
    const { picture } = hub;
    const { tileCount } = picture.grid;
    if (this.#tiles.length < tileCount) this.#tiles = new Uint32Array(tileCount);
    if (way === 'jpeg') {
      const count = this.#screen.missing(picture, this.#tiles);
      if (count > 0) return hub.coding.encode('jpeg', this.#tiles, count);
    }
    if (way === 'jpeg' || way === 'video') {
      if (!this.#taste.repairs) return this.#bare(way);
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
      return hub.coding.encode('lossless', this.#tiles, count, this.#taste.tileCoding);
    tilesOfBits(moved.rest, this.#tiles);
    const update = hub.coding.encodeRest(this.#tiles, moved.restTiles, this.#taste.tileCoding);
    return update && { ...update, moved };
  }

  /** Takes note of what the screen shows now, from which moves can be made. */
  #settleBase(): void {
    if (this.#taste.takesMoves) this.#base.settle(this.#options.hub.picture, this.#screen);
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
    return hub.coding.encode('lossless', this.#tiles, count, this.#taste.tileCoding);
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
    const onTheWay = this.#flight.begin(update.to);
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
    const onTheWay = this.#flight.begin(serial);
    onTheWay.bytes = picture.message.byteLength;
    const { startedNs, doneNs } = chunk.timing;
    this.#announce(onTheWay, { takenMs: startedNs / 1e6, codedMs: doneNs / 1e6, isWhole: true });
    this.#options.send(picture.message);
    totals.updatesSent++;
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
    this.#flight.handedOver(update, { ...times, stages });
    const sentMs = performance.timeOrigin + update.sentMs;
    this.#options.send(encodeTimes({ epoch: this.#epoch, serial, stages, sentMs }));
  }
}
