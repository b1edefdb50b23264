import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlainChromium } from '../support/chromium.ts';
import { groupCpuSeconds, processCpuSeconds } from '../support/process.ts';
import type { DecodeJob } from './decode-page.ts';

const DIST = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = '<!doctype html><script type="module" src="/bench/encode/decode-page.js"></script>';
/** Of a page that is isolated clocks are finer. */
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cache-control': 'no-store',
};

/** What decoding has taken. */
export interface Decoded {
  /** From the start of an update to its last pixel, of each. */
  readonly ms: readonly number[];
  /** Of all threads of the browser, for each update. */
  readonly cpuMs: number;
}

interface Waiting {
  readonly job: DecodeJob;
  readonly data: Uint8Array;
  readonly done: (decoded: Decoded) => void;
  cpuSeconds: number;
}

/** A browser that decodes what it is given, with the page's own code. */
export class DecodeBrowser implements AsyncDisposable {
  readonly #server: Server;
  readonly #browser: PlainChromium;
  #waiting: Waiting | undefined;
  #ask: ((waiting: Waiting) => void) | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    server.on('request', (request, response) => this.#answer(request, response));
    const window = { width: 800, height: 600 };
    this.#browser = PlainChromium.open(`http://127.0.0.1:${port}/`, window);
  }

  static async open(): Promise<DecodeBrowser> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port was given');
    return new DecodeBrowser(server, address.port);
  }

  /** Has something decoded again and again. */
  async decode(job: DecodeJob, messages: readonly Uint8Array[]): Promise<Decoded> {
    return await new Promise((done) => {
      const waiting = { job, data: Buffer.concat(messages), done, cpuSeconds: 0 };
      this.#waiting = waiting;
      this.#ask?.(waiting);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser[Symbol.asyncDispose]();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #cpuSeconds(): number {
    const { pid } = this.#browser;
    return processCpuSeconds(pid) + groupCpuSeconds(pid);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '/' } = request;
    const waiting = this.#waiting;
    if (url === '/') send(response, 'text/html', PAGE);
    else if (url === '/job') {
      this.#ask = ({ job }) => {
        this.#ask = undefined;
        send(response, 'application/json', JSON.stringify(job));
      };
      if (waiting !== undefined) this.#ask(waiting);
    } else if (waiting === undefined) sendFile(response, url);
    else if (url === '/data') send(response, 'application/octet-stream', waiting.data);
    else if (url === '/begin') {
      waiting.cpuSeconds = this.#cpuSeconds();
      send(response, 'text/plain', '');
    } else if (url === '/end') {
      const seconds = this.#cpuSeconds() - waiting.cpuSeconds;
      void this.#end(request, response, waiting, (seconds * 1000) / waiting.job.repeats);
    } else sendFile(response, url);
  }

  async #end(
    request: IncomingMessage,
    response: ServerResponse,
    waiting: Waiting,
    cpuMs: number,
  ): Promise<void> {
    let text = '';
    for await (const piece of request) text += String(piece);
    send(response, 'text/plain', '');
    this.#waiting = undefined;
    waiting.done({ ms: JSON.parse(text) as number[], cpuMs });
  }
}

function send(response: ServerResponse, type: string, body: string | Uint8Array): void {
  response.writeHead(200, { ...HEADERS, 'content-type': type });
  response.end(body);
}

/** Compiled modules, and nothing else. */
function sendFile(response: ServerResponse, url: string): void {
  const path = normalize(url);
  try {
    if (!path.endsWith('.js')) throw new Error('not a module');
    send(response, 'text/javascript', readFileSync(join(DIST, path)));
  } catch {
    response.writeHead(404, HEADERS);
    response.end();
  }
}
