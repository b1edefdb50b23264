import { EventEmitter } from 'node:events';
import type { Mapping, RegionPresence } from '../native/index.ts';
import {
  decodeClientMessage,
  FEATURES,
  KvmfrError,
  RECOVERY_REGION_BYTES,
  Region,
} from '../protocol/index.ts';
import type { SentMessage } from './client-messages.ts';
import { ClipboardPublisher } from './clipboard.ts';
import {
  type ClipboardContentFormat,
  type HostContents,
  newClipboardPast,
} from './clipboard-events.ts';
import { type CursorCounters, type CursorInput, CursorPublisher } from './cursor.ts';
import type { FrameInput } from './frame-input.ts';
import { type FrameCounters, FramePublisher } from './frames.ts';
import type { HostEvents, HostOptions, HostStats } from './host-facts.ts';
import { InputPublisher, newInputPast } from './input.ts';
import { describeMachine, describeSystem } from './machine.ts';
import { openRegion } from './open.ts';
import type { FrameTampering, OpenFrame } from './open-frame.ts';
import type { Pace } from './owner-lanes.ts';
import { packageVersion } from './package-root.ts';
import type { HostQueue, QueueCounters } from './queue.ts';
import { RecoveryPublisher } from './recovery.ts';
import { HostSession, type QueueName, type SessionFacts } from './session.ts';
import { WIRES, type Wire, type WireName } from './wire.ts';

// A peer that keeps wiping the header must not keep us writing it.
const RESTART_INTERVAL_MS = 250;
// Between two times that a doorbell is listened to.
const RING_INTERVAL_MS = 1;
const HOUSEKEEPING_MS = 10;
// A process that wakes a hundred times a second for nobody would cost more than all it does.
const RESTING_MS = 50;
const RESTS_AFTER_MS = 1000;
// How often the path of the region is looked at.
const LOOK_INTERVAL_MS = 1000;
// Of contents that a client gives, unless told otherwise.
const MAX_CLIPBOARD_BYTES = 64 * 2 ** 20;

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * The publisher's side of a region: LGMP's host, which in a virtual machine runs in the guest.
 *
 * Ownership: a region given by path is unmapped by {@link close}; the header stays as it is, and
 * its heartbeat stops. Belongs to one thread.
 */
export class Host extends EventEmitter<HostEvents> implements AsyncDisposable {
  readonly wire: WireName;
  readonly path: string | undefined;
  readonly #region: Region;
  readonly #mapping: Mapping | undefined;
  readonly #wire: Wire;
  readonly #facts: SessionFacts;
  /** Bytes at the end of the region that are not LGMP's. */
  readonly #keptBytes: number;
  readonly #recovery: RecoveryPublisher | undefined;
  readonly #clock: () => number;
  #session: HostSession;
  #frames: FramePublisher;
  #cursor: CursorPublisher;
  #input: InputPublisher | undefined;
  #clipboard: ClipboardPublisher | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => void this.close();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** The pace that was told. */
  #periodNs: number | undefined;
  #restartedAt = -Infinity;
  #lookedAt = 0;
  /** When somebody has subscribed last, of all moments at which that was looked at. */
  #neededAt = 0;
  #rungAt = -Infinity;
  #restarts = 0;
  #subscribers = 0;
  #clientMessages = 0;
  #clientMessagesRefused = 0;
  #pastTimedOut = 0;
  #pastReaped = 0;
  #pastRepairs = 0;

  /** Use {@link createHost}. */
  constructor(region: Region, mapping: Mapping | undefined, options: HostOptions) {
    super();
    this.#region = region;
    this.#mapping = mapping;
    this.path = mapping?.path;
    this.#wire = wireOf(options.wire ?? 'B7');
    this.wire = this.#wire.name;
    this.#clock = options.clock ?? monotonicMs;
    for (const extra of ['input', 'clipboard'] as const)
      if (options[extra] === true && !this.#wire.targeted)
        throw new KvmfrError(
          'ERR_KVMFR_ARGUMENT',
          `${extra} must be with wire dev12, but is with ${this.#wire.name}`,
        );
    this.#facts = {
      hostVersion: options.hostVersion ?? `kvmfr ${packageVersion()}`,
      // The schedule of a client is this host's own business, not its source's.
      features:
        ((options.features ?? 0) & ~(FEATURES.input | FEATURES.clipboard)) |
        (this.#wire.targeted ? FEATURES.frameSchedule : 0) |
        (options.input === true ? FEATURES.input : 0) |
        (options.clipboard === true ? FEATURES.clipboard : 0),
      vm: { ...describeMachine('kvmfr'), ...options.vm },
      os: options.os ?? describeSystem(),
    };
    const withRecovery = options.recovery ?? this.#wire.recovery;
    this.#keptBytes = withRecovery ? RECOVERY_REGION_BYTES : 0;
    this.#session = this.#begin(this.#now());
    this.#recovery = withRecovery
      ? new RecoveryPublisher(region, this.#wire, this.#facts, this.#now())
      : undefined;
    this.#frames = new FramePublisher(region, this.#wire, this.#session, {
      counters: { published: 0, dropped: 0, repeated: 0, truncated: 0 },
      serial: this.#wire.firstSerial,
      clock: this.#clock,
    });
    this.#cursor = new CursorPublisher(region, this.#session, undefined);
    if (options.input === true)
      this.#input = new InputPublisher(region, this.#session, newInputPast());
    if (options.clipboard === true)
      this.#clipboard = new ClipboardPublisher(region, this.#session, newClipboardPast());
    const { housekeepingMs = HOUSEKEEPING_MS } = options;
    if (housekeepingMs > 0) {
      this.#neededAt = this.#now();
      this.#keepHouse(housekeepingMs, options.housekeepingMs ?? RESTING_MS);
      mapping?.doorbell?.listen(() => this.#rung());
    }
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The id of the session in the region now. */
  get sessionId(): number {
    return this.#session.id;
  }

  /** How many live subscribers the frame queue has. With none, nobody sees what is published. */
  get watchers(): number {
    return this.#closed ? 0 : this.#session.frameQueue.active();
  }

  /** The client that paces the frames, by its id; undefined while they are pushed. */
  get frameOwner(): number | undefined {
    return this.#closed ? undefined : this.#frames.owner;
  }

  /**
   * What the client that paces the frames wants; undefined while they are pushed. A source that
   * publishes when it is due has its frames ready in time for that client's display.
   */
  get pace(): Pace | undefined {
    return this.#closed ? undefined : this.#frames.pace;
  }

  /** How many live subscribers the pointer queue has. */
  get cursorWatchers(): number {
    return this.#closed ? 0 : this.#session.pointerQueue.active();
  }

  /** The client that has keyboard and pointer, by its id; undefined while none has. */
  get inputOwner(): number | undefined {
    return this.#closed ? undefined : this.#input?.owner;
  }

  /** Tells the clients which lights of the guest's keyboard are on: INPUT_LEDS. */
  setKeyboardLeds(leds: number): void {
    this.#input?.setLeds(leds);
  }

  /** Takes no input for now, or again. What is held is let go. */
  setInputAvailable(available: boolean): void {
    const released = this.#input?.setAvailable(available);
    if (released !== undefined) this.emit('input', released);
  }

  /** The client that has the clipboard, by its id; undefined while none has. */
  get clipboardOwner(): number | undefined {
    return this.#closed ? undefined : this.#clipboard?.owner;
  }

  /** Something was copied in the guest: clients may have it. Without contents: nothing is there. */
  setClipboard(contents: HostContents): void {
    if (!this.#closed) this.#clipboard?.copy(contents);
  }

  /**
   * Gets what the client has offered; undefined when it has none of it any more, gives none, or more
   * than `maxBytes`.
   */
  readClipboard(
    format: ClipboardContentFormat,
    maxBytes: number = MAX_CLIPBOARD_BYTES,
  ): Promise<Uint8Array | undefined> {
    const clipboard = this.#closed ? undefined : this.#clipboard;
    return clipboard?.read(format, maxBytes) ?? Promise.resolve(undefined);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A snapshot of the counters. */
  get stats(): HostStats {
    const frames: FrameCounters = this.#frames.counters;
    const cursors: CursorCounters = this.#cursor.counters;
    const queues = this.#session.queues.map(({ queue }) => queue.counters);
    const sum = (field: keyof QueueCounters): number =>
      queues.reduce((total, counters) => total + counters[field], 0);
    return {
      framesPosted: frames.published,
      framesDropped: frames.dropped,
      framesRepeated: frames.repeated,
      framesTruncated: frames.truncated,
      cursorsPosted: cursors.posted,
      cursorsDelayed: cursors.delayed,
      subscribers: this.#subscribers,
      subscribersTimedOut: this.#pastTimedOut + sum('timedOut'),
      subscribersReaped: this.#pastReaped + sum('reaped'),
      clientMessages: this.#clientMessages,
      clientMessagesRefused: this.#clientMessagesRefused,
      repairs:
        this.#pastRepairs +
        sum('repaired') +
        (this.#input?.repaired ?? 0) +
        (this.#clipboard?.repaired ?? 0),
      restarts: this.#restarts,
      input: this.#input === undefined ? undefined : { ...this.#input.counters },
      clipboard: this.#clipboard === undefined ? undefined : { ...this.#clipboard.counters },
    };
  }

  /**
   * Publishes a picture. It is posted before its pixels are copied, and the write pointer follows
   * in steps of 1 MiB, so readers work while we copy. Only what changed is copied.
   *
   * @returns false when every slot is still being read: the picture was not published, and its
   *   damage is added to the next one's; and when the memory of the region went away
   * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_FORMAT, ERR_KVMFR_SIZE, ERR_KVMFR_CLOSED
   */
  publish(frame: FrameInput): boolean {
    this.#checkOpen();
    const published = this.#frames.publish(frame, this.#now());
    return !this.#memoryLost() && published;
  }

  /**
   * Publishes a picture step by step: the message is posted, the pixels are up to the caller, and
   * so is any lie about them. For tests of readers.
   *
   * @returns undefined when every slot is still being read
   * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_FORMAT, ERR_KVMFR_SIZE, ERR_KVMFR_CLOSED
   */
  openFrame(frame: FrameInput, tampering: FrameTampering = {}): OpenFrame | undefined {
    this.#checkOpen();
    return this.#frames.open(frame, tampering, this.#now());
  }

  /**
   * Changes the pointer.
   *
   * @returns false when the queue is full; the change then goes out as soon as there is room
   * @throws ERR_KVMFR_ARGUMENT for a shape that cannot be sent, ERR_KVMFR_CLOSED
   */
  setCursor(cursor: CursorInput): boolean {
    this.#checkOpen();
    return this.#cursor.set(cursor, this.#now());
  }

  /**
   * What has to be done every few milliseconds: heartbeat, slow subscribers, client messages, new
   * subscribers. A timer calls it, unless `housekeepingMs` is 0. Never waits, and nothing that
   * clients write makes it throw.
   */
  housekeep(): void {
    if (this.#closed) return;
    const now = this.#now();
    if (this.#regionLost(now)) return;
    const sessionLost = this.#sessionLost(now);
    // A header that is gone with its memory is not to be written anew.
    if (this.#memoryLost()) return;
    if (sessionLost) this.#restart(now);
    this.#session.beat(now);
    for (const { queue, name } of this.#session.queues) this.#serve(queue, name, now);
    if (this.#closed) return;
    this.#serveRecovery(now);
    if (this.#closed) return;
    this.#serveInput(now);
    if (this.#closed) return;
    for (const one of this.#clipboard?.serve(now) ?? []) this.emit('clipboard', one);
    if (this.#closed) return;
    this.#frames.flush(now);
    this.#cursor.flush(now);
    this.#tellPace();
  }

  #keepHouse(everyMs: number, restingMs: number): void {
    const now = this.#now();
    if (this.#session.queues.some(({ queue }) => queue.active() > 0)) this.#neededAt = now;
    const rests = now - this.#neededAt > RESTS_AFTER_MS;
    this.#timer = setTimeout(
      () => {
        this.housekeep();
        if (!this.#closed) this.#keepHouse(everyMs, restingMs);
      },
      rests ? restingMs : everyMs,
    );
  }

  #tellPace(): void {
    const periodNs = this.#frames.pace?.periodNs;
    if (periodNs === this.#periodNs) return;
    this.#periodNs = periodNs;
    this.emit('pace');
  }

  // A client wants something. However often it rings, it does not keep us from everything else.
  #rung(): void {
    const nowMs = this.#clock();
    if (nowMs - this.#rungAt < RING_INTERVAL_MS) return;
    this.#rungAt = nowMs;
    this.housekeep();
  }

  /** Stops the heartbeat and unmaps the region. What is in it stays, as after any host. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearTimeout(this.#timer);
      this.#signal?.removeEventListener('abort', this.#onAbort);
      this.#clipboard?.end();
      this.#mapping?.close();
      this.emit('close');
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve(queue: HostQueue, name: QueueName, now: number): void {
    if (this.#closed) return;
    this.#session.process(queue, now);
    const fresh = queue.newSubscribers();
    if (fresh > 0) {
      this.#subscribers += fresh;
      if (name === 'frame') this.#frames.repeatForSubscriber(fresh);
      else if (name === 'pointer') this.#cursor.repeatForSubscriber();
      else if (name === 'input') this.#input?.repeatForSubscriber();
      else if (name === 'clipboard') this.#clipboard?.repeatForSubscriber();
      this.emit('subscriber', { queue: name });
    }
    if (this.#closed) return;
    for (const sent of queue.takeClientMessages(now)) {
      try {
        this.#hear(sent, name, now);
      } finally {
        if (!this.#closed) queue.acknowledge();
      }
    }
  }

  #hear({ bytes, clientId }: SentMessage, name: QueueName, nowMs: number): void {
    if (bytes === undefined) {
      this.#clientMessagesRefused++;
      return;
    }
    this.#clientMessages++;
    if (name === 'clipboard') {
      this.#clipboard?.hear(bytes, clientId, nowMs);
      return;
    }
    const message = decodeClientMessage(bytes, this.#wire.frame.kvmfrVersion);
    if (message.type === 'frame-schedule' && name === 'pointer')
      this.#frames.schedule(message, clientId, nowMs);
    this.emit('client-message', message, name, clientId);
  }

  #serveRecovery(now: number): void {
    const request = this.#recovery?.serve(now);
    if (request !== undefined) this.emit('recovery-request', request);
  }

  #serveInput(now: number): void {
    for (const input of this.#input?.serve(now) ?? []) this.emit('input', input);
  }

  // What we write there nobody sees.
  #memoryLost(): boolean {
    if (this.#mapping?.lost !== true) return false;
    this.#fail(this.#mapping.lossError());
    return true;
  }

  // Whoever opens the path from now on gets another file: nobody would ever see us.
  #regionLost(now: number): boolean {
    if (this.#memoryLost()) return true;
    if (this.#mapping === undefined || now - this.#lookedAt < LOOK_INTERVAL_MS) return false;
    this.#lookedAt = now;
    let presence: RegionPresence;
    try {
      presence = this.#mapping.stillThere();
    } catch {
      // What the path names cannot be seen now; the mapping itself is as good as before.
      return false;
    }
    if (presence === 'same') return false;
    const path = this.#mapping.path;
    const found = presence === 'gone' ? 'it is gone' : `it was ${presence}`;
    const error = new KvmfrError('ERR_KVMFR_ABSENT', `the region ${path} must stay, but ${found}`, {
      path,
    });
    this.#fail(error);
    return true;
  }

  #fail(error: KvmfrError): void {
    if (this.listenerCount('error') > 0) this.emit('error', error);
    void this.close();
  }

  #sessionLost(now: number): boolean {
    const { queues } = this.#session;
    const lost = !this.#session.intact() || queues.some(({ queue }) => queue.lockLost(now));
    return lost && now - this.#restartedAt >= RESTART_INTERVAL_MS;
  }

  #restart(now: number): void {
    this.#restartedAt = now;
    this.#restarts++;
    for (const { counters } of this.#session.queues.map(({ queue }) => queue)) {
      this.#pastTimedOut += counters.timedOut;
      this.#pastReaped += counters.reaped;
      this.#pastRepairs += counters.repaired;
    }
    this.#session = this.#begin(now);
    this.#frames = new FramePublisher(this.#region, this.#wire, this.#session, {
      counters: this.#frames.counters,
      serial: this.#frames.serial,
      clock: this.#clock,
    });
    this.#cursor = new CursorPublisher(this.#region, this.#session, this.#cursor);
    const input = this.#input;
    if (input !== undefined) {
      this.#pastRepairs += input.repaired;
      this.#input = new InputPublisher(this.#region, this.#session, input.past);
    }
    const clipboard = this.#clipboard;
    if (clipboard !== undefined) {
      this.#pastRepairs += clipboard.repaired;
      clipboard.end();
      this.#clipboard = new ClipboardPublisher(this.#region, this.#session, clipboard.past);
    }
    this.emit('session', this.#session.id);
    // What its owner held there must not stay down.
    if (input?.owner !== undefined) this.emit('input', { kind: 'release', clientId: input.owner });
    if (clipboard?.owner !== undefined)
      this.emit('clipboard', { kind: 'release', clientId: clipboard.owner });
  }

  #begin(nowMs: number): HostSession {
    const posted = (): void => this.#mapping?.doorbell?.ring();
    return new HostSession(this.#region, this.#wire, this.#facts, nowMs, this.#keptBytes, posted);
  }

  #now(): number {
    return Math.floor(this.#clock());
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new KvmfrError('ERR_KVMFR_CLOSED', `the host of ${this.path ?? 'a region'} is closed`);
  }
}

/**
 * Starts publishing in a region: a path (file or kvmfr device) or a {@link Region} in this process.
 *
 * @throws ERR_KVMFR_SIZE when the region is too small, ERR_KVMFR_REGION_LOST when there is no room for
 *   its pages, ERR_KVMFR_ARGUMENT, and what opening a region throws
 */
export async function createHost(
  region: string | Region,
  options: HostOptions = {},
): Promise<Host> {
  options.signal?.throwIfAborted();
  const opened =
    region instanceof Region
      ? { region, mapping: undefined }
      : await openRegion(region, { createMib: options.regionMib, signal: options.signal });
  try {
    const host = new Host(opened.region, opened.mapping, options);
    if (opened.mapping?.lost !== true) return host;
    const error = opened.mapping.lossError();
    await host.close();
    throw error;
  } catch (error) {
    opened.mapping?.close();
    throw error;
  }
}

function wireOf(name: WireName): Wire {
  const wire = WIRES[name];
  if (wire === undefined)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a wire must be ${Object.keys(WIRES).join(', ')}, but is ${String(name)}`,
    );
  return wire;
}
