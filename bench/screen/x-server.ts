import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** An X server with a screen in memory. Ended when disposed of. */
export class BenchXServer implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
  }

  /** Starts one. @throws when there is no Xvfb, or it does not start */
  static async start(screen: string): Promise<BenchXServer> {
    const child = spawn(
      process.env['KVMFR_XVFB'] ?? 'Xvfb',
      ['-displayfd', '3', '-screen', '0', screen, '-nolisten', 'tcp', '-noreset'],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
    );
    const ready = child.stdio[3];
    if (ready === null || ready === undefined) throw new Error('Xvfb must say when it is ready');
    const ended = once(child, 'exit').then(() => {
      throw new Error('Xvfb must start: install the package xvfb');
    });
    const [display] = await Promise.race([once(ready, 'data'), ended]);
    ended.catch(() => undefined);
    return new BenchXServer(`:${String(display).trim()}`, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill();
    await exit;
  }
}
