import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const scripts = fileURLToPath(new URL('../../scripts/', import.meta.url));

let tree = '';
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'kvmfr-scripts-'));
});
afterEach(() => rmSync(tree, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function node(script: string, ...args: readonly string[]): Outcome {
  return run({}, process.execPath, script, ...args);
}

/** With `CI` unset, unless it is said. */
function run(
  environment: { readonly [name: string]: string },
  command: string,
  ...args: readonly string[]
): Outcome {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(CI|VITEST)/.test(name));
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: tree,
    encoding: 'utf8',
    env: { ...Object.fromEntries(inherited), ...environment },
  });
  return { status, stdout, stderr };
}

describe('check-docs', () => {
  const check = (): Outcome => node(join(scripts, 'check-docs.mjs'), tree);
  const complaints = (): readonly string[] => check().stderr.trim().split('\n').slice(0, -1);

  beforeEach(() => {
    spawnSync('git', ['init', '-q', tree]);
  });

  it('passes a documented tree', () => {
    write('protocol/a.ts', '/** One. */\nexport const one: number = 1;\n\nconst two = 2;\n');
    write('protocol/index.ts', "export * from './a.ts';\nexport { one } from './a.ts';\n");
    write('README.md', 'See [a](protocol/a.ts), [top](#top) and <https://example.org>.\n\n# Top\n');
    expect(check()).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it.each([
    ['const', 'export const bare: number = 1;'],
    ['function', 'export function bare(): void {}'],
    ['function', 'export async function bare(): Promise<void> {}'],
    ['class', 'export abstract class bare {}'],
    ['interface', 'export interface bare {}'],
    ['type', 'export type bare = number;'],
  ])('names a %s without a docstring: %s', (_, line) => {
    write('client/a.ts', `import 'node:fs';\n\n${line}\n`);
    const { status } = check();
    expect(status).toBe(1);
    expect(complaints()).toEqual(['client/a.ts:3: bare is exported without a docstring']);
  });

  it('takes no other comment for a docstring', () => {
    write('host/a.ts', '// One.\nexport const one = 1;\n/* Two. */\nexport const two = 2;\n');
    expect(complaints()).toHaveLength(2);
  });

  it('wants one docstring for the overloads of a function, and lets the linter be told', () => {
    const overloads = [
      '/** Reads. */',
      '// biome-ignore lint/style/useShorthandFunctionType: shown',
      'export function read(path: string): string;',
      'export function read(path: number): number;',
      'export function read(path: unknown): unknown { return path; }',
    ];
    write('native/a.ts', overloads.join('\n'));
    expect(check().status).toBe(0);
  });

  it('wants exports where things are declared', () => {
    write('viewer/relay/a.ts', 'const one = 1;\nexport { one };\n');
    expect(complaints()).toEqual([
      'viewer/relay/a.ts:2: export what is declared, where it is declared',
    ]);
  });

  it('asks no docstrings of the command line and of tests', () => {
    write('cli/a.ts', 'export const one = 1;\n');
    write('test/a.ts', 'export const one = 1;\n');
    expect(check().status).toBe(0);
  });

  it('names links that lead nowhere, and headings that are not there', () => {
    write('docs/a.md', '# One `two`\n\n## One two\n');
    write(
      'README.md',
      [
        '[gone](docs/b.md) ![gone](shot.png) [outside](../x.md)',
        '[there](docs/a.md) [heading](docs/a.md#one-two) [again](docs/a.md#one-two-1)',
        '[no heading](docs/a.md#three) `[code](docs/c.md)`',
        '```',
        '[code](docs/c.md)',
        '```',
        '[ref]: docs/d.md',
        '<img src="docs/e.png">',
      ].join('\n'),
    );
    expect([...complaints()].sort()).toEqual([
      'README.md:1: ../x.md leads nowhere',
      'README.md:1: docs/b.md leads nowhere',
      'README.md:1: shot.png leads nowhere',
      'README.md:3: docs/a.md has no heading for #three',
      'README.md:7: docs/d.md leads nowhere',
      'README.md:8: docs/e.png leads nowhere',
    ]);
  });

  it('names what reaches outside of the repository', () => {
    const beside = ['..', 'shared', 'x.md'].join('/');
    const absolute = ['', 'work', 'main', 'x'].join('/');
    const inside = ['.', 'work', 'x'].join('/');
    write(
      'test/a.ts',
      `const a = '${beside}';\nconst b = '${absolute}';\nconst c = '${inside}';\n`,
    );
    expect(complaints()).toEqual([
      'test/a.ts:1: points outside of the repository',
      'test/a.ts:2: points outside of the repository',
    ]);
  });
});

describe('closing-line', () => {
  const test = (status: string, fullName = 'a test'): unknown => ({ status, fullName });
  const file = (status: string, ...assertionResults: readonly unknown[]): unknown => ({
    name: join(tree, 'a.test.ts'),
    status,
    message: 'why',
    assertionResults,
  });
  function close(testResults: readonly unknown[], success: boolean, runner = '0'): Outcome {
    write('report.json', JSON.stringify({ success, testResults }));
    return node(join(scripts, 'closing-line.mjs'), join(tree, 'report.json'), runner);
  }
  const last = ({ stdout }: Outcome): string | undefined => stdout.trimEnd().split('\n').at(-1);

  it('counts what the runner reported and names what was skipped', () => {
    const results = [
      file('passed', test('passed'), test('passed'), test('skipped', 'needs x')),
      file('passed', test('passed'), test('pending'), test('todo')),
    ];
    const outcome = close(results, true);
    expect(outcome.status).toBe(0);
    expect(last(outcome)).toBe('3 passed, 0 failed, 3 skipped');
    expect(outcome.stdout).toContain('skipped: needs x (a.test.ts)');
  });

  it('names what passed at the second try, and fails when that is more than a few', () => {
    const again = (name: string): unknown => ({
      ...(test('passed', name) as object),
      failureMessages: ['Error: first\n    at here', 'Error: not asked for'],
    });
    const once = close([file('passed', test('passed'), again('b'))], true);
    expect([once.status, last(once)]).toEqual([0, '2 passed, 0 failed, 0 skipped']);
    expect(once.stdout).toContain('passed at the second try: b (a.test.ts): Error: first\n');

    const often = close([file('passed', ...['a', 'b', 'c', 'd'].map(again))], true);
    expect([often.status, last(often)]).toEqual([1, '4 passed, 1 failed, 0 skipped']);
    expect(often.stdout).toContain('4 tests passed at the second try only, of which at most 3 may');
  });

  it('fails with a failed test', () => {
    const outcome = close([file('failed', test('passed'), test('failed'))], false, '1');
    expect([outcome.status, last(outcome)]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
  });

  it('counts a file that could not be run as a failure', () => {
    const outcome = close([file('passed', test('passed')), file('failed')], false, '1');
    expect([outcome.status, last(outcome)]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
  });

  it('fails when the runner failed and no test did', () => {
    const outcome = close([file('passed', test('passed'))], true, '1');
    expect([outcome.status, last(outcome)]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
  });

  it('fails when no test was run, or all were skipped', () => {
    expect(close([], true).status).toBe(1);
    expect(close([file('passed', test('skipped'))], true).status).toBe(1);
  });

  it('fails when there is no report', () => {
    const outcome = node(join(scripts, 'closing-line.mjs'), join(tree, 'none.json'), '1');
    expect([outcome.status, last(outcome)]).toEqual([1, '0 passed, 1 failed, 0 skipped']);
  });
});

describe('a program that some tests need', () => {
  const machine = join(scripts, 'test-machine.mjs');
  /** Everything that is asked for, with this program in the place of each. */
  function all(program: string): { readonly [name: string]: string } {
    const text = readFileSync(join(scripts, '../test/support/tools.json'), 'utf8');
    const tools: { readonly [name: string]: { readonly environment: string } } = JSON.parse(text);
    write('kernel/vmlinux', '');
    const names = Object.values(tools).map(({ environment }) => [environment, program]);
    return { ...Object.fromEntries(names), KVMFR_GUEST_KERNEL: join(tree, 'kernel') };
  }

  let present: { readonly [name: string]: string };
  let absent: { readonly [name: string]: string };

  beforeEach(() => {
    present = all(process.execPath);
    absent = { ...present, KVMFR_CHROMIUM: '/nonexistent/chromium' };
  });

  /** Runs tests that need it, in a runner of their own. */
  function gated(environment: { readonly [name: string]: string }): {
    readonly outcome: Outcome;
    readonly statuses: readonly string[];
  } {
    const root = join(scripts, '..');
    for (const file of ['machine.ts', 'tools.json'])
      cpSync(join(root, 'test/support', file), join(tree, 'support', file));
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    write(
      'gated.test.ts',
      `import { needs } from './support/machine.ts';
      import { expect, it } from 'vitest';
      needs('chromium').it('shows', () => expect(1).toBe(1));
      needs('chromium').describe('a page', () => it('draws', () => expect(1).toBe(1)));`,
    );
    const report = join(tree, 'report.json');
    const vitest = join(root, 'node_modules/.bin/vitest');
    const args = ['run', '--root', tree, '--reporter=json', `--outputFile=${report}`];
    const outcome = run(environment, vitest, ...args);
    const { testResults }: Report = JSON.parse(readFileSync(report, 'utf8'));
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    return { outcome, statuses: tests.map(({ status }) => status) };
  }

  it('is asked for by nobody when it is there', () => {
    expect(run(present, process.execPath, machine)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(gated(present)).toMatchObject({
      outcome: { status: 0 },
      statuses: ['passed', 'passed'],
    });
  });

  it('is missed aloud, and its tests are skipped aloud', () => {
    const before = run(absent, process.execPath, machine);
    expect(before.status).toBe(0);
    expect(before.stderr).toMatch(/chromium is not on this machine: .* will be SKIPPED/);
    const { outcome, statuses } = gated(absent);
    expect(outcome.status).toBe(0);
    expect(statuses.every((status) => status === 'skipped')).toBe(true);
    expect(statuses).toHaveLength(2);
    expect(outcome.stderr).toMatch(/SKIPPED: shows\n +because chromium is not on this machine/);
    expect(outcome.stderr).toMatch(/SKIPPED: a page\n/);
  });

  it('is a kernel as well, for virtual machines', () => {
    const without = { ...present, KVMFR_GUEST_KERNEL: join(tree, 'nothing') };
    const before = run(without, process.execPath, machine);
    expect(before.status).toBe(0);
    expect(before.stderr).toMatch(/no kernel for virtual machines: .* will be SKIPPED/);
    expect(run({ ...without, CI: 'true' }, process.execPath, machine).status).toBe(1);
  });

  it('must be there where CI is set', () => {
    const before = run({ ...absent, CI: 'true' }, process.execPath, machine);
    expect(before.status).toBe(1);
    expect(before.stderr).toContain('nothing may be skipped where CI is set');
    const { outcome, statuses } = gated({ ...absent, CI: 'true' });
    expect(outcome.status).toBe(1);
    expect(statuses).toEqual(['failed', 'failed']);
  });
});

describe('ensure-built', () => {
  const ensure = (...args: readonly string[]): Outcome =>
    node(join(tree, 'scripts/ensure-built.mjs'), ...args);
  const output = (path: string): string =>
    `node -e "fs.mkdirSync(path.dirname('${path}'), {recursive: true}); fs.writeFileSync('${path}', ''); fs.appendFileSync('log', '${path} ')"`;
  const built = (): string => readFileSync(join(tree, 'log'), 'utf8').trim();

  beforeEach(() => {
    cpSync(join(scripts, 'ensure-built.mjs'), join(tree, 'scripts/ensure-built.mjs'));
    write('tsconfig.base.json', '{}');
    write('tsconfig.package.json', JSON.stringify({ references: [{ path: 'protocol' }] }));
    const compilerOptions = { outDir: '../dist/protocol', tsBuildInfoFile: '../dist/record' };
    write('protocol/tsconfig.json', JSON.stringify({ compilerOptions }));
    write('protocol/a.ts', '');
    write('native/binding.gyp', '');
    write('native/src/addon.cc', '');
    write('viewer/web/vite.config.mjs', '');
    write('viewer/web/main.ts', '');
    const page = output('dist/page/index.html');
    writePackage({ page });
    for (const path of ['protocol/a.ts', 'native/src/addon.cc', 'viewer/web/main.ts']) age(path);
    for (const path of ['native/binding.gyp', 'viewer/web/vite.config.mjs']) age(path);
    for (const path of ['tsconfig.base.json', 'protocol/tsconfig.json']) age(path);
  });

  /** Well before anything that is built now. */
  function age(path: string): void {
    utimesSync(join(tree, path), 1_000_000, 1_000_000);
  }

  function writePackage(scripts: { readonly page: string }): void {
    const ts = `${output('dist/protocol/a.js')} && ${output('dist/record')}`;
    const native = output('native/build/Release/kvmfr.node');
    const all = { 'build:native': native, 'build:ts': ts, 'build:page': scripts.page };
    write('package.json', JSON.stringify({ name: 'x', version: '1.0.0', scripts: all }));
  }

  it('builds what is missing, in order, and then nothing, in silence', () => {
    expect(ensure('--check').status).toBe(1);
    const first = ensure();
    expect(first.status).toBe(0);
    expect(first.stderr.match(/^building the .*$/gm)).toEqual([
      'building the native module: it is missing',
      'building the TypeScript: protocol was never built',
      'building the page: it is missing',
    ]);
    expect(built()).toBe(
      'native/build/Release/kvmfr.node dist/protocol/a.js dist/record dist/page/index.html',
    );
    expect(ensure()).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(ensure('--check').status).toBe(0);
  });

  it.each([
    ['native/src/addon.cc', 'native/build/Release/kvmfr.node'],
    ['native/src/new.h', 'native/build/Release/kvmfr.node'],
    ['viewer/web/page.css', 'dist/page/index.html'],
  ])('builds again only what is older than %s', (source, target) => {
    ensure();
    rmSync(join(tree, 'log'));
    write(source, '');
    utimesSync(join(tree, source), new Date(), new Date(Date.now() + 60_000));
    const { stderr } = ensure();
    expect(stderr).toContain(`${source} is newer`);
    expect(built()).toBe(target);
  });

  it('compiles again when a source changed or an output is gone', () => {
    ensure();
    rmSync(join(tree, 'dist/protocol/a.js'));
    expect(ensure().stderr).toContain('protocol/a.ts has no output');
    rmSync(join(tree, 'dist/record'));
    expect(ensure().stderr).toContain('protocol was never built');
  });

  it('takes a prebuilt native module for a built one', () => {
    write(`native/prebuilds/${process.platform}-${process.arch}/kvmfr.node`, '');
    expect(ensure().stderr).not.toContain('native');
    expect(existsSync(join(tree, 'native/build'))).toBe(false);
  });

  it('says what failed, and does not take it for built the next time', () => {
    writePackage({ page: `${output('dist/page/index.html')} && exit 3` });
    const failed = ensure();
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain('could not be built (npm run build:page: exit status 3)');
    expect(ensure().stderr).toContain('its last build did not finish');
    writePackage({ page: output('dist/page/index.html') });
    expect(ensure().status).toBe(0);
    expect(ensure()).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
