import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { KvmfrError } from '../../../protocol/error.ts';
import type { Codec } from '../../../protocol/wire/index.ts';
import type { VideoCommand, VideoJob, VideoReply } from './messages.ts';

/** How a process is started, and who hears of it. */
export interface CodecProcessOptions {
  readonly library: string;
  readonly codec: Codec;
  /** Longest time until it is ready. */
  readonly startDeadlineMs: number;
  readonly onReply: (reply: VideoReply) => void;
  /** Called once, when the process has ended or is of no use any more. */
  readonly onEnd: (reason: string) => void;
  readonly onPrinted: (text: Buffer) => void;
}

/**
 * A little below what reads the guest and serves viewers, which go first where cores are few. Five
 * made them hardly more punctual than two does, and pictures on a busy machine a third slower.
 */
const NICENESS = 2;
const CLOSE_MS = 1000;
/** Each picture is garbage at once: a small young generation keeps 30 MB of it from piling up. */
const MEMORY_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=64'];

/**
 * A process that loads a codec library and codes one picture at a time.
 *
 * Ownership: ends with {@link close} or {@link kill}, and with this process, however that ends.
 */
export class CodecProcess {
  readonly #child: ChildProcess;
  readonly #onEnd: (reason: string) => void;
  readonly #exited: Promise<void>;
  #deadline: NodeJS.Timeout | undefined;
  #ended = false;

  /** @throws ERR_KVMFR_ABSENT when the package has not been built */
  constructor(options: CodecProcessOptions) {
    this.#onEnd = options.onEnd;
    const child = fork(entryPoint(), {
      execArgv: MEMORY_FLAGS,
      env: { NODE_WEBCODECS_FORCE: 'static', ...process.env },
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end(`its process ended (${signal ?? `status ${code}`})`);
        resolve();
      });
      child.once('error', (error) => {
        this.#end(`its process could not be started (${error.message})`);
        if (child.pid === undefined) resolve();
      });
    });
    child.stdout?.on('data', options.onPrinted);
    child.stderr?.on('data', options.onPrinted);
    child.on('message', (reply: VideoReply) => {
      if (this.#ended) return;
      this.#expectNothing();
      options.onReply(reply);
    });
    lowerPriority(child.pid);
    this.#send({ do: 'start', library: options.library, codec: options.codec });
    this.#expect(options.startDeadlineMs);
  }

  /** Its number; undefined when there is none. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Gives it a picture to code, for which it has so much time. */
  encode(job: VideoJob, deadlineMs: number): void {
    this.#send(job);
    this.#expect(deadlineMs);
  }

  /** Ends it at once and says so. */
  kill(reason: string): void {
    this.#child.kill('SIGKILL');
    this.#end(reason);
  }

  /** Ends it without another word; settles when it has ended. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#expectNothing();
    if (this.#child.connected) this.#child.disconnect();
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    await this.#exited;
    clearTimeout(impatient);
  }

  #send(command: VideoCommand): void {
    // What cannot be sent is not answered either, and the process has ended or is about to.
    this.#child.send(command, () => undefined);
  }

  #expect(deadlineMs: number): void {
    this.#expectNothing();
    const deadline = setTimeout(() => {
      // When we were kept from our messages ourselves, the answer may be here already.
      setImmediate(() => {
        if (this.#deadline === deadline) this.kill(`it did not answer in ${deadlineMs} ms`);
      });
    }, deadlineMs);
    this.#deadline = deadline;
  }

  #expectNothing(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#expectNothing();
    this.#onEnd(reason);
  }
}

/** Where the program of the process lies, seen from the sources and from what they are built to. */
function entryPoint(): string {
  const paths = ['./child.js', '../../../dist/viewer/encode/video/child.js'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new KvmfrError(
    'ERR_KVMFR_ABSENT',
    `the program of the video encoder must be one of ${paths.join(', ')}, but none exists`,
    { hint: 'Build the package: npm run build.' },
  );
}

function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, NICENESS);
  } catch {
    // It has ended already, or may not: then it competes as an equal.
  }
}
