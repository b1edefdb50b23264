import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const TOKEN = 'soak-viewers';
/** What a program prints that was surprised by itself. */
const SURPRISE = /unhandled|uncaught|[A-Z]\w*Error\b|^\s+at .+:\d+:\d+|warning:|leak/i;
const LINES_KEPT = 200;

/** `kvmfr view`, as a person starts it, always at the same address. */
export class RelayProcess implements AsyncDisposable {
  readonly url: string;
  /** What it has printed that it never should. */
  readonly surprises: string[] = [];
  /** Its last lines. */
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  #expected = false;

  private constructor(child: ChildProcess, url: string) {
    this.#process = child;
    this.url = url;
    if (child.stderr !== null)
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.lines.push(line);
        if (this.lines.length > LINES_KEPT) this.lines.shift();
        if (SURPRISE.test(line)) this.surprises.push(line);
      });
    child.on('exit', (status, signal) => {
      if (!this.#expected) this.surprises.push(`the relay ended by itself: ${status ?? signal}`);
    });
  }

  /** Starts it and waits for its address; port 0 is any that is free. */
  static async start(region: string, port: number): Promise<RelayProcess> {
    const cli = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
    const args = [cli, 'view', region, '--listen', `127.0.0.1:${port}`, '--token', TOKEN];
    // What it keeps between its lives is gone with the region.
    const env = { ...process.env, XDG_STATE_HOME: dirname(region) };
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const relay = new RelayProcess(child, await addressOf(child));
    return relay;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Where its socket is, with the token. */
  get socketUrl(): string {
    const url = new URL(this.url);
    url.protocol = 'ws:';
    url.pathname += 'ws';
    return url.href;
  }

  /** One of its counters. */
  async metric(name: string): Promise<number> {
    const url = new URL(this.url);
    url.pathname += 'metrics';
    const text = await (await fetch(url)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  /** What it says of itself. */
  async session(): Promise<string> {
    const url = new URL(this.url);
    url.pathname += 'api/session';
    return (await (await fetch(url)).text()).trim();
  }

  /** Sends a signal that it lives through. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends it as a crash does; settled when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#expected = true;
    const exit = once(this.#process, 'exit');
    this.#process.kill(signal);
    await exit;
  }
}

/** The address that the relay prints. */
async function addressOf(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the standard output of the relay must be a pipe');
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('http')) return line;
  throw new Error('the relay must print its address, but has ended');
}
