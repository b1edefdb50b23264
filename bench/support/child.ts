import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { asReport, type Report } from './messages.ts';

const KILL_AFTER_MS = 3000;

/** A process of the bench's own that runs one of its scripts. Killed when disposed of. */
export class Child implements AsyncDisposable {
  readonly #script: string;
  readonly #process: ChildProcess;
  readonly #arrived: Report[] = [];
  readonly #waiting: (() => void)[] = [];
  #ended: string | undefined;

  private constructor(script: string, process: ChildProcess) {
    this.#script = script;
    this.#process = process;
    process.on('message', (message) => {
      this.#arrived.push(asReport(message));
      this.#wake();
    });
    process.on('exit', (code, signal) => {
      this.#ended = `exit status ${code ?? signal}`;
      this.#wake();
    });
  }

  /** Starts a script, named by its path below `bench/` in the build. */
  static start(script: string, args: readonly string[]): Child {
    const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
    const child = fork(path, [...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    return new Child(script, child);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Says something, and waits for the answer of the same kind. */
  async ask(kind: string, values: { readonly [name: string]: number } = {}): Promise<Report> {
    const message: Report = { kind, values };
    this.#process.send(message);
    return await this.hear(kind);
  }

  /** Says something that is not answered. */
  tell(kind: string, values: { readonly [name: string]: number } = {}): void {
    this.#process.send({ kind, values } satisfies Report);
  }

  /** Ends it as a crash does; settled when it is gone. */
  async kill(): Promise<void> {
    if (this.#ended !== undefined) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  /** Waits for the next report of a kind. */
  async hear(kind: string): Promise<Report> {
    for (;;) {
      const at = this.#arrived.findIndex((report) => report.kind === kind);
      const found = at < 0 ? undefined : this.#arrived.splice(at, 1)[0];
      if (found !== undefined) return found;
      if (this.#ended !== undefined)
        throw new Error(`${this.#script} must answer ${kind}, but has ended: ${this.#ended}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended !== undefined) return;
    const exit = once(this.#process, 'exit');
    // The script ends by itself when the channel does.
    this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), KILL_AFTER_MS);
    await exit;
    clearTimeout(timer);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Several processes that are disposed of together. */
export class Children implements AsyncDisposable {
  readonly #children: Child[] = [];

  /** Takes processes over. */
  add(...children: readonly Child[]): void {
    this.#children.push(...children);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child[Symbol.asyncDispose]()));
  }
}

/** The child's side: answers each kind of report with a handler, and ends with the bench. */
export function serve(handlers: {
  readonly [kind: string]: (
    report: Report,
  ) => Promise<{ readonly [name: string]: number }> | { readonly [name: string]: number };
}): void {
  process.on('message', (message) => {
    const report = asReport(message);
    const handler = handlers[report.kind];
    if (handler === undefined) throw new Error(`nobody handles ${report.kind}`);
    void (async () => {
      await say(report.kind, await handler(report));
    })();
  });
  process.on('disconnect', () => process.exit(0));
}

/** The child's side: says something; settled when it is on its way. */
export function say(kind: string, values: { readonly [name: string]: number } = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => (error === null ? resolve() : reject(error));
    if (process.send === undefined)
      throw new Error('this script is started by npm run bench or npm run soak');
    process.send({ kind, values } satisfies Report, undefined, undefined, done);
  });
}
