import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type ClientStats, newClientStats } from '../../../client/client-stats.ts';
import { Pace } from '../../../client/pace.ts';
import { Session } from '../../../client/session.ts';
import type { ClientState } from '../../../client/state.ts';
import type { StreamHost, Subscription } from '../../../client/subscription.ts';
import { createHost, type FrameInput, type Host, type WireName } from '../../../host/index.ts';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { LGMP_V5 } from '../../../protocol/lgmp/v5.ts';
import { LGMP_V6 } from '../../../protocol/lgmp/v6.ts';
import { LGMP_V12 } from '../../../protocol/lgmp/v12.ts';
import { Region } from '../../../protocol/memory/region.ts';
import { loadU32 } from '../../../protocol/memory/word.ts';

/** A path for a region, gone after the test. */
export function temporaryPath(): string {
  const folder = mkdtempSync('/dev/shm/kvmfr-test-');
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'region');
}

type QueueName = 'frame' | 'pointer';
/** Where the words of a queue header are that the tests look at. */
interface QueueWords {
  readonly newSubCount: number;
  /** The word whose bit 0 says that the first subscriber is there, once shifted. */
  readonly subscribers: { readonly at: number; readonly shift: number };
  readonly count: number;
}

const OLD_WORDS: QueueWords = {
  newSubCount: 8,
  subscribers: { at: 420, shift: 0 },
  count: 440,
};
const DEV_WORDS: QueueWords = {
  newSubCount: 196,
  subscribers: { at: 192, shift: 16 },
  count: 8,
};
/** Queues of our publisher: frames are the first, the pointer comes last. */
const OLD_QUEUES: { readonly [K in QueueName]: number } = { frame: 32, pointer: 32 + 1144 };
const DEV_QUEUES: { readonly [K in QueueName]: number } = { frame: 64, pointer: 64 + 3 * 1600 };

/**
 * A publisher and what a stream needs of a client, on one region file and in one process. The test
 * is the publisher's clock: nothing happens there by itself.
 */
export class Guest implements StreamHost {
  readonly host: Host;
  readonly mapping: Mapping;
  readonly region: Region;
  readonly stats: ClientStats = newClientStats();
  readonly pace: Pace = new Pace();
  readonly streams: Set<Subscription> = new Set();
  /** Every issue that was told, newest last. */
  readonly issues: (ClientState | undefined)[] = [];
  session: Session;
  readonly #words: QueueWords;
  readonly #queues: { readonly [K in QueueName]: number };
  #clockMs: { now: number };
  #waiting: (() => void)[] = [];
  #listening: (() => void)[] = [];

  private constructor(host: Host, mapping: Mapping, clockMs: { now: number }) {
    this.host = host;
    this.mapping = mapping;
    this.region = new Region(mapping.buffer);
    this.#clockMs = clockMs;
    const dev = host.wire === 'dev12';
    this.#words = dev ? DEV_WORDS : OLD_WORDS;
    this.#queues = dev ? DEV_QUEUES : OLD_QUEUES;
    this.session = this.#attach();
  }

  static async start(
    options: { readonly wire?: WireName; readonly mib?: number } = {},
  ): Promise<Guest> {
    const path = temporaryPath();
    createRegionFile(path, (options.mib ?? 8) * 2 ** 20);
    const clock = { now: 1000 };
    const host = await createHost(path, {
      wire: options.wire ?? 'B7',
      housekeepingMs: 0,
      clock: () => clock.now,
    });
    const mapping = Mapping.open(path);
    onTestFinished(async () => {
      mapping.close();
      await host.close();
    });
    return new Guest(host, mapping, clock);
  }

  /** Lets time pass for the publisher, and does its housekeeping. */
  pass(ms: number): void {
    this.#clockMs.now += ms;
    this.host.housekeep();
  }

  /** Waits until somebody has subscribed whom the publisher has not seen, and lets it see them. */
  async subscriber(queue: QueueName = 'frame'): Promise<void> {
    const at = this.#queues[queue] + this.#words.newSubCount;
    await this.mapping.wait([{ offsetBytes: at, value: 0 }], { timeoutMs: 10_000 });
    this.pass(0);
  }

  /** Waits until nothing is left in a queue that a reader has not finished. */
  async drained(queue: QueueName = 'frame'): Promise<void> {
    const at = this.#queues[queue] + this.#words.count;
    for (;;) {
      const value = loadU32(this.region, at);
      if (value === 0) return;
      await this.mapping.wait([{ offsetBytes: at, value }], { timeoutMs: 10_000 });
    }
  }

  /** Bitmap of the subscribers of a queue. */
  subscribers(queue: QueueName = 'frame'): number {
    const { at, shift } = this.#words.subscribers;
    return loadU32(this.region, this.#queues[queue] + at) >>> shift;
  }

  /** Attaches to what is in the region now, as a client does after a restart. */
  attachAgain(): void {
    this.session = this.#attach();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #attach(): Session {
    const { wire } = this.host;
    const lgmp = wire === 'B6' ? LGMP_V5 : wire === 'dev12' ? LGMP_V12 : LGMP_V6;
    const place = { mapping: this.mapping, region: this.region, lgmp };
    const session = Session.attach(place, 0);
    if (session === undefined) throw new Error('the session changed while it was read');
    return session;
  }

  async whenSession(signal: AbortSignal | undefined): Promise<Session | undefined> {
    while (!this.session.holds() && signal?.aborted !== true)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    return signal?.aborted ? undefined : this.session;
  }

  setIssue(_stream: Subscription, issue: ClientState | undefined): void {
    this.issues.push(issue);
    for (const wake of this.#listening.splice(0)) wake();
  }

  /** Waits until so many issues have been told. */
  async told(count: number): Promise<void> {
    while (this.issues.length < count)
      await new Promise<void>((resolve) => this.#listening.push(resolve));
  }

  register(stream: Subscription): void {
    this.streams.add(stream);
  }

  unregister(stream: Subscription): void {
    this.streams.delete(stream);
  }
}

/** A picture in which each byte tells where it is, and which picture it is. */
export function picture(
  seed: number,
  size: { readonly widthPx: number; readonly heightPx: number } = { widthPx: 64, heightPx: 48 },
): FrameInput & { readonly pixels: Uint8Array } {
  const pixels = new Uint8Array(size.widthPx * size.heightPx * 4);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i * 7 + (i >> 8) + seed * 31) & 0xff;
  return { pixels, format: 'BGRA', ...size };
}
