import { constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { KvmfrError, type KvmfrErrorDetails } from '../protocol/error.ts';
import type { OpenFailure } from './addon.ts';
import { hugePageError } from './huge-pages.ts';

const KIND_NAMES: ReadonlyMap<number, string> = new Map([
  [constants.S_IFIFO, 'a fifo'],
  [constants.S_IFCHR, 'a character device that does not answer GETSIZE'],
  [constants.S_IFDIR, 'a directory'],
  [constants.S_IFBLK, 'a block device'],
  [constants.S_IFSOCK, 'a socket'],
]);

/** Whether a path is one that the kvmfr kernel module gives to its devices. */
export function isDevicePath(path: string): boolean {
  return /^\/dev\/kvmfr\d+$/.test(path);
}

/** The name of a system error number, for example `EACCES`. */
export function errorName(errorNumber: number): string {
  return errorNumber > 0 ? getSystemErrorName(-errorNumber) : `errno ${errorNumber}`;
}

/** The name of the system error that a call of Node failed with. */
export function errnoOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string'
    ? cause.code
    : undefined;
}

/** The error for a path that could not be opened as a region. */
export function openError(path: string, failure: OpenFailure): KvmfrError {
  switch (failure.step) {
    case 'kind':
      return notARegion(
        path,
        KIND_NAMES.get(failure.mode & constants.S_IFMT) ?? 'something else',
        failure,
      );
    case 'size':
      if (isDevicePath(path) && (failure.mode & constants.S_IFMT) === constants.S_IFREG)
        return fileAtDevicePath(path);
      return sizeError(path, failure.byteLength);
    case 'seals':
      return notARegion(path, 'something whose size can be changed', failure, 'sealed memory');
    case 'map': {
      const { syscall, errorNumber } = failure;
      const huge = hugePageError(path, syscall, errorName(errorNumber));
      return huge ?? systemError(path, syscall, errorNumber);
    }
    default:
      return systemError(path, failure.syscall, failure.errorNumber);
  }
}

/** The error for a regular file where a device of the kernel module should be. */
export function fileAtDevicePath(path: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_NOT_A_REGION',
    `expected a kvmfr device at ${path}, but found a regular file`,
    {
      path,
      hint: 'QEMU made it because the kvmfr module was not loaded: stop the VM, delete the file, load the module, start the VM',
    },
  );
}

/** The error for a system call on a path that failed with an error number. */
export function systemError(path: string, syscall: string, errorNumber: number): KvmfrError {
  const errno = errorName(errorNumber);
  const details: KvmfrErrorDetails = { syscall, errno, path };
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new KvmfrError('ERR_KVMFR_ABSENT', `expected a region at ${path}, found nothing`, {
        ...details,
        hint: isDevicePath(path)
          ? 'load the kvmfr kernel module with static_size_mb'
          : 'start the VM with an ivshmem device that uses this path',
      });
    case 'EACCES':
    case 'EPERM':
      return new KvmfrError(
        'ERR_KVMFR_DENIED',
        `expected to be allowed to ${syscall} ${path}, but the system refused it (${errno}${ownership(path)})`,
        { ...details, hint: accessHint(path) },
      );
    case 'EISDIR':
      return notARegion(path, 'a directory', details);
    case 'ELOOP':
      return notARegion(path, 'symbolic links that lead in a circle', details);
    case 'ENXIO':
    case 'ENODEV':
      return notARegion(path, 'something that cannot be opened or mapped', details);
    default:
      return new KvmfrError('ERR_KVMFR_SYSCALL', `${syscall} of ${path} failed: ${errno}`, {
        ...details,
        ...(errno === 'ENOSPC' ? { hint: 'make room in the file system that holds it' } : {}),
      });
  }
}

/** The error for a mapping under which memory went away. Sizes in bytes; `now` where it can be told. */
export function lossError(
  path: string,
  sizes: { readonly mapped: number; readonly now: number | undefined },
): KvmfrError {
  const { mapped, now } = sizes;
  if (now !== undefined && now < mapped)
    return new KvmfrError(
      'ERR_KVMFR_REGION_LOST',
      `expected ${path} to keep its ${mapped} bytes while it is mapped, but it shrank to ${now}`,
      { path, hint: `give the file its ${mapped} bytes again, or start the VM again` },
    );
  return new KvmfrError(
    'ERR_KVMFR_REGION_LOST',
    `expected every page of ${path} to be there, but one was not to be had: its file system is full, it was cut for a moment, or the memory is faulty`,
    { path, hint: 'make room in the file system that holds it' },
  );
}

function notARegion(
  path: string,
  found: string,
  failure: OpenFailure | KvmfrErrorDetails,
  expected: string = 'a regular file or a kvmfr device',
): KvmfrError {
  const details: KvmfrErrorDetails =
    'step' in failure
      ? failure.errorNumber > 0
        ? { path, syscall: failure.syscall, errno: errorName(failure.errorNumber) }
        : { path }
      : failure;
  return new KvmfrError(
    'ERR_KVMFR_NOT_A_REGION',
    `expected ${expected} at ${path}, but found ${found}`,
    details,
  );
}

function sizeError(path: string, byteLength: number): KvmfrError {
  const hint =
    byteLength === 0
      ? 'start the VM with it, or give it the size that the VM uses'
      : 'delete the file and start the VM again, or make it anew with the size that the VM uses';
  return new KvmfrError(
    'ERR_KVMFR_SIZE',
    `the size of a region must be a multiple of 4096 and below 4294967296 bytes, but ${path} has ${byteLength}`,
    { path, hint },
  );
}

/** Who may use a path, as far as that can be seen. */
function ownership(path: string): string {
  try {
    const { uid, gid, mode } = statSync(path);
    return `; it belongs to uid ${uid}, gid ${gid}, mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`;
  } catch {
    return '';
  }
}

function accessHint(path: string): string {
  return isDevicePath(path)
    ? 'add a udev rule, for example SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660", and join that group'
    : existsSync(path)
      ? `join the group of the file, or let one in: sudo chgrp kvm ${path} && sudo chmod 0660 ${path}, for example`
      : `this user has to be let into its folder, ${dirname(path)}`;
}
