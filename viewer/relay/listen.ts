import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { KvmfrError } from '../../protocol/error.ts';
import type { Viewer } from './relay.ts';

/** Where a relay listens. */
export interface ListenOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Certificate chain and key as PEM text: serves https. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Stops listening when it fires; the relay itself stays open. */
  readonly signal?: AbortSignal;
}

/** A relay that listens. */
export interface Listening extends AsyncDisposable {
  /** The address of the page, without the token. */
  readonly url: string;
  readonly port: number;
  /** Stops listening and ends every connection. The relay itself stays open. */
  close(): Promise<void>;
}

/** Tokens and cookies are short; so are the headers of every browser. */
const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Sockets besides those of viewers: pages being loaded, scripts, whoever is refused. */
const SPARE_CONNECTIONS = 64;

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
    close,
    [Symbol.asyncDispose]: close,
  };
}

function makeServer(viewer: Viewer, options: ListenOptions): Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
  };
  const answer: RequestListener = (req, res) => {
    void viewer.request(req, res).then((answered) => {
      if (!answered) res.writeHead(404, { 'content-length': 0 }).end();
    });
  };
  const server =
    options.tls === undefined
      ? createServer(limits, answer)
      : createTlsServer({ ...limits, ...options.tls }, answer);
  server.maxConnections = viewer.maxViewers * 2 + SPARE_CONNECTIONS;
  server.on('upgrade', (req, socket, head) => {
    if (!viewer.upgrade(req, socket, head)) socket.destroy();
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
