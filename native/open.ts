import { KvmfrError } from '../protocol/error.ts';
import { Mapping, type MappingOptions } from './mapping.ts';
import { openPci, type PciOptions } from './pci.ts';
import { parseRegionName } from './region-name.ts';

/** How {@link openMapping} opens. */
export interface OpenOptions extends MappingOptions, PciOptions {}

/**
 * Opens a region by its name, whatever kind it is of: see {@link parseRegionName}.
 *
 * @throws what {@link Mapping.open} and {@link openPci} throw
 */
export function openMapping(name: string, options: OpenOptions = {}): Mapping {
  const parsed = parseRegionName(name);
  switch (parsed.kind) {
    case 'path':
      return Mapping.open(parsed.path, options);
    case 'pci':
      return openPci(parsed.address, options);
    default:
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `REGION ${name} is of the kind ${parsed.kind}:, which this version of kvmfr does not open`,
      );
  }
}
