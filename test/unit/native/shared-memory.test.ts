import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readlinkSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  createRegionFile,
  createSharedMemory,
  Mapping,
  openSharedMemory,
} from '../../../native/index.ts';
import { askChild, REGION_BYTES, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();
const child = fileURLToPath(new URL('./children/shared-memory.mjs', import.meta.url));

describe('createSharedMemory', () => {
  test('gives zeros, in whole pages', () => {
    using memory = createSharedMemory(5000);
    expect([memory.byteLength, memory.kind, memory.access]).toEqual([8192, 'file', 'read-write']);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });

  test('has a path, and no name in any file system', () => {
    using memory = createSharedMemory(REGION_BYTES);
    expect(memory.path).toMatch(new RegExp(`^/proc/${process.pid}/fd/\\d+$`));
    expect(readlinkSync(memory.path)).toBe('/memfd:kvmfr (deleted)');
    const status = statSync(memory.path);
    expect([status.nlink, status.mode & 0o777, status.size]).toEqual([0, 0o600, REGION_BYTES]);
    expect(status.blocks * 512).toBeGreaterThanOrEqual(REGION_BYTES);
  });

  test('is shared by every mapping of its path', () => {
    using memory = createSharedMemory(REGION_BYTES);
    using shared = openSharedMemory(memory.path, REGION_BYTES);
    using region = Mapping.open(memory.path);
    expect([shared.inode, region.inode]).toEqual([memory.inode, memory.inode]);
    new Uint32Array(memory.buffer)[7] = 77;
    expect(new Uint32Array(shared.buffer)[7]).toBe(77);
    new Uint32Array(shared.buffer)[8] = 88;
    expect(new Uint32Array(region.buffer)[8]).toBe(88);
  });

  test('follows its maker for a reader, whose stores stay its own', () => {
    using memory = createSharedMemory(REGION_BYTES);
    using reader = openSharedMemory(memory.path, REGION_BYTES, { access: 'read-only' });
    expect(reader.access).toBe('read-only');
    new Uint32Array(memory.buffer)[7] = 77;
    expect(new Uint32Array(reader.buffer)[7]).toBe(77);
    new Uint32Array(reader.buffer)[8] = 88;
    expect(new Uint32Array(memory.buffer)[8]).toBe(0);
  });

  test('keeps its size, whoever has it open', () => {
    using memory = createSharedMemory(REGION_BYTES);
    for (const byteLength of [0, 4096, 2 * REGION_BYTES]) {
      expect(() => truncateSync(memory.path, byteLength)).toThrow('EPERM');
    }
    expect(memory.stillThere()).toBe('same');
    expect(statSync(memory.path).size).toBe(REGION_BYTES);
  });

  test('stays with who has mapped it when its maker closes it', () => {
    const memory = createSharedMemory(REGION_BYTES);
    using shared = openSharedMemory(memory.path, REGION_BYTES);
    const { path } = memory;
    new Uint32Array(memory.buffer)[0] = 5;
    memory.close();
    expect(new Uint32Array(shared.buffer)[0]).toBe(5);
    expect(shared.stillThere()).not.toBe('same');
    expect(thrownBy(() => openSharedMemory(path, REGION_BYTES)).code).toMatch(
      /^ERR_KVMFR_(ABSENT|NOT_A_REGION|SIZE|SYSCALL)$/,
    );
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, '4096', undefined])(
    'refuses a size of %s',
    (byteLength) => {
      const create = () => Reflect.apply(createSharedMemory, undefined, [byteLength]);
      expect(thrownBy(create).code).toBe('ERR_KVMFR_ARGUMENT');
      const open = () => Reflect.apply(openSharedMemory, undefined, ['/proc/self/exe', byteLength]);
      expect(thrownBy(open).code).toBe('ERR_KVMFR_ARGUMENT');
    },
  );
});

describe('openSharedMemory', () => {
  test('refuses a file that somebody could cut', () => {
    const path = join(folder, 'region');
    createRegionFile(path, REGION_BYTES);
    const error = thrownBy(() => openSharedMemory(path, REGION_BYTES));
    expect(error).toMatchObject({ code: 'ERR_KVMFR_NOT_A_REGION', path });
    expect(error.message).toContain('size can be changed');
  });

  test('refuses memory that is smaller than needed', () => {
    using memory = createSharedMemory(4096);
    const error = thrownBy(() => openSharedMemory(memory.path, 4097));
    expect(error.code).toBe('ERR_KVMFR_SIZE');
    expect(error.message).toContain('at least 4097 bytes');
  });

  test('is ABSENT where nothing is', () => {
    expect(thrownBy(() => openSharedMemory(join(folder, 'none'), 1)).code).toBe('ERR_KVMFR_ABSENT');
  });

  test('threads and processes see each other, and lose no addition', async () => {
    using memory = createSharedMemory(REGION_BYTES);
    const words = new Uint32Array(memory.buffer);
    words[1] = 0xc0ffee;
    const args = ['add', memory.path, String(REGION_BYTES), '100000'];
    const worker = new Worker(child, { workerData: args });
    const process = fork(child, args);
    const [[fromWorker], [fromProcess]] = await Promise.all([
      once(worker, 'message'),
      once(process, 'message'),
    ]);
    expect([fromWorker, fromProcess]).toEqual([0xc0ffee, 0xc0ffee]);
    expect(Atomics.load(words, 2)).toBe(2);

    const ends = Promise.all([once(worker, 'exit'), once(process, 'exit')]);
    Atomics.store(words, 3, 1);
    for (let i = 0; i < 100_000; i++) Atomics.add(words, 0, 1);
    expect(await ends).toEqual([[0], [0, null]]);
    expect(Atomics.load(words, 0)).toBe(300_000);
  });

  test('outlives a maker that is killed, which leaves nothing else', async () => {
    const maker = fork(child, ['create', String(REGION_BYTES)]);
    const [path] = await once(maker, 'message');
    using memory = openSharedMemory(String(path), REGION_BYTES);
    // No name, and not in /dev/shm: what is left of it is our mapping.
    expect([statSync(String(path)).nlink, readlinkSync(String(path))]).toEqual([
      0,
      '/memfd:kvmfr (deleted)',
    ]);
    maker.kill('SIGKILL');
    expect(await once(maker, 'exit')).toEqual([null, 'SIGKILL']);
    expect(existsSync(String(path))).toBe(false);
    expect(memory.stillThere()).toBe('gone');
    const words = new Uint32Array(memory.buffer);
    expect(words[1]).toBe(maker.pid);
    words.fill(1);
    expect(words.at(-1)).toBe(1);
  });

  test('1000 of them leave no descriptor and no mapping', async () => {
    const result = await askChild('shared-memory.mjs', ['left-over']);
    const { before, during, after } = result as {
      readonly before: object;
      readonly during: number;
      readonly after: object;
    };
    expect(before).toMatchObject({ mappings: 0 });
    expect(during).toBe(2);
    expect(after).toEqual(before);
  });
});
