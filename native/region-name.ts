import { KvmfrError } from '../protocol/error.ts';

/** What the name of a region means. */
export type RegionName =
  | { readonly kind: 'path'; readonly path: string }
  /** A PCI device of this machine; of `pci:` alone the address is left out. */
  | { readonly kind: 'pci'; readonly address: string | undefined }
  | { readonly kind: 'vfio'; readonly address: string | undefined }
  /** An ivshmem-server, by its socket. */
  | { readonly kind: 'ivshmem'; readonly socketPath: string };

const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i;
/** Longest path that the address of a unix socket has room for. Source: sockaddr_un. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Reads the name of a region: a path, `pci:ADDR`, `vfio:ADDR` or `ivshmem:unix:PATH`. A file with such
 * a name is meant by `./pci:...`.
 *
 * @throws ERR_KVMFR_ARGUMENT for what none of them can be
 */
export function parseRegionName(name: string): RegionName {
  const [, kind, rest = ''] = /^(pci|vfio|ivshmem):(.*)$/s.exec(name) ?? [];
  switch (kind) {
    case 'pci':
    case 'vfio':
      return { kind, address: rest === '' ? undefined : addressOf(name, kind, rest) };
    case 'ivshmem':
      return { kind, socketPath: socketPathOf(name, rest) };
    default:
      return { kind: 'path', path: name };
  }
}

function addressOf(name: string, kind: string, text: string): string {
  const [, domain = '0000', place] = ADDRESS.exec(text) ?? [];
  if (place === undefined)
    throw misnamed(`${name} must be ${kind}: and a PCI address, for example ${kind}:0000:00:02.0`);
  return `${domain}:${place}`.toLowerCase();
}

function socketPathOf(name: string, text: string): string {
  const [, path] = /^unix:(.+)$/s.exec(text) ?? [];
  if (path === undefined || path.includes('\0'))
    throw misnamed(
      `${name} must be ivshmem:unix: and a path, for example ivshmem:unix:/run/ivshmem`,
    );
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES)
    throw misnamed(
      `the path of a socket has at most ${MAX_SOCKET_PATH_BYTES} bytes, but that of ${name} has ${bytes}`,
    );
  return path;
}

function misnamed(message: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_ARGUMENT', message);
}
