import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KvmfrError } from '../../../protocol/error.ts';
import { DEFAULT_LIBRARY } from '../video/library.ts';
import { Restarts } from '../video/restarts.ts';
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
const CLOSE_MS = 1000;
const MEMORY_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=32'];

/** An encoder in a process of its own, which is started again when it fails. */
class SoundProcess implements SoundEncoder {
  readonly #options: SoundEncoderOptions;
  readonly #restarts = new Restarts();
  #state: SoundEncoderState = { kind: 'starting' };
  #child: ChildProcess | undefined;
  #waiting = 0;
  #deadline: NodeJS.Timeout | undefined;
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
    return this.#child?.pid;
  }

  encode(block: SoundBlock): boolean {
    if (this.#state.kind !== 'ready' || this.#waiting >= MAX_WAITING) return false;
    this.#waiting += 1;
    this.#send({ do: 'encode', block });
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
    try {
      this.#fork(entryPoint());
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#fail(error);
    }
  }

  #fork(program: string): void {
    const child = fork(program, {
      execArgv: MEMORY_FLAGS,
      env: { NODE_WEBCODECS_FORCE: 'static', ...process.env },
      serialization: 'advanced',
      // What codec libraries print says nothing to a person.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    this.#waiting = 0;
    const exited = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        this.#lost(child, `its process ended (${signal ?? `status ${code}`})`);
        resolve();
      });
      child.once('error', (error) => {
        this.#lost(child, `its process could not be started (${error.message})`);
        if (child.pid === undefined) resolve();
      });
    });
    this.#gone = Promise.all([this.#gone, exited]);
    child.on('message', (reply: SoundReply) => {
      if (child === this.#child) this.#hear(reply);
    });
    const { library = DEFAULT_LIBRARY, bitrateKbits = BITRATE_KBITS } = this.#options;
    this.#send({ do: 'start', library, bitrateKbits });
    this.#expect(START_DEADLINE_MS);
  }

  #hear(reply: SoundReply): void {
    clearTimeout(this.#deadline);
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
        this.#lost(this.#child, `the codec library said: ${reply.reason}`);
        break;
    }
  }

  #send(command: SoundCommand): void {
    // What cannot be sent is not answered either, and the process has ended or is about to.
    this.#child?.send(command, () => undefined);
  }

  #expect(deadlineMs: number = this.#options.deadlineMs ?? DEADLINE_MS): void {
    const child = this.#child;
    clearTimeout(this.#deadline);
    const deadline = setTimeout(() => {
      // When we were kept from our messages ourselves, the answer may be here already.
      setImmediate(() => {
        if (this.#deadline === deadline && child === this.#child)
          this.#lost(child, `it did not answer in ${deadlineMs} ms`);
      });
    }, deadlineMs);
    this.#deadline = deadline;
  }

  /** The process is of no use any more: another one is started, unless that has been in vain. */
  #lost(child: ChildProcess | undefined, reason: string): void {
    if (child === undefined || child !== this.#child) return;
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
    const child = this.#child;
    this.#child = undefined;
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    if (child === undefined) return;
    if (child.connected) child.disconnect();
    const impatient = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS);
    child.once('exit', () => clearTimeout(impatient));
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
      clearTimeout(impatient);
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

/** Where the program of the process lies, seen from the sources and from what they are built to. */
function entryPoint(): string {
  const paths = ['./child.js', '../../../dist/viewer/encode/sound/child.js'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new KvmfrError(
    'ERR_KVMFR_ABSENT',
    `the program of the sound encoder must be one of ${paths.join(', ')}, but none exists`,
    { hint: 'Build the package: npm run build.' },
  );
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
