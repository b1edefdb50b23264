import { createHost, type Host, type HostOptions } from '../../../host/index.ts';
import { Region } from '../../../protocol/index.ts';

/** A host on plain memory, with a clock that stands still until it is moved. */
export interface HostOnMemory {
  readonly region: Region;
  readonly host: Host;
  /** Moves the clock and does the host's housekeeping. */
  advance(ms: number): void;
}

/** Makes a {@link HostOnMemory}. `region` is memory with anything in it. */
export async function hostOnMemory(
  options: HostOptions & { readonly mib?: number; readonly region?: Region } = {},
): Promise<HostOnMemory> {
  const { mib = 4, region = new Region(new ArrayBuffer(mib * 2 ** 20)), ...hostOptions } = options;
  let now = 5000;
  const host = await createHost(region, {
    vm: { uuid: undefined, capture: 'test', cpus: 4, cores: 2, sockets: 1, model: 'Unit' },
    os: { kind: 'linux', name: 'Test' },
    hostVersion: 'host 1',
    ...hostOptions,
    housekeepingMs: 0,
    clock: () => now,
  });
  return {
    region,
    host,
    advance(ms) {
      now += ms;
      host.housekeep();
    },
  };
}

/** A picture whose bytes count up. */
export function countingPicture(bytes: number, start = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, index) => (index + start) & 0xff);
}
