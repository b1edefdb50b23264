import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type ChildResult, run, scratchFolder } from './scratch.ts';

const folder = scratchFolder();
const native = fileURLToPath(new URL('../../../native', import.meta.url));

/** Compiles a program of native/test with sources of native/src and a sanitizer, and runs it. */
async function runSanitized(
  program: string,
  sources: readonly string[],
  sanitizer: string,
): Promise<ChildResult> {
  const output = join(folder, program);
  const files = [join('test', program), ...sources.map((name) => join('src', name))];
  const flags = ['-std=c++17', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread'];
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
    const sources = ['pixels.cc', 'pixels-rows.cc', 'pixels-avx2.cc', 'cadence.cc'];
    const result = await runSanitized('kernels-main.cc', sources, 'address,undefined');
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^[1-9]\d{4,} comparisons, variant (avx2|portable)\n$/);
  }, 120_000);

  test('the waiter has no data race', async () => {
    const result = await runSanitized('wait-main.cc', ['wait.cc', 'cadence.cc'], 'thread');
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^[1-9]\d{2,} waits\n$/);
  }, 120_000);
});
