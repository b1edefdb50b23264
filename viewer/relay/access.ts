import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Who may talk to a relay. */
export interface AccessOptions {
  /** The secret every request must carry; false when whoever embeds the relay keeps strangers out. */
  readonly token: string | false;
  /** Origins besides the relay's own whose pages may connect, as `https://name:port`. */
  readonly allowOrigins: readonly string[];
  /** Names besides loopback and the address connected to that a browser may use; `*` for any. */
  readonly allowHosts: readonly string[];
}

/** How a request has shown that it may be served. */
export type Proof = 'none-needed' | 'cookie' | 'bearer' | 'query';

const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];
const HOST_CHARACTERS = /^[a-z0-9.:[\]_-]{1,255}$/;

/**
 * The door: decides by Host, Origin and token whether a request is served.
 *
 * Host is checked against names that are ours, so that a page whose own name was made to point at
 * this machine (DNS rebinding) is refused; Origin, so that a foreign page in the same browser is.
 */
export class Access {
  readonly #tokenDigest: Buffer | undefined;
  readonly #cookieValue: string;
  readonly #cookieDigest: Buffer;
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: Set<string>;

  constructor(options: AccessOptions) {
    this.#tokenDigest = options.token === false ? undefined : digest(options.token);
    // The cookie is derived from the token, so that whoever steals one does not have the other.
    this.#cookieValue = digest(`kvmfr cookie ${options.token}`).toString('hex');
    this.#cookieDigest = digest(this.#cookieValue);
    this.#origins = new Set(options.allowOrigins.map((origin) => origin.toLowerCase()));
    this.#hosts = new Set([...LOOPBACK_NAMES, ...options.allowHosts.map(hostKey)]);
    // Behind a proxy the browser names the proxy: whoever trusts its pages trusts its name.
    for (const origin of this.#origins) this.#hosts.add(nameOfHost(originHost(origin) ?? ''));
    this.#hosts.delete('');
  }

  /** Lets a name pass that a server listens on; all names of this machine for a wildcard address. */
  addHost(host: string): void {
    const key = hostKey(host);
    this.#hosts.add(key);
    if (key !== '0.0.0.0' && key !== '[::]') return;
    const own = hostname().toLowerCase();
    if (own === '') return;
    this.#hosts.add(own);
    this.#hosts.add(`${own}.local`);
  }

  /** The checked Host of a request, with its port; undefined when the name is not ours. */
  hostOf(req: IncomingMessage): string | undefined {
    const host = req.headers.host?.toLowerCase();
    if (host === undefined || !HOST_CHARACTERS.test(host)) return undefined;
    const name = nameOfHost(host);
    if (this.#hosts.has(name) || this.#hosts.has('*')) return host;
    const local = req.socket.localAddress;
    return local !== undefined && hostKey(local.replace(/^::ffff:/, '')) === name
      ? host
      : undefined;
  }

  /** Whether a request comes from a page that may make it, or from no page at all. */
  originAllowed(req: IncomingMessage, host: string): boolean {
    const origin = req.headers.origin?.toLowerCase();
    return origin === undefined || originHost(origin) === host || this.#origins.has(origin);
  }

  /** The foreign origin that may read the answer, or undefined. */
  foreignOrigin(req: IncomingMessage): string | undefined {
    const origin = req.headers.origin;
    return origin !== undefined && this.#origins.has(origin.toLowerCase()) ? origin : undefined;
  }

  /** What proves that a request may be served; undefined when nothing does. */
  proofOf(req: IncomingMessage, query: URLSearchParams): Proof | undefined {
    if (this.#tokenDigest === undefined) return 'none-needed';
    const inQuery = query.get('token');
    if (inQuery !== null && sameDigest(inQuery, this.#tokenDigest)) return 'query';
    const bearer = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (bearer !== undefined && sameDigest(bearer, this.#tokenDigest)) return 'bearer';
    const cookie = cookieOf(req, cookieName(req));
    if (cookie !== undefined && sameDigest(cookie, this.#cookieDigest)) return 'cookie';
    return undefined;
  }

  /** The cookie that stands for the token from now on. */
  cookieFor(req: IncomingMessage, path: string): string {
    const secure = isTls(req) ? '; Secure' : '';
    return `${cookieName(req)}=${this.#cookieValue}; Path=${path}; HttpOnly; SameSite=Strict${secure}`;
  }
}

/** Whether a request came over TLS to this process. */
export function isTls(req: IncomingMessage): boolean {
  return 'encrypted' in req.socket && req.socket.encrypted === true;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Digests have one length, so the time of the comparison tells nothing of the token. */
function sameDigest(text: string, expected: Buffer): boolean {
  return timingSafeEqual(digest(text), expected);
}

/** Cookies are shared by all ports of a name, so two relays on one machine need two names. */
function cookieName(req: IncomingMessage): string {
  return `kvmfr-${req.socket.localPort ?? 0}`;
}

function cookieOf(req: IncomingMessage, name: string): string | undefined {
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at >= 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** A host name or address as it stands in a Host header, without a port. */
function hostKey(host: string): string {
  const lower = host.toLowerCase();
  return isIP(lower) === 6 ? `[${lower}]` : lower;
}

function nameOfHost(host: string): string {
  return host.replace(/:\d{1,5}$/, '');
}

function originHost(origin: string): string | undefined {
  return /^https?:\/\/([a-z0-9.:[\]_-]{1,255})$/.exec(origin)?.[1];
}
