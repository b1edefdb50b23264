import { existsSync } from 'node:fs';
import { Mapping, type MappingOptions } from '../native/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { MAX_REGION_BYTES, MIN_REGION_BYTES } from '../protocol/limits.ts';
import { Region } from '../protocol/memory/region.ts';

/** Where a region is looked for when none is named, in this order. */
export const DEFAULT_REGIONS: readonly string[] = ['/dev/kvmfr0', '/dev/shm/looking-glass'];

/** The region that is meant when none is named: the kvmfr device if it exists, else the file. */
export function defaultRegionPath(): string {
  return existsSync('/dev/kvmfr0') ? '/dev/kvmfr0' : '/dev/shm/looking-glass';
}

const LATER_KINDS = ['pci:', 'vfio:', 'ivshmem:'];

/**
 * Checks that a REGION argument is of a kind this version opens.
 *
 * @throws ERR_KVMFR_UNSUPPORTED for the kinds that are known but not opened yet
 */
export function checkRegionName(name: string): void {
  const kind = LATER_KINDS.find((prefix) => name.startsWith(prefix));
  if (kind !== undefined)
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `REGION ${name} is of the kind ${kind}, which this version of kvmfr does not open; it opens files (/dev/shm/looking-glass) and devices (/dev/kvmfr0)`,
    );
}

/** A mapping and the views over it. */
export interface OpenRegion {
  readonly mapping: Mapping;
  readonly region: Region;
}

/**
 * Maps a region and lays views over it.
 *
 * Ownership: the caller closes `mapping`.
 *
 * @throws what {@link Mapping.open} throws, and ERR_KVMFR_SIZE
 */
export function openRegion(name: string, options: MappingOptions = {}): OpenRegion {
  checkRegionName(name);
  const mapping = Mapping.open(name, options);
  if (mapping.byteLength < MIN_REGION_BYTES || mapping.byteLength > MAX_REGION_BYTES) {
    const found = mapping.byteLength;
    mapping.close();
    throw new KvmfrError(
      'ERR_KVMFR_SIZE',
      `a region has ${MIN_REGION_BYTES} to ${MAX_REGION_BYTES} bytes, but ${name} has ${found}`,
      { path: name },
    );
  }
  return { mapping, region: new Region(mapping.buffer) };
}
