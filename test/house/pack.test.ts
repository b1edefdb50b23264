import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFixture } from '../support/fixture.ts';

// What people install is a tarball, so that is what is tested here: packed from a copy of the tree
// as a publisher would, and installed into a project of its own with no install script run.

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly exports: { readonly [entry: string]: unknown };
  readonly scripts: { readonly [name: string]: string };
}
const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let folder = '';
let consumer = '';
let packed: readonly string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmfr-pack-'));
  const tree = join(folder, 'tree');
  copyTree(tree);
  npm(tree, 'pack', '--pack-destination', folder);
  const tarball = join(folder, `kvmfr-${manifest.version}.tgz`);
  packed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''))
    .sort();
  consumer = join(folder, 'consumer');
  mkdirSync(consumer);
  write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  npm(consumer, 'install', '--ignore-scripts', '--prefer-offline', tarball);
  // The types of Node, for those consumers that ask for them; nothing else that we happen to have.
  mkdirSync(join(consumer, 'node_modules/@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(consumer, 'node_modules/@types/node'));
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is or would be committed, and our tools beside it. */
function copyTree(to: string): void {
  const options = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const list = execFileSync('git', options, { cwd: root, encoding: 'utf8' });
  for (const path of list.split('\0'))
    if (path !== '' && existsSync(join(root, path)))
      cpSync(join(root, path), join(to, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'));
}

/** A shell of its own: what npm told the run of these tests is not for another project. */
function environment(): NodeJS.ProcessEnv {
  const own = /^(npm_(package|lifecycle|command|config_local_prefix)|INIT_CWD|VITEST|NODE_ENV)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(cwd: string, command: string, args: readonly string[]): Outcome {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: environment(),
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

function npm(cwd: string, ...args: readonly string[]): void {
  const { status, stdout, stderr } = run(cwd, 'npm', [...args, '--no-audit', '--no-fund']);
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${status}\n${stdout}\n${stderr}`);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(consumer, path)), { recursive: true });
  writeFileSync(join(consumer, path), text);
}

/** A program of the consumer, as a file, in a Node of its own. */
function program(source: string, ...args: readonly string[]): Outcome {
  write('program.mjs', source);
  return run(consumer, process.execPath, ['program.mjs', ...args]);
}

/** Compiles files of the consumer under a strict tsconfig, and gives what the compiler said. */
function compile(
  files: { readonly [name: string]: string },
  options: { readonly types: readonly string[]; readonly lib: readonly string[] },
): string {
  for (const [name, text] of Object.entries(files)) write(name, text);
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  };
  write('tsconfig.json', JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  return run(consumer, join(root, 'node_modules/.bin/tsc'), ['--pretty', 'false']).stdout;
}

const ES = ['ES2023', 'ESNext.Disposable'];

describe('the tarball', () => {
  it('holds the built package, its documents and the native sources, and nothing else', () => {
    const known =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|docs\/.+\.(md|png|svg)|docs\/systemd\/.+\.service|dist\/(client|host|native|protocol|viewer|cli)\/.+\.(js|d\.ts)|dist\/page\/.+|native\/binding\.gyp|native\/src\/.+\.(cc|h)|native\/prebuilds\/[a-z0-9]+-[a-z0-9]+\/kvmfr\.node)$/;
    expect(packed.filter((path) => !known.test(path))).toEqual([]);
  });

  it.each([
    'dist/client/index.js',
    'dist/client/index.d.ts',
    'dist/host/index.js',
    'dist/protocol/index.js',
    'dist/viewer/relay/index.js',
    'dist/viewer/web/index.js',
    'dist/viewer/web/worker/main.js',
    'dist/cli/main.js',
    'dist/page/index.html',
    'native/binding.gyp',
    'native/src/addon.cc',
    `native/prebuilds/${process.platform}-${process.arch}/kvmfr.node`,
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ])('holds %s', (path) => {
    expect(packed).toContain(path);
  });

  it('holds every file that its exports name', () => {
    const named = [...JSON.stringify(manifest.exports).matchAll(/"\.\/([^"]+\.[a-z]+)"/g)];
    const paths = named.map((match) => match[1] ?? '');
    expect(paths.length).toBeGreaterThan(9);
    for (const path of paths) expect(packed).toContain(path);
  });

  it('runs nothing when it is installed', () => {
    for (const name of ['preinstall', 'install', 'postinstall'])
      expect(manifest.scripts[name]).toBeUndefined();
    // A binding.gyp beside package.json would make npm build without being asked.
    expect(packed).not.toContain('binding.gyp');
    expect(readdirSync(join(consumer, 'node_modules/kvmfr/native'))).not.toContain('build');
  });
});

describe('the installed package', () => {
  const entries = Object.keys(manifest.exports)
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => entry.replace(/^\./, 'kvmfr'));

  it('has the entries that were promised', () => {
    expect(entries.sort()).toEqual([
      'kvmfr',
      'kvmfr/host',
      'kvmfr/protocol',
      'kvmfr/viewer',
      'kvmfr/web',
    ]);
  });

  it.each([
    ['kvmfr', 'connect'],
    ['kvmfr/host', 'createHost'],
    ['kvmfr/protocol', 'parseSession'],
    ['kvmfr/viewer', 'createViewer'],
    ['kvmfr/web', 'KvmfrView'],
  ])('can be imported as %s, with %s', (entry, name) => {
    const { status, stdout, stderr } = program(
      `const it = await import('${entry}');\nconsole.log(typeof it.${name});`,
    );
    expect([status, stderr, stdout.trim()]).toEqual([0, '', 'function']);
  });

  it('does not let its insides be imported', () => {
    const inside = "await import('kvmfr/dist/client/session.js');";
    expect(program(inside).stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('loads its native module from the prebuilt one, and a frame gets through', () => {
    const { status, stdout, stderr } = program(
      `
      import { connect } from 'kvmfr';
      import { createHost } from 'kvmfr/host';
      const region = process.argv[2];
      const host = await createHost(region, { wire: 'B7', regionMib: 16 });
      const pixels = new Uint8Array(64 * 48 * 4).map((_, i) => i);
      host.on('subscriber', () => host.publish({ pixels, format: 'BGRA', widthPx: 64, heightPx: 48 }));
      const client = await connect(region);
      for await (const frame of client.frames()) {
        const row = frame.pixels.subarray(frame.pitchBytes, frame.pitchBytes + 256);
        const same = Buffer.from(row).equals(Buffer.from(pixels.subarray(256, 512)));
        console.log(client.session.release, frame.format, frame.widthPx, frame.heightPx, same);
        break;
      }
      await client[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
      const loaded = process.report.getReport().sharedObjects.filter((path) => /kvmfr/.test(path));
      console.log(loaded.filter((path) => path.endsWith('.node')).join(' '));
      `,
      join(folder, 'region'),
    );
    expect([status, stderr]).toEqual([0, '']);
    const [frame, native] = stdout.trim().split('\n');
    expect(frame).toBe('B7 BGRA 64 48 true');
    expect(native).toMatch(
      new RegExp(
        `node_modules/kvmfr/native/prebuilds/${process.platform}-${process.arch}/kvmfr\\.node$`,
      ),
    );
  });

  it('names a command that builds its native module where no prebuilt one fits', () => {
    const native = join(consumer, 'node_modules/kvmfr/native');
    const aside = join(folder, 'prebuilds-aside');
    renameSync(join(native, 'prebuilds'), aside);
    try {
      const load = `
        import { openRegion } from 'kvmfr';
        try { openRegion('/'); } catch (error) { console.log(error.code, error.hint ?? ''); }`;
      const hint =
        /^ERR_KVMFR_NATIVE run npx (node-gyp .*)$/m.exec(program(load).stdout)?.[1] ?? '';
      const nodeGyp = join(root, 'node_modules/.bin/node-gyp');
      const built = run(consumer, nodeGyp, hint.split(' ').slice(1));
      expect([built.status, built.status === 0 ? '' : built.stderr]).toEqual([0, '']);
      expect(program(load).stdout).toContain('ERR_KVMFR_NOT_A_REGION');
    } finally {
      rmSync(join(native, 'build'), { recursive: true, force: true });
      renameSync(aside, join(native, 'prebuilds'));
    }
  }, 300_000);

  it('has a command that helps', () => {
    const help = run(consumer, 'npx', ['--no-install', 'kvmfr', '--help']);
    expect(help.status).toBe(0);
    for (const command of ['view', 'demo', 'host', 'info', 'snapshot'])
      expect(help.stdout).toMatch(new RegExp(`^ +kvmfr ${command}\\b`, 'm'));
  });

  it('has a command that reads the memory of the real Looking Glass', async () => {
    const region = join(folder, 'dump');
    await loadFixture('640x480').writeTo(region);
    const { stdout } = run(consumer, 'npx', ['--no-install', 'kvmfr', 'info', region, '--json']);
    expect(stdout).toContain('1322301501');
  });
});

describe('the types of the package', () => {
  it('serve a strict consumer of every entry', () => {
    const source = `
      import { createServer } from 'node:http';
      import { connect, KvmfrError } from 'kvmfr';
      import { createHost } from 'kvmfr/host';
      import { parseSession, type Rect } from 'kvmfr/protocol';
      import { createViewer } from 'kvmfr/viewer';
      import { defineKvmfrView, KvmfrView } from 'kvmfr/web';

      export async function watch(path: string, signal: AbortSignal): Promise<number> {
        await using client = await connect(path, { signal });
        const release: string = client.session?.release ?? '';
        for await (const frame of client.frames()) {
          const pixels: Uint8Array = frame.pixels;
          const damage: readonly Rect[] = frame.damage;
          // @ts-expect-error a width is a number
          const wrong: string = frame.widthPx;
          return pixels.length + damage.length + release.length + wrong.length;
        }
        for await (const cursor of client.cursor()) return Number(cursor.visible);
        return 0;
      }

      export async function publish(path: string): Promise<boolean> {
        await using host = await createHost(path, { wire: 'B6' });
        // @ts-expect-error there is no such wire
        await createHost(path, { wire: 'B5' });
        return host.publish({ pixels: new Uint8Array(4), format: 'BGRA', widthPx: 1, heightPx: 1 });
      }

      export function serve(source: string): void {
        const viewer = createViewer({ source });
        const server = createServer((req, res) => void viewer.request(req, res));
        server.on('upgrade', (req, socket, head) => viewer.upgrade(req, socket, head));
        // @ts-expect-error a viewer needs a source
        createViewer({});
      }

      export function element(): string {
        defineKvmfrView();
        const view: HTMLElement = new KvmfrView();
        return view.tagName + parseSession(new Uint8Array(48)).hostVersion;
      }

      export function explain(error: unknown): string {
        // @ts-expect-error there is no such code
        if (error instanceof KvmfrError && error.code === 'ERR_KVMFR_NONE') return '';
        return KvmfrError.is(error) ? error.code : String(error);
      }
    `;
    const said = compile({ 'consumer.ts': source }, { types: ['node'], lib: [...ES, 'DOM'] });
    expect(said).toBe('');
  });

  it('of kvmfr/protocol need neither Node nor a browser', () => {
    const source = `
      import { findLgmpHeaders, KvmfrError, Region } from 'kvmfr/protocol';
      export const found: number = findLgmpHeaders(new Region(new ArrayBuffer(64))).length;
      export const code: string = new KvmfrError('ERR_KVMFR_CLOSED', 'closed').code;
    `;
    expect(compile({ 'anywhere.ts': source }, { types: [], lib: ES })).toBe('');
  });

  it('of kvmfr/web need a browser and no Node', () => {
    const source = `
      import { KVMFR_VIEW_TAG, KvmfrView } from 'kvmfr/web';
      const view = document.createElement(KVMFR_VIEW_TAG);
      if (view instanceof KvmfrView) document.body.append(view);
    `;
    const said = compile({ 'page.ts': source }, { types: [], lib: [...ES, 'DOM', 'DOM.Iterable'] });
    expect(said).toBe('');
  });

  it('fit the examples of the README', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const examples = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(
      (match, index) => [`readme-${index}.ts`, match[1] ?? ''] as const,
    );
    expect(examples.length).toBeGreaterThan(0);
    const said = compile(Object.fromEntries(examples), { types: ['node'], lib: [...ES, 'DOM'] });
    expect(said).toBe('');
  });
});
