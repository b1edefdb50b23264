import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { needs } from '../support/machine.ts';
import { NATIVE_TARGETS, NativeBuild, runNative } from './native/kernels.ts';
import { fuzzTimeoutMs } from './runs.ts';

/** More of them by `npm run fuzz`. */
const INPUTS = 1000;

const folder = mkdtempSync(join(tmpdir(), 'kvmfr-fuzz-'));
const build = new NativeBuild(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const target of NATIVE_TARGETS)
  needs('clang').it(
    `${target.name}: no report of a sanitizer, and what the reference gives`,
    async () => {
      const program = await build.program(target);
      const run = await runNative(program, { folder, seed: 1, runs: INPUTS });
      expect(run.findings).toEqual([]);
      expect(run.executions).toBeGreaterThanOrEqual(INPUTS);
      expect(run.edges).toBeGreaterThan(10);
    },
    2 * fuzzTimeoutMs(),
  );
