import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

const TOP = [
  'protocol',
  'native',
  'client',
  'client/spice',
  'host',
  'viewer/encode',
  'viewer/hands',
  'viewer/boot',
  'viewer/relay',
] as const;

/** What each project may import of the others, as docs/architecture.md tells it. */
const ALLOWED = {
  protocol: [],
  native: ['protocol'],
  client: ['protocol', 'native'],
  'client/spice': ['protocol'],
  host: ['protocol', 'native'],
  'viewer/encode': ['protocol', 'native', 'client'],
  'viewer/hands': ['protocol', 'client/spice'],
  'viewer/boot': ['protocol', 'client', 'client/spice'],
  'viewer/relay': [
    'protocol',
    'client',
    'client/spice',
    'viewer/encode',
    'viewer/hands',
    'viewer/boot',
  ],
  'viewer/web/core': ['protocol'],
  'viewer/web': ['protocol', 'viewer/web/core'],
  'viewer/web/worker': ['protocol', 'viewer/web/core'],
  cli: TOP,
  bench: TOP,
} as const satisfies { readonly [project: string]: readonly string[] };

type Project = keyof typeof ALLOWED;
const projects: readonly Project[] = Object.keys(ALLOWED).filter(
  (name): name is Project => name in ALLOWED,
);

/** Who runs on Node, and who in a browser. */
const NODE = [
  'native',
  'client',
  'client/spice',
  'host',
  'viewer/encode',
  'viewer/hands',
  'viewer/boot',
  'viewer/relay',
  'cli',
  'bench',
];
const BROWSER = projects.filter((project) => project.startsWith('viewer/web'));

type Guard = 'compiler' | 'linter';
const BOTH: readonly Guard[] = ['compiler', 'linter'];

/** One import that somebody could write, and who refuses it: nobody when it is allowed. */
interface Attempt {
  readonly name: string;
  readonly file: string;
  readonly source: string;
  readonly refusedBy: readonly Guard[];
}

function attempt(
  project: Project,
  what: string,
  source: string,
  refusedBy: readonly Guard[],
): Attempt {
  const file = `${project}/attempt-${what.replaceAll(/[^a-zA-Z]+/g, '-')}.ts`;
  return { name: `${project} -> ${what}`, file, source: `${source}\n`, refusedBy };
}

function importOf(from: Project, path: string): string {
  const specifier = relative(from, path);
  const local = specifier.startsWith('.') ? specifier : `./${specifier}`;
  return `import { here } from '${local}';\nexport const there: string = here;`;
}

function ofProjects(from: Project): readonly Attempt[] {
  return projects
    .filter((to) => to !== from)
    .map((to) => attempt(from, to, importOf(from, `${to}/index.ts`), guardsBetween(from, to)));
}

function guardsBetween(from: Project, to: Project): readonly Guard[] {
  const allowed: readonly string[] = ALLOWED[from];
  // Of the protocol these see a part; its index would bring in all of it.
  const isPart = to === 'protocol' && (from === 'native' || BROWSER.includes(from));
  if (allowed.includes(to)) return isPart ? ['linter'] : [];
  // The compiler follows references of references, so these walls are the linter's alone.
  if ((from === 'viewer/relay' || from === 'viewer/boot') && to === 'native') return ['linter'];
  // The linter sees the browser's three projects as one.
  if (BROWSER.includes(from) && BROWSER.includes(to)) return ['compiler'];
  return BOTH;
}

const PARTS = ['wire/index', 'rect', 'pixel', 'error', 'limits', 'lgmp/index', 'memory/word'];
const BROWSER_PARTS = ['wire/index', 'rect', 'pixel', 'error', 'limits'];

/** A project refers to all of the protocol or none, so which part of it is for the linter. */
function ofProtocol(from: Project): readonly Attempt[] {
  if (from === 'protocol') return [];
  const seen = BROWSER.includes(from) ? BROWSER_PARTS : from === 'native' ? ['error'] : PARTS;
  return PARTS.map((part) =>
    attempt(
      from,
      `protocol/${part}`,
      importOf(from, `protocol/${part}.ts`),
      seen.includes(part) ? [] : ['linter'],
    ),
  );
}

function ofRuntime(from: Project): readonly Attempt[] {
  const value = (expression: string): string => `export const there: unknown = ${expression};`;
  const onNode = NODE.includes(from);
  const inWorker = from === 'viewer/web/core' || from === 'viewer/web/worker';
  const unless = (allowed: boolean): readonly Guard[] => (allowed ? [] : ['compiler']);
  return [
    attempt(
      from,
      'node:fs',
      `import { constants } from 'node:fs';\n${value('constants')}`,
      onNode ? [] : BOTH,
    ),
    attempt(from, 'process', value('process.version'), unless(onNode)),
    attempt(from, 'Buffer', value('Buffer.alloc(1)'), unless(onNode)),
    attempt(
      from,
      'document',
      value('document.title'),
      unless(from === 'viewer/web' || from === 'bench'),
    ),
    attempt(from, 'importScripts', value('importScripts'), unless(inWorker)),
  ];
}

/** Left out for the compiler: the types of a package may open a whole project to those of Node. */
function ofPackages(from: Project): Attempt {
  const source = "import { WebSocket } from 'ws';\nexport const there: unknown = WebSocket;";
  return attempt(from, 'ws', source, NODE.includes(from) ? [] : ['linter']);
}

const forBoth = projects.flatMap((from) => [
  ...ofProjects(from),
  ...ofProtocol(from),
  ...ofRuntime(from),
  attempt(from, 'itself', importOf(from, `${from}/index.ts`), []),
]);
const forLinter = projects.map(ofPackages);

let tree = '';
let refusedByCompiler: ReadonlySet<string>;
let refusedByLinter: ReadonlySet<string>;

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'kvmfr-layers-'));
  for (const file of ['package.json', 'tsconfig.base.json', 'biome.json', '.gitignore'])
    cpSync(join(root, file), join(tree, file));
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  const here = (path: string): string => `export const here: string = '${path}';\n`;
  for (const project of projects) {
    write(`${project}/index.ts`, here(project));
    cpSync(join(root, project, 'tsconfig.json'), join(tree, project, 'tsconfig.json'));
  }
  for (const part of PARTS) write(`protocol/${part}.ts`, here(part));
  for (const { file, source } of forBoth) write(file, source);
  refusedByCompiler = compile();
  for (const { file, source } of forLinter) write(file, source);
  refusedByLinter = lint();
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

function run(tool: string, args: readonly string[]): string {
  const bin = join(root, 'node_modules', '.bin', tool);
  const { stdout, error } = spawnSync(bin, args, {
    cwd: tree,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  return stdout;
}

/** The files in which the compiler found an error. */
function compile(): ReadonlySet<string> {
  const output = run('tsc', ['-b', '--pretty', 'false', ...projects]);
  return new Set(
    [...output.matchAll(/^(\S+\.ts)\(\d+,\d+\): error/gm)].map((match) => match[1] ?? ''),
  );
}

/** The files in which the linter found an import that is not allowed. */
function lint(): ReadonlySet<string> {
  const rule = '--only=style/noRestrictedImports';
  const output = run('biome', ['lint', rule, '--max-diagnostics=none', '--reporter=json', '.']);
  const report: {
    readonly diagnostics: readonly { readonly location: { readonly path: string } }[];
  } = JSON.parse(output);
  return new Set(report.diagnostics.map(({ location }) => location.path.replace(/^\.\//, '')));
}

const names = (list: readonly Attempt[]): readonly string[] => list.map(({ name }) => name).sort();

describe.each(projects)('%s', (project) => {
  const own = (list: readonly Attempt[]): readonly Attempt[] =>
    list.filter(({ file }) => dirname(file) === project);

  it('compiles with the imports that it may have, and no other', () => {
    const refused = own(forBoth).filter(({ file }) => refusedByCompiler.has(file));
    const expected = own(forBoth).filter(({ refusedBy }) => refusedBy.includes('compiler'));
    expect(names(refused)).toEqual(names(expected));
  });

  it('passes the linter with the imports that it may have, and no other', () => {
    const list = own([...forBoth, ...forLinter]);
    const refused = list.filter(({ file }) => refusedByLinter.has(file));
    const expected = list.filter(({ refusedBy }) => refusedBy.includes('linter'));
    expect(names(refused)).toEqual(names(expected));
  });
});

it('no project of the tree is left out above', () => {
  const found = new Set<string>();
  const waiting = ['.'];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const text = readFileSync(join(root, folder, 'tsconfig.json'), 'utf8');
    const { references = [] }: { references?: readonly { readonly path: string }[] } =
      JSON.parse(text);
    for (const { path } of references) {
      const project = join(folder, path);
      if (!found.has(project)) waiting.push(project);
      found.add(project);
    }
  }
  expect([...found].sort()).toEqual([...projects, 'test'].sort());
});
