// Builds what is missing or older than its sources: the native module, the TypeScript, the page.
// Says what it builds and why, and says nothing when there is nothing to do.
//
//   node scripts/ensure-built.mjs [--check]
//
// --check builds nothing and exits 1 when something would have to be built.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const checkOnly = process.argv.includes('--check');

const parts = [
  { name: 'native module', script: 'build:native', stale: nativeStale },
  { name: 'TypeScript', script: 'build:ts', stale: typescriptStale },
  { name: 'page', script: 'build:page', stale: pageStale },
];

for (const part of parts) {
  const marker = join(root, 'dist', `.unfinished-${part.script.replace(':', '-')}`);
  const reason = existsSync(marker) ? 'its last build did not finish' : part.stale();
  if (reason === undefined) continue;
  process.stderr.write(`${checkOnly ? 'would build' : 'building'} the ${part.name}: ${reason}\n`);
  if (checkOnly) {
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(marker), { recursive: true });
  writeFileSync(marker, '');
  const { status, error } = spawnSync('npm', ['run', '--silent', part.script], {
    cwd: root,
    // What a build prints belongs beside our own line, so that standard output stays the program's.
    stdio: ['ignore', 2, 2],
    shell: platform() === 'win32',
  });
  if (status !== 0) {
    const why = error === undefined ? `exit status ${status}` : error.message;
    process.stderr.write(`the ${part.name} could not be built (npm run ${part.script}: ${why})\n`);
    process.exit(1);
  }
  rmSync(marker);
}

/** The module that would be loaded is the first of these that exists. */
function nativeStale() {
  const prebuilds = join(root, 'native', 'prebuilds', `${platform()}-${arch()}`);
  const built = [
    join(root, 'native', 'build', 'Release', 'kvmfr.node'),
    ...names(prebuilds)
      .filter((name) => name.endsWith('.node'))
      .map((name) => join(prebuilds, name)),
  ].find((path) => existsSync(path));
  if (built === undefined) return 'it is missing';
  const sources = [
    join(root, 'native', 'binding.gyp'),
    ...filesUnder(join(root, 'native', 'src'), /\.(cc|h)$/),
  ];
  return newerThan(sources, modified(built));
}

/**
 * Every project that ships: its outputs have to be there, and its build record newer than its
 * sources. Tests and benches are compiled by who runs them.
 */
function typescriptStale() {
  const { references } = readJson(join(root, 'tsconfig.package.json'));
  const base = join(root, 'tsconfig.base.json');
  const seen = new Set();
  const waiting = references.map(({ path }) => resolve(root, path));
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (seen.has(folder)) continue;
    seen.add(folder);
    const config = join(folder, 'tsconfig.json');
    if (!existsSync(config)) return `${short(config)} is missing`;
    const { compilerOptions, references: more = [] } = readJson(config);
    waiting.push(...more.map(({ path }) => resolve(folder, path)));
    const sources = filesUnder(folder, /\.ts$/, { ownProjectOnly: true });
    if (sources.length === 0) continue;
    const record = resolve(folder, compilerOptions.tsBuildInfoFile);
    if (!existsSync(record)) return `${short(folder)} was never built`;
    const changed = newerThan([base, config], modified(record));
    if (changed !== undefined) {
      // The compiler keeps what it found under the old options; without its record it looks again.
      if (!checkOnly) rmSync(record);
      return changed;
    }
    const newer = newerThan(sources, modified(record));
    if (newer !== undefined) return newer;
    for (const source of sources.filter((path) => !path.endsWith('.d.ts'))) {
      const output = join(resolve(folder, compilerOptions.outDir), relative(folder, source));
      if (!existsSync(output.replace(/\.ts$/, '.js'))) return `${short(source)} has no output`;
    }
  }
  return undefined;
}

/** The page is bundled from the browser's sources and what they share with the relay. */
function pageStale() {
  const config = join(root, 'viewer', 'web', 'vite.config.mjs');
  if (!existsSync(config)) return undefined;
  const page = join(root, 'dist', 'page', 'index.html');
  if (!existsSync(page)) return 'it is missing';
  const sources = [
    ...filesUnder(join(root, 'viewer', 'web'), /\.(ts|mjs|css|html|svg|png)$/),
    ...filesUnder(join(root, 'protocol'), /\.ts$/),
  ];
  return newerThan(sources, modified(page));
}

function newerThan(sources, builtMs) {
  const newer = sources.find((path) => modified(path) > builtMs);
  return newer === undefined ? undefined : `${short(newer)} is newer`;
}

function filesUnder(folder, pattern, { ownProjectOnly = false } = {}) {
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name === 'node_modules') continue;
      if (ownProjectOnly && existsSync(join(path, 'tsconfig.json'))) continue;
      found.push(...filesUnder(path, pattern, { ownProjectOnly }));
    } else if (pattern.test(entry.name)) found.push(path);
  }
  return found;
}

function names(folder) {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function modified(path) {
  return statSync(path).mtimeMs;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function short(path) {
  return relative(root, path);
}
