import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PictureView } from '../../client/tiles/view.ts';
import type { KvmfrErrorCode } from '../../protocol/error.ts';
import { copyRect, encodePng } from '../encode/index.ts';
import type { Access } from './access.ts';
import { markAdmitted } from './crowd.ts';
import {
  DOOR_STYLE,
  type DoorPage,
  doorHtml,
  signInPage,
  signOutPage,
  tokenPage,
} from './door-pages.ts';
import { readForm } from './form.ts';
import { type HeaderFacts, setFormHeaders, setHeaders } from './headers.ts';
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
  /** Whether the page may ask for a microphone. */
  readonly microphone?: boolean;
  readonly log: (line: string) => void;
  readonly metrics: () => MetricsSource;
}

/** How long a snapshot waits for a picture. */
const SNAPSHOT_WAIT_MS = 2000;
/** Paths that take a form. */
const FORMS: readonly string[] = ['sign-in', 'sign-out'];

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
  readonly facts: HeaderFacts;
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

/** The HTTP face of a relay: page, snapshot, session, metrics, health. All but signing in and out is GET. */
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
    const { names } = this.#options.access;
    const host = names.hostOf(req);
    const facts = { host, origins: names.origins, microphone: this.#options.microphone === true };
    setHeaders(res, facts);
    if (host === undefined) {
      sendProblem(res, 403, 'ERR_KVMFR_DENIED', 'this relay does not answer to that name');
      return;
    }
    if (!names.originAllowed(req, host)) {
      sendProblem(res, 403, 'ERR_KVMFR_DENIED', 'pages of this origin may not connect');
      return;
    }
    const call: Call = { req, res, facts, ...target };
    const posts = FORMS.includes(call.path) && this.#options.access.takesPassword;
    if (posts && req.method === 'POST') {
      await this.#post(call);
      return;
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('allow', posts ? 'GET, HEAD, POST' : 'GET, HEAD');
      sendProblem(res, 405, 'ERR_KVMFR_ARGUMENT', `${call.path} does not take this method`);
      return;
    }
    if (call.path === 'healthz') send(call, { type: 'text/plain; charset=utf-8', body: 'ok\n' });
    else await this.#serve(call);
  }

  async #serve(call: Call): Promise<void> {
    const { access, mount } = this.#options;
    const admission = access.admit(call.req, call.query);
    if (!admission.admitted) {
      this.#sendDoor(call, admission.waitS);
      return;
    }
    markAdmitted(call.req.socket);
    if (call.path === '' && call.query.has('token')) {
      // Out of the address bar, the history and whatever the person copies from there.
      call.query.delete('token');
      const rest = call.query.toString();
      const { cookie } = admission;
      const set =
        cookie === undefined ? {} : { cookie: access.cookieHeader(call.req, mount, cookie) };
      redirect(call, rest === '' ? mount : `${mount}?${rest}`, set);
      return;
    }
    const foreign = access.names.foreignOrigin(call.req);
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
      case 'sign-in':
        redirect(call, mount);
        break;
      case 'sign-out':
        if (access.takesPassword) sendDoorPage(call, signOutPage(mount), 200);
        else redirect(call, mount);
        break;
      default:
        await this.#sendPage(call);
    }
  }

  /** What a person sees, or a program is told, who has not shown that it may come in. */
  #sendDoor(call: Call, waitS: number): void {
    const { access, mount } = this.#options;
    if (waitS > 0) call.res.setHeader('retry-after', waitS);
    else call.res.setHeader('www-authenticate', 'Bearer realm="kvmfr"');
    const status = waitS > 0 ? 429 : 401;
    const person = call.path === '' || FORMS.includes(call.path);
    if (!person) {
      const [code, message] =
        waitS > 0
          ? ([
              'ERR_KVMFR_BUSY',
              `too much that is wrong has come from here: wait ${waitS} s`,
            ] as const)
          : (['ERR_KVMFR_DENIED', 'the token is missing or wrong'] as const);
      sendProblem(call.res, status, code, message);
      return;
    }
    const page = access.takesPassword ? signInPage(mount) : tokenPage(mount, waitS);
    sendDoorPage(call, page, status);
  }

  /** Signs in or out. Only a page of ours may ask for it: its origin must be there, and be allowed. */
  async #post(call: Call): Promise<void> {
    const { access, mount } = this.#options;
    const { req, res } = call;
    if (req.headers.origin === undefined) {
      sendProblem(res, 403, 'ERR_KVMFR_DENIED', 'only a page of this relay may send this');
      return;
    }
    const form = await readForm(req);
    if (typeof form === 'number') {
      res.setHeader('connection', 'close');
      sendProblem(res, form, 'ERR_KVMFR_ARGUMENT', 'only a short form is taken');
      return;
    }
    if (call.path === 'sign-out') {
      access.signOut(req);
      redirect(call, mount, { cookie: access.cookieHeader(req, mount, '') });
      return;
    }
    const outcome = await access.signIn(req, form.get('password') ?? '');
    if (outcome.name === 'in') {
      redirect(call, mount, { cookie: access.cookieHeader(req, mount, outcome.cookie) });
      return;
    }
    if (outcome.name === 'wait') res.setHeader('retry-after', outcome.waitS);
    sendDoorPage(call, signInPage(mount, outcome), outcome.name === 'wait' ? 429 : 401);
  }

  #session(): object {
    const { hub, version, metrics } = this.#options;
    const { geometry, epoch, serial } = hub.picture;
    const { viewers, totals, latency, input, clipboard, sound } = metrics();
    return {
      version,
      ...hub.state,
      picture: geometry === undefined ? null : { ...geometry, epoch, serial },
      viewers: viewers.length,
      stats: { ...hub.reader.stats, ...totals },
      stages: latency.summary(),
      ...(input === undefined ? {} : { input }),
      ...(clipboard === undefined
        ? {}
        : {
            clipboard: {
              policy: clipboard.policy,
              available: clipboard.isAvailable,
              ...clipboard.counts,
            },
          }),
      ...(sound === undefined
        ? {}
        : { sound: { listeners: sound.listeners, isHeard: sound.isHeard, ...sound.counts } }),
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

function sendDoorPage(call: Call, page: DoorPage, status: number): void {
  setFormHeaders(call.res, call.facts, DOOR_STYLE);
  send(call, { type: 'text/html; charset=utf-8', body: doorHtml(page), status });
}

function redirect(call: Call, location: string, set: { readonly cookie?: string } = {}): void {
  if (set.cookie !== undefined) call.res.setHeader('set-cookie', set.cookie);
  call.res.writeHead(303, { location, 'cache-control': 'no-store', 'content-length': 0 }).end();
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
