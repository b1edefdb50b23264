import { onTestFinished } from 'vitest';
import { type ClientStats, newClientStats } from '../../../client/client-stats.ts';
import { FrameStream, type FramesOptions } from '../../../client/frames.ts';
import { Pace } from '../../../client/pace.ts';
import { Session } from '../../../client/session.ts';
import type { StreamHost, Subscription } from '../../../client/subscription.ts';
import { createHost, type Host, type HostOptions } from '../../../host/index.ts';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { LGMP_V6 } from '../../../protocol/lgmp/v6.ts';
import { LGMP_V12 } from '../../../protocol/lgmp/v12.ts';
import { Region } from '../../../protocol/memory/region.ts';
import { temporaryPath } from './guest.ts';

/** Places of the queues in the table of our dev12 publisher. */
export const QUEUE = { frame: 0, lane0: 1, lane1: 2, pointer: 3 } as const;

/** Fields of a queue header of LGMP 12, from its start. */
export const FIELD = {
  position: 0,
  count: 8,
  lock: 64,
  cMsgAvail: 132,
  cMsgWPos: 136,
  cMsgRSerial: 144,
  subs: 192,
  clientID: 200,
  messagesOffset: 304,
  cMsgs: 320,
} as const;

/** What a stream needs of a client, and the stream's streams. */
export class Reader implements StreamHost {
  readonly pace: Pace = new Pace();
  readonly stats: ClientStats = newClientStats();
  readonly #session: Session;
  readonly #streams: Set<Subscription> = new Set();

  constructor(session: Session) {
    this.#session = session;
  }

  frames(options: FramesOptions = {}): FrameStream {
    return new FrameStream(this, options);
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) await stream.close();
  }

  async whenSession(signal: AbortSignal | undefined): Promise<Session | undefined> {
    return signal?.aborted === true ? undefined : this.#session;
  }
  setIssue(): void {}
  register(stream: Subscription): void {
    this.#streams.add(stream);
  }
  unregister(stream: Subscription): void {
    this.#streams.delete(stream);
  }
}

/** A publisher of dev12 on a region file, its clients, and hands in its memory. */
export class DevGuest {
  readonly host: Host;
  readonly region: Region;
  readonly view: DataView;
  readonly session: Session;

  private constructor(host: Host, mapping: Mapping) {
    this.host = host;
    this.region = new Region(mapping.buffer);
    this.view = this.region.view;
    const lgmp = host.wire === 'dev12' ? LGMP_V12 : LGMP_V6;
    const session = Session.attach({ mapping, region: this.region, lgmp }, 0);
    if (session === undefined) throw new Error('the session changed while it was read');
    this.session = session;
  }

  /** Starts it; it does its housekeeping by itself unless told otherwise. */
  static async start(options: HostOptions = {}): Promise<DevGuest> {
    const path = temporaryPath();
    createRegionFile(path, 8 * 2 ** 20);
    const host = await createHost(path, { wire: 'dev12', housekeepingMs: 1, ...options });
    const mapping = Mapping.open(path);
    const guest = new DevGuest(host, mapping);
    onTestFinished(async () => {
      for (const reader of guest.#readers) await reader.close();
      mapping.close();
      await host.close();
    });
    return guest;
  }

  readonly #readers: Reader[] = [];

  reader(): Reader {
    const reader = new Reader(this.session);
    this.#readers.push(reader);
    return reader;
  }

  /** Where a queue's header is. */
  queueAt(queue: keyof typeof QUEUE): number {
    return 64 + QUEUE[queue] * 1600;
  }

  word(queue: keyof typeof QUEUE, field: keyof typeof FIELD, index: number = 0): number {
    return this.view.getUint32(this.queueAt(queue) + FIELD[field] + index * 4, true);
  }

  setWord(
    queue: keyof typeof QUEUE,
    field: keyof typeof FIELD,
    value: number,
    index: number = 0,
  ): void {
    this.view.setUint32(this.queueAt(queue) + FIELD[field] + index * 4, value, true);
  }

  /** The bitmaps of the subscribers: frame queue, both lanes, pointer queue. */
  get subscribers(): readonly number[] {
    return (['frame', 'lane0', 'lane1', 'pointer'] as const).map((queue) =>
      this.word(queue, 'subs'),
    );
  }
}
