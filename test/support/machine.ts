import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it, type TestContext } from 'vitest';

/** Programs that some tests need beside npm's packages. `npm test` installs them on Debian. */
export type Tool = 'chromium' | 'clang' | 'xvfb' | 'qemu' | 'busybox' | 'xz' | 'libvirt';

interface ToolFacts {
  readonly commands: readonly string[];
  /** Names the program where it is not in PATH. */
  readonly environment: string;
  readonly debianPackages: readonly string[];
  readonly tests: string;
}

/** Tests that run only where their tools are. */
export interface GatedTests {
  describe(name: string, tests: () => void): void;
  it(name: string, test: (context: TestContext) => void | Promise<void>, timeoutMs?: number): void;
}

const facts: { readonly [K in Tool]: ToolFacts } = JSON.parse(
  readFileSync(new URL('tools.json', import.meta.url), 'utf8'),
);

const inCi = (process.env['CI'] ?? '') !== '' && process.env['CI'] !== 'false';

/** The path of a program; undefined when it is not on this machine. */
export function toolPath(tool: Tool): string | undefined {
  const { commands, environment } = facts[tool];
  const named = process.env[environment];
  if (named !== undefined) return isExecutable(named) ? named : undefined;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return commands
    .flatMap((command) => folders.map((folder) => join(folder, command)))
    .find(isExecutable);
}

/**
 * Tests that need programs: `needs('chromium').it(...)`. Where one is missing they are skipped
 * aloud; where CI is set nothing may be skipped, so there they fail.
 */
export function needs(...tools: readonly Tool[]): GatedTests {
  return gatedBy(missingTools(tools));
}

/** Why tests that need these programs cannot run: a sentence for each one that is missing. */
export function missingTools(tools: readonly Tool[]): readonly string[] {
  return tools
    .filter((tool) => toolPath(tool) === undefined)
    .map((tool) => {
      const { debianPackages, environment } = facts[tool];
      return `${tool} is not on this machine (install ${debianPackages.join(' ')}, or name the program in ${environment})`;
    });
}

/** Tests that run when there is no reason against it; see {@link needs}. */
export function gatedBy(reasons: readonly string[]): GatedTests {
  if (reasons.length === 0) return { describe, it };
  const reason = reasons.join('; ');
  return inCi ? failing(reason) : skipping(reason);
}

function failing(reason: string): GatedTests {
  const fail = (): never => {
    throw new Error(reason);
  };
  return {
    describe: (name) => describe(name, () => it('has what it needs', fail)),
    it: (name) => it(name, fail),
  };
}

function skipping(reason: string): GatedTests {
  const announce = (name: string): void => {
    process.stderr.write(`\nSKIPPED: ${name}\n  because ${reason}\n`);
  };
  return {
    describe: (name, tests) => {
      announce(name);
      describe.skipIf(true)(name, tests);
    },
    it: (name) => {
      announce(name);
      it(name, (context) => context.skip(reason));
    },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
