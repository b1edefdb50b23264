import type { Region } from '../protocol/index.ts';
import { ClipboardPublisher } from './clipboard.ts';
import { newClipboardPast } from './clipboard-events.ts';
import { CursorPublisher } from './cursor.ts';
import { FramePublisher } from './frames.ts';
import { InputPublisher, newInputPast } from './input.ts';
import type { QueueCounters } from './queue.ts';
import { HostSession, type QueueName, type SessionFacts } from './session.ts';
import type { Wire } from './wire.ts';

/** What the sessions of a host have in common. */
export interface PublishersOptions {
  readonly region: Region;
  readonly wire: Wire;
  readonly facts: SessionFacts;
  /** Bytes at the end of the region that are not LGMP's. */
  readonly keptBytes: number;
  readonly input: boolean;
  readonly clipboard: boolean;
  /** Milliseconds with fractions. */
  readonly clock: () => number;
  /** Called after each message that somebody waits for. */
  readonly posted: () => void;
}

/** What publishes in a session, and in the one that takes its place. */
export class Publishers {
  readonly #options: PublishersOptions;
  #session: HostSession;
  #frames: FramePublisher;
  #cursor: CursorPublisher;
  #input: InputPublisher | undefined;
  #clipboard: ClipboardPublisher | undefined;
  /** What the queues of sessions that are over have counted. */
  readonly #past: QueueCounters = { timedOut: 0, reaped: 0, repaired: 0 };

  /** @throws ERR_KVMFR_SIZE when the region is too small; nothing is written then */
  constructor(options: PublishersOptions, nowMs: number) {
    const { region, wire, clock } = options;
    this.#options = options;
    this.#session = this.#begin(nowMs);
    this.#frames = new FramePublisher(region, wire, this.#session, {
      counters: { published: 0, dropped: 0, repeated: 0, truncated: 0 },
      serial: wire.firstSerial,
      clock,
    });
    this.#cursor = new CursorPublisher(region, this.#session, undefined);
    if (options.input) this.#input = new InputPublisher(region, this.#session, newInputPast());
    if (options.clipboard)
      this.#clipboard = new ClipboardPublisher(region, this.#session, newClipboardPast());
  }

  get session(): HostSession {
    return this.#session;
  }

  get frames(): FramePublisher {
    return this.#frames;
  }

  get cursor(): CursorPublisher {
    return this.#cursor;
  }

  /** Undefined for a host that takes none. */
  get input(): InputPublisher | undefined {
    return this.#input;
  }

  /** Undefined for a host that shares none. */
  get clipboard(): ClipboardPublisher | undefined {
    return this.#clipboard;
  }

  /** What the queues have counted, in all sessions. */
  get counters(): Readonly<QueueCounters> {
    const sum = { ...this.#past };
    for (const { queue } of this.#session.queues) add(sum, queue.counters);
    sum.repaired += (this.#input?.repaired ?? 0) + (this.#clipboard?.repaired ?? 0);
    return sum;
  }

  /** Whether the session is not to be gone on with: its header is gone, or a lock. */
  isLost(nowMs: number): boolean {
    const { queues } = this.#session;
    return !this.#session.intact() || queues.some(({ queue }) => queue.lockLost(nowMs));
  }

  /** Begins another session in the place of the one before, with what is to outlive that. */
  restart(nowMs: number): void {
    const { region, wire, clock } = this.#options;
    for (const { queue } of this.#session.queues) add(this.#past, queue.counters);
    this.#session = this.#begin(nowMs);
    const { counters, serial } = this.#frames;
    this.#frames = new FramePublisher(region, wire, this.#session, { counters, serial, clock });
    this.#cursor = new CursorPublisher(region, this.#session, this.#cursor);
    const input = this.#input;
    if (input !== undefined) {
      this.#past.repaired += input.repaired;
      this.#input = new InputPublisher(region, this.#session, input.past);
    }
    const clipboard = this.#clipboard;
    if (clipboard !== undefined) {
      this.#past.repaired += clipboard.repaired;
      clipboard.end();
      this.#clipboard = new ClipboardPublisher(region, this.#session, clipboard.past);
    }
  }

  /** Clients subscribed to a queue: they get what is newest there. */
  repeat(name: QueueName, count: number): void {
    if (name === 'frame') this.#frames.repeatForSubscriber(count);
    else if (name === 'pointer') this.#cursor.repeatForSubscriber();
    else if (name === 'input') this.#input?.repeatForSubscriber();
    else if (name === 'clipboard') this.#clipboard?.repeatForSubscriber();
  }

  /** Sends what could not be sent before. */
  flush(nowMs: number): void {
    this.#frames.flush(nowMs);
    this.#cursor.flush(nowMs);
  }

  #begin(nowMs: number): HostSession {
    const { region, wire, facts, keptBytes, posted } = this.#options;
    return new HostSession(region, wire, facts, nowMs, keptBytes, posted);
  }
}

function add(sum: QueueCounters, counters: Readonly<QueueCounters>): void {
  sum.timedOut += counters.timedOut;
  sum.reaped += counters.reaped;
  sum.repaired += counters.repaired;
}
