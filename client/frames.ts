import { KvmfrError } from '../protocol/error.ts';
import {
  checkFrame,
  type FrameGeometry,
  type FrameTiming,
  newFrameHeader,
  type RawFrameHeader,
  readDamage,
  regionMibFor,
} from '../protocol/kvmfr/frame.ts';
import { hdrTransfer } from '../protocol/kvmfr/hdr.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { FRAME_TIMEOUT_MS, MAX_DAMAGE_RECTS } from '../protocol/limits.ts';
import type { Rect } from '../protocol/rect.ts';
import { Frame, type FrameLoan, type LoanEnd, producerSpanMs } from './frame.ts';
import { Lanes } from './lanes.ts';
import type { FrameDeadline } from './pace.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { type ClientState, stateOfError } from './state.ts';
import { type StreamHost, Subscription } from './subscription.ts';
import { Turns } from './turns.ts';

/** Frames in a row that cannot be read, after which a person is told. One may be a slip. */
const MAX_FAILED_RUN = 3;
/** Views of frame data that are kept; publishers use two or three places. */
const MAX_VIEWS = 8;
/**
 * A frame that comes by another queue may be older than one that was read already, by no more than
 * queues hold. What is older by more is a publisher that counts from another number.
 */
const MAX_BEHIND = 64;

/** How frames are given. */
export interface FramesOptions {
  readonly signal?: AbortSignal;
  /** Give a frame as soon as it is announced, while the guest still writes its rows. */
  readonly partial?: boolean;
}

/** What was learnt of the frames since the last one that was given. */
interface Chain {
  /** Whose frames these are: serials of another session say nothing. */
  session: Session | undefined;
  have: boolean;
  serial: number;
  formatVer: number;
  /** Everything is to be taken as changed: something on the way was not read. */
  broken: boolean;
  damage: Rect[];
  /** Frames that were published, by their serials. */
  fresh: number;
  /** How many of those were given up. */
  givenUp: number;
}

interface Found {
  readonly queue: Queue;
  readonly geometry: FrameGeometry;
  readonly rects: readonly Rect[];
  /** The refresh that the frame was made for, as its message and its header agree. */
  readonly deadline: FrameDeadline | undefined;
}

/** A frame's place in line: the same as the one before, or overtaken by it. */
type Place = 'new' | 'same' | 'overtaken';

/** The frames of a guest, newest first and only: an endless loop that survives its restarts. */
export class FrameStream implements AsyncIterableIterator<Frame> {
  readonly #host: StreamHost;
  readonly #subscription: Subscription;
  readonly #partial: boolean;
  readonly #lanes: Lanes;
  readonly #turns: Turns = new Turns();
  /** The oldest frame of each queue that is not followed yet. */
  readonly #heads: Found[] = [];
  readonly #header: RawFrameHeader = newFrameHeader();
  readonly #views: Map<number, Uint8Array> = new Map();
  readonly #chain: Chain = {
    session: undefined,
    have: false,
    serial: 0,
    formatVer: 0,
    broken: true,
    damage: [],
    fresh: 0,
    givenUp: 0,
  };
  readonly #onReleased: FrameLoan['released'] = (frame, end, timing) =>
    this.#released(frame, end, timing);
  #lent: Frame | undefined;
  /** Whether the frame that is lent was given to who iterates. */
  #given = false;
  #issue: ClientState | undefined;
  #refusedRun = 0;
  #stalledRun = 0;

  constructor(host: StreamHost, options: FramesOptions) {
    this.#host = host;
    this.#partial = options.partial ?? false;
    this.#lanes = new Lanes(host.pace, host.stats, () => this.#subscription.nudge());
    this.#subscription = new Subscription(host, QUEUE_IDS.frame, options.signal, this.#lanes);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Frame, undefined>> {
    return this.#turns.take(() => this.#next());
  }

  async return(): Promise<IteratorResult<Frame, undefined>> {
    this.#takeBack();
    await this.#subscription.close();
    return { done: true, value: undefined };
  }

  async #next(): Promise<IteratorResult<Frame, undefined>> {
    for (;;) {
      this.#takeBack();
      const queue = await this.#subscription.message();
      if (queue === undefined) return { done: true, value: undefined };
      const frame = this.#take();
      if (frame === undefined) continue;
      this.#lent = frame;
      this.#given = false;
      const ready = this.#partial || (await frame.whenRows(frame.dataHeightPx));
      // It must have been lent to us all the time, or its header may be of another frame.
      if (!ready || !frame.intact) continue;
      const { stats } = this.#host;
      stats.framesSeen += 1;
      stats.framesSkipped += frame.skipped - this.#chain.givenUp;
      this.#chain.givenUp = 0;
      this.#chain.fresh = 0;
      this.#given = true;
      return { done: false, value: frame };
    }
  }

  #takeBack(): void {
    this.#lent?.release();
    this.#lent = undefined;
  }

  /** Walks to the newest message, reading the header of each: damage adds up. */
  #take(): Frame | undefined {
    const { session } = this.#subscription;
    if (session === undefined || session.ended) return undefined;
    if (this.#chain.session !== session) this.#begin(session);
    const heads = this.#heads;
    heads.length = 0;
    let left = 0;
    for (const queue of this.#subscription.ready) {
      left += queue.ringSlots;
      this.#tryTo(queue, () => heads.push(this.#read(session, queue)));
    }
    // Bounded: a publisher that never stops posting does not keep us here.
    for (; ; left--) {
      const found = takeOldest(heads);
      if (found === undefined) return undefined;
      const { queue } = found;
      let frame: Frame | undefined;
      let goesOn = false;
      this.#tryTo(queue, () => {
        goesOn = left > 0 && (heads.length > 0 || queue.hasNewer());
        const place = this.#follow(found);
        if (!goesOn) frame = this.#lend(session, found, place);
        else if (queue.done() !== 'ok') this.#chain.broken = true;
        else if (queue.next() === 'ok') heads.push(this.#read(session, queue));
        // Taken back before it could be read.
        else if (heads.length === 0) this.#chain.broken = true;
      });
      if (!goesOn) return frame;
    }
  }

  /** Does something with a message; one that cannot be is refused. */
  #tryTo(queue: Queue, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#refuse(queue, error);
    }
  }

  #begin(session: Session): void {
    this.#views.clear();
    this.#refusedRun = 0;
    this.#stalledRun = 0;
    this.#issue = undefined;
    Object.assign(this.#chain, { session, have: false, broken: true, damage: [], fresh: 0 });
  }

  /** Reads the header that a message names, each field once, and its damage. */
  #read(session: Session, queue: Queue): Found {
    const { offset, bytes } = queue.message;
    const { frames, region } = session;
    if (bytes < frames.frameBytes)
      throw new KvmfrError(
        'ERR_KVMFR_BOUNDS',
        `a frame header needs ${frames.frameBytes} bytes, but its message names ${bytes}`,
      );
    frames.read(region, offset, this.#header);
    const geometry = checkFrame(this.#header, frames, {
      at: offset,
      messageBytes: bytes,
      regionBytes: region.byteLength,
    });
    const rects = readDamage(region, frames, {
      at: offset,
      count: this.#header.damageRectsCount,
      widthPx: geometry.widthPx,
      heightPx: geometry.dataHeightPx,
    });
    return { queue, geometry, rects, deadline: this.#deadlineOf(queue) };
  }

  /** What the message and the header that was just read agree on. */
  #deadlineOf({ message: { udata, udataHigh } }: Queue): FrameDeadline | undefined {
    const { frameSerial, scheduleGeneration, scheduleEpoch, scheduleDeadlineSerial } = this.#header;
    const isOurs =
      udataHigh !== 0 &&
      udataHigh === scheduleEpoch &&
      scheduleGeneration === this.#host.pace.wish?.generation;
    if (!isOurs || !this.#lanes.claimed) return undefined;
    // A frame that is sent again counts for none.
    const deadlineSerial = udata === scheduleDeadlineSerial ? udata : 0;
    return { frameSerial, generation: scheduleGeneration, epoch: scheduleEpoch, deadlineSerial };
  }

  /** Puts a frame in line with those before. */
  #follow({ geometry, rects }: Found): Place {
    const chain = this.#chain;
    const step = chain.have ? (geometry.serial - chain.serial) | 0 : 1;
    const sameFormat = chain.have && geometry.formatVersion === chain.formatVer;
    if (sameFormat && step === 0) return 'same';
    if (this.#lanes.claimed && step < 0 && step > -MAX_BEHIND) return 'overtaken';
    chain.fresh += Math.max(1, step);
    if (!sameFormat || step !== 1 || rects.length === 0) chain.broken = true;
    else if (chain.damage.length + rects.length > MAX_DAMAGE_RECTS) chain.broken = true;
    else if (!chain.broken) chain.damage.push(...rects);
    chain.have = true;
    chain.serial = geometry.serial;
    chain.formatVer = geometry.formatVersion;
    return 'new';
  }

  #lend(session: Session, found: Found, place: Place): Frame | undefined {
    const { queue, geometry, deadline } = found;
    const chain = this.#chain;
    if (this.#lanes.claimed) this.#host.pace.follows(deadline !== undefined);
    // A repeat for a new subscriber: ours already, unless the last read of it failed.
    const known = place === 'same' && !chain.broken && chain.damage.length === 0;
    if (known || place === 'overtaken') {
      queue.done();
      return undefined;
    }
    this.#refusedRun = 0;
    // That frames stall is only known to be over when one has come whole.
    if (this.#stalledRun < MAX_FAILED_RUN)
      this.#report(geometry.truncated ? this.#tooSmall(geometry, session) : undefined);
    const damage = chain.broken ? [] : chain.damage;
    chain.damage = [];
    chain.broken = true;
    session.hdr = hdrTransfer(geometry) !== undefined;
    return new Frame({
      session,
      queue,
      geometry,
      damage,
      skipped: Math.max(0, chain.fresh - 1),
      pixels: this.#view(session, geometry),
      stopped: this.#subscription.stopped,
      released: this.#onReleased,
      deadline: deadline?.deadlineSerial === 0 ? undefined : deadline,
      beforeMs: this.#subscription.beforeMs,
    });
  }

  #released(frame: Frame, end: LoanEnd, timing: FrameTiming | undefined): void {
    this.#chain.broken = end !== 'intact';
    if (end === 'intact') {
      this.#stalledRun = 0;
      this.#count(frame, timing);
    }
    if (end !== 'stalled') return;
    // A guest whose screen rests sends nothing more by itself.
    this.#subscription.renew();
    this.#host.stats.framesGivenUp += 1;
    if (!this.#given) this.#chain.givenUp += 1;
    this.#stalledRun += 1;
    if (this.#stalledRun === MAX_FAILED_RUN) this.#report(stateOfError(stalled(frame)));
  }

  #count({ beforeMs, seenMs, arrivedMs }: Frame, timing: FrameTiming | undefined): void {
    const { stages } = this.#host.stats;
    if (timing !== undefined) stages.record('producer', producerSpanMs(timing) * 1000);
    if (beforeMs !== undefined) stages.record('notice', (seenMs - beforeMs) * 1000);
    if (arrivedMs !== undefined) stages.record('arrive', (arrivedMs - seenMs) * 1000);
  }

  /** The publisher uses a handful of places again and again: a view of each is kept. */
  #view(session: Session, geometry: FrameGeometry): Uint8Array {
    const kept = this.#views.get(geometry.dataAt);
    if (kept !== undefined && kept.byteLength === geometry.dataBytes) return kept;
    const view = session.region.bytes.subarray(
      geometry.dataAt,
      geometry.dataAt + geometry.dataBytes,
    );
    if (this.#views.size >= MAX_VIEWS) this.#views.clear();
    this.#views.set(geometry.dataAt, view);
    return view;
  }

  #refuse(queue: Queue, error: KvmfrError): void {
    this.#chain.broken = true;
    this.#host.stats.framesRefused += 1;
    this.#refusedRun += 1;
    // A format that is not read is no slip.
    if (error.code === 'ERR_KVMFR_FORMAT' || this.#refusedRun >= MAX_FAILED_RUN)
      this.#report(stateOfError(error));
    queue.done();
  }

  #report(issue: ClientState | undefined): void {
    // The first of a kind stays: what differs is an address at most.
    if (issue?.code === this.#issue?.code && issue?.needMib === this.#issue?.needMib) return;
    this.#issue = issue;
    this.#subscription.setContentIssue(issue);
  }

  #tooSmall(geometry: FrameGeometry, session: Session): ClientState {
    const heightPx = Math.max(geometry.heightPx, geometry.screenHeightPx);
    const haveMib = session.region.byteLength / 2 ** 20;
    // A publisher that cuts frames has too little, whatever the rule gives.
    const more = 2 ** Math.floor(Math.log2(haveMib) + 1);
    const needMib = Math.max(more, regionMibFor(heightPx, geometry.pitchBytes));
    if (this.#issue?.needMib === needMib) return this.#issue;
    return {
      name: 'too-small',
      code: 'ERR_KVMFR_SIZE',
      needMib,
      message: `the region of ${haveMib} MiB has no room for a whole frame of ${geometry.screenWidthPx} x ${geometry.screenHeightPx}: rows are missing at the bottom`,
      hint: `Give the virtual machine a shared memory of ${needMib} MiB and start it again.`,
    };
  }
}

/** Takes out the frame with the lowest serial; of several copies of one, that of the frame queue. */
function takeOldest(heads: Found[]): Found | undefined {
  let oldest = heads[0];
  if (oldest === undefined) return undefined;
  for (const head of heads)
    if (((head.geometry.serial - oldest.geometry.serial) | 0) < 0) oldest = head;
  heads.splice(heads.indexOf(oldest), 1);
  return oldest;
}

function stalled(frame: Frame): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_TIMEOUT',
    `the guest announces frames of ${frame.dataHeightPx} rows, but ${FRAME_TIMEOUT_MS} ms went by without a new row before all of them were there`,
    { hint: 'Restart the Looking Glass host in the guest, or let it capture another way.' },
  );
}
