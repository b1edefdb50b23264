/** Layer 1: the only C++ and the only system calls. Importing it loads no binary. */
export type { Doorbell, DoorbellSummary } from './doorbell.ts';
export * from './i420.ts';
export { type IvshmemOptions, openIvshmem } from './ivshmem-link.ts';
export {
  type IvshmemEvent,
  IvshmemServer,
  type IvshmemServerOptions,
} from './ivshmem-server.ts';
export * from './mapping.ts';
export * from './moves.ts';
export * from './open.ts';
export { type IvshmemDevice, ivshmemDevices, openPci, type PciOptions } from './pci.ts';
export * from './pixels.ts';
export * from './placement.ts';
export * from './region-file.ts';
export { parseRegionName, type RegionName } from './region-name.ts';
export * from './screen-memory.ts';
export * from './shared-memory.ts';
export * from './spare-memory.ts';
export * from './tile-ops.ts';
export * from './tone-map.ts';
export { openVfio, type VfioOptions } from './vfio.ts';
export {
  type CancellableWaitOptions,
  MAX_WATCHED_WORDS,
  type WaitLooks,
  type WaitOptions,
  type WaitOutcome,
  type WatchedWord,
} from './waits.ts';
