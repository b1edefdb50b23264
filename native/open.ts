import { KvmfrError } from '../protocol/error.ts';
import { type IvshmemOptions, openIvshmem } from './ivshmem-link.ts';
import { Mapping, type MappingOptions } from './mapping.ts';
import { openPci } from './pci.ts';
import { parseRegionName } from './region-name.ts';
import { openVfio, type VfioOptions } from './vfio.ts';

/** How {@link openMapping} opens. */
export interface OpenOptions extends MappingOptions, VfioOptions {}

/** How {@link reachMapping} opens. */
export interface ReachOptions extends OpenOptions, IvshmemOptions {}

/**
 * Opens a region by its name, whatever kind it is of: see {@link parseRegionName}.
 *
 * @throws what {@link openMapping} and {@link openIvshmem} throw, and what the signal was aborted with
 */
export async function reachMapping(name: string, options: ReachOptions = {}): Promise<Mapping> {
  const parsed = parseRegionName(name);
  return parsed.kind === 'ivshmem'
    ? openIvshmem(parsed.socketPath, options)
    : openMapping(name, options);
}

/**
 * Opens a region that is there without asking anybody: of every kind but `ivshmem:`.
 *
 * @throws what {@link Mapping.open}, {@link openPci} and {@link openVfio} throw
 */
export function openMapping(name: string, options: OpenOptions = {}): Mapping {
  const parsed = parseRegionName(name);
  switch (parsed.kind) {
    case 'path':
      return Mapping.open(parsed.path, options);
    case 'pci':
      return openPci(parsed.address, options);
    case 'vfio':
      return openVfio(parsed.address, options);
    case 'ivshmem':
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `${name} cannot be opened without waiting for its server: use what returns a promise`,
      );
  }
}
