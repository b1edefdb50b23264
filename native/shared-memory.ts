import { KvmfrError } from '../protocol/error.ts';
import { openError, systemError } from './failure.ts';
import { addon } from './load.ts';
import { Mapping, type MappingOptions, unsupported } from './mapping.ts';

const PAGE_BYTES = 4096;
const MAX_BYTES = 0xffff_f000;

/**
 * Makes memory of zeros that threads and processes of the same user can share: whoever is told its
 * `path` maps it by {@link openSharedMemory}.
 *
 * The memory has no name in any file system: it is gone with its last mapping, also when a process
 * is killed. Its size is sealed, so no other process can make a read of it fault, and every page is
 * allocated now, so that too little memory is an error here.
 *
 * Shape: `byteLength` of the mapping is rounded up to whole pages of 4096 bytes. `path` is
 * `/proc/PID/fd/N`, which leads to the memory until this mapping is closed, in the PID namespace of
 * this process; mappings that others made by it stay.
 *
 * Ownership: the caller closes the mapping. It belongs to one thread, as every mapping does.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_SYSCALL (ENOMEM, ENOSPC, EMFILE ...), ERR_KVMFR_UNSUPPORTED
 *   (not Linux, or no /proc of this process), ERR_KVMFR_NATIVE
 */
export function createSharedMemory(byteLength: number): Mapping {
  needSize(byteLength);
  const NativeMapping = addon().Mapping;
  if (NativeMapping === undefined) throw unsupported();
  const native = new NativeMapping(Math.ceil(byteLength / PAGE_BYTES) * PAGE_BYTES);
  const { failure, path } = native;
  if (failure === undefined) return Mapping.own(native, { path, access: 'read-write' });
  if (failure.step !== 'path') {
    throw systemError('shared memory', failure.syscall, failure.errorNumber);
  }
  throw new KvmfrError(
    'ERR_KVMFR_UNSUPPORTED',
    'expected /proc to show the open files of this process, by which others open shared memory, but it does not',
    { hint: 'mount the /proc of this PID namespace' },
  );
}

/**
 * Maps memory that {@link createSharedMemory} made, in another thread or process of the same user.
 *
 * A path whose owner has closed it may lead to another file by now. So only memory whose size is
 * sealed is taken, with at least the size that is needed.
 *
 * @param options `access` as for {@link Mapping.open}: who only reads cannot spoil what others see
 *
 * Ownership: as {@link Mapping.open}.
 *
 * @throws ERR_KVMFR_NOT_A_REGION (not sealed memory), ERR_KVMFR_SIZE (smaller), ERR_KVMFR_ARGUMENT,
 *   ERR_KVMFR_ABSENT, ERR_KVMFR_DENIED, ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED, ERR_KVMFR_NATIVE
 */
export function openSharedMemory(
  path: string,
  byteLength: number,
  options: Pick<MappingOptions, 'access'> = {},
): Mapping {
  const { access = 'read-write' } = options;
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new KvmfrError('ERR_KVMFR_ARGUMENT', 'expected path to be a path');
  }
  needSize(byteLength);
  const NativeMapping = addon().Mapping;
  if (NativeMapping === undefined) throw unsupported();
  const native = new NativeMapping(path, access === 'read-only', true);
  if (native.failure !== undefined) throw openError(path, native.failure);
  if (native.byteLength < byteLength) {
    const found = native.byteLength;
    native.close();
    throw new KvmfrError(
      'ERR_KVMFR_SIZE',
      `expected shared memory of at least ${byteLength} bytes at ${path}, but it has ${found}`,
      { path },
    );
  }
  return Mapping.own(native, { path, access });
}

function needSize(byteLength: number): void {
  if (Number.isInteger(byteLength) && byteLength > 0 && byteLength <= MAX_BYTES) return;
  throw new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `expected the size of shared memory to be 1 to ${MAX_BYTES} bytes, got ${String(byteLength)}`,
  );
}
