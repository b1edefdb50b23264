import { existsSync } from 'node:fs';
import {
  type Mapping,
  type OpenOptions,
  openMapping,
  parseRegionName,
  type ReachOptions,
  reachMapping,
} from '../native/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { MAX_REGION_BYTES, MIN_REGION_BYTES } from '../protocol/limits.ts';
import { Region } from '../protocol/memory/region.ts';

/** Where a region is looked for when none is named, in this order. */
export const DEFAULT_REGIONS: readonly string[] = ['/dev/kvmfr0', '/dev/shm/looking-glass'];

/** The region that is meant when none is named: the kvmfr device if it exists, else the file. */
export function defaultRegionPath(): string {
  return existsSync('/dev/kvmfr0') ? '/dev/kvmfr0' : '/dev/shm/looking-glass';
}

/**
 * Checks that a REGION argument is one that can be: a path, `pci:ADDR`, `vfio:ADDR`, `ivshmem:unix:PATH`.
 *
 * @throws ERR_KVMFR_ARGUMENT
 */
export function checkRegionName(name: string): void {
  parseRegionName(name);
}

/** A mapping and the views over it. */
export interface OpenRegion {
  readonly mapping: Mapping;
  readonly region: Region;
}

/**
 * Maps a region that is there without asking anybody, of every kind but `ivshmem:`, and lays views
 * over it.
 *
 * Ownership: the caller closes `mapping`.
 *
 * @throws what {@link openMapping} throws, and ERR_KVMFR_SIZE
 */
export function openRegion(name: string, options: OpenOptions = {}): OpenRegion {
  return checked(name, openMapping(name, options));
}

/**
 * Maps a region of any kind and lays views over it.
 *
 * Ownership: the caller closes `mapping`.
 *
 * @throws what {@link reachMapping} throws, and ERR_KVMFR_SIZE
 */
export async function reachRegion(name: string, options: ReachOptions = {}): Promise<OpenRegion> {
  return checked(name, await reachMapping(name, options));
}

/** Whether a region is had by asking a server for it: then {@link reachRegion} takes its time. */
export function isServed(name: string): boolean {
  return name.startsWith('ivshmem:');
}

function checked(name: string, mapping: Mapping): OpenRegion {
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

/** Whether the path no longer names what is mapped. Not to be told is no reason to let go. */
export function isAway({ mapping }: OpenRegion): boolean {
  try {
    return mapping.stillThere() !== 'same';
  } catch (error) {
    if (KvmfrError.is(error)) return false;
    throw error;
  }
}
