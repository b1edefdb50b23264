import { KvmfrError } from '../protocol/error.ts';

const WORDS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'this user may not'],
  ['EISDIR', 'it is a folder'],
  ['ENOENT', 'there is no such file or folder'],
  ['ENOSPC', 'the disk is full'],
  ['ENOTDIR', 'what it should lie in is no folder'],
  ['EPERM', 'this user may not'],
  ['EROFS', 'its file system is read-only'],
]);

/** Why the system did not do something with a file: its name for that, and what it means. */
export function reasonOf(cause: unknown): { readonly errno: string; readonly text: string } {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error';
  const words = WORDS.get(errno);
  return { errno, text: words === undefined ? errno : `${errno}, ${words}` };
}

/** The error for a file that a flag names and that cannot be read. */
export function unreadable(flag: string, path: string, cause: unknown): KvmfrError {
  const { errno, text } = reasonOf(cause);
  const message = `--${flag} ${path} cannot be read: ${text}`;
  return new KvmfrError('ERR_KVMFR_USAGE', message, { cause, path, errno });
}
