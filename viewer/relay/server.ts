import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PictureView } from '../../client/tiles/view.ts';
import type { KvmfrErrorCode } from '../../protocol/error.ts';
import { copyRect, encodePng } from '../encode/index.ts';
import type { Access } from './access.ts';
import type { Hub } from './hub.ts';
import { METRICS_TYPE, type MetricsSource, metricsText } from './metrics.ts';
import type { Page, PageFile } from './page.ts';

/** What the HTTP face shows. */
export interface FaceOptions {
  readonly mount: string;
  readonly access: Access;
  readonly page: Page;
  readonly hub: Hub;
  readonly version: string;
  readonly log: (line: string) => void;
  readonly metrics: () => MetricsSource;
}

/** How long a snapshot waits for a picture. */
const SNAPSHOT_WAIT_MS = 2000;

/** A picture on its way to being a PNG file. */
interface Snapshot {
  readonly epoch: number;
  readonly serial: number;
  readonly png: Promise<Uint8Array>;
}

/** A request that has a path below the mount, taken apart. */
interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Without the mount: `''`, `api/session`, `assets/main.js`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly host: string;
}

/** A path and query as they stand in a request line; undefined for any other form. */
export function splitTarget(
  target: string | undefined,
): { readonly path: string; readonly query: URLSearchParams } | undefined {
  if (target === undefined || !target.startsWith('/')) return undefined;
  const at = target.indexOf('?');
  return at < 0
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, at), query: new URLSearchParams(target.slice(at + 1)) };
}

/** The HTTP face of a relay: page, snapshot, session, metrics, health. Changes nothing, so GET only. */
export class HttpFace {
  readonly #options: FaceOptions;
  #snapshot: Snapshot | undefined;

  constructor(options: FaceOptions) {
    this.#options = options;
  }

  /** Answers a request, or says by `false` that its path is not below the mount. Never throws. */
  async request(req: IncomingMessage, res: ServerResponse): Promise<boolean> {
    const target = splitTarget(req.url);
    const { mount } = this.#options;
    if (target === undefined) return false;
    if (`${target.path}/` === mount) {
      res.writeHead(308, { location: mount, 'cache-control': 'no-store' }).end();
      return true;
    }
    if (!target.path.startsWith(mount)) return false;
    try {
      await this.#answer(req, res, {
        path: target.path.slice(mount.length),
        query: target.query,
      });
    } catch (error) {
      this.#options.log(`${req.method} ${target.path}: ${String(error)}`);
      if (res.headersSent) res.destroy();
      else sendProblem(res, 500, 'ERR_KVMFR_IMAGE', 'this could not be answered');
    }
    return true;
  }

  async #answer(
    req: IncomingMessage,
    res: ServerResponse,
    target: { readonly path: string; readonly query: URLSearchParams },
  ): Promise<void> {
    const { access } = this.#options;
    const host = access.hostOf(req);
    setHeaders(res, host);
    if (host === undefined) {
      sendProblem(res, 403, 'ERR_KVMFR_DENIED', 'this relay does not answer to that name');
      return;
    }
    if (!access.originAllowed(req, host)) {
      sendProblem(res, 403, 'ERR_KVMFR_DENIED', 'pages of this origin may not connect');
      return;
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('allow', 'GET, HEAD');
      sendProblem(res, 405, 'ERR_KVMFR_ARGUMENT', 'only GET and HEAD are answered');
      return;
    }
    const call: Call = { req, res, host, ...target };
    if (call.path === 'healthz') send(call, { type: 'text/plain; charset=utf-8', body: 'ok\n' });
    else await this.#serve(call);
  }

  async #serve(call: Call): Promise<void> {
    const { access, mount } = this.#options;
    const proof = access.proofOf(call.req, call.query);
    if (proof === undefined) {
      sendDoor(call, mount);
      return;
    }
    if (call.path === '' && proof === 'query') {
      // Out of the address bar, the history and whatever the person copies from there.
      call.query.delete('token');
      const rest = call.query.toString();
      call.res.setHeader('set-cookie', access.cookieFor(call.req, mount));
      call.res.setHeader('cache-control', 'no-store');
      call.res.writeHead(303, { location: rest === '' ? mount : `${mount}?${rest}` }).end();
      return;
    }
    const foreign = access.foreignOrigin(call.req);
    if (foreign !== undefined) {
      call.res.setHeader('access-control-allow-origin', foreign);
      call.res.setHeader('vary', 'Origin');
    }
    switch (call.path) {
      case 'api/session':
        sendJson(call, this.#session());
        break;
      case 'metrics':
        send(call, { type: METRICS_TYPE, body: metricsText(this.#options.metrics()) });
        break;
      case 'snapshot.png':
        await this.#sendSnapshot(call);
        break;
      default:
        await this.#sendPage(call);
    }
  }

  #session(): object {
    const { hub, version, metrics } = this.#options;
    const { geometry, epoch, serial } = hub.picture;
    const { viewers, totals, latency } = metrics();
    return {
      version,
      ...hub.state,
      picture: geometry === undefined ? null : { ...geometry, epoch, serial },
      viewers: viewers.length,
      stats: { ...hub.reader.stats, ...totals },
      stages: latency.summary(),
    };
  }

  async #sendSnapshot(call: Call): Promise<void> {
    const { hub } = this.#options;
    const snapshot = await hub.copyPicture(SNAPSHOT_WAIT_MS, (picture) => this.#shoot(picture));
    if (snapshot === undefined) {
      sendJson(call, { error: 'there is no picture yet', ...hub.state }, 503);
      return;
    }
    try {
      send(call, { type: 'image/png', body: await snapshot.png });
    } finally {
      // Shared by those who asked at the same time, and not kept for longer.
      if (this.#snapshot === snapshot) this.#snapshot = undefined;
    }
  }

  #shoot(picture: PictureView): Snapshot {
    const { epoch, serial, grid, geometry } = picture;
    if (this.#snapshot?.epoch === epoch && this.#snapshot.serial === serial) return this.#snapshot;
    const rect = { x: 0, y: 0, width: grid.widthPx, height: grid.heightPx };
    const png = encodePng(copyRect(picture, rect), geometry?.rotation);
    this.#snapshot = { epoch, serial, png };
    return this.#snapshot;
  }

  async #sendPage(call: Call): Promise<void> {
    const file = await this.#options.page.file(call.path === '' ? 'index.html' : call.path);
    if (file !== undefined) sendFile(call, file);
    else if (call.path === '')
      sendProblem(
        call.res,
        503,
        'ERR_KVMFR_ABSENT',
        'the page has not been built: run npm run build:page',
      );
    else sendProblem(call.res, 404, 'ERR_KVMFR_ABSENT', 'there is nothing of this name');
  }
}

function setHeaders(res: ServerResponse, host: string | undefined): void {
  // Older browsers do not take 'self' for the socket's scheme.
  const sockets = host === undefined ? '' : ` ws://${host} wss://${host}`;
  res.setHeader(
    'content-security-policy',
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; ` +
      `connect-src 'self'${sockets}; worker-src 'self'; frame-ancestors 'self'; base-uri 'none'; ` +
      `form-action 'none'`,
  );
  res.setHeader('x-content-type-options', 'nosniff');
  res.setHeader('referrer-policy', 'no-referrer');
  res.setHeader('cross-origin-opener-policy', 'same-origin');
  res.setHeader('cross-origin-resource-policy', 'same-origin');
}

function send(
  call: Call,
  answer: { readonly type: string; readonly body: string | Uint8Array; readonly status?: number },
): void {
  const { req, res } = call;
  const body = Buffer.from(answer.body);
  res.writeHead(answer.status ?? 200, {
    'content-type': answer.type,
    'content-length': body.byteLength,
    'cache-control': 'no-store',
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

function sendJson(call: Call, value: object, status = 200): void {
  const body = `${JSON.stringify(value)}\n`;
  send(call, { type: 'application/json; charset=utf-8', body, status });
}

function sendProblem(
  res: ServerResponse,
  status: number,
  code: KvmfrErrorCode,
  message: string,
): void {
  const body = `${JSON.stringify({ code, message })}\n`;
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  res.end(res.req.method === 'HEAD' ? undefined : body);
}

/** What a person sees who comes without the token. */
function sendDoor(call: Call, mount: string): void {
  call.res.setHeader('www-authenticate', 'Bearer realm="kvmfr"');
  if (call.path !== '') {
    sendProblem(call.res, 401, 'ERR_KVMFR_DENIED', 'the token is missing or wrong');
    return;
  }
  // A cookie of ours is held back when another site's link leads here; a link of our own mends that.
  const body = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>kvmfr</title>
<h1>This screen needs its full address</h1>
<p>Open the address that <code>kvmfr</code> printed when it started: it ends in
<code>?token=…</code>. You only need it once in this browser.</p>
<p><a href="${mount}">I have opened it before: try again</a></p>
</html>
`;
  send(call, { type: 'text/html; charset=utf-8', body, status: 401 });
}

function sendFile(call: Call, file: PageFile): void {
  const { req, res } = call;
  const zipped = file.gzip !== undefined && /\bgzip\b/.test(`${req.headers['accept-encoding']}`);
  const body = zipped && file.gzip !== undefined ? file.gzip : file.body;
  res.setHeader('etag', file.etag);
  res.setHeader('cache-control', file.cacheControl);
  res.setHeader('vary', 'Accept-Encoding, Origin');
  if (req.headers['if-none-match'] === file.etag) {
    res.writeHead(304).end();
    return;
  }
  if (zipped) res.setHeader('content-encoding', 'gzip');
  res.writeHead(200, { 'content-type': file.type, 'content-length': body.byteLength });
  res.end(req.method === 'HEAD' ? undefined : body);
}
