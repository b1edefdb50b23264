import { once } from 'node:events';
import { accessSync, constants, fstatSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KvmfrError, type KvmfrErrorCode } from '../protocol/error.ts';
import { reasonOf } from './reasons.ts';

/**
 * Writes a file whole or not at all. What a link names is written, not the link; and a device or a
 * pipe is written into, never replaced.
 *
 * @throws the code, with what the system said
 */
export async function writeWhole(
  path: string,
  content: Uint8Array | string,
  code: KvmfrErrorCode,
): Promise<void> {
  try {
    const target = await realpath(path).catch(() => path);
    const found = await stat(target).catch(() => undefined);
    if (found === undefined || found.isFile()) await replaceFile(target, content);
    else await writeFile(target, content);
  } catch (cause) {
    throw unwritable(path, code, cause);
  }
}

async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}`);
  try {
    await writeFile(draft, content, { flag: 'wx' });
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw cause;
  }
}

/** Writes all of it to standard output. @throws the code, with what the system said */
export async function writeStdout(content: Uint8Array, code: KvmfrErrorCode): Promise<void> {
  const { fd } = process.stdout;
  if (!fstatSync(fd).isFile()) {
    if (!process.stdout.write(content)) await once(process.stdout, 'drain');
    return;
  }
  try {
    // The stream would take a part that fitted on the disk for the whole.
    writeFileSync(fd, content);
  } catch (cause) {
    throw unwritable('standard output', code, cause);
  }
}

/** Makes sure early that a file can be made where it is to be written. @throws the code */
export function checkWritable(path: string, code: KvmfrErrorCode): void {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true)
      throw Object.assign(new Error('EISDIR: it is a folder'), { code: 'EISDIR' });
    const isReplaced = found === undefined || found.isFile();
    const target = found === undefined ? path : realpathSync(path);
    accessSync(isReplaced ? dirname(target) : target, constants.W_OK);
  } catch (cause) {
    throw unwritable(path, code, cause);
  }
}

function unwritable(path: string, code: KvmfrErrorCode, cause: unknown): KvmfrError {
  const { errno, text } = reasonOf(cause);
  return new KvmfrError(code, `${path} could not be written: ${text}`, { cause, path, errno });
}
