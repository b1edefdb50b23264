import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type GuestProcess, type PatternContent, spawnPattern } from '../../host/index.ts';
import { Child } from '../support/child.ts';
import { Scratch } from '../support/region.ts';

/** What the guest of the relay bench publishes. */
export const GUEST = { widthPx: 1920, heightPx: 1080, fps: 30 } as const;

const TOKEN = 'bench-viewers';

/** `kvmfr view` as a person starts it, on a synthetic guest, and viewers: each in its own process. */
export class Stage implements AsyncDisposable {
  guest: GuestProcess;
  readonly relay: ChildProcess;
  readonly viewers: Child;
  /** Where viewers connect, with the token. */
  readonly socketUrl: string;
  readonly #scratch: Scratch;
  readonly #content: PatternContent;

  private constructor(parts: {
    readonly scratch: Scratch;
    readonly guest: GuestProcess;
    readonly relay: ChildProcess;
    readonly viewers: Child;
    readonly socketUrl: string;
    readonly content: PatternContent;
  }) {
    this.#scratch = parts.scratch;
    this.#content = parts.content;
    this.guest = parts.guest;
    this.relay = parts.relay;
    this.viewers = parts.viewers;
    this.socketUrl = parts.socketUrl;
  }

  /** Starts all three. */
  static async open(content: PatternContent): Promise<Stage> {
    const scratch = new Scratch();
    const region = scratch.path('region');
    const guest = await spawnPattern({ region, content, ...GUEST });
    const relay = startRelay(region);
    const url = await addressOf(relay);
    const address = socketUrl(url);
    const viewers = Child.start('relay/viewers.js', [address]);
    return new Stage({ scratch, guest, relay, viewers, socketUrl: address, content });
  }

  /** Ends the guest as a crash does, and starts another one in its region. */
  async restartGuest(): Promise<void> {
    const { guest } = this;
    if (guest.pid !== undefined) process.kill(guest.pid, 'SIGKILL');
    await guest.close();
    const region = this.#scratch.path('region');
    this.guest = await spawnPattern({ region, content: this.#content, ...GUEST });
  }

  /** Process id of the relay. */
  get relayPid(): number {
    return this.relay.pid ?? 0;
  }

  /** Process ids of all three. */
  get pids(): readonly number[] {
    return [this.relayPid, this.viewers.pid, this.guest.pid ?? 0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.viewers[Symbol.asyncDispose]();
    if (this.relay.exitCode === null && this.relay.signalCode === null) {
      const exit = once(this.relay, 'exit');
      this.relay.kill('SIGTERM');
      await exit;
    }
    await this.guest.close();
    this.#scratch[Symbol.dispose]();
  }
}

function startRelay(region: string): ChildProcess {
  const cli = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
  const args = [cli, 'view', region, '--listen', '127.0.0.1:0', '--token', TOKEN];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
}

/** The address that the relay prints. */
async function addressOf(relay: ChildProcess): Promise<string> {
  if (relay.stdout === null) throw new Error('the standard output of the relay must be a pipe');
  for await (const line of createInterface({ input: relay.stdout }))
    if (line.startsWith('http')) return line;
  throw new Error('the relay must print its address, but has ended');
}

function socketUrl(pageUrl: string): string {
  const url = new URL(pageUrl);
  url.protocol = 'ws:';
  url.pathname += 'ws';
  return url.href;
}
