import { isIPv6 } from 'node:net';
import { KvmfrError } from '../../protocol/error.ts';

/** Where a SPICE server listens. */
export type SpiceAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

const HINT = 'write HOST:PORT, [IPV6]:PORT or unix:PATH';

/**
 * Reads an address as a person writes it: `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
 *
 * @throws ERR_KVMFR_ARGUMENT when it is none of these
 */
export function parseSpiceAddress(text: string): SpiceAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '' || path.includes('\0')) throw notAnAddress(text);
    return { kind: 'unix', path };
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text);
  if (match === null) throw notAnAddress(text);
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port < 1 || port > 65535) throw notAnAddress(text);
  if (v6 !== undefined && !isIPv6(v6)) throw notAnAddress(text);
  return { kind: 'tcp', host: v6 ?? name ?? '', port };
}

/** An address as it is written. */
export function addressText(address: SpiceAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

function notAnAddress(text: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `the address of a SPICE server must be HOST:PORT, [IPV6]:PORT or unix:PATH, but is '${text}'`,
    { hint: HINT },
  );
}
