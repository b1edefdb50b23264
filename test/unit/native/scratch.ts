import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { KvmfrError } from '../../../protocol/error.ts';

/** Bytes of the regions that these tests make. */
export const REGION_BYTES: number = 64 * 1024;

/** A folder for this test file, in memory where there is such a place; removed at the end. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kvmfr-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** How a child process ended, and what it printed. */
export interface ChildResult {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script of `children/` to its end, on the built module. */
export function runChild(
  script: string,
  args: readonly string[],
  options: {
    readonly flags?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<ChildResult> {
  const path = fileURLToPath(new URL(`./children/${script}`, import.meta.url));
  return run(process.execPath, [...(options.flags ?? []), path, ...args], options.env);
}

/** Runs a command to its end. */
export function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ChildResult> {
  return new Promise((resolve) => {
    const all = { env: { ...process.env, ...env }, timeout: 300_000 };
    execFile(command, args, all, (error, stdout, stderr) => {
      const status = error === null ? 0 : (error.code ?? error.signal ?? 'unknown');
      resolve({ status, stdout, stderr });
    });
  });
}

/** Runs a script of `children/` that prints one line of JSON, and returns what it says. */
export async function askChild(
  script: string,
  args: readonly string[],
  options: Parameters<typeof runChild>[2] = {},
): Promise<unknown> {
  const { status, stdout, stderr } = await runChild(script, args, options);
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}

/** The KvmfrError that a call throws. */
export function thrownBy(call: () => unknown): KvmfrError {
  try {
    call();
  } catch (error) {
    if (error instanceof KvmfrError) return error;
    throw error;
  }
  throw new Error('expected the call to throw, but it returned');
}
