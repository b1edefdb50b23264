import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { REGION_BYTES, run, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();

describe('createRegionFile', () => {
  test('makes a file of zeros with every block allocated and the mode that was asked for', () => {
    const path = join(folder, 'fresh');
    createRegionFile(path, REGION_BYTES, { mode: 0o666 });
    const status = statSync(path);
    expect(status.mode & 0o777).toBe(0o666);
    expect(status.blocks * 512).toBeGreaterThanOrEqual(REGION_BYTES);
    expect(readFileSync(path).equals(Buffer.alloc(REGION_BYTES))).toBe(true);
  });

  test('gives the file to its maker alone when no mode is asked for', () => {
    const path = join(folder, 'private');
    createRegionFile(path, REGION_BYTES);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('keeps a file of that size with its contents and its mode', () => {
    const path = join(folder, 'kept');
    createRegionFile(path, REGION_BYTES, { mode: 0o640 });
    using mapping = Mapping.open(path);
    new Uint32Array(mapping.buffer)[5] = 55;
    createRegionFile(path, REGION_BYTES, { mode: 0o600 });
    expect(mapping.stillThere()).toBe('same');
    expect(readFileSync(path).readUInt32LE(20)).toBe(55);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test('grows an empty file that was made for its owner and mode', () => {
    const path = join(folder, 'grown');
    writeFileSync(path, '');
    chmodSync(path, 0o660);
    const { ino } = statSync(path);
    createRegionFile(path, REGION_BYTES);
    const status = statSync(path);
    expect([status.ino, status.size, status.mode & 0o777]).toEqual([ino, REGION_BYTES, 0o660]);
  });

  test('never cuts a larger file under a reader: a new one of the same mode takes its name', () => {
    const path = join(folder, 'larger');
    createRegionFile(path, 4 * REGION_BYTES, { mode: 0o660 });
    using mapping = Mapping.open(path);
    const words = new Uint32Array(mapping.buffer);
    words[words.length - 1] = 99;
    createRegionFile(path, REGION_BYTES);
    expect(mapping.stillThere()).toBe('replaced');
    expect(words[words.length - 1]).toBe(99);
    expect(statSync(path).size).toBe(REGION_BYTES);
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  test('exclusive refuses whatever is there as BUSY, and touches it not', () => {
    const path = join(folder, 'exclusive');
    createRegionFile(path, REGION_BYTES, { exclusive: true });
    const error = thrownBy(() => createRegionFile(path, 2 * REGION_BYTES, { exclusive: true }));
    expect(error).toMatchObject({ code: 'ERR_KVMFR_BUSY', errno: 'EEXIST', path });
    expect(statSync(path).size).toBe(REGION_BYTES);
  });

  test('refuses a directory, a fifo, and the name of a device', () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const path of [folder, fifo, '/dev/kvmfr0']) {
      expect(thrownBy(() => createRegionFile(path, REGION_BYTES)).code).toBe(
        'ERR_KVMFR_NOT_A_REGION',
      );
    }
  });

  test('names the folder that is missing', () => {
    const error = thrownBy(() => createRegionFile(join(folder, 'no', 'region'), REGION_BYTES));
    expect(error.code).toBe('ERR_KVMFR_ABSENT');
    expect(error.message).toContain(`${join(folder, 'no')} to exist`);
  });

  test.each([0, -4096, 4095, 4097, 2 ** 32, Number.NaN, 1.5])(
    'refuses a size of %d bytes',
    (byteLength) => {
      const path = join(folder, 'bad-size');
      expect(thrownBy(() => createRegionFile(path, byteLength)).code).toBe('ERR_KVMFR_ARGUMENT');
      expect(existsSync(path)).toBe(false);
    },
  );

  test('a full file system is an error at once, and leaves nothing behind', async (context) => {
    const small = join(folder, 'small');
    mkdirSync(small);
    const script = `mount -t tmpfs -o size=1m tmpfs ${small} && exec "$@"`;
    const child = new URL('./children/full.mjs', import.meta.url).pathname;
    const { status, stdout, stderr } = await run('unshare', [
      ...['-m', 'sh', '-c', script, 'sh'],
      ...[process.execPath, child, small],
    ]);
    if (/permitted|denied|not found|ENOENT/i.test(`${stderr}${status}`)) {
      return context.skip(`no small file system can be mounted here: ${stderr}`);
    }
    expect(JSON.parse(stdout)).toEqual({
      code: 'ERR_KVMFR_SYSCALL',
      errno: 'ENOSPC',
      syscall: 'posix_fallocate',
      left: [],
    });
  });

  test('leaves no file of its own beside the region', () => {
    expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  test('a file of holes gets its blocks', () => {
    const path = join(folder, 'holes');
    writeFileSync(path, '');
    truncateSync(path, REGION_BYTES);
    createRegionFile(path, REGION_BYTES);
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(REGION_BYTES);
  });
});
