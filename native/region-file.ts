import { randomUUID } from 'node:crypto';
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
import { dirname } from 'node:path';
import { KvmfrError } from '../protocol/error.ts';
import { errorName, fileAtDevicePath, isDevicePath, systemError } from './failure.ts';
import { hugePageBytes, hugePageError } from './huge-pages.ts';
import { addon } from './load.ts';
import { unsupported } from './mapping.ts';

/** How {@link createRegionFile} makes its file. */
export interface RegionFileOptions {
  /**
   * Permission bits of a new file, taken as they are (no umask). When left out: those of the file
   * that it replaces, else 0o600.
   */
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
 * The file appears whole: whoever opens the path sees nothing or all of it. What is there already
 * is never cut under a reader: a file of that size is kept with its contents, a smaller one (an
 * empty one that was made for its owner and mode, for example) grows, a larger one is replaced by
 * a new file. On huge pages its size becomes a multiple of theirs.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BUSY, ERR_KVMFR_NOT_A_REGION, ERR_KVMFR_DENIED,
 *   ERR_KVMFR_ABSENT (no such folder), ERR_KVMFR_SYSCALL
 */
export function createRegionFile(
  path: string,
  wantedBytes: number,
  options: RegionFileOptions = {},
): void {
  const { exclusive = false } = options;
  checkArguments(path, wantedBytes, options.mode ?? 0o600);
  const pageBytes = hugePageBytes(path) ?? PAGE_BYTES;
  const byteLength = Math.ceil(wantedBytes / pageBytes) * pageBytes;
  if (isDevicePath(path)) throw fileAtDevicePath(path);
  const existing = exclusive ? 'nothing' : takeExisting(path, byteLength);
  if (existing === 'taken') return;

  const mode = options.mode ?? (existing === 'nothing' ? 0o600 : existing.mode);
  const fresh = `${path}.${randomUUID()}.new`;
  const fd = createFresh(path, fresh, mode);
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

function createFresh(path: string, fresh: string, mode: number): number {
  try {
    return openSync(fresh, 'wx', mode);
  } catch (cause) {
    const error = toKvmfrError(path, 'open', cause);
    if (error.code !== 'ERR_KVMFR_ABSENT') throw error;
    throw new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected the folder ${dirname(path)} to exist, to make a region in it`,
      { syscall: 'open', errno: error.errno ?? 'ENOENT', path, cause },
    );
  }
}

/** Uses the file that is there, if it is not larger than wanted; tells its mode if it is. */
function takeExisting(
  path: string,
  byteLength: number,
): 'nothing' | 'taken' | { readonly mode: number } {
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch (cause) {
    const error = toKvmfrError(path, 'open', cause);
    if (error.code === 'ERR_KVMFR_ABSENT') return 'nothing';
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
    if (found.size > byteLength) return { mode: found.mode & 0o777 };
    allocate(path, fd, byteLength);
    return 'taken';
  } finally {
    closeSync(fd);
  }
}

function allocate(path: string, fd: number, byteLength: number): void {
  const { allocateBlocks } = addon();
  if (allocateBlocks === undefined) throw unsupported();
  const errorNumber = allocateBlocks(fd, byteLength);
  if (errorNumber === 0) return;
  const syscall = 'posix_fallocate';
  throw (
    hugePageError(path, syscall, errorName(errorNumber)) ?? systemError(path, syscall, errorNumber)
  );
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
