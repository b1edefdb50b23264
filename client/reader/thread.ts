import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { KvmfrError } from '../../protocol/error.ts';
import type { AssumedWire } from '../../protocol/lgmp/detect.ts';
import type { FrameDeadline } from '../pace.ts';
import type { SessionInfo } from '../session.ts';
import { type ClientState, stateOfError } from '../state.ts';
import type { SharedPlanes } from '../tiles/shared-planes.ts';
import { type SharedEpoch, SharedPictureView } from '../tiles/shared-view.ts';
import { StateBoard } from './board.ts';
import { MailboxReceiver } from './mailbox.ts';
import {
  type MailboxName,
  THREAD_COUNTS,
  type ThreadCommand,
  type ThreadMemory,
  type ThreadNews,
  type ThreadStart,
  threadMemory,
} from './messages.ts';
import { NewestStream } from './newest.ts';
import type { OutcomeCounts, PictureReader, PicturesOptions, PictureUpdate } from './reader.ts';
import type { GuestCursor, GuestSource, StreamOptions } from './source.ts';

/** How a reader in a thread of its own is made. */
export interface ThreadReaderOptions {
  /** Read an unknown newer wire by the rules of a known one, with all checks, at one's own risk. */
  readonly assume?: AssumedWire | undefined;
  readonly log?: (line: string) => void;
  /** The program of the thread; that of this package when left out. */
  readonly program?: URL;
  /** How long the thread may take to give everything back before it is ended by force. */
  readonly closeTimeoutMs?: number;
}

/** One run of the thread. */
interface Run {
  readonly worker: Worker;
  readonly memory: ThreadMemory;
  readonly receivers: { readonly [name in MailboxName]: MailboxReceiver };
  readonly startedMs: number;
  readonly ended: Promise<void>;
  error: unknown;
}

/** Longer than a client waits for a lock when it leaves its queues. */
const CLOSE_TIMEOUT_MS = 3000;
/** Before a thread that has ended by itself is started again, at first and at most. */
const RESTART_MS = 250;
const MAX_RESTART_MS = 10_000;
/** Who ran for this long is started again at once. */
const HEALTHY_MS = 10_000;

/**
 * Keeps a picture in a thread of its own, which opens the region itself: nothing that happens here
 * delays the guest, and nothing that happens there delays this thread.
 *
 * What goes wrong in the thread is logged and shown as state `failed`, and it is started again. The
 * picture stays meanwhile.
 *
 * Ownership: {@link close} ends the thread and gives back all it has.
 */
export class ThreadReader implements PictureReader {
  readonly picture: SharedPictureView = new SharedPictureView();
  readonly #options: ThreadReaderOptions & { readonly path: string };
  readonly #board: StateBoard;
  readonly #streams: Set<NewestStream<PictureUpdate>> = new Set();
  readonly #pointers: Set<NewestStream<GuestCursor>> = new Set();
  /** Counts of the runs that have ended. */
  readonly #before: Float64Array = new Float64Array(THREAD_COUNTS.length);
  #run: Run | undefined;
  #session: SessionInfo | undefined;
  #cursor: GuestCursor | undefined;
  /** An epoch that was told and could not be turned to yet. */
  #told: SharedEpoch | undefined;
  #maxFps: number | undefined;
  #i420 = false;
  #periodNs: number | undefined;
  #faults = 0;
  #restart: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(path: string, options: ThreadReaderOptions = {}) {
    this.#options = { ...options, path };
    this.#board = new StateBoard({ name: 'waiting', message: `opening ${path}` });
    this.#start();
  }

  get planes(): SharedPlanes | undefined {
    return this.picture.planes;
  }

  get state(): ClientState {
    return this.#board.state;
  }

  get session(): SessionInfo | undefined {
    return this.#session;
  }

  get stats(): GuestSource['stats'] {
    return {
      sessions: this.#count('sessions'),
      framesSeen: this.#count('framesSeen'),
      framesSkipped: this.#count('framesSkipped'),
      framesGivenUp: this.#count('framesGivenUp'),
    };
  }

  get outcomes(): OutcomeCounts {
    return {
      changed: this.#count('changed'),
      same: this.#count('same'),
      'given-up': this.#count('given-up'),
    };
  }

  states(options: StreamOptions = {}): AsyncIterableIterator<ClientState> {
    return this.#board.states(options);
  }

  cursor(options: StreamOptions = {}): AsyncIterableIterator<GuestCursor> {
    const stream: NewestStream<GuestCursor> = new NewestStream(options.signal, () => {
      this.#pointers.delete(stream);
      if (this.#pointers.size > 0) return;
      this.#cursor = undefined;
      this.#tell({ do: 'rest-pointer' });
    });
    if (this.#closing !== undefined) stream.end();
    if (stream.over) return stream;
    this.#pointers.add(stream);
    if (this.#pointers.size === 1) this.#tell({ do: 'point' });
    else if (this.#cursor !== undefined) stream.put(this.#cursor);
    return stream;
  }

  pictures(options: PicturesOptions = {}): AsyncIterableIterator<PictureUpdate> {
    const stream: NewestStream<PictureUpdate> = new NewestStream(options.signal, () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#tell({ do: 'rest' });
    });
    if (this.#closing !== undefined) stream.end();
    if (stream.over) return stream;
    const isFirst = this.#streams.size === 0;
    this.#streams.add(stream);
    if (isFirst || this.#maxFps !== options.maxFps) {
      this.#maxFps = options.maxFps;
      this.#tell({ do: 'follow', maxFps: options.maxFps });
    }
    return stream;
  }

  setI420(on: boolean): void {
    if (on === this.#i420) return;
    this.#i420 = on;
    this.#tell({ do: 'i420', on });
  }

  schedule(wish: { readonly periodNs: number } | undefined): void {
    this.#periodNs = wish?.periodNs;
    this.#tell({ do: 'schedule', periodNs: this.#periodNs });
  }

  presented(deadline: FrameDeadline, waitedNs: number): void {
    this.#tell({ do: 'presented', deadline, waitedNs });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#restart);
    const run = this.#run;
    run?.worker.postMessage({ do: 'close' } satisfies ThreadCommand);
    this.#run = undefined;
    this.#endStreams();
    this.#board.close();
    if (run !== undefined) await this.#ended(run);
    this.picture.close();
  }

  /** A thread that does not end by itself is ended: a lock of the region may hold it up. */
  async #ended(run: Run): Promise<void> {
    const timeoutMs = this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    const timer = setTimeout(() => void run.worker.terminate(), timeoutMs);
    await run.ended;
    clearTimeout(timer);
  }

  #start(): void {
    this.#restart = undefined;
    let worker: Worker;
    const memory = threadMemory();
    const { path, assume, program = programOfThread() } = this.#options;
    const after = this.picture.newest();
    const start: ThreadStart = { path, assume, after, memory: memory.buffer };
    try {
      worker = new Worker(program, { workerData: start, name: 'kvmfr-reader', execArgv: [] });
    } catch (error) {
      this.#fail(error);
      return;
    }
    const receiver = (what: MailboxName): MailboxReceiver =>
      new MailboxReceiver(memory.mailboxes[what], () => this.#tell({ do: 'flush', what }));
    const run: Run = {
      worker,
      memory,
      receivers: {
        picture: receiver('picture'),
        state: receiver('state'),
        cursor: receiver('cursor'),
      },
      startedMs: performance.now(),
      ended: new Promise((resolve) => worker.once('exit', () => resolve())),
      error: undefined,
    };
    worker.on('message', (news: ThreadNews) => {
      if (this.#run === run) this.#hear(run, news);
    });
    worker.on('error', (error) => {
      run.error = error;
    });
    worker.once('exit', (code) => {
      if (this.#run === run) this.#lose(run, code);
    });
    this.#run = run;
    this.#tellWishes();
  }

  #tellWishes(): void {
    if (this.#i420) this.#tell({ do: 'i420', on: true });
    if (this.#periodNs !== undefined) this.#tell({ do: 'schedule', periodNs: this.#periodNs });
    if (this.#streams.size > 0) this.#tell({ do: 'follow', maxFps: this.#maxFps });
    if (this.#pointers.size > 0) this.#tell({ do: 'point' });
  }

  #tell(command: ThreadCommand): void {
    this.#run?.worker.postMessage(command);
  }

  #hear(run: Run, news: ThreadNews): void {
    switch (news.say) {
      case 'picture':
        run.receivers.picture.took();
        this.#adopt();
        this.picture.refresh();
        for (const stream of [...this.#streams]) stream.put(news.update);
        break;
      case 'state':
        run.receivers.state.took();
        this.#board.show(news.state);
        break;
      case 'cursor':
        run.receivers.cursor.took();
        this.#point(news);
        break;
      case 'session':
        this.#session = news.session;
        break;
      case 'epoch':
        this.#told = news.epoch;
        this.#adopt();
        break;
      case 'log':
        this.#options.log?.(news.line);
        break;
      case 'ended':
        for (const stream of [...this.#streams]) stream.end();
        break;
    }
  }

  #point({ cursor, shape }: Extract<ThreadNews, { readonly say: 'cursor' }>): void {
    this.#cursor = { ...cursor, shape: shape ?? this.#cursor?.shape };
    for (const stream of [...this.#pointers]) stream.put(this.#cursor);
  }

  /** Turns to the epoch that was told; what cannot be mapped now is tried again at the next update. */
  #adopt(): void {
    const told = this.#told;
    if (told === undefined) return;
    try {
      // When its memory is gone, the thread has told of another one, which is on its way.
      this.picture.adopt(told);
      this.#told = undefined;
    } catch (error) {
      this.#options.log?.(`picture: ${stateOfError(error).message}`);
      this.#board.show(stateOfError(error));
    }
  }

  #lose(run: Run, code: number): void {
    this.#run = undefined;
    this.#told = undefined;
    for (const [index, count] of run.memory.counts.entries())
      this.#before[index] = (this.#before[index] ?? 0) + count;
    if (performance.now() - run.startedMs >= HEALTHY_MS) this.#faults = 0;
    this.picture.abandon();
    this.#fail(run.error ?? new Error(`it ended with status ${code}`));
  }

  #fail(error: unknown): void {
    const afterMs = Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** this.#faults);
    this.#faults++;
    const { code, message, hint } = stateOfError(error);
    this.#options.log?.(`the reader's thread: ${describe(error)}; started again in ${afterMs} ms`);
    this.#board.show({
      name: 'failed',
      message: `the thread that reads ${this.#options.path} has ended: ${message}`,
      hint: hint ?? 'It is started again by itself; the log says what happened.',
      ...(code === undefined ? {} : { code }),
    });
    this.#restart = setTimeout(() => this.#start(), afterMs);
  }

  #endStreams(): void {
    for (const stream of [...this.#streams]) stream.end();
    for (const stream of [...this.#pointers]) stream.end();
  }

  #count(name: (typeof THREAD_COUNTS)[number]): number {
    const index = THREAD_COUNTS.indexOf(name);
    return (this.#before[index] ?? 0) + (this.#run?.memory.counts[index] ?? 0);
  }
}

function describe(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}

/** Where the program of the thread lies, seen from the sources and from what they are built to. */
function programOfThread(): URL {
  const places = ['./worker.js', '../../dist/client/reader/worker.js'];
  const urls = places.map((place) => new URL(place, import.meta.url));
  const found = urls.find((url) => existsSync(url));
  if (found !== undefined) return found;
  throw new KvmfrError(
    'ERR_KVMFR_ABSENT',
    `the program of the reader's thread must be one of ${urls.map((url) => fileURLToPath(url)).join(', ')}, but none exists`,
    { hint: 'Build the package: npm run build.' },
  );
}
