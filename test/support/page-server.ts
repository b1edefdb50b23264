import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type WebSocket, WebSocketServer } from 'ws';
import { pongBytes } from './page-wire.ts';

/** The policy under which the page has to work: nothing inline, nothing from elsewhere. */
export const STRICT_POLICY: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

const TYPES: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Where the built page lies. */
export const PAGE_FOLDER: string = fileURLToPath(new URL('../../dist/page', import.meta.url));
/** Where the compiled package lies. */
export const DIST_FOLDER: string = fileURLToPath(new URL('../../dist', import.meta.url));

/** A message of a viewer. */
export interface ViewerMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** What a viewer says when it has presented an update. */
export interface SeenAck {
  readonly epoch: number;
  readonly serial: number;
  readonly networkUs: number;
  readonly boundUs: number;
  readonly decodeUs: number;
  readonly presentUs: number;
}

interface Waiter {
  readonly matches: (message: ViewerMessage) => boolean;
  readonly resolve: (message: ViewerMessage) => void;
  readonly reject: (error: Error) => void;
}

/** One page that is connected. Its pings are answered by themselves. */
export class AttachedViewer {
  readonly request: IncomingMessage;
  /** Resolves when the page, or this side, has ended the connection. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;
  readonly #messages: ViewerMessage[] = [];
  #waiters: Waiter[] = [];
  /** Whether pings are answered. */
  answersPings = true;

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.#socket = socket;
    this.request = request;
    socket.on('message', (data: Buffer) => this.#take(data));
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        const end = { code, reason: reason.toString() };
        const gone = new Error(`the page has gone: ${code} ${end.reason}`);
        for (const { reject } of this.#waiters) reject(gone);
        this.#waiters = [];
        resolve(end);
      });
    });
  }

  /** All it said so far but pings, oldest first. */
  get messages(): readonly ViewerMessage[] {
    return this.#messages;
  }

  /** Sends messages in order. */
  send(...messages: readonly (Uint8Array | string)[]): void {
    for (const message of messages) this.#socket.send(message);
  }

  /** Ends the connection without a word, as a crash does. */
  cut(): void {
    this.#socket.terminate();
  }

  /** The first message of a type, be it in the past or still to come. */
  said(
    type: number,
    matches: (message: ViewerMessage) => boolean = () => true,
  ): Promise<ViewerMessage> {
    const wanted = (message: ViewerMessage) => message.type === type && matches(message);
    const past = this.#messages.find(wanted);
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ matches: wanted, resolve, reject });
    });
  }

  /** The first JSON message of a type that fits. */
  async saidJson(type: number, matches: (text: string) => boolean = () => true): Promise<unknown> {
    const { body } = await this.said(type, (message) => matches(message.body.toString()));
    return JSON.parse(body.toString());
  }

  /** Resolves when an update was presented. */
  async acknowledged(serial: number, epoch?: number): Promise<SeenAck> {
    const { body } = await this.said(
      0x82,
      (ack) =>
        ack.body.readUInt32LE(4) === serial &&
        (epoch === undefined || ack.body.readUInt32LE(0) === epoch),
    );
    return {
      epoch: body.readUInt32LE(0),
      serial: body.readUInt32LE(4),
      networkUs: body.readUInt32LE(8),
      boundUs: body.readUInt32LE(12),
      decodeUs: body.readUInt32LE(16),
      presentUs: body.readUInt32LE(20),
    };
  }

  #take(data: Buffer): void {
    const message: ViewerMessage = { type: data.readUInt8(0), body: data.subarray(4) };
    if (message.type === 0x84) {
      if (this.answersPings) this.send(pongBytes(message.body, performance.now()));
      return;
    }
    this.#messages.push(message);
    const now = this.#waiters.filter((waiter) => waiter.matches(message));
    this.#waiters = this.#waiters.filter((waiter) => !now.includes(waiter));
    for (const waiter of now) waiter.resolve(message);
  }
}

/** How a {@link PageServer} begins. */
export interface PageServerOptions {
  /** 0, or left out, is any free port. */
  readonly port?: number;
  /** Folder that is served; the built page if left out. */
  readonly folder?: string;
  /** Further files: path -> text. */
  readonly pages?: { readonly [path: string]: string };
}

/**
 * Serves the page under a strict policy and speaks to it as a relay would, but says only what the
 * test tells it to.
 *
 * Ownership: stop it (or `await using`).
 */
export class PageServer implements AsyncDisposable {
  /** Answer 401 to everything that needs the token. */
  locked = false;
  readonly #options: PageServerOptions;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  #waiting: ((viewer: AttachedViewer) => void)[] = [];
  #arrived: AttachedViewer[] = [];

  private constructor(options: PageServerOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    this.#http = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    this.#http.on('upgrade', (request, socket, head) => {
      if (this.locked) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (opened) => {
        const viewer = new AttachedViewer(opened, request);
        const next = this.#waiting.shift();
        if (next === undefined) this.#arrived.push(viewer);
        else next(viewer);
      });
    });
  }

  /** Starts on the loopback address. */
  static async start(options: PageServerOptions = {}): Promise<PageServer> {
    const server = new PageServer(options);
    server.#http.listen(options.port ?? 0, '127.0.0.1');
    await once(server.#http, 'listening');
    return server;
  }

  get port(): number {
    const address = this.#http.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Address of the page. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** The next page that connects; each one is handed out once. */
  viewer(): Promise<AttachedViewer> {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return Promise.resolve(arrived);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends every connection and the server. */
  async stop(): Promise<void> {
    if (!this.#http.listening) return;
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.url);
    response.setHeader('Content-Security-Policy', STRICT_POLICY);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-store');
    if (pathname === '/api/session') {
      response.statusCode = this.locked ? 401 : 200;
      response.setHeader('Content-Type', 'application/json');
      response.end('{}');
      return;
    }
    const page = this.#options.pages?.[pathname];
    if (page !== undefined) {
      response.setHeader('Content-Type', TYPES[extname(pathname)] ?? 'text/plain');
      response.end(page);
      return;
    }
    const path = normalize(pathname === '/' ? '/index.html' : pathname);
    try {
      const bytes = await readFile(join(this.#options.folder ?? PAGE_FOLDER, path));
      response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
      response.end(bytes);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  }
}
