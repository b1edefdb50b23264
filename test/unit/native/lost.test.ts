import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { convertRows, copyRows, Mapping, updateTiles } from '../../../native/index.ts';
import { askChild, run, runChild, scratchFolder } from './scratch.ts';

const folder = scratchFolder();
const PAGE = 4096;
const BYTES = 16 * PAGE;
let files = 0;

/** A file of ones. */
function ones(bytes = BYTES): string {
  const path = join(folder, `region-${files++}`);
  writeFileSync(path, new Uint8Array(bytes).fill(1));
  return path;
}

const child = (name: string): string => new URL(`./children/${name}`, import.meta.url).pathname;

describe('a file that is cut under its mapping', () => {
  test.each(['read-write', 'read-only'] as const)(
    'reads as zeros from where it was cut, %s; what is left of it stays',
    (access) => {
      const path = ones();
      using mapping = Mapping.open(path, { access });
      const bytes = new Uint8Array(mapping.buffer);
      expect(mapping.lost).toBe(false);
      truncateSync(path, 4 * PAGE);
      expect(bytes[4 * PAGE - 1]).toBe(1);
      expect(mapping.lost).toBe(false);
      expect(bytes[4 * PAGE]).toBe(0);
      expect(mapping.lost).toBe(true);
      expect(bytes.subarray(4 * PAGE).every((byte) => byte === 0)).toBe(true);
      expect(bytes.subarray(0, 4 * PAGE).every((byte) => byte === 1)).toBe(true);
    },
  );

  test('what is left is still shared: a lock that is held there can be given back', () => {
    const path = ones();
    using mapping = Mapping.open(path);
    const bytes = new Uint8Array(mapping.buffer);
    truncateSync(path, 4 * PAGE);
    expect(bytes[BYTES - 1]).toBe(0);
    bytes[3] = 77;
    bytes[BYTES - 1] = 78;
    const file = readFileSync(path);
    expect([file.length, file[3]]).toEqual([4 * PAGE, 77]);
  });

  test('says how much it has, and that it had more', () => {
    const path = ones();
    using mapping = Mapping.open(path);
    truncateSync(path, PAGE);
    expect(new Uint8Array(mapping.buffer)[BYTES - 1]).toBe(0);
    expect(mapping.stillThere()).toBe('lost');
    const { code, message, hint } = mapping.lossError();
    expect(code).toBe('ERR_KVMFR_REGION_LOST');
    expect(message).toBe(
      `expected ${path} to keep its ${BYTES} bytes while it is mapped, but it shrank to ${PAGE}`,
    );
    expect(hint).toContain(`${BYTES} bytes`);
  });

  test('stays lost when the file has its size again; a new mapping has all of it', () => {
    const path = ones();
    using mapping = Mapping.open(path);
    truncateSync(path, 0);
    expect(new Uint8Array(mapping.buffer)[0]).toBe(0);
    writeFileSync(path, new Uint8Array(BYTES).fill(2));
    expect([mapping.stillThere(), mapping.lost]).toEqual(['lost', true]);
    expect(new Uint8Array(mapping.buffer)[0]).toBe(0);
    using again = Mapping.open(path);
    expect(new Uint8Array(again.buffer).every((byte) => byte === 2)).toBe(true);
    expect([again.stillThere(), again.lost]).toEqual(['same', false]);
  });

  test('loses each mapping by itself, and none that is whole', () => {
    const path = ones();
    using whole = Mapping.open(ones());
    using first = Mapping.open(path);
    using second = Mapping.open(path);
    truncateSync(path, 0);
    expect(new Uint8Array(first.buffer)[0]).toBe(0);
    expect([first.lost, second.lost, whole.lost]).toEqual([true, false, false]);
    first.close();
    expect(first.lost).toBe(false);
    expect(new Uint8Array(second.buffer)[0]).toBe(0);
    expect(second.lost).toBe(true);
    expect(new Uint8Array(whole.buffer)[BYTES - 1]).toBe(1);
  });

  const across = { rowBytes: PAGE, rows: 15, srcPitchBytes: PAGE, dstPitchBytes: PAGE };
  const pixels = { widthPx: PAGE / 4, rows: 15, srcPitchBytes: PAGE, dstPitchBytes: PAGE };
  const own = new Uint8Array(BYTES);
  const touches: readonly (readonly [string, (bytes: Uint8Array<ArrayBuffer>) => unknown])[] = [
    ['a store', (bytes) => bytes.fill(3)],
    ['an atomic exchange', (bytes) => Atomics.exchange(new Int32Array(bytes.buffer), 9 * 1024, 5)],
    ['a view of 64 bits', (bytes) => new DataView(bytes.buffer).getBigUint64(9 * PAGE)],
    ['a slice', (bytes) => bytes.slice()],
    ['a copy within', (bytes) => bytes.copyWithin(0, 8 * PAGE)],
    ['a comparison', (bytes) => Buffer.compare(bytes, new Uint8Array(BYTES).fill(1))],
    ['a search', (bytes) => Buffer.from(bytes.buffer).indexOf('nothing')],
    ['a structured clone', (bytes) => structuredClone(bytes)],
    ['text', (bytes) => new TextDecoder('latin1').decode(bytes)],
    [
      'rows that are copied out',
      (src) => copyRows({ dst: own, dstOffset: 0, src, srcOffset: 0, ...across }),
    ],
    [
      'rows that are copied in',
      (dst) => copyRows({ dst, dstOffset: 0, src: own, srcOffset: 0, ...across }),
    ],
    [
      'pixels that are converted',
      (src) =>
        convertRows({ dst: own, dstOffset: 0, src, srcOffset: 0, format: 'RGBA', ...pixels }),
    ],
    [
      'tiles that are compared',
      (src) =>
        updateTiles({
          picture: own,
          picturePitchBytes: PAGE,
          widthPx: PAGE / 4,
          heightPx: 15,
          tilePx: 64,
          serials: new Uint32Array(16),
          serial: 1,
          src,
          srcOffset: 0,
          srcPitchBytes: PAGE,
          format: 'BGRA',
          ...{ x: 0, y: 0, width: PAGE / 4, height: 15 },
        }),
    ],
  ];
  test.each(touches)('is survived by %s', (_, touch) => {
    const path = ones();
    using mapping = Mapping.open(path);
    truncateSync(path, 2 * PAGE);
    touch(new Uint8Array(mapping.buffer));
    expect(mapping.lost).toBe(true);
  });

  test.each(['thread', 'loop'] as const)('ends a wait for a word of it: %s', async (looks) => {
    const path = ones();
    using mapping = Mapping.open(path, { looks });
    const word = { offsetBytes: BYTES - 4, value: 0x0101_0101 };
    const waited = mapping.wait([word], { timeoutMs: 20_000 });
    truncateSync(path, 0);
    expect(await waited).toBe('changed');
    expect(mapping.lost).toBe(true);
  });

  test('leaves nothing behind, however often', () => {
    const count = (): readonly number[] => [
      readFileSync('/proc/self/maps', 'utf8').split('\n').length,
      readdirSync('/proc/self/fd').length,
    ];
    const [maps = 0, files = 0] = count();
    for (let i = 0; i < 2000; i++) {
      const path = ones();
      using mapping = Mapping.open(path);
      truncateSync(path, 3 * PAGE);
      expect(new Uint8Array(mapping.buffer)[5 * PAGE]).toBe(0);
      rmSync(path);
    }
    const [mapsNow, filesNow] = count();
    // The rest of the process has its own; a leak would be 2000 or 4000.
    expect(mapsNow).toBeLessThan(maps + 500);
    expect(filesNow).toBeLessThan(files + 500);
  });

  test('is survived in threads that read it, one after the other', async () => {
    const results = await askChild('cut-under-worker.mjs', [ones(), String(BYTES), '4']);
    const one = { reads: true, strange: 0, outcome: 'changed', detached: 0 };
    expect(results).toEqual([one, one, one, one]);
  });

  test.each(['before', 'after'])(
    'is survived by a program that listens to SIGBUS since %s the mapping, and it goes on listening',
    async (when) => {
      expect(await askChild('signals.mjs', [ones(), when])).toEqual({ word: 0, lost: true });
    },
  );

  test('leaves a SIGBUS that somebody sends to end the process, as ever', async () => {
    const { status, stdout } = await runChild('signals.mjs', [ones(), 'nobody']);
    expect(JSON.parse(stdout)).toEqual({ word: 0, lost: true });
    expect(status).toBe('SIGBUS');
  });
});

describe('pages that are not to be had', () => {
  /** Runs no-room.mjs on a file system of its own; undefined where none can be mounted. */
  async function onMounted(
    mount: string,
    args: readonly string[],
  ): Promise<Record<string, unknown> | string> {
    const place = join(folder, `mount-${files++}`);
    const script = `mkdir ${place} && ${mount} ${place} && exec "$@"`;
    const command = [process.execPath, child('no-room.mjs'), join(place, 'region'), ...args];
    const result = await run('unshare', ['-m', 'sh', '-c', script, 'sh', ...command]);
    const { status, stdout, stderr } = result;
    if (/permitted|denied|not found|ENOENT/i.test(`${stderr}${status}`)) return stderr;
    if (status !== 0) throw new Error(`it ended with ${status}: ${stderr}`);
    return JSON.parse(stdout);
  }

  test.for(['read-write', 'read-only'])(
    'a file of holes on a full file system, %s: it is lost, and what helps is told',
    async (access, context) => {
      const result = await onMounted('mount -t tmpfs -o size=1m tmpfs', [`${8 << 20}`, access]);
      if (typeof result === 'string')
        return context.skip(`no small file system can be mounted here: ${result}`);
      expect(result).toMatchObject({
        lostBefore: false,
        lost: true,
        first: 7,
        read: true,
        code: 'ERR_KVMFR_REGION_LOST',
        hint: 'make room in the file system that holds it',
      });
      expect(result['message']).toContain('its file system is full');
    },
  );

  test('huge pages: a cut file is lost by whole pages', async (context) => {
    const reserved = '/proc/sys/vm/nr_hugepages';
    const before = existsSync(reserved) ? readFileSync(reserved, 'utf8') : '0';
    if (Number(before) < 4) {
      try {
        writeFileSync(reserved, '4');
      } catch (error) {
        return context.skip(`no huge pages can be had here: ${error}`);
      }
    }
    try {
      if (Number(readFileSync(reserved, 'utf8')) < 4) return context.skip('no room for huge pages');
      const bytes = 4 * (2 << 20);
      const mount = 'mount -t hugetlbfs -o pagesize=2M none';
      const result = await onMounted(mount, [`${bytes}`, 'read-write', `${2 << 20}`]);
      if (typeof result === 'string')
        return context.skip(`no huge pages can be mounted here: ${result}`);
      expect(result).toMatchObject({ lostBefore: false, lost: true, first: 7 });
      expect(result['message']).toContain(`keep its ${bytes} bytes`);
    } finally {
      if (Number(before) < 4) writeFileSync(reserved, before);
    }
  });
});
