import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Under which names a relay answers, and whose pages it answers. */
export interface NameOptions {
  /** Origins besides the relay's own whose pages may connect, as `https://name:port`. */
  readonly allowOrigins: readonly string[];
  /** Names besides loopback and the address connected to that a browser may use; `*` for any. */
  readonly allowHosts: readonly string[];
}

const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];
const HOST_CHARACTERS = /^[a-z0-9.:[\]_-]{1,255}$/;

/**
 * Which names are the relay's own.
 *
 * Host is checked against them, so that a page whose own name was made to point at this machine
 * (DNS rebinding) is refused; Origin, so that a foreign page in the same browser is.
 */
export class Names {
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: Set<string>;
  /** Hosts, as browsers send them, that a proxy serves over TLS. */
  readonly #secureHosts: ReadonlySet<string>;

  constructor(options: NameOptions) {
    this.#origins = new Set(options.allowOrigins.map((origin) => origin.toLowerCase()));
    this.#hosts = new Set([...LOOPBACK_NAMES, ...options.allowHosts.map(hostKey)]);
    // Behind a proxy the browser names the proxy: whoever trusts its pages trusts its name.
    for (const origin of this.#origins) this.#hosts.add(nameOfHost(originHost(origin) ?? ''));
    this.#hosts.delete('');
    this.#secureHosts = new Set(
      [...this.#origins]
        .filter((origin) => origin.startsWith('https://'))
        .map((origin) => (originHost(origin) ?? '').replace(/:443$/, '')),
    );
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

  /** Origins that may show the page in a frame, besides its own. */
  get origins(): readonly string[] {
    return [...this.#origins];
  }

  /**
   * Whether the browser sees this request's address under `https:`.
   *
   * What a proxy says of it is not believed; a name that was given as an https origin is.
   */
  isSecure(req: IncomingMessage): boolean {
    const host = (req.headers.host ?? '').toLowerCase().replace(/:443$/, '');
    return isTls(req) || this.#secureHosts.has(host);
  }
}

/** Whether a request came over TLS to this process. */
export function isTls(req: IncomingMessage): boolean {
  return 'encrypted' in req.socket && req.socket.encrypted === true;
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
