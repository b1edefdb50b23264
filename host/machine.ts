import { readFileSync } from 'node:fs';
import { cpus, machine, release, type } from 'node:os';
import type { OsRecord, VmRecord } from '../protocol/index.ts';

/** What this machine says of itself, for the VMInfo record. `capture` names the source of frames. */
export function describeMachine(capture: string): VmRecord {
  const processors = cpus();
  const topology = readTopology();
  return {
    uuid: readUuid(),
    capture,
    cpus: processors.length,
    cores: topology?.cores ?? processors.length,
    sockets: topology?.sockets ?? 1,
    model: processors[0]?.model ?? '',
  };
}

/** What the system says of itself, for the OSInfo record. */
export function describeSystem(): OsRecord {
  const kernel = `${type()} ${release()} on ${machine()}`;
  const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readText('/etc/os-release') ?? '')?.[1];
  return { kind: systemKind(), name: name === undefined ? kernel : `${name}, kernel: ${kernel}` };
}

function systemKind(): string {
  switch (process.platform) {
    case 'linux':
    case 'android':
      return 'linux';
    case 'freebsd':
    case 'openbsd':
    case 'netbsd':
      return 'bsd';
    case 'darwin':
      return 'osx';
    case 'win32':
      return 'windows';
    default:
      return 'other';
  }
}

// Only root may read it, and not every machine has one.
function readUuid(): string | undefined {
  const text = readText('/sys/class/dmi/id/product_uuid')?.trim().toLowerCase();
  return text !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
    ? text
    : undefined;
}

function readTopology(): { readonly cores: number; readonly sockets: number } | undefined {
  const text = readText('/proc/cpuinfo');
  if (text === undefined) return undefined;
  const sockets = new Set<string>();
  const cores = new Set<string>();
  for (const block of text.split('\n\n')) {
    const socket = /^physical id\s*:\s*(\d+)$/m.exec(block)?.[1];
    const core = /^core id\s*:\s*(\d+)$/m.exec(block)?.[1];
    if (socket === undefined || core === undefined) continue;
    sockets.add(socket);
    cores.add(`${socket}/${core}`);
  }
  return cores.size === 0 ? undefined : { cores: cores.size, sockets: sockets.size };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
