import { KvmfrError } from '../protocol/error.ts';
import {
  checkFrame,
  type FrameGeometry,
  newFrameHeader,
  type RawFrameHeader,
  readDamage,
  regionMibFor,
} from '../protocol/kvmfr/frame.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { MAX_DAMAGE_RECTS } from '../protocol/limits.ts';
import type { Rect } from '../protocol/rect.ts';
import { Frame } from './frame.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import type { ClientState } from './state.ts';
import { type StreamHost, Subscription } from './subscription.ts';

/** Pixel formats that are read in this version; the others are named and refused. */
const READABLE: ReadonlySet<string> = new Set(['BGRA', 'RGBA', 'BGR_32', 'RGB_24']);

/** How frames are given. */
export interface FramesOptions {
  readonly signal?: AbortSignal;
  /** Give a frame as soon as it is announced, while the guest still writes its rows. */
  readonly partial?: boolean;
}

/** What was learnt of the frames since the last one that was given. */
interface Chain {
  have: boolean;
  sessionId: number;
  serial: number;
  formatVer: number;
  /** Everything is to be taken as changed: something on the way was not read. */
  broken: boolean;
  damage: Rect[];
  skipped: number;
}

/** The frames of a guest, newest first and only: an endless loop that survives its restarts. */
export class FrameStream implements AsyncIterableIterator<Frame> {
  readonly #host: StreamHost;
  readonly #subscription: Subscription;
  readonly #partial: boolean;
  readonly #header: RawFrameHeader = newFrameHeader();
  readonly #views: Map<number, Uint8Array> = new Map();
  #viewsOf: Session | undefined;
  readonly #chain: Chain = {
    have: false,
    sessionId: 0,
    serial: 0,
    formatVer: 0,
    broken: true,
    damage: [],
    skipped: 0,
  };
  #lent: Frame | undefined;

  constructor(host: StreamHost, options: FramesOptions) {
    this.#host = host;
    this.#partial = options.partial ?? false;
    this.#subscription = new Subscription(host, QUEUE_IDS.frame, options.signal);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Frame, undefined>> {
    for (;;) {
      this.#lent?.release();
      this.#lent = undefined;
      const queue = await this.#subscription.message();
      if (queue === undefined) return { done: true, value: undefined };
      try {
        const frame = this.#take(queue);
        if (frame === undefined) continue;
        this.#lent = frame;
        if (this.#partial || (await frame.whenRows(frame.dataHeightPx))) {
          this.#host.stats.framesSeen += 1;
          return { done: false, value: frame };
        }
        this.#giveUp(frame);
      } catch (error) {
        this.#refuse(queue, error);
      }
    }
  }

  async return(): Promise<IteratorResult<Frame, undefined>> {
    this.#lent?.release();
    this.#lent = undefined;
    await this.#subscription.close();
    return { done: true, value: undefined };
  }

  /** Walks to the newest message, reading the header of each: damage adds up. */
  #take(queue: Queue): Frame | undefined {
    const { session } = this.#subscription;
    if (session === undefined) return undefined;
    for (;;) {
      const { offset, bytes } = queue.message;
      const last = !queue.hasNewer();
      const damage = this.#read(session, { at: offset, bytes });
      if (last) return this.#lend(session, queue, damage);
      this.#chain.skipped += 1;
      this.#host.stats.framesSkipped += 1;
      this.#follow(damage);
      if (queue.done() !== 'ok' || queue.next() !== 'ok') {
        this.#chain.broken = true;
        return undefined;
      }
    }
  }

  /** Reads the header into #header and gives its damage, unchecked against what came before. */
  #read(session: Session, place: { readonly at: number; readonly bytes: number }): Damage {
    const { frames, region } = session;
    if (place.bytes < frames.frameBytes)
      throw new KvmfrError(
        'ERR_KVMFR_BOUNDS',
        `a frame header needs ${frames.frameBytes} bytes, but its message names ${place.bytes}`,
      );
    frames.read(region, place.at, this.#header);
    const geometry = checkFrame(this.#header, frames, {
      at: place.at,
      messageBytes: place.bytes,
      regionBytes: region.byteLength,
    });
    const rects = readDamage(region, frames, {
      at: place.at,
      count: this.#header.damageRectsCount,
      widthPx: geometry.widthPx,
      heightPx: geometry.dataHeightPx,
    });
    return { geometry, rects };
  }

  /** Adds the damage of a frame that is passed over, or remembers that it cannot be added. */
  #follow({ geometry, rects }: Damage): void {
    const chain = this.#chain;
    // The same frame once more, for somebody who has just subscribed.
    if (
      chain.have &&
      geometry.serial === chain.serial &&
      geometry.formatVersion === chain.formatVer
    )
      return;
    const sequel =
      chain.have &&
      geometry.serial === (chain.serial + 1) >>> 0 &&
      geometry.formatVersion === chain.formatVer;
    chain.serial = geometry.serial;
    chain.formatVer = geometry.formatVersion;
    chain.have = true;
    if (!sequel || rects.length === 0) chain.broken = true;
    else if (!chain.broken) chain.damage.push(...rects);
    if (chain.damage.length > MAX_DAMAGE_RECTS) chain.broken = true;
  }

  #lend(session: Session, queue: Queue, found: Damage): Frame | undefined {
    const { geometry } = found;
    const chain = this.#chain;
    if (chain.sessionId !== session.info.id) {
      chain.sessionId = session.info.id;
      chain.have = false;
      chain.broken = true;
    }
    // A repeat for a new subscriber: ours already, unless the last read of it failed.
    if (chain.have && !chain.broken && geometry.serial === chain.serial) {
      if (geometry.formatVersion === chain.formatVer && chain.damage.length === 0) {
        queue.done();
        return undefined;
      }
    }
    if (!READABLE.has(geometry.format))
      throw new KvmfrError(
        'ERR_KVMFR_FORMAT',
        `the guest sends ${geometry.format} frames (${geometry.widthPx} x ${geometry.heightPx}); this version of kvmfr reads BGRA, RGBA, BGR_32 and RGB_24`,
        { hint: 'Switch HDR off in the guest.' },
      );
    const gap = chain.have ? (geometry.serial - chain.serial - 1) | 0 : 0;
    this.#follow(found);
    const damage = chain.broken ? [] : chain.damage;
    const skipped = chain.skipped + Math.max(0, gap);
    if (gap > 0) this.#host.stats.framesSkipped += gap;
    chain.damage = [];
    chain.skipped = 0;
    chain.broken = true;
    this.#host.setFrameIssue(geometry.truncated ? tooSmall(geometry, session) : undefined);
    return new Frame({
      session,
      queue,
      geometry,
      damage,
      skipped,
      pixels: this.#view(session, geometry),
      released: (intact) => {
        chain.broken = !intact;
      },
    });
  }

  /** The publisher uses a handful of places again and again: a view of each is kept. */
  #view(session: Session, geometry: FrameGeometry): Uint8Array {
    if (this.#viewsOf !== session || this.#views.size > 8) this.#views.clear();
    this.#viewsOf = session;
    const kept = this.#views.get(geometry.dataAt);
    if (kept !== undefined && kept.byteLength === geometry.dataBytes) return kept;
    const view = session.region.bytes.subarray(
      geometry.dataAt,
      geometry.dataAt + geometry.dataBytes,
    );
    this.#views.set(geometry.dataAt, view);
    return view;
  }

  #giveUp(frame: Frame): void {
    frame.release();
    this.#lent = undefined;
    this.#chain.broken = true;
    if (this.#subscription.session?.holds() !== true) return;
    this.#host.stats.framesGivenUp += 1;
  }

  #refuse(queue: Queue, error: unknown): void {
    this.#lent = undefined;
    this.#chain.broken = true;
    this.#host.stats.framesRefused += 1;
    this.#host.setFrameIssue(this.#host.describe(error));
    if (this.#subscription.session?.holds() === true) queue.done();
  }
}

interface Damage {
  readonly geometry: FrameGeometry;
  readonly rects: readonly Rect[];
}

function tooSmall(geometry: FrameGeometry, session: Session): ClientState {
  const needMib = regionMibFor(
    Math.max(geometry.heightPx, geometry.screenHeightPx),
    geometry.pitchBytes,
  );
  const haveMib = session.region.byteLength / 2 ** 20;
  return {
    name: 'too-small',
    code: 'ERR_KVMFR_SIZE',
    needMib,
    message: `the region of ${haveMib} MiB has no room for a whole frame of ${geometry.screenWidthPx} x ${geometry.screenHeightPx}: rows are missing at the bottom`,
    hint: `Give the virtual machine a shared memory of ${needMib} MiB and start it again.`,
  };
}
