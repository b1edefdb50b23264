import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { KvmfrError } from '../../protocol/error.ts';

/** How a process is started, and who hears of it. */
export interface CodecProcessOptions<Command extends object, Reply> {
  /** Which of the programs beside this file it runs. */
  readonly program: 'video' | 'sound';
  /** What node is told about memory. */
  readonly memoryFlags: readonly string[];
  /** Whether it stands back a little where cores are few. */
  readonly standsBack: boolean;
  /** What it is told first. */
  readonly start: Command;
  /** Longest time until it answers that. */
  readonly startDeadlineMs: number;
  readonly onReply: (reply: Reply) => void;
  /** Called once, when the process has ended or is of no use any more. */
  readonly onEnd: (reason: string) => void;
  /** Takes what the codec library prints; nobody does if left out. */
  readonly onPrinted?: (text: Buffer) => void;
}

/**
 * A little below what reads the guest and serves viewers, which go first where cores are few. Five
 * made them hardly more punctual than two does, and pictures on a busy machine a third slower.
 */
const NICENESS = 2;
const CLOSE_MS = 1000;
/**
 * A process that loads a codec library and answers what it is told.
 *
 * Ownership: ends with {@link close} or {@link kill}, and with this process, however that ends.
 */
export class CodecProcess<Command extends object, Reply> {
  readonly #child: ChildProcess;
  readonly #onEnd: (reason: string) => void;
  readonly #exited: Promise<void>;
  #deadline: NodeJS.Timeout | undefined;
  #ended = false;

  /** @throws ERR_KVMFR_ABSENT when the package has not been built */
  constructor(options: CodecProcessOptions<Command, Reply>) {
    this.#onEnd = options.onEnd;
    const { program, memoryFlags, standsBack, onPrinted, onReply } = options;
    const output = onPrinted === undefined ? 'ignore' : 'pipe';
    const child = fork(entryPoint(program), {
      execArgv: [...memoryFlags],
      env: { NODE_WEBCODECS_FORCE: 'static', ...process.env },
      serialization: 'advanced',
      stdio: ['ignore', output, output, 'ipc'],
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
    if (onPrinted !== undefined) {
      child.stdout?.on('data', onPrinted);
      child.stderr?.on('data', onPrinted);
    }
    child.on('message', (reply: Reply) => {
      if (this.#ended) return;
      this.#expectNothing();
      onReply(reply);
    });
    if (standsBack) lowerPriority(child.pid);
    this.tell(options.start);
    this.expect(options.startDeadlineMs);
  }

  /** Its number; undefined when there is none. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Tells it something. */
  tell(command: Command): void {
    // What cannot be sent is not answered either, and the process has ended or is about to.
    this.#child.send(command, () => undefined);
  }

  /** It has so much time for its next answer, whatever it had before. */
  expect(deadlineMs: number): void {
    this.#expectNothing();
    const deadline = setTimeout(() => {
      // When we were kept from our messages ourselves, the answer may be here already.
      setImmediate(() => {
        if (this.#deadline === deadline) this.kill(`it did not answer in ${deadlineMs} ms`);
      });
    }, deadlineMs);
    this.#deadline = deadline;
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
function entryPoint(program: string): string {
  const paths = [`./${program}/child.js`, `../../dist/viewer/encode/${program}/child.js`].map(
    (path) => fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new KvmfrError(
    'ERR_KVMFR_ABSENT',
    `the program of the ${program} encoder must be one of ${paths.join(', ')}, but none exists`,
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
