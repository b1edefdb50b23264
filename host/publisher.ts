import { EventEmitter } from 'node:events';
import type { Mapping } from '../native/index.ts';
import {
  decodeClientMessage,
  FEATURES,
  KvmfrError,
  RECOVERY_REGION_BYTES,
  type Region,
} from '../protocol/index.ts';
import type { SentMessage } from './client-messages.ts';
import type { ClipboardContentFormat, HostContents } from './clipboard-events.ts';
import type { CursorInput } from './cursor.ts';
import type { FrameInput } from './frame-input.ts';
import type { HostEvents, HostOptions, HostStats } from './host-facts.ts';
import { describeMachine, describeSystem } from './machine.ts';
import type { FrameTampering, OpenFrame } from './open-frame.ts';
import type { Pace } from './owner-lanes.ts';
import { packageVersion } from './package-root.ts';
import { Publishers } from './publishers.ts';
import type { HostQueue } from './queue.ts';
import { RecoveryPublisher } from './recovery.ts';
import { RegionWatch } from './region-watch.ts';
import type { QueueName, SessionFacts } from './session.ts';
import { type Wire, type WireName, wireOf } from './wire.ts';

// A peer that keeps wiping the header must not keep us writing it.
const RESTART_INTERVAL_MS = 250;
// Between two times that a doorbell is listened to.
const RING_INTERVAL_MS = 1;
const HOUSEKEEPING_MS = 10;
// A process that wakes a hundred times a second for nobody would cost more than all it does.
const RESTING_MS = 50;
const RESTS_AFTER_MS = 1000;
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
  readonly #mapping: Mapping | undefined;
  readonly #wire: Wire;
  readonly #watch: RegionWatch;
  readonly #publishers: Publishers;
  readonly #recovery: RecoveryPublisher | undefined;
  readonly #clock: () => number;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => void this.close();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** The pace that was told. */
  #periodNs: number | undefined;
  #restartedAt = -Infinity;
  /** When somebody has subscribed last, of all moments at which that was looked at. */
  #neededAt = 0;
  #rungAt = -Infinity;
  #restarts = 0;
  #subscribers = 0;
  #clientMessages = 0;
  #clientMessagesRefused = 0;

  /** Use {@link createHost}. */
  constructor(region: Region, mapping: Mapping | undefined, options: HostOptions) {
    super();
    this.#mapping = mapping;
    this.#watch = new RegionWatch(mapping);
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
    const facts: SessionFacts = {
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
    this.#publishers = new Publishers(
      {
        region,
        wire: this.#wire,
        facts,
        keptBytes: withRecovery ? RECOVERY_REGION_BYTES : 0,
        input: options.input === true,
        clipboard: options.clipboard === true,
        clock: this.#clock,
        posted: () => mapping?.doorbell?.ring(),
      },
      this.#now(),
    );
    this.#recovery = withRecovery
      ? new RecoveryPublisher(region, this.#wire, facts, this.#now())
      : undefined;
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
    return this.#publishers.session.id;
  }

  /** How many live subscribers the frame queue has. With none, nobody sees what is published. */
  get watchers(): number {
    return this.#closed ? 0 : this.#publishers.session.frameQueue.active();
  }

  /** The client that paces the frames, by its id; undefined while they are pushed. */
  get frameOwner(): number | undefined {
    return this.#closed ? undefined : this.#publishers.frames.owner;
  }

  /**
   * What the client that paces the frames wants; undefined while they are pushed. A source that
   * publishes when it is due has its frames ready in time for that client's display.
   */
  get pace(): Pace | undefined {
    return this.#closed ? undefined : this.#publishers.frames.pace;
  }

  /** How many live subscribers the pointer queue has. */
  get cursorWatchers(): number {
    return this.#closed ? 0 : this.#publishers.session.pointerQueue.active();
  }

  /** The client that has keyboard and pointer, by its id; undefined while none has. */
  get inputOwner(): number | undefined {
    return this.#closed ? undefined : this.#publishers.input?.owner;
  }

  /** Tells the clients which lights of the guest's keyboard are on: INPUT_LEDS. */
  setKeyboardLeds(leds: number): void {
    this.#publishers.input?.setLeds(leds);
  }

  /** Takes no input for now, or again. What is held is let go. */
  setInputAvailable(available: boolean): void {
    const released = this.#publishers.input?.setAvailable(available);
    if (released !== undefined) this.emit('input', released);
  }

  /** The client that has the clipboard, by its id; undefined while none has. */
  get clipboardOwner(): number | undefined {
    return this.#closed ? undefined : this.#publishers.clipboard?.owner;
  }

  /** Something was copied in the guest: clients may have it. Without contents: nothing is there. */
  setClipboard(contents: HostContents): void {
    if (!this.#closed) this.#publishers.clipboard?.copy(contents);
  }

  /**
   * Gets what the client has offered; undefined when it has none of it any more, gives none, or more
   * than `maxBytes`.
   */
  readClipboard(
    format: ClipboardContentFormat,
    maxBytes: number = MAX_CLIPBOARD_BYTES,
  ): Promise<Uint8Array | undefined> {
    const clipboard = this.#closed ? undefined : this.#publishers.clipboard;
    return clipboard?.read(format, maxBytes) ?? Promise.resolve(undefined);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A snapshot of the counters. */
  get stats(): HostStats {
    const { frames: published, cursor, input, clipboard } = this.#publishers;
    const frames = published.counters;
    const cursors = cursor.counters;
    const queues = this.#publishers.counters;
    return {
      framesPosted: frames.published,
      framesDropped: frames.dropped,
      framesRepeated: frames.repeated,
      framesTruncated: frames.truncated,
      cursorsPosted: cursors.posted,
      cursorsDelayed: cursors.delayed,
      subscribers: this.#subscribers,
      subscribersTimedOut: queues.timedOut,
      subscribersReaped: queues.reaped,
      clientMessages: this.#clientMessages,
      clientMessagesRefused: this.#clientMessagesRefused,
      repairs: queues.repaired,
      restarts: this.#restarts,
      input: input === undefined ? undefined : { ...input.counters },
      clipboard: clipboard === undefined ? undefined : { ...clipboard.counters },
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
    const published = this.#publishers.frames.publish(frame, this.#now());
    return !this.#failed(this.#watch.memoryLoss()) && published;
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
    return this.#publishers.frames.open(frame, tampering, this.#now());
  }

  /**
   * Changes the pointer.
   *
   * @returns false when the queue is full; the change then goes out as soon as there is room
   * @throws ERR_KVMFR_ARGUMENT for a shape that cannot be sent, ERR_KVMFR_CLOSED
   */
  setCursor(cursor: CursorInput): boolean {
    this.#checkOpen();
    return this.#publishers.cursor.set(cursor, this.#now());
  }

  /**
   * What has to be done every few milliseconds: heartbeat, slow subscribers, client messages, new
   * subscribers. A timer calls it, unless `housekeepingMs` is 0. Never waits, and nothing that
   * clients write makes it throw.
   */
  housekeep(): void {
    if (this.#closed) return;
    const now = this.#now();
    if (this.#failed(this.#watch.loss(now))) return;
    const sessionLost = this.#sessionLost(now);
    // A header that is gone with its memory is not to be written anew.
    if (this.#failed(this.#watch.memoryLoss())) return;
    if (sessionLost) this.#restart(now);
    this.#publishers.session.beat(now);
    for (const { queue, name } of this.#publishers.session.queues) this.#serve(queue, name, now);
    if (this.#closed) return;
    const request = this.#recovery?.serve(now);
    if (request !== undefined) this.emit('recovery-request', request);
    if (this.#closed) return;
    for (const one of this.#publishers.input?.serve(now) ?? []) this.emit('input', one);
    if (this.#closed) return;
    for (const one of this.#publishers.clipboard?.serve(now) ?? []) this.emit('clipboard', one);
    if (this.#closed) return;
    this.#publishers.flush(now);
    this.#tellPace();
  }

  #keepHouse(everyMs: number, restingMs: number): void {
    const now = this.#now();
    if (this.#publishers.session.queues.some(({ queue }) => queue.active() > 0))
      this.#neededAt = now;
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
    const periodNs = this.#publishers.frames.pace?.periodNs;
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
      this.#publishers.clipboard?.end();
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
    this.#publishers.session.process(queue, now);
    const fresh = queue.newSubscribers();
    if (fresh > 0) {
      this.#subscribers += fresh;
      this.#publishers.repeat(name, fresh);
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
      this.#publishers.clipboard?.hear(bytes, clientId, nowMs);
      return;
    }
    const message = decodeClientMessage(bytes, this.#wire.frame.kvmfrVersion);
    if (message.type === 'frame-schedule' && name === 'pointer')
      this.#publishers.frames.schedule(message, clientId, nowMs);
    this.emit('client-message', message, name, clientId);
  }

  /** Whether there is an error, with which the host is over then. */
  #failed(error: KvmfrError | undefined): boolean {
    if (error === undefined) return false;
    if (this.listenerCount('error') > 0) this.emit('error', error);
    void this.close();
    return true;
  }

  #sessionLost(now: number): boolean {
    return this.#publishers.isLost(now) && now - this.#restartedAt >= RESTART_INTERVAL_MS;
  }

  #restart(now: number): void {
    this.#restartedAt = now;
    this.#restarts++;
    const { input, clipboard } = this.#publishers;
    this.#publishers.restart(now);
    this.emit('session', this.sessionId);
    // What its owner held there must not stay down.
    if (input?.owner !== undefined) this.emit('input', { kind: 'release', clientId: input.owner });
    if (clipboard?.owner !== undefined)
      this.emit('clipboard', { kind: 'release', clientId: clipboard.owner });
  }

  #now(): number {
    return Math.floor(this.#clock());
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new KvmfrError('ERR_KVMFR_CLOSED', `the host of ${this.path ?? 'a region'} is closed`);
  }
}
