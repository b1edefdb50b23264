import {
  closeSync,
  fchmodSync,
  fstatSync,
  linkSync,
  openSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { constants } from 'node:os';
import { KvmfrError } from '../protocol/error.ts';
import { fileAtDevicePath, isDevicePath, systemError } from './failure.ts';
import { addon } from './load.ts';
import { unsupported } from './mapping.ts';

/** How {@link createRegionFile} makes its file. */
export interface RegionFileOptions {
  /** Permission bits, taken as they are (no umask); 0o600 when left out. */
  readonly mode?: number;
  /** Fail with ERR_KVMFR_BUSY when something is at the path already. */
  readonly exclusive?: boolean;
}

const PAGE_BYTES = 4096;
const MAX_BYTES = 0xffff_ffff;

/**
 * Makes a region file of zeros with every block allocated, so that a full tmpfs is an error here
 * and not a crash at the first write.
 *
 * The file appears whole: whoever opens the path sees nothing or all of it. A file of that very
 * size that is already there is kept with its contents, so that who has it mapped stays with us;
 * one of another size is replaced by a new file, never cut under a reader.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BUSY, ERR_KVMFR_NOT_A_REGION, ERR_KVMFR_DENIED,
 *   ERR_KVMFR_ABSENT (no such folder), ERR_KVMFR_SYSCALL
 */
export function createRegionFile(
  path: string,
  byteLength: number,
  options: RegionFileOptions = {},
): void {
  const { mode = 0o600, exclusive = false } = options;
  checkArguments(path, byteLength, mode);
  if (isDevicePath(path)) throw fileAtDevicePath(path);
  if (!exclusive && keepExisting(path, byteLength)) return;

  const fresh = `${path}.${process.pid}-${Date.now().toString(36)}.new`;
  const fd = attempt(path, 'open', () => openSync(fresh, 'wx', mode));
  try {
    attempt(path, 'fchmod', () => fchmodSync(fd, mode));
    allocate(path, fd, byteLength);
    if (exclusive) {
      attempt(path, 'link', () => linkSync(fresh, path));
    } else {
      attempt(path, 'rename', () => renameSync(fresh, path));
    }
  } finally {
    closeSync(fd);
    removeQuietly(fresh);
  }
}

function checkArguments(path: string, byteLength: number, mode: number): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new KvmfrError('ERR_KVMFR_ARGUMENT', 'expected path to be a path');
  }
  if (
    !Number.isInteger(byteLength) ||
    byteLength <= 0 ||
    byteLength % PAGE_BYTES !== 0 ||
    byteLength > MAX_BYTES
  ) {
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `expected the size of a region to be a multiple of ${PAGE_BYTES} and at most ${MAX_BYTES} bytes, got ${byteLength}`,
    );
  }
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw new KvmfrError('ERR_KVMFR_ARGUMENT', `expected mode to be 0 to 0o777, got ${mode}`);
  }
}

/** Whether a file of that size was there; its blocks are allocated then. */
function keepExisting(path: string, byteLength: number): boolean {
  let fd: number;
  try {
    // O_NONBLOCK would be needed for a fifo; r+ opens one without waiting on Linux.
    fd = openSync(path, 'r+');
  } catch (cause) {
    const error = toKvmfrError(path, 'open', cause);
    if (error.code === 'ERR_KVMFR_ABSENT') return false;
    throw error;
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) {
      throw new KvmfrError(
        'ERR_KVMFR_NOT_A_REGION',
        `expected a regular file or nothing at ${path}, but found something else`,
        { path },
      );
    }
    if (found.size !== byteLength) return false;
    allocate(path, fd, byteLength);
    return true;
  } finally {
    closeSync(fd);
  }
}

function allocate(path: string, fd: number, byteLength: number): void {
  const { allocateBlocks } = addon();
  if (allocateBlocks === undefined) throw unsupported();
  const errorNumber = allocateBlocks(fd, byteLength);
  if (errorNumber !== 0) throw systemError(path, 'posix_fallocate', errorNumber);
}

function attempt<T>(path: string, syscall: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw toKvmfrError(path, syscall, cause);
  }
}

function toKvmfrError(path: string, syscall: string, cause: unknown): KvmfrError {
  const errorNumber =
    cause instanceof Error && 'errno' in cause && typeof cause.errno === 'number'
      ? -cause.errno
      : 0;
  if (errorNumber === constants.errno.EEXIST) {
    return new KvmfrError('ERR_KVMFR_BUSY', `expected nothing at ${path}, but it exists`, {
      syscall,
      errno: 'EEXIST',
      path,
      cause,
    });
  }
  return systemError(path, syscall, errorNumber);
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Renamed away, which is what should have happened to it.
  }
}
