import { channel } from 'node:diagnostics_channel';
import type { SharedPlanes } from '../../../client/tiles/shared-planes.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import type { Codec } from '../../../protocol/wire/index.ts';
import { CodecProcess } from '../codec-process.ts';
import { Restarts } from '../restarts.ts';
import { Bitrate } from './bitrate.ts';
import { monotonicNs } from './clock.ts';
import type {
  VideoEncoder,
  VideoFormat,
  VideoOutcome,
  VideoRequest,
  VideoSettings,
  VideoState,
  VideoStats,
} from './encoder.ts';
import { codecFits, DEFAULT_LIBRARY } from './library.ts';
import { LastLines } from './lines.ts';
import type { CodedReply, VideoCommand, VideoReply } from './messages.ts';
import { checkPlanes, codedSize } from './planes.ts';

/** How a video encoder is made. */
export interface VideoEncoderOptions extends VideoSettings {
  /** Called whenever the state changes. */
  readonly onState?: (state: VideoState) => void;
  /** The WebCodecs implementation: a package, or the URL of a module. */
  readonly library?: string;
  /** Longest time for one picture; a process that needs longer is replaced. By size if left out. */
  readonly deadlineMs?: number;
}

/** Published for each line that a codec library prints. */
export interface PrintedLine {
  readonly pid: number | undefined;
  readonly line: string;
}

const printed = channel('kvmfr:video:printed');
/** A frame takes milliseconds; this long only on a machine that is busy with something else. */
const DEADLINE_MS = 2000;
const DEADLINE_MS_PER_MEGAPIXEL = 500;
const START_DEADLINE_MS = 10_000;
/** Each picture is garbage at once: a small young generation keeps 30 MB of it from piling up. */
const MEMORY_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=64'];
const KEPT_LINES = 32;
const MAX_BITRATE_KBITS = 1_000_000;
const MAX_FRAMES_PER_SECOND = 1000;

/** A request that has no outcome yet. */
interface Pending {
  readonly planes: SharedPlanes;
  readonly serial: number;
  readonly queuedNs: number;
  keyFrame: boolean;
  readonly resolve: (outcome: VideoOutcome) => void;
}

/** A video encoder in a process of its own, which is started again when it fails. */
class VideoProcess implements VideoEncoder {
  readonly #options: VideoEncoderOptions;
  readonly #bitrate: Bitrate;
  readonly #restarts = new Restarts();
  readonly #lines: LastLines;
  #state: VideoState = { kind: 'starting' };
  #process: CodecProcess<VideoCommand, VideoReply> | undefined;
  /** Settles when the processes before this one have ended. */
  #gone: Promise<unknown> = Promise.resolve();
  #running: Pending | undefined;
  #waiting: Pending | undefined;
  /** A key frame was asked for by a request that was missed. */
  #owesKeyFrame = false;
  #nextId = 1;
  #format: VideoFormat | undefined;
  #bitrateKbits: number;
  #settling: ((state: VideoState) => void)[] = [];
  #restartTimer: NodeJS.Timeout | undefined;
  #startedMs = 0;
  #stats = { chunks: 0, keyFrames: 0, bytes: 0, replaced: 0, missed: 0, restarts: 0, startMs: 0 };

  constructor(options: VideoEncoderOptions) {
    checkBitrate(options.bitrateKbits);
    checkFrameRate(options.framesPerSecond);
    this.#options = options;
    this.#bitrateKbits = options.bitrateKbits;
    this.#bitrate = new Bitrate(options.bitrateKbits);
    this.#lines = new LastLines(KEPT_LINES, (line) => {
      const message: PrintedLine = { pid: this.pid, line };
      printed.publish(message);
    });
    this.#start();
  }

  get settings(): VideoSettings {
    const { codec, framesPerSecond } = this.#options;
    return { codec, framesPerSecond, bitrateKbits: this.#bitrateKbits };
  }

  get state(): VideoState {
    return this.#state;
  }

  get stats(): VideoStats {
    return { ...this.#stats };
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get printed(): readonly string[] {
    return this.#lines.lines;
  }

  encode(planes: SharedPlanes, request: VideoRequest): Promise<VideoOutcome> {
    checkPlanes(planes);
    if (this.#state.kind === 'failed') return Promise.resolve(this.#state);
    const { codec } = this.#options;
    if (!codecFits(codec, planes.widthPx, planes.heightPx))
      return Promise.resolve({ kind: 'failed', error: tooLarge(codec, planes) });
    return new Promise((resolve) => {
      const { serial, keyFrame = false } = request;
      this.#wait({ planes, serial, keyFrame, queuedNs: monotonicNs(), resolve });
      this.#next();
    });
  }

  setBitrate(bitrateKbits: number): void {
    checkBitrate(bitrateKbits);
    this.#bitrate.want(bitrateKbits);
  }

  settled(): Promise<VideoState> {
    if (this.#state.kind !== 'starting') return Promise.resolve(this.#state);
    return new Promise((resolve) => {
      this.#settling.push(resolve);
    });
  }

  async close(): Promise<void> {
    this.#fail(new KvmfrError('ERR_KVMFR_CLOSED', 'this video encoder has been closed'));
    await Promise.all([this.#gone, this.#process?.close()]);
    this.#process = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): void {
    this.#startedMs = performance.now();
    const { codec, library = DEFAULT_LIBRARY } = this.#options;
    try {
      this.#process = new CodecProcess({
        program: 'video',
        memoryFlags: MEMORY_FLAGS,
        standsBack: true,
        start: { do: 'start', library, codec },
        startDeadlineMs: START_DEADLINE_MS,
        onReply: (reply) => this.#hear(reply),
        onEnd: (reason) => this.#startAgain(reason),
        onPrinted: (text) => this.#lines.feed(text),
      });
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#fail(error);
    }
  }

  #hear(reply: VideoReply): void {
    switch (reply.kind) {
      case 'ready':
        this.#stats.startMs = performance.now() - this.#startedMs;
        this.#become({ kind: 'ready' });
        break;
      case 'unavailable':
        this.#fail(unavailable(this.#options, reply.reason));
        void this.#process?.close();
        break;
      case 'coded':
        this.#finish(reply);
        break;
      case 'missed':
        this.#miss();
        break;
      case 'fault':
        this.#process?.kill(`the codec library said: ${reply.reason}`);
        break;
    }
    this.#next();
  }

  /** Hands over the request that waits, if the process has nothing to do. */
  #next(): void {
    const next = this.#waiting;
    if (this.#state.kind !== 'ready' || this.#running !== undefined || next === undefined) return;
    this.#waiting = undefined;
    this.#running = next;
    if (this.#owesKeyFrame) next.keyFrame = true;
    this.#owesKeyFrame = false;
    const { codec, framesPerSecond, deadlineMs = deadlineOf(next.planes) } = this.#options;
    this.#bitrateKbits = this.#bitrate.at(performance.now());
    this.#process?.tell({
      do: 'encode',
      id: this.#nextId++,
      planes: next.planes,
      keyFrame: next.keyFrame,
      codec,
      framesPerSecond,
      bitrateKbits: this.#bitrateKbits,
    });
    this.#process?.expect(deadlineMs);
  }

  #finish(reply: CodedReply): void {
    const done = this.#running;
    this.#running = undefined;
    if (done === undefined) return;
    const { bytes, keyFrame, startedNs, copiedNs, doneNs } = reply;
    this.#stats.chunks++;
    if (keyFrame) this.#stats.keyFrames++;
    this.#stats.bytes += bytes.byteLength;
    done.resolve({
      kind: 'chunk',
      serial: done.serial,
      keyFrame,
      bytes,
      format: this.#formatOf(done.planes, reply.codecString),
      timing: { queuedNs: done.queuedNs, startedNs, copiedNs, doneNs },
    });
  }

  #formatOf(planes: SharedPlanes, codecString: string): VideoFormat {
    const { codec } = this.#options;
    const { widthPx, heightPx } = planes;
    const format = { codec, codecString, ...codedSize(planes), widthPx, heightPx };
    const last = this.#format;
    const same =
      last?.codecString === codecString && last.widthPx === widthPx && last.heightPx === heightPx;
    if (!same) this.#format = format;
    return this.#format ?? format;
  }

  #miss(): void {
    const missed = this.#running;
    this.#running = undefined;
    if (missed === undefined) return;
    this.#stats.missed++;
    if (missed.keyFrame) this.#owesKeyFrame = true;
    missed.resolve({ kind: 'missed' });
  }

  /** Puts a request in the place of the one that waits. */
  #wait(newer: Pending): void {
    const older = this.#waiting;
    this.#waiting = newer;
    if (older === undefined) return;
    if (older.keyFrame) newer.keyFrame = true;
    this.#stats.replaced++;
    older.resolve({ kind: 'replaced' });
  }

  #startAgain(reason: string): void {
    this.#gone = Promise.all([this.#gone, this.#process?.close()]);
    this.#process = undefined;
    if (this.#state.kind === 'failed') return;
    const interrupted = this.#running;
    this.#running = undefined;
    const newer = this.#waiting;
    if (interrupted !== undefined) {
      // It is still wanted, unless something newer is.
      this.#waiting = interrupted;
      if (newer !== undefined) this.#wait(newer);
    }
    const pauseMs = this.#restarts.pauseAfterFault(performance.now());
    if (pauseMs === undefined) {
      this.#fail(gaveUp(reason, this.#lines.lines));
      return;
    }
    this.#stats.restarts++;
    this.#become({ kind: 'starting' });
    this.#restartTimer = setTimeout(() => this.#start(), pauseMs);
  }

  #fail(error: KvmfrError): void {
    if (this.#state.kind === 'failed') return;
    clearTimeout(this.#restartTimer);
    const outcome = { kind: 'failed', error } as const;
    const requests = [this.#running, this.#waiting];
    this.#running = undefined;
    this.#waiting = undefined;
    this.#become(outcome);
    for (const request of requests) request?.resolve(outcome);
  }

  #become(state: VideoState): void {
    this.#state = state;
    if (state.kind !== 'starting') {
      const settling = this.#settling;
      this.#settling = [];
      for (const settle of settling) settle(state);
    }
    this.#options.onState?.(state);
  }
}

/**
 * Starts a video encoder in a process of its own. The process is ready a moment later; requests may
 * be made at once.
 *
 * Ownership: the caller closes it.
 *
 * @throws ERR_KVMFR_ARGUMENT
 */
export function startVideoEncoder(options: VideoEncoderOptions): VideoEncoder {
  return new VideoProcess(options);
}

function checkBitrate(kbits: number): void {
  if (kbits >= 1 && kbits <= MAX_BITRATE_KBITS) return;
  throw new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `bitrateKbits must be 1 to ${MAX_BITRATE_KBITS}, but is ${kbits}`,
  );
}

function checkFrameRate(framesPerSecond: number): void {
  if (framesPerSecond >= 1 && framesPerSecond <= MAX_FRAMES_PER_SECOND) return;
  throw new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `framesPerSecond must be 1 to ${MAX_FRAMES_PER_SECOND}, but is ${framesPerSecond}`,
  );
}

function unavailable(options: VideoEncoderOptions, reason: string): KvmfrError {
  const { library = DEFAULT_LIBRARY, codec } = options;
  return new KvmfrError(
    'ERR_KVMFR_UNSUPPORTED',
    `no ${codec} video on this machine: ${library} cannot be used (${reason})`,
    library === DEFAULT_LIBRARY
      ? { hint: `Install it with its binary for this platform: npm install ${library}.` }
      : {},
  );
}

function tooLarge(codec: Codec, { widthPx, heightPx }: SharedPlanes): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_UNSUPPORTED',
    `a picture of ${widthPx} x ${heightPx} is too large for ${codec} video`,
  );
}

function deadlineOf({ widthPx, heightPx }: SharedPlanes): number {
  return DEADLINE_MS + (DEADLINE_MS_PER_MEGAPIXEL * widthPx * heightPx) / 1e6;
}

function gaveUp(reason: string, lines: readonly string[]): KvmfrError {
  const last = lines.at(-1);
  return new KvmfrError(
    'ERR_KVMFR_VIDEO',
    `the video encoder failed again and again; the last time, ${reason}` +
      (last === undefined ? '' : `, after it had printed: ${last}`),
  );
}
