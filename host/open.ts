import { createRegionFile, Mapping } from '../native/index.ts';
import { KvmfrError, Region } from '../protocol/index.ts';

/** A region that was opened by its path. */
export interface OpenRegion {
  readonly region: Region;
  readonly mapping: Mapping;
}

/**
 * Maps a region for writing; makes the file first when it is absent and a size is given.
 *
 * @throws what {@link Mapping.open} and {@link createRegionFile} throw
 */
export function openRegion(path: string, createMib: number | undefined): OpenRegion {
  const mapping = openOrCreate(path, createMib);
  return { region: new Region(mapping.buffer), mapping };
}

function openOrCreate(path: string, createMib: number | undefined): Mapping {
  try {
    return Mapping.open(path);
  } catch (error) {
    const absent = KvmfrError.is(error) && error.code === 'ERR_KVMFR_ABSENT';
    if (createMib === undefined || !absent) throw error;
  }
  try {
    createRegionFile(path, createMib * 2 ** 20, { exclusive: true });
  } catch (error) {
    // Somebody else was faster: theirs is as good.
    if (!KvmfrError.is(error) || error.code !== 'ERR_KVMFR_BUSY') throw error;
  }
  return Mapping.open(path);
}
