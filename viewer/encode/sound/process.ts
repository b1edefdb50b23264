import { KvmfrError } from '../../../protocol/error.ts';
import { CodecProcess } from '../codec-process.ts';
import { Restarts } from '../restarts.ts';
import { DEFAULT_LIBRARY } from '../video/library.ts';
import type { SoundBlock, SoundChunk, SoundEncoder, SoundEncoderState } from './encoder.ts';
import type { SoundCommand, SoundReply } from './messages.ts';

/** How a sound encoder is made. */
export interface SoundEncoderOptions {
  /** Takes each coded piece, in order. */
  readonly onChunk: (chunk: SoundChunk) => void;
  /** Called whenever the state changes. */
  readonly onState?: (state: SoundEncoderState) => void;
  /** 96 when left out. */
  readonly bitrateKbits?: number;
  /** The WebCodecs implementation: a package, or the URL of a module. */
  readonly library?: string;
  /** Longest time for a piece; a process that needs longer is replaced. */
  readonly deadlineMs?: number;
}

const BITRATE_KBITS = 96;
/** A piece takes a fraction of a millisecond; this long only on a machine that stood still. */
const DEADLINE_MS = 10_000;
const START_DEADLINE_MS = 30_000;
/** Pieces that wait for the process beyond which more would only come too late: 200 ms. */
const MAX_WAITING = 10;
const MEMORY_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=32'];

/** An encoder in a process of its own, which is started again when it fails. */
class SoundProcess implements SoundEncoder {
  readonly #options: SoundEncoderOptions;
  readonly #restarts = new Restarts();
  #state: SoundEncoderState = { kind: 'starting' };
  #process: CodecProcess<SoundCommand, SoundReply> | undefined;
  #waiting = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  /** Settles when all processes so far have ended. */
  #gone: Promise<unknown> = Promise.resolve();

  constructor(options: SoundEncoderOptions) {
    this.#options = options;
    this.#start();
  }

  get state(): SoundEncoderState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  encode(block: SoundBlock): boolean {
    if (this.#state.kind !== 'ready' || this.#waiting >= MAX_WAITING) return false;
    this.#waiting += 1;
    this.#process?.tell({ do: 'encode', block });
    if (this.#waiting === 1) this.#expect();
    return true;
  }

  async close(): Promise<void> {
    this.#fail(new KvmfrError('ERR_KVMFR_CLOSED', 'this sound encoder has been closed'));
    await this.#gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): void {
    const { library = DEFAULT_LIBRARY, bitrateKbits = BITRATE_KBITS } = this.#options;
    this.#waiting = 0;
    try {
      // What codec libraries print says nothing to a person.
      this.#process = new CodecProcess({
        program: 'sound',
        memoryFlags: MEMORY_FLAGS,
        standsBack: false,
        start: { do: 'start', library, bitrateKbits },
        startDeadlineMs: START_DEADLINE_MS,
        onReply: (reply) => this.#hear(reply),
        onEnd: (reason) => this.#startAgain(reason),
      });
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#fail(error);
    }
  }

  #hear(reply: SoundReply): void {
    switch (reply.kind) {
      case 'ready':
        this.#become({ kind: 'ready' });
        break;
      case 'unavailable':
        this.#fail(unavailable(this.#options.library ?? DEFAULT_LIBRARY, reply.reason));
        break;
      case 'coded':
        this.#waiting -= 1;
        if (this.#waiting > 0) this.#expect();
        this.#options.onChunk(reply.chunk);
        break;
      case 'fault':
        this.#process?.kill(`the codec library said: ${reply.reason}`);
        break;
    }
  }

  #expect(): void {
    this.#process?.expect(this.#options.deadlineMs ?? DEADLINE_MS);
  }

  /** The process is of no use any more: another one is started, unless that has been in vain. */
  #startAgain(reason: string): void {
    this.#drop();
    const pauseMs = this.#restarts.pauseAfterFault(performance.now());
    if (pauseMs === undefined) {
      const what = `the sound encoder failed again and again; the last time, ${reason}`;
      this.#fail(new KvmfrError('ERR_KVMFR_SOUND', what));
      return;
    }
    this.#become({ kind: 'starting' });
    this.#restartTimer = setTimeout(() => this.#start(), pauseMs);
  }

  #fail(error: KvmfrError): void {
    if (this.#state.kind === 'failed') return;
    clearTimeout(this.#restartTimer);
    this.#drop();
    this.#become({ kind: 'failed', error });
  }

  #drop(): void {
    this.#gone = Promise.all([this.#gone, this.#process?.close()]);
    this.#process = undefined;
  }

  #become(state: SoundEncoderState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}

/**
 * Starts an encoder of Opus in a process of its own, which is ready a moment later.
 *
 * Ownership: the caller closes it.
 */
export function startSoundEncoder(options: SoundEncoderOptions): SoundEncoder {
  return new SoundProcess(options);
}

function unavailable(library: string, reason: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_UNSUPPORTED',
    `no Opus on this machine: ${library} cannot be used (${reason})`,
    library === DEFAULT_LIBRARY
      ? { hint: `Install it with its binary for this platform: npm install ${library}.` }
      : {},
  );
}
