import { accessSync, constants } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KvmfrError, type KvmfrErrorCode } from '../protocol/error.ts';

/** Writes a file whole or not at all. @throws the code, with what the system said */
export async function writeWhole(
  path: string,
  content: Uint8Array | string,
  code: KvmfrErrorCode,
): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}`);
  try {
    await writeFile(draft, content, { flag: 'wx' });
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw unwritable(path, code, cause);
  }
}

/** Makes sure early that a file can be made where it is to be written. @throws the code */
export function checkWritable(path: string, code: KvmfrErrorCode): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    throw unwritable(path, code, cause);
  }
}

function unwritable(path: string, code: KvmfrErrorCode, cause: unknown): KvmfrError {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error';
  return new KvmfrError(code, `${path} could not be written: ${errno}`, { cause, path, errno });
}
