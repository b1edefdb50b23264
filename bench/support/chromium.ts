import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** No display, no GPU, nobody outside of this machine. */
export const CHROMIUM_FLAGS: readonly string[] = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/**
 * No debugging connection, which would mirror every message of a socket to whoever is connected: so
 * nobody can click where a browser wants to be asked before it plays.
 */
const PLAIN_FLAGS = [...CHROMIUM_FLAGS, '--autoplay-policy=no-user-gesture-required'];
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const KILL_AFTER_MS = 3000;
const MEASURING_PAGE =
  "<!doctype html><script>setTimeout(() => fetch('/told?' + innerWidth + ',' + innerHeight), 300)</script>";

/** Path of a Chromium on this machine; undefined when there is none. */
export function chromiumPath(): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter))
    for (const name of NAMES) {
      const path = join(directory, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here.
      }
    }
  return undefined;
}

/** A browser that shows one page and that nobody steers. */
export class PlainChromium implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #profile: string;

  private constructor(process: ChildProcess, profile: string) {
    this.#process = process;
    this.#profile = profile;
  }

  /**
   * Opens an address.
   *
   * @throws when there is no Chromium on this machine
   */
  static open(
    url: string,
    window: { readonly width: number; readonly height: number },
  ): PlainChromium {
    const path = chromiumPath();
    if (path === undefined)
      throw new Error(
        `this case needs one of ${NAMES.join(', ')} in PATH (Debian: apt install chromium)`,
      );
    const profile = mkdtempSync(join(tmpdir(), 'kvmfr-bench-chromium-'));
    const size = `--window-size=${window.width},${window.height}`;
    const args = [...PLAIN_FLAGS, size, `--user-data-dir=${profile}`, url];
    // A group of its own: the browser's many processes are ended together.
    const child = spawn(path, args, { stdio: 'ignore', detached: true });
    child.on('error', () => {});
    return new PlainChromium(child, profile);
  }

  /**
   * Opens an address in a window whose page has this size: one that is laid out a little smaller would
   * have each picture scaled.
   *
   * @throws as {@link PlainChromium.open}
   */
  static async openPage(
    url: string,
    page: { readonly width: number; readonly height: number },
  ): Promise<PlainChromium> {
    const { width, height } = await frameSize();
    return PlainChromium.open(url, { width: page.width + width, height: page.height + height });
  }

  /** Id of the browser's first process, which is that of its group. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#process.exitCode === null && this.#process.signalCode === null;
    if (running && this.#process.pid !== undefined) {
      const exit = once(this.#process, 'exit');
      signalGroup(this.#process.pid, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), KILL_AFTER_MS);
      await exit;
      clearTimeout(timer);
      signalGroup(this.pid, 'SIGKILL');
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

let frame: Promise<{ readonly width: number; readonly height: number }> | undefined;

/** What of a window the browser keeps for itself, also where nobody sees it. Units: pixels. */
function frameSize(): Promise<{ readonly width: number; readonly height: number }> {
  frame ??= measureFrame();
  return frame;
}

async function measureFrame(): Promise<{ readonly width: number; readonly height: number }> {
  const server = createServer();
  const window = { width: 1000, height: 800 };
  const told = new Promise<readonly number[]>((resolve) => {
    server.on('request', ({ url = '' }: IncomingMessage, response: ServerResponse) => {
      const sizes = /^\/told\?(\d+),(\d+)$/.exec(url);
      response.setHeader('content-type', 'text/html');
      response.end(sizes === null ? MEASURING_PAGE : '');
      if (sizes !== null) resolve(sizes.slice(1).map(Number));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await using _browser = PlainChromium.open(`http://127.0.0.1:${port}/`, window);
  const [width = window.width, height = window.height] = await told;
  server.close();
  return { width: window.width - width, height: window.height - height };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // All of it has gone.
  }
}
