import {
  createRegionFile,
  type Mapping,
  openMapping,
  parseRegionName,
  reachMapping,
} from '../native/index.ts';
import { KvmfrError, Region } from '../protocol/index.ts';
import type { HostOptions } from './host-facts.ts';
import { Host } from './publisher.ts';

/** A region that was opened by its path. */
export interface OpenRegion {
  readonly region: Region;
  readonly mapping: Mapping;
}

/**
 * Maps a region for writing; makes the file first when it is one, is absent, and a size is given.
 *
 * @throws what {@link reachMapping} and {@link createRegionFile} throw
 */
export async function openRegion(
  path: string,
  options: { readonly createMib: number | undefined; readonly signal: AbortSignal | undefined },
): Promise<OpenRegion> {
  const mapping = await openOrCreate(path, options);
  return { region: new Region(mapping.buffer), mapping };
}

async function openOrCreate(
  path: string,
  {
    createMib,
    signal,
  }: { readonly createMib: number | undefined; readonly signal: AbortSignal | undefined },
): Promise<Mapping> {
  try {
    return await reachMapping(path, { signal });
  } catch (error) {
    const absent = KvmfrError.is(error) && error.code === 'ERR_KVMFR_ABSENT';
    if (createMib === undefined || !absent || parseRegionName(path).kind !== 'path') throw error;
  }
  try {
    createRegionFile(path, createMib * 2 ** 20, { exclusive: true });
  } catch (error) {
    // Somebody else was faster: theirs is as good.
    if (!KvmfrError.is(error) || error.code !== 'ERR_KVMFR_BUSY') throw error;
  }
  return openMapping(path);
}

/**
 * Starts publishing in a region: a path (file or kvmfr device) or a {@link Region} in this process.
 *
 * @throws ERR_KVMFR_SIZE when the region is too small, ERR_KVMFR_REGION_LOST when there is no room for
 *   its pages, ERR_KVMFR_ARGUMENT, and what opening a region throws
 */
export async function createHost(
  region: string | Region,
  options: HostOptions = {},
): Promise<Host> {
  options.signal?.throwIfAborted();
  const opened =
    region instanceof Region
      ? { region, mapping: undefined }
      : await openRegion(region, { createMib: options.regionMib, signal: options.signal });
  try {
    const host = new Host(opened.region, opened.mapping, options);
    if (opened.mapping?.lost !== true) return host;
    const error = opened.mapping.lossError();
    await host.close();
    throw error;
  } catch (error) {
    opened.mapping?.close();
    throw error;
  }
}
