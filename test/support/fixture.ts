import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { decompress } from 'fzstd';

/** The names of the dumped regions of release B7; each is its frame's size. */
export const FIXTURE_NAMES = ['640x480', '800x600', '1366x768'] as const;
/** The names of the dumped regions of development hosts: where they are, and their frame's size. */
export const DEV_FIXTURE_NAMES = ['lg-dev-lgmp10/640x480'] as const;
/** The name of a dumped region. */
export type FixtureName = (typeof FIXTURE_NAMES)[number] | (typeof DEV_FIXTURE_NAMES)[number];

/** One message of a ring, as the reader of that day saw it. */
export interface FixtureMessage {
  readonly udata: number;
  readonly size: number;
  readonly offset: number;
  readonly pendingSubs: number;
}

/** One queue, as the reader of that day saw it. Names are upstream's. */
export interface FixtureQueue {
  readonly offset: number;
  readonly queueID: number;
  readonly numMessages: number;
  readonly newSubCount: number;
  readonly maxTime: number;
  readonly position: number;
  readonly messagesOffset: number;
  readonly clientID0: number;
  readonly timeout0: number;
  readonly lock: number;
  readonly subsOn: number;
  readonly subsBad: number;
  readonly start: number;
  readonly msgTimeout: number;
  readonly count: number;
  readonly cMsgAvail: number;
  readonly cMsgWPos: number;
  readonly cMsgWSerial: number;
  readonly cMsgRSerial: number;
  readonly messages: readonly FixtureMessage[];
}

/** One frame that was pending. */
export interface FixtureFrame {
  readonly memOffset: number;
  readonly formatVer: number;
  readonly frameSerial: number;
  readonly type: number;
  readonly screenWidth: number;
  readonly screenHeight: number;
  readonly dataWidth: number;
  readonly dataHeight: number;
  readonly frameWidth: number;
  readonly frameHeight: number;
  readonly rotation: number;
  readonly stride: number;
  readonly pitch: number;
  readonly offset: number;
  readonly damageRectsCount: number;
  readonly flags: number;
  readonly wp: number;
  readonly dataOffset: number;
  readonly firstPixelsBGRX: string;
  readonly headerBytes: string;
  readonly sha256PackedBGRA: string;
  /** Of the pixels with their fourth byte set to 255: equals the hash of the PNG's. */
  readonly sha256PackedBGRAAlpha255: string;
}

/** One pointer message. */
export interface FixtureCursor {
  readonly memOffset: number;
  readonly size: number;
  readonly flags: number;
  readonly x: number;
  readonly y: number;
  readonly type: number;
  readonly hx: number;
  readonly hy: number;
  readonly width: number;
  readonly height: number;
  readonly pitch: number;
  readonly headerBytes: string;
  readonly shapeDataOffset?: number;
  readonly shapeSha256?: string;
}

/** One record of the session blob: type 1 tells of the machine, type 2 of its system. */
export interface FixtureRecord {
  readonly type: number;
  readonly size: number;
  readonly uuid?: string;
  readonly capture?: string;
  readonly cpus?: number;
  readonly cores?: number;
  readonly sockets?: number;
  readonly model?: string;
  readonly os?: number;
  readonly name?: string;
}

/** What an independent reader found in a dumped region. */
export interface FixtureFacts {
  readonly producer: string;
  readonly shmSize: number;
  readonly lgmp: {
    readonly magic: number;
    readonly version: number;
    readonly sessionID: number;
    readonly timestamp: number;
    readonly numQueues: number;
    readonly udataSize: number;
    readonly udataOffset: number;
    readonly headerSize: number;
    readonly queueStride: number;
    readonly queues: readonly FixtureQueue[];
  };
  /** The reader, which had bit 0 on both queues. */
  readonly readerClientID: number;
  readonly kvmfr: {
    readonly magic: string;
    readonly version: number;
    readonly hostver: string;
    readonly features: number;
    readonly size: number;
    readonly records: readonly FixtureRecord[];
  };
  readonly framesPending: readonly FixtureFrame[];
  readonly pointerPending: readonly FixtureCursor[];
  readonly pointerConsumedBefore: readonly FixtureCursor[];
}

/** A dumped region, unpacked. */
export interface Fixture {
  readonly name: FixtureName;
  /** The whole region; the caller's own copy. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly facts: FixtureFacts;
  /** What was on the guest's screen. */
  readonly pngPath: string;
  /** Makes a file that is the region. */
  writeTo(path: string): Promise<void>;
}

/** Reads and unpacks a dumped region. */
export function loadFixture(name: FixtureName): Fixture {
  const place = name.includes('/') ? name : `lg-b7/${name}`;
  const file = (suffix: string): string =>
    fileURLToPath(new URL(`../fixtures/${place}.${suffix}`, import.meta.url));
  const facts: FixtureFacts = JSON.parse(readFileSync(file('json'), 'utf8'));
  // A buffer that begins with the region, so that views of words are aligned in it.
  const bytes = new Uint8Array(facts.shmSize);
  bytes.set(decompress(readFileSync(file('shm.zst'))));
  return {
    name,
    bytes,
    facts,
    pngPath: file('png'),
    writeTo: (path) => writeFile(path, bytes),
  };
}

/** What a {@link FixtureHost} tells. */
export type FixtureEvent =
  | { readonly event: 'ready'; readonly sessionId: number }
  | { readonly event: 'subscribed'; readonly queue: QueueName; readonly count: number }
  | { readonly event: 'served'; readonly queue: QueueName }
  /** `subscribers` is the bitmap of those it gave up on. */
  | { readonly event: 'timed-out'; readonly queue: QueueName; readonly subscribers: number }
  | { readonly event: 'client-message'; readonly queue: QueueName; readonly data: string }
  | { readonly event: 'corrupted' };

/** A queue of KVMFR 20. */
export type QueueName = 'frame' | 'pointer';

/** How a {@link FixtureHost} begins. */
export interface FixtureHostOptions {
  /** Begin a session of its own, as a publisher that is started again does. */
  readonly newSession?: boolean;
}

interface Waiter {
  readonly matches: (event: FixtureEvent) => boolean;
  readonly resolve: (event: FixtureEvent) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Goes on as the publisher of a dumped region would: heartbeat at the pace of its LGMP, housekeeping, and the
 * dumped frame and cursor posted again when somebody subscribes. It shares no code with host/ and
 * runs in a process of its own, so a test that blocks its event loop does not stop the guest.
 *
 * Ownership: stop or kill it (or `await using`).
 */
export class FixtureHost implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #events: FixtureEvent[] = [];
  #waiters: Waiter[] = [];
  #stderr = '';
  #ended: Error | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exit = once(child, 'exit').then(([status, signal]) => {
      const ended = new Error(
        `the fixture's publisher ended (${status ?? signal}) ${this.#stderr}`.trim(),
      );
      this.#ended = ended;
      for (const waiter of this.#waiters) waiter.reject(ended);
      this.#waiters = [];
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    child.on('message', (message: FixtureEvent) => this.#note(message));
  }

  /** Starts on a file that holds a dumped region, and waits until the heartbeat is about to move. */
  static async start(path: string, options: FixtureHostOptions = {}): Promise<FixtureHost> {
    const script = fileURLToPath(new URL('fixture-publisher.mjs', import.meta.url));
    const child = fork(script, options.newSession ? [path, 'new-session'] : [path], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      execArgv: [],
    });
    const host = new FixtureHost(child);
    await host.seen('ready');
    return host;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** All it told so far, oldest first. */
  get events(): readonly FixtureEvent[] {
    return this.#events;
  }

  /** The first event of a kind, be it in the past or still to come. */
  seen<K extends FixtureEvent['event']>(
    kind: K,
    matches: (event: Extract<FixtureEvent, { event: K }>) => boolean = () => true,
  ): Promise<FixtureEvent> {
    const wanted = (event: FixtureEvent): boolean => isKind(event, kind) && matches(event);
    const past = this.#events.find(wanted);
    if (past !== undefined) return Promise.resolve(past);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ matches: wanted, resolve, reject });
    });
  }

  /** Resolves when a subscriber of a queue was given the dumped payload. */
  async served(queue: QueueName): Promise<void> {
    await this.seen('served', (event) => event.queue === queue);
  }

  /** Ends it in an orderly way: locks are free, the region stays as it is. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.send('stop');
    await this.#exit;
  }

  /** Ends it as a crash would, with SIGKILL. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #note(event: FixtureEvent): void {
    this.#events.push(event);
    const now = this.#waiters.filter((waiter) => waiter.matches(event));
    this.#waiters = this.#waiters.filter((waiter) => !now.includes(waiter));
    for (const waiter of now) waiter.resolve(event);
  }
}

function isKind<K extends FixtureEvent['event']>(
  event: FixtureEvent,
  kind: K,
): event is Extract<FixtureEvent, { event: K }> {
  return event.event === kind;
}
