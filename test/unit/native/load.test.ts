import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { buildCommand, candidates, load, nativeFolder } from '../../../native/load.ts';
import { askChild, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();
const sources = fileURLToPath(new URL('../../../native', import.meta.url));
const host = `${platform()}-${arch()}`;

describe('load', () => {
  test('finds the native folder from the sources and from what was compiled of them', () => {
    expect(nativeFolder(sources)).toBe(sources);
    expect(nativeFolder(join(sources, '..', 'dist', 'native'))).toBe(sources);
  });

  test('finds it in a checkout that is itself named dist', () => {
    const checkout = join(folder, 'dist', 'native');
    mkdirSync(checkout, { recursive: true });
    writeFileSync(join(checkout, 'binding.gyp'), '{}');
    expect(nativeFolder(checkout)).toBe(checkout);
  });

  test('prefers an own build to a prebuilt one', () => {
    const both = join(folder, 'both');
    mkdirSync(join(both, 'prebuilds', host), { recursive: true });
    writeFileSync(join(both, 'prebuilds', host, 'kvmfr.node'), '');
    expect(candidates(both)).toEqual([
      join(both, 'build', 'Release', 'kvmfr.node'),
      join(both, 'build', 'Debug', 'kvmfr.node'),
      join(both, 'prebuilds', host, 'kvmfr.node'),
    ]);
  });

  test('loads a prebuilt module when there is no build', () => {
    const prebuilt = join(folder, 'prebuilt');
    mkdirSync(join(prebuilt, 'prebuilds', host), { recursive: true });
    const built = join(sources, 'build', 'Release', 'kvmfr.node');
    cpSync(built, join(prebuilt, 'prebuilds', host, 'kvmfr.node'));
    expect(load(prebuilt).kernelVariant()).toMatch(/^(avx2|portable)$/);
  });

  test('names every path that it tried, why it failed, and the command that builds it', () => {
    const broken = join(folder, 'node_modules', 'kvmfr', 'native');
    mkdirSync(join(broken, 'prebuilds', host), { recursive: true });
    writeFileSync(join(broken, 'prebuilds', host, 'kvmfr.node'), 'not a shared object');
    const error = thrownBy(() => load(broken));
    expect(error.code).toBe('ERR_KVMFR_NATIVE');
    const lines = error.message.split('\n');
    expect(lines).toContain(`  ${join(broken, 'build', 'Release', 'kvmfr.node')}: no such file`);
    expect(lines).toContain(`  ${join(broken, 'build', 'Debug', 'kvmfr.node')}: no such file`);
    expect(error.message).toMatch(/prebuilds\/[a-z0-9-]+\/kvmfr\.node: (?!no such file)./);
    expect(lines.at(-1)).toBe(`build it with: npx node-gyp rebuild --directory ${broken}`);
    expect(error.hint).toContain('npx node-gyp rebuild');
  });

  test('says where prebuilt modules would be when there are none', () => {
    const error = thrownBy(() => load(join(folder, 'nothing')));
    expect(error.message).toContain(join('nothing', 'prebuilds', host, '*.node: no such file'));
  });

  test('builds with npm in a checkout and with node-gyp in an install', () => {
    expect(buildCommand(join(folder, 'native'))).toBe('npm run build:native');
    const installed = join(process.cwd(), 'node_modules', 'kvmfr', 'native');
    expect(buildCommand(installed)).toBe(
      'npx node-gyp rebuild --directory node_modules/kvmfr/native',
    );
  });
});

describe('native/index', () => {
  test('loads no binary before something of it is used', async () => {
    expect(await askChild('lazy.mjs', [])).toEqual({ afterImport: false, afterUse: true });
  });
});
