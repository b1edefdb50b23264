import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ChildResult, run, scratchFolder } from './scratch.ts';

const folder = scratchFolder();
const native = fileURLToPath(new URL('../../../native', import.meta.url));

/** Compiles a program of native/test with sources of native/src and a sanitizer, and runs it. */
async function runSanitized(
  program: string,
  sources: readonly string[],
  sanitizer: 'address,undefined' | 'thread',
): Promise<ChildResult> {
  const output = join(folder, program);
  const files = [join('test', program), ...sources.map((name) => join('src', name))];
  const flags = [
    '-std=c++17',
    '-O1',
    '-g',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-pthread',
    '-ffp-contract=off',
  ];
  const built = await run('g++', [
    ...flags,
    `-fsanitize=${sanitizer}`,
    '-fno-sanitize-recover=all',
    ...['-o', output],
    ...files.map((name) => join(native, name)),
  ]);
  if (built.status !== 0) throw new Error(`${program} was not built: ${built.stderr}`);
  return run(output, []);
}

describe('the native code under a sanitizer', () => {
  test('the kernels read and write nothing but their ranges, and equal the reference', async () => {
    const pixels = ['pixels.cc', 'tiles.cc', 'pixels-rows.cc', 'pixels-avx2.cc'];
    const hdr = ['hdr.cc', 'hdr-portable.cc', 'hdr-avx2.cc'];
    const i420 = ['i420.cc', 'i420-avx2.cc', 'i420-neon.cc'];
    const sources = [...pixels, ...hdr, ...i420, 'cadence.cc'];
    const result = await runSanitized('kernels-main.cc', sources, 'address,undefined');
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^[1-9]\d{4,} comparisons, variant (avx2|portable)\n$/);
  }, 300_000);

  test('the coder of tiles stays in its ranges, and what it writes is what it was given', async () => {
    const sources = ['tile-ops.cc'];
    const result = await runSanitized('tile-ops-main.cc', sources, 'address,undefined');
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^[1-9]\d{4,} comparisons\n$/);
  }, 300_000);

  test('memory in which a screen is: what is cut reads as zeros, what is shared goes with the last', async () => {
    const sources = ['screen-pages.cc', 'guard.cc'];
    const result = await runSanitized('screen-main.cc', sources, 'address,undefined');
    expect(result).toMatchObject({ status: 0, stderr: '', stdout: '200 rounds\n' });
  }, 300_000);

  test('the waiter has no data race', async () => {
    const result = await runSanitized('wait-main.cc', ['wait.cc', 'cadence.cc'], 'thread');
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^[1-9]\d{2,} waits\n$/);
  }, 300_000);

  test.each([
    ['guard-main.cc', ['guard.cc', 'region.cc'], 'thread', /^[1-9]\d* lost\n$/],
    ['guard-main.cc', ['guard.cc', 'region.cc'], 'address,undefined', /^[1-9]\d* lost\n$/],
    ['guard-chain-main.cc', ['guard.cc'], 'address,undefined', /^16 cases\n$/],
  ] as const)(
    'memory that goes away under threads that read it: %s, %s, %s',
    async (program, sources, sanitizer, said) => {
      const result = await runSanitized(program, sources, sanitizer);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toMatch(said);
    },
    300_000,
  );
});

describe('the moments at which the waiter looks', () => {
  let streams: ReadonlyMap<string, Stream>;
  let soon: readonly Soon[];

  beforeAll(async () => {
    const result = await runSanitized('cadence-main.cc', ['cadence.cc'], 'address,undefined');
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const lines = result.stdout.trimEnd().split('\n');
    const parsed = lines.map((line): Line => JSON.parse(line));
    streams = new Map(parsed.flatMap((line) => ('stream' in line ? [[line.stream, line]] : [])));
    soon = parsed.flatMap((line) => ('takesUs' in line ? [line] : []));
  }, 300_000);

  test.each([
    ['60 Hz, steady', { looksPerSecond: 650, p50Us: 50, p99Us: 100 }],
    ['60 Hz, half a millisecond to either side', { looksPerSecond: 650, p50Us: 150, p99Us: 400 }],
    ['60 Hz, every second frame left out', { looksPerSecond: 1100, p50Us: 50, p99Us: 800 }],
    ['144 Hz', { looksPerSecond: 1000, p50Us: 100, p99Us: 250 }],
    ['1000 Hz', { looksPerSecond: 1200, p50Us: 600, p99Us: 1200 }],
    ['60 Hz and 120 Hz in turn', { looksPerSecond: 750, p50Us: 60, p99Us: 1000 }],
    ['60 Hz, after 240 Hz', { looksPerSecond: 700, p50Us: 50, p99Us: 400 }],
    ['60 Hz, one look in ten late', { looksPerSecond: 500, p50Us: 80, p99Us: 1150 }],
    ['at random, 30 a second', { looksPerSecond: 1200, p50Us: 600, p99Us: 1200 }],
    ['one a second', { looksPerSecond: 500, p50Us: 3000, p99Us: 4000 }],
  ])('%s: seldom enough for the budget, and soon enough after the change', (name, atMost) => {
    const stream = streams.get(name);
    expect(stream?.looksPerSecond).toBeLessThanOrEqual(atMost.looksPerSecond);
    expect(stream?.p50Us).toBeLessThanOrEqual(atMost.p50Us);
    expect(stream?.p99Us).toBeLessThanOrEqual(atMost.p99Us);
  });

  test('what is expected soon is looked at a few dozen times, and seen late by a quarter', () => {
    expect(soon.map(({ takesUs }) => takesUs)).toEqual([100, 1000, 5000, 50_000]);
    for (const { takesUs, looks, lateUs } of soon) {
      expect(lateUs).toBeLessThanOrEqual(Math.min(takesUs / 4 + 50, 1000));
      expect(looks).toBeLessThanOrEqual(16 + takesUs / 1000);
    }
  });
});

/** What a stream of the simulation cost and gave; its clock is its own, so these never vary. */
interface Stream {
  readonly stream: string;
  readonly looksPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** What waiting for something that takes a while cost, and how late its end was seen. */
interface Soon {
  readonly takesUs: number;
  readonly looks: number;
  readonly lateUs: number;
}

type Line = Stream | Soon;
