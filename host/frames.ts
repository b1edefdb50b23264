import { performance } from 'node:perf_hooks';
import {
  type FrameScheduleMessage,
  newFrameHeader,
  type RawFrameHeader,
  type Region,
  writeTiming,
} from '../protocol/index.ts';
import { type Audience, NewestFor } from './audience.ts';
import { DamageList } from './damage.ts';
import { type Aim, NO_AIM } from './deadlines.ts';
import { describeFrame, type FrameInput, formatDiffers } from './frame-input.ts';
import { FrameSlot } from './frame-slot.ts';
import { type FrameTampering, OpenFrame } from './open-frame.ts';
import { OwnerLanes, type Pace } from './owner-lanes.ts';
import type { Payload } from './plan.ts';
import type { HostQueue, PostOptions, PostResult } from './queue.ts';
import type { HostSession } from './session.ts';
import type { Wire } from './wire.ts';

/** What became of frames. */
export interface FrameCounters {
  /** Frames that were given a serial; also those nobody was there to see. */
  published: number;
  /** Calls that returned false: every slot was still being read. */
  dropped: number;
  /** Frames sent again to a new subscriber. */
  repeated: number;
  /** Frames of which rows are missing because the region is too small. */
  truncated: number;
}

/**
 * Publishes frames in one session: slots in turn, each brought fully up to date.
 *
 * Up to LGMP 10 every frame goes to everybody. With three slots a frame goes to who has not had it,
 * one at a time; while one is read, newer frames replace each other in the slots that are free.
 */
export class FramePublisher {
  readonly counters: FrameCounters;
  readonly #region: Region;
  readonly #wire: Wire;
  readonly #session: HostSession;
  readonly #slots: readonly FrameSlot[];
  /** Who has had the newest frame; undefined where everybody gets every frame. */
  readonly #newestFor: NewestFor | undefined;
  readonly #lanes: OwnerLanes | undefined;
  readonly #clock: () => number;
  // The owner has queues of its own.
  readonly #audience: Audience = {
    wants: (slot, clientId) =>
      clientId !== this.#lanes?.owner?.clientId && this.#newestFor?.wants(slot, clientId) === true,
    delivered: (slot, clientId) => this.#newestFor?.delivered(slot, clientId),
  };
  readonly #delivery: PostOptions = { audience: this.#audience, limit: 1 };
  readonly #frameQueues: readonly HostQueue[];
  /** Whether anybody has had the newest frame. */
  #sent = false;
  #header: RawFrameHeader = newFrameHeader();
  #next: RawFrameHeader = newFrameHeader();
  readonly #owed: DamageList = new DamageList();
  /** Index of the slot with the newest frame; -1 while there is none. */
  #last = -1;
  #repeatWanted = false;
  #serial: number;

  constructor(
    region: Region,
    wire: Wire,
    session: HostSession,
    carried: {
      readonly counters: FrameCounters;
      readonly serial: number;
      /** Milliseconds with fractions. */
      readonly clock: () => number;
    },
  ) {
    this.#clock = carried.clock;
    this.#region = region;
    this.#wire = wire;
    this.#session = session;
    this.counters = carried.counters;
    this.#serial = carried.serial;
    this.#slots = session.plan.frames.map(
      (place) => new FrameSlot(region, place, wire.frameAlignBytes),
    );
    this.#newestFor = wire.targeted ? new NewestFor(wire.lgmp.maxSubscribers) : undefined;
    this.#lanes = wire.targeted ? new OwnerLanes(session) : undefined;
    this.#frameQueues = [session.frameQueue, ...session.ownerQueues];
  }

  /** The client that paces the frames. */
  get owner(): number | undefined {
    return this.#lanes?.owner?.clientId;
  }

  /** What that client wants, for a source that can do it. */
  get pace(): Pace | undefined {
    return this.#lanes?.pace(this.#clock());
  }

  /** The serial that the next frame gets. */
  get serial(): number {
    return this.#serial;
  }

  /** Publishes a picture; false when every slot is taken. */
  publish(frame: FrameInput, nowMs: number): boolean {
    const beganMs = performance.now();
    const aimedMs = this.#clock();
    this.#describe(frame);
    if (this.#owed.empty) return true;
    const slot = this.#claim(nowMs);
    if (slot === undefined) return false;
    this.#writeHeader(slot, this.#header, undefined);
    this.#post(slot.place, nowMs);
    const copyMs = performance.now();
    slot.copy(frame, this.#header);
    this.#writeTimes(slot, frame, {
      readyMs: copyMs - beganMs,
      copyMs: performance.now() - copyMs,
      leadMs: this.#complete(aimedMs),
    });
    return true;
  }

  /** Publishes a picture whose pixels follow later; undefined when every slot is taken. */
  open(frame: FrameInput, tampering: FrameTampering, nowMs: number): OpenFrame | undefined {
    this.#describe(frame);
    this.#owed.addAll();
    const slot = this.#claim(nowMs);
    if (slot === undefined) return undefined;
    // Whether its pixels ever come is not known, so the slot owes everything next time.
    slot.backlog.addAll();
    const aimedMs = this.#clock();
    const header = { ...this.#header, ...tampering.header };
    if (tampering.damageRects !== undefined && tampering.header?.damageRectsCount === undefined)
      header.damageRectsCount = tampering.damageRects.length;
    this.#writeHeader(slot, header, tampering.damageRects);
    const result = this.#post({ ...slot.place, ...tampering.message }, nowMs);
    const aim = this.#lanes?.aim ?? NO_AIM;
    const { frameSerial } = this.#header;
    return new OpenFrame(this.#region, frame, {
      header,
      result,
      at: slot.place.at,
      dataAt: slot.dataAt,
      pitchBytes: this.#header.pitch,
      rows: this.#header.dataHeight,
      finish: () =>
        this.#writeTimes(slot, frame, {
          readyMs: 0,
          copyMs: 0,
          leadMs: this.#complete(aimedMs, { aim, frameSerial }),
        }),
    });
  }

  /** `count` clients subscribed: they get the newest frame again, unless a newer one comes first. */
  repeatForSubscriber(count: number): void {
    this.#newestFor?.joined(count, this.#waiting());
    this.#repeatWanted = this.#last >= 0;
  }

  /**
   * A client told its display period: from KVMFR 34 on it may become the owner of the pacing.
   *
   * @returns false when the message is not to be believed
   */
  schedule(message: FrameScheduleMessage, sender: number | undefined, nowMs: number): boolean {
    return this.#lanes?.accept(message, sender, nowMs) ?? false;
  }

  /** Sends what could not be sent before. */
  flush(nowMs: number): void {
    this.#lanes?.elect(nowMs);
    const slot = this.#slots[this.#last];
    if (slot === undefined) return;
    if (this.#newestFor !== undefined) {
      this.#lanes?.deliver(slot.place, nowMs, false);
      const again = this.#sent;
      this.#newestFor.keepOnly(this.#session.frameQueue.activeSlots());
      if (this.#waiting() === 0 || this.#deliver(slot.place, nowMs) !== 'posted') return;
      if (again) this.counters.repeated++;
      return;
    }
    if (!this.#repeatWanted) return;
    const result = this.#session.frameQueue.post(slot.place, 0, nowMs);
    if (result === 'full' || result === 'busy') return;
    this.#repeatWanted = false;
    if (result === 'posted') this.counters.repeated++;
  }

  // How long the frame was whole before its deadline, if it was made for one and met it.
  #complete(
    aimedMs: number,
    frame: { readonly aim: Aim; readonly frameSerial: number } = {
      aim: this.#lanes?.aim ?? NO_AIM,
      frameSerial: this.#header.frameSerial,
    },
  ): number | undefined {
    const nowMs = this.#clock();
    return this.#lanes?.complete({ ...frame, workMs: nowMs - aimedMs }, nowMs);
  }

  // How many live subscribers have not had the newest frame.
  #waiting(): number {
    const queue = this.#session.frameQueue;
    const active = queue.activeSlots();
    let waiting = 0;
    for (let slot = 0; slot < this.#wire.lgmp.maxSubscribers; slot++)
      if (((active >>> slot) & 1) === 1 && this.#audience.wants(slot, queue.clientAt(slot)))
        waiting++;
    return waiting;
  }

  // Fills #next, and adds what is new to what the readers do not have yet.
  #describe(frame: FrameInput): void {
    const next = this.#next;
    describeFrame(frame, this.#wire, this.#slots[0]?.place.bytes ?? 0, next);
    const first = this.#last < 0;
    const differs = first || formatDiffers(next, this.#header);
    const automatic = first || !differs ? this.#header.formatVer : this.#header.formatVer + 1;
    next.formatVer = (frame.formatVersion ?? automatic) >>> 0;
    if (differs || next.formatVer !== this.#header.formatVer || frame.damage === undefined)
      this.#owed.addAll();
    else this.#owed.addClipped(frame.damage, next.frameWidth, next.dataHeight);
  }

  // Takes the slot that no queued message names, and gives the frame its serial.
  #claim(nowMs: number): FrameSlot | undefined {
    let index = this.#freeSlot();
    if (index === undefined) {
      for (const queue of this.#frameQueues) queue.process(nowMs);
      index = this.#freeSlot();
    }
    const slot = index === undefined ? undefined : this.#slots[index];
    if (index === undefined || slot === undefined) {
      this.counters.dropped++;
      return undefined;
    }
    const next = this.#next;
    next.frameSerial = this.#serial;
    this.#lanes?.elect(nowMs);
    this.#lanes?.renew(this.#clock());
    const owner = this.#lanes?.owner;
    if (owner !== undefined) {
      next.scheduleGeneration = owner.generation;
      next.scheduleEpoch = owner.epoch;
      next.scheduleDeadlineSerial = this.#lanes?.aim.serial ?? 0;
    }
    next.damageRectsCount = this.#owed.all ? 0 : this.#owed.count;
    for (const { backlog } of this.#slots) backlog.addList(this.#owed);
    this.#next = this.#header;
    this.#header = next;
    this.#last = index;
    this.#serial = (this.#serial + 1) >>> 0 || this.#wire.firstSerial;
    this.counters.published++;
    if (next.dataHeight < next.frameHeight) this.counters.truncated++;
    return slot;
  }

  // Rather not the newest: that is what new subscribers get.
  #freeSlot(): number | undefined {
    if (!this.#wire.targeted && this.#session.frameQueue.full) return undefined;
    const count = this.#slots.length;
    for (let turn = 1; turn <= count; turn++) {
      const index = (this.#last + turn) % count;
      const at = this.#slots[index]?.place.at ?? 0;
      if (index !== this.#last && !this.#named(at)) return index;
    }
    // Nobody reads the newest itself: the newer one takes its place.
    const newest = this.#slots[this.#last];
    const replaces = this.#wire.targeted && newest !== undefined && !this.#named(newest.place.at);
    return replaces ? this.#last : undefined;
  }

  #named(at: number): boolean {
    for (const queue of this.#frameQueues) if (queue.names(at)) return true;
    return false;
  }

  #writeHeader(
    slot: FrameSlot,
    header: RawFrameHeader,
    rects: FrameTampering['damageRects'] | undefined,
  ): void {
    const { at } = slot.place;
    const { frame } = this.#wire;
    frame.write(this.#region, at, header);
    const rectsAt = at + frame.damageRectsAt;
    if (rects === undefined) this.#owed.write(this.#region, rectsAt);
    else
      for (const [index, value] of rects.flat().slice(0, 256).entries())
        this.#region.view.setUint32(rectsAt + index * 4, value, true);
    this.#owed.clear();
    slot.setWritePointer(0);
  }

  // The ring has room: a slot was free. What fails now is a lock, and is tried again.
  #post(payload: Payload, nowMs: number): PostResult {
    if (this.#newestFor !== undefined) {
      this.#newestFor.renew();
      this.#sent = false;
      this.#lanes?.deliver(payload, nowMs, true);
      this.#session.frameQueue.process(nowMs);
      return this.#deliver(payload, nowMs);
    }
    const result = this.#session.frameQueue.post(payload, 0, nowMs);
    this.#repeatWanted = result === 'full' || result === 'busy';
    return result;
  }

  // One at a time: what is newest when it was read goes next.
  #deliver(payload: Payload, nowMs: number): PostResult {
    const result = this.#session.frameQueue.post(payload, 0, nowMs, this.#delivery);
    if (result === 'posted') this.#sent = true;
    return result;
  }

  #writeTimes(
    slot: FrameSlot,
    frame: FrameInput,
    measured: {
      readonly readyMs: number;
      readonly copyMs: number;
      readonly leadMs: number | undefined;
    },
  ): void {
    if (this.#wire.frame.readTiming === undefined) return;
    const { timing } = frame;
    writeTiming(this.#region, slot.place.at, {
      captureNs: toNs(timing?.captureNs),
      postProcessNs: toNs(timing?.postProcessNs),
      copyNs: toNs(timing?.copyNs ?? measured.copyMs * 1e6),
      readyNs: toNs(timing?.readyNs ?? measured.readyMs * 1e6),
      holdNs: toNs(timing?.holdNs),
      readyLeadNs: toNs(timing?.readyLeadNs ?? (measured.leadMs ?? 0) * 1e6),
      phaseValid: timing?.phaseValid ?? measured.leadMs !== undefined,
      frameSerial: this.#region.view.getUint32(slot.place.at + 4, true),
    });
  }
}

// The wire has whole nanoseconds, and no negative ones.
function toNs(value: number | undefined): number {
  return Math.max(0, Math.round(value ?? 0));
}
