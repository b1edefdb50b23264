import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** How a run of `kvmfr` ended. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A running `kvmfr`, as a person's terminal has it. */
export class RunningCommand implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #done: Promise<CommandResult>;
  #stdout = Buffer.alloc(0);
  #stderr = '';
  readonly #watchers = new Set<() => void>();

  constructor(
    args: readonly string[],
    env: { readonly [name: string]: string } = {},
    input: string = '',
  ) {
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      stdio: [input === '' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#child.stdin?.end(input);
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout = Buffer.concat([this.#stdout, chunk]);
      this.#notify();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#notify();
    });
    this.#done = once(this.#child, 'close').then(([status]) => {
      const result = { status, stdout: this.#stdout, stderr: this.#stderr };
      this.#notify();
      return result;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it ended. */
  get done(): Promise<CommandResult> {
    return this.#done;
  }

  /** The first line of standard output: `view` and `demo` print their address there. */
  async firstLine(): Promise<string> {
    await this.#until(() => this.#stdout.includes('\n'));
    return this.#stdout.toString('utf8').split('\n')[0] ?? '';
  }

  /** Resolves with what in standard output is like this, once it is there. */
  async prints(pattern: RegExp): Promise<string> {
    const find = (): string | undefined => pattern.exec(this.#stdout.toString('utf8'))?.[0];
    await this.#until(() => find() !== undefined);
    return find() ?? '';
  }

  /** Resolves when standard error says this. */
  async says(pattern: RegExp): Promise<void> {
    await this.#until(() => pattern.test(this.#stderr));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.kill('SIGTERM');
    await this.#done;
  }

  async #until(holds: () => boolean): Promise<void> {
    let ended = false;
    void this.#done.then(() => {
      ended = true;
    });
    while (!holds()) {
      if (ended) throw new Error(`kvmfr ended before that: ${this.#stderr || this.#stdout}`);
      await new Promise<void>((resolve) => {
        const watcher = (): void => {
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
    }
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Runs `kvmfr` to its end. */
export async function kvmfr(
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
  input: string = '',
): Promise<CommandResult> {
  return new RunningCommand(args, env, input).done;
}
