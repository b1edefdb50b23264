import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Config {
  readonly extends?: string;
  readonly compilerOptions?: { readonly [option: string]: unknown };
  readonly references?: readonly { readonly path: string }[];
}

function readConfig(path: string): Config {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The folders of all projects, from the root's references on. */
function projectFolders(): readonly string[] {
  const found = new Set<string>();
  const waiting = [root];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const { path } of readConfig(join(folder, 'tsconfig.json')).references ?? []) {
      const project = join(folder, path);
      if (!found.has(project)) waiting.push(project);
      found.add(project);
    }
  }
  return [...found];
}

const STRICT = [
  'strict',
  'noUncheckedIndexedAccess',
  'exactOptionalPropertyTypes',
  'noImplicitOverride',
  'noImplicitReturns',
  'noFallthroughCasesInSwitch',
  'noPropertyAccessFromIndexSignature',
  'noUnusedLocals',
  'noUnusedParameters',
  'noUncheckedSideEffectImports',
  'verbatimModuleSyntax',
  'isolatedDeclarations',
  'erasableSyntaxOnly',
  'rewriteRelativeImportExtensions',
  'composite',
];

describe('tsconfig.base.json', () => {
  const { compilerOptions = {} } = readConfig(join(root, 'tsconfig.base.json'));

  it.each(STRICT)('has %s on', (option) => {
    expect(compilerOptions[option]).toBe(true);
  });

  it('brings no ambient types', () => {
    expect(compilerOptions['types']).toEqual([]);
    expect(JSON.stringify(compilerOptions['lib'])).not.toMatch(/dom|worker/i);
  });
});

describe.each(projectFolders().map((folder) => [folder.slice(root.length), folder] as const))(
  '%s',
  (_, folder) => {
    const config = readConfig(join(folder, 'tsconfig.json'));

    it('is as strict as the base', () => {
      const base = join(folder, config.extends ?? '');
      expect(base).toBe(join(root, 'tsconfig.base.json'));
      const weakened = Object.keys(config.compilerOptions ?? {}).filter((option) =>
        [...STRICT, 'skipLibCheck', 'noCheck', 'allowJs'].includes(option),
      );
      expect(weakened).toEqual([]);
    });

    it('refers to projects that exist', () => {
      for (const { path } of config.references ?? [])
        expect(existsSync(join(folder, path, 'tsconfig.json')), path).toBe(true);
    });

    it('writes into dist, apart from the sources', () => {
      const out = String(config.compilerOptions?.['outDir']);
      expect(join(folder, out)).toBe(join(root, 'dist', folder.slice(root.length)));
      const record = join(folder, String(config.compilerOptions?.['tsBuildInfoFile']));
      expect(dirname(record)).toBe(join(root, 'dist', '.tsbuildinfo'));
    });
  },
);
