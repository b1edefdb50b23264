import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { toolPath } from './machine.ts';

// Above all that servers choose by themselves, and another one in each process.
let next = 1000 + (process.pid % 500) * 100;

/**
 * A real X server, with a screen in memory.
 *
 * Ownership: whoever started it disposes of it.
 */
export class XServer implements AsyncDisposable {
  readonly display: number;
  readonly #child: ChildProcess;

  private constructor(display: number, child: ChildProcess) {
    this.display = display;
    this.#child = child;
  }

  /** Starts a server, and waits until it takes clients. `screen`: as `800x600x24`. */
  static async start(
    screen: string,
    options: { readonly display?: number; readonly arguments?: readonly string[] } = {},
  ): Promise<XServer> {
    const path = toolPath('xvfb');
    if (path === undefined) throw new Error('Xvfb must be there');
    const display = options.display ?? next++;
    const child = spawn(
      path,
      [
        ...[`:${display}`, '-screen', '0', screen, '-nolisten', 'tcp', '-noreset'],
        ...['-displayfd', '3', ...(options.arguments ?? [])],
      ],
      { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ready = child.stdio[3];
    if (ready === null || ready === undefined) throw new Error('it must say when it is ready');
    const failed = once(child, 'exit').then(() => {
      throw new Error(`Xvfb ended before it was ready: ${said}`);
    });
    await Promise.race([once(ready, 'data'), failed]);
    failed.catch(() => {});
    return new XServer(display, child);
  }

  get name(): string {
    return `:${this.display}`;
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(`/tmp/.X${this.display}-lock`, { force: true });
    rmSync(`/tmp/.X11-unix/X${this.display}`, { force: true });
  }
}
