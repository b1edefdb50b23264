import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { askChild, REGION_BYTES, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();

function regionAt(name: string): string {
  const path = join(folder, name);
  createRegionFile(path, REGION_BYTES);
  return path;
}

function fileOf(name: string, byteLength: number): string {
  const path = join(folder, name);
  closeSync(openSync(path, 'w'));
  truncateSync(path, byteLength);
  return path;
}

describe('Mapping.open', () => {
  test('maps all of a region file and shares stores with every other mapping of it', () => {
    const path = regionAt('shared');
    using one = Mapping.open(path);
    using other = Mapping.open(path);
    expect(one.kind).toBe('file');
    expect(one.access).toBe('read-write');
    expect(one.path).toBe(path);
    expect(one.byteLength).toBe(REGION_BYTES);
    expect(one.buffer.byteLength).toBe(REGION_BYTES);
    new Uint32Array(one.buffer)[REGION_BYTES / 4 - 1] = 0xfeedface;
    expect(new Uint32Array(other.buffer)[REGION_BYTES / 4 - 1]).toBe(0xfeedface);
  });

  test('gives the same ArrayBuffer each time', () => {
    using mapping = Mapping.open(regionAt('one-buffer'));
    expect(mapping.buffer).toBe(mapping.buffer);
  });

  test('knows the inode and the file system of the open file', () => {
    const path = regionAt('identity');
    using mapping = Mapping.open(path);
    const status = statSync(path, { bigint: true });
    expect([mapping.inode, mapping.device]).toEqual([status.ino, status.dev]);
  });

  test('follows a symbolic link to a region', () => {
    const link = join(folder, 'link');
    symlinkSync(regionAt('linked'), link);
    using mapping = Mapping.open(link);
    expect(mapping.byteLength).toBe(REGION_BYTES);
  });

  test('read-only sees every store of the other side, and its own reach nobody', () => {
    const path = regionAt('read-only');
    using writer = Mapping.open(path);
    using reader = Mapping.open(path, { access: 'read-only' });
    const written = new Uint32Array(writer.buffer);
    const read = new Uint32Array(reader.buffer);
    expect(read[0]).toBe(0);
    written[0] = 7;
    expect(read[0]).toBe(7);
    read[1024] = 9;
    expect(written[1024]).toBe(0);
  });

  test('a missing file is ABSENT, with the system call, the errno and the path', () => {
    const path = join(folder, 'missing');
    const error = thrownBy(() => Mapping.open(path));
    expect(error).toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
      syscall: 'open',
      errno: 'ENOENT',
      path,
    });
    expect(error.message).toContain(path);
    expect(error.hint).toContain('start the VM');
  });

  test('a path through a file is ABSENT', () => {
    const path = join(regionAt('not-a-folder'), 'region');
    expect(thrownBy(() => Mapping.open(path))).toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
      errno: 'ENOTDIR',
    });
  });

  test('a directory is NOT_A_REGION, for writing and for reading', () => {
    for (const access of ['read-write', 'read-only'] as const) {
      const error = thrownBy(() => Mapping.open(folder, { access }));
      expect(error.code).toBe('ERR_KVMFR_NOT_A_REGION');
      expect(error.message).toContain('a directory');
    }
  });

  test('a fifo is NOT_A_REGION and does not wait for its other end', () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    for (const access of ['read-write', 'read-only'] as const) {
      const error = thrownBy(() => Mapping.open(path, { access }));
      expect(error.code).toBe('ERR_KVMFR_NOT_A_REGION');
      expect(error.message).toContain('a fifo');
    }
  });

  test('a socket is NOT_A_REGION', async () => {
    const path = join(folder, 'socket');
    const server = createServer().listen(path);
    await once(server, 'listening');
    expect(thrownBy(() => Mapping.open(path)).code).toBe('ERR_KVMFR_NOT_A_REGION');
    server.close();
    await once(server, 'close');
  });

  test('symbolic links in a circle are NOT_A_REGION', () => {
    const path = join(folder, 'circle');
    symlinkSync(path, path);
    expect(thrownBy(() => Mapping.open(path))).toMatchObject({
      code: 'ERR_KVMFR_NOT_A_REGION',
      errno: 'ELOOP',
    });
  });

  test.each(['/dev/null', '/dev/zero', '/dev/urandom'])(
    'the device %s, which does not answer GETSIZE, is NOT_A_REGION',
    (path) => {
      const error = thrownBy(() => Mapping.open(path));
      expect(error).toMatchObject({ code: 'ERR_KVMFR_NOT_A_REGION', syscall: 'ioctl' });
      expect(error.message).toContain('does not answer GETSIZE');
    },
  );

  test.each([
    ['of no bytes', 0],
    ['smaller than a page', 4095],
    ['not a multiple of the page size', 3 * 4096 + 8],
    ['of 4 GiB', 2 ** 32],
  ])('a file %s is refused for its SIZE', (_, byteLength) => {
    const error = thrownBy(() => Mapping.open(fileOf('odd-size', byteLength)));
    expect(error.code).toBe('ERR_KVMFR_SIZE');
    expect(error.message).toContain(`has ${byteLength}`);
    expect(error.hint).toBeDefined();
  });

  test('the largest file that offsets of 32 bits reach is mapped', () => {
    const byteLength = 2 ** 32 - 4096;
    const path = fileOf('largest', byteLength);
    using mapping = Mapping.open(path, { access: 'read-only' });
    expect(mapping.buffer.byteLength).toBe(byteLength);
    expect(new Uint8Array(mapping.buffer)[byteLength - 1]).toBe(0);
  });

  test('a file that the user may not open is DENIED, with the owner and what to do', async () => {
    const locked = regionAt('locked');
    const readable = regionAt('readable');
    chmodSync(locked, 0);
    chmodSync(readable, 0o444);
    chmodSync(folder, 0o755);
    expect(await askChild('denied.mjs', [locked, readable])).toMatchObject({
      locked: {
        code: 'ERR_KVMFR_DENIED',
        errno: 'EACCES',
        syscall: 'open',
        hint: expect.stringContaining('chmod'),
        message: expect.stringMatching(/belongs to uid \d+, gid \d+, mode 0000/),
      },
      readableReadWrite: { code: 'ERR_KVMFR_DENIED' },
      readableReadOnly: { word: 0 },
    });
  });

  test('a regular file where a device should be is NOT_A_REGION and says who made it', (context) => {
    const path = '/dev/kvmfr90210';
    if (existsSync(path)) return context.skip(`${path} exists`);
    try {
      writeFileSync(path, '');
    } catch (error) {
      return context.skip(`no file can be made in /dev: ${String(error)}`);
    }
    try {
      for (const byteLength of [0, REGION_BYTES]) {
        truncateSync(path, byteLength);
        const error = thrownBy(() => Mapping.open(path));
        expect(error.code).toBe('ERR_KVMFR_NOT_A_REGION');
        expect(error.message).toContain('a regular file');
        expect(error.hint).toContain('kvmfr module was not loaded');
      }
    } finally {
      unlinkSync(path);
    }
  });

  test('a file that merely has a name like a device is a region', () => {
    mkdirSync(join(folder, 'dev'));
    using mapping = Mapping.open(regionAt('dev/kvmfr0'));
    expect(mapping.kind).toBe('file');
  });

  test('what is not a path, or not an access, is an ARGUMENT error', () => {
    for (const path of [undefined, 42, '', 'a\0b', {}]) {
      expect(thrownBy(() => Reflect.apply(Mapping.open, Mapping, [path])).code).toBe(
        'ERR_KVMFR_ARGUMENT',
      );
    }
    const options = { access: 'write-only' };
    expect(
      thrownBy(() => Reflect.apply(Mapping.open, Mapping, [join(folder, 'shared'), options])).code,
    ).toBe('ERR_KVMFR_ARGUMENT');
  });
});
