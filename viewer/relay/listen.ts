import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { KvmfrError } from '../../protocol/error.ts';
import { Crowd, type CrowdLimits } from './crowd.ts';
import type { Viewer } from './relay.ts';

/** Certificate chain and key as PEM text. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** How much a server takes from those who have not shown yet that they may come in. */
export interface ListenLimits extends CrowdLimits {
  /** How long TLS, and then the head of a request, may take to come. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to come. */
  readonly requestTimeoutMs: number;
}

/** Where a relay listens. */
export interface ListenOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Certificate chain and key as PEM text: serves https. */
  readonly tls?: TlsFiles;
  /** What a server of another kind of network would have otherwise; each has a default. */
  readonly limits?: Partial<ListenLimits>;
  /** Stops listening when it fires; the relay itself stays open. */
  readonly signal?: AbortSignal;
}

/** A relay that listens. */
export interface Listening extends AsyncDisposable {
  /** The address of the page, without the token. */
  readonly url: string;
  readonly port: number;
  /**
   * Uses another certificate from now on; connections that are open keep the one they have.
   *
   * @throws ERR_KVMFR_ARGUMENT when it listens without TLS
   */
  renew(tls: TlsFiles): void;
  /** Stops listening and ends every connection. The relay itself stays open. */
  close(): Promise<void>;
}

/** Tokens and cookies are short; so are the headers of every browser. */
const MAX_HEADER_BYTES = 16 * 1024;
const MIN_TLS = 'TLSv1.2';
const DEFAULT_LIMITS: ListenLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  strangers: 128,
  strangersPerBlock: 32,
};
/** Sockets besides those of viewers and of strangers: pages being loaded, scripts. */
const SPARE_CONNECTIONS = 64;
/** How often it is looked who has taken too long; the library's own is half a minute. */
const CHECK_MS = 1000;
/** Requests over one connection: a page and all its files, many times. */
const MAX_REQUESTS_PER_SOCKET = 1000;
/** Header lines; the library's own bound is 2000. */
const MAX_HEADERS = 100;

/**
 * Runs a relay in a server of its own.
 *
 * @throws ERR_KVMFR_LISTEN when the address cannot be listened on; it says which and what to do
 */
export async function listen(viewer: Viewer, options: ListenOptions): Promise<Listening> {
  const { host, port, signal } = options;
  signal?.throwIfAborted();
  const server = makeServer(viewer, options);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await startListening(server, { host, port });
  viewer.addHost(host);
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closed ??= stopListening(server, sockets);
    await closed;
  };
  signal?.addEventListener('abort', () => void close(), { once: true });
  const scheme = options.tls === undefined ? 'http' : 'https';
  return {
    url: `${scheme}://${urlHost(host)}:${boundPort}${viewer.mount}`,
    port: boundPort,
    renew: (tls) => renew(server, tls),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function renew(server: Server, tls: TlsFiles): void {
  if (!(server instanceof TlsServer))
    throw new KvmfrError('ERR_KVMFR_ARGUMENT', 'a server without TLS has no certificate to renew');
  server.setSecureContext({ ...tls, minVersion: MIN_TLS });
}

function makeServer(viewer: Viewer, options: ListenOptions): Server {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { headersTimeoutMs, requestTimeoutMs } = limits;
  const settings = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: headersTimeoutMs,
    requestTimeout: Math.max(headersTimeoutMs, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(CHECK_MS, headersTimeoutMs),
  };
  const crowd = new Crowd(limits);
  const answer: RequestListener = (req, res) => {
    void viewer.request(req, res).then((answered) => {
      if (!answered) res.writeHead(404, { 'content-length': 0 }).end();
    });
    crowd.letIn(req.socket);
  };
  const server =
    options.tls === undefined
      ? createServer(settings, answer)
      : createTlsServer(
          { ...settings, ...options.tls, minVersion: MIN_TLS, handshakeTimeout: headersTimeoutMs },
          answer,
        );
  server.maxConnections = viewer.maxViewers * 2 + SPARE_CONNECTIONS + limits.strangers;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  server.maxHeadersCount = MAX_HEADERS;
  server.on('connection', (socket) => crowd.add(socket));
  server.on('upgrade', (req, socket, head) => {
    if (!viewer.upgrade(req, socket, head)) socket.destroy();
    crowd.letIn(req.socket);
  });
  return server;
}

async function startListening(
  server: Server,
  at: { readonly host: string; readonly port: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(error, at));
    server.once('error', failed);
    server.listen({ ...at, exclusive: true }, () => {
      server.off('error', failed);
      server.on('error', () => {});
      resolve();
    });
  });
}

async function stopListening(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    // The server knows nothing any more of those that have become WebSockets.
    for (const socket of sockets) socket.destroy();
  });
}

function listenError(
  error: Error,
  at: { readonly host: string; readonly port: number },
): KvmfrError {
  const where = `${urlHost(at.host)}:${at.port}`;
  const errno = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const [why, hint] = REASONS.get(errno) ?? [error.message, 'Choose another address.'];
  return new KvmfrError('ERR_KVMFR_LISTEN', `cannot listen on ${where}: ${why}`, {
    cause: error,
    syscall: 'listen',
    errno,
    hint,
  });
}

const REASONS: ReadonlyMap<string, readonly [why: string, hint: string]> = new Map([
  [
    'EADDRINUSE',
    [
      'another program listens there already',
      'Stop it, or choose another port with --listen HOST:PORT (port 0 takes any that is free).',
    ],
  ],
  [
    'EACCES',
    ['this user may not use that port', 'Choose a port from 1024 on with --listen HOST:PORT.'],
  ],
  [
    'EADDRNOTAVAIL',
    [
      'this machine has no such address',
      'Name one of its own addresses with --listen HOST:PORT, or 0.0.0.0 for all.',
    ],
  ],
  ['ENOTFOUND', ['there is no such name', 'Check the name given to --listen.']],
]);

function urlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
