import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KvmfrError } from '../protocol/error.ts';
import type { Addon, LinuxAddon } from './addon.ts';

const require = createRequire(import.meta.url);

let loaded: Addon | undefined;

/**
 * The native module, loaded at the first call.
 *
 * @throws ERR_KVMFR_NATIVE with every path that was tried and the command that builds it.
 */
export function addon(): Addon {
  loaded ??= load(nativeFolder(dirname(fileURLToPath(import.meta.url))));
  return loaded;
}

/**
 * The part of the module that only Linux has.
 *
 * @throws ERR_KVMFR_UNSUPPORTED elsewhere, ERR_KVMFR_NATIVE
 */
export function linuxAddon(): LinuxAddon {
  const found = addon();
  if (hasLinux(found)) return found;
  if (platform() !== 'linux')
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `this works on Linux only, and here is ${platform()}`,
    );
  throw new KvmfrError('ERR_KVMFR_NATIVE', 'the native module of kvmfr is of an older version', {
    hint: `run ${buildCommand(nativeFolder(dirname(fileURLToPath(import.meta.url))))}`,
  });
}

function hasLinux(found: Addon): found is Addon & LinuxAddon {
  return found.FdWatch !== undefined;
}

/**
 * The folder that holds `binding.gyp`, `build/` and `prebuilds/`, from the folder this module runs
 * in: `native` itself in a checkout, or `dist/native` of a checkout or an installed package.
 */
export function nativeFolder(here: string): string {
  return existsSync(join(here, 'binding.gyp')) ? here : join(here, '..', '..', 'native');
}

/** The files in which the module may be, best first: an own build goes before a prebuilt one. */
export function candidates(folder: string): readonly string[] {
  const prebuilds = join(folder, 'prebuilds', `${platform()}-${arch()}`);
  return [
    join(folder, 'build', 'Release', 'kvmfr.node'),
    join(folder, 'build', 'Debug', 'kvmfr.node'),
    ...prebuiltNames(prebuilds).map((name) => join(prebuilds, name)),
  ];
}

/**
 * Loads the first candidate of a folder that loads.
 *
 * @throws ERR_KVMFR_NATIVE with every path that was tried and the command that builds it.
 */
export function load(folder: string): Addon {
  const tried: string[] = [];
  const causes: unknown[] = [];
  for (const path of candidates(folder)) {
    try {
      return require(path) as Addon;
    } catch (cause) {
      tried.push(`  ${path}: ${reason(cause)}`);
      causes.push(cause);
    }
  }
  throw new KvmfrError(
    'ERR_KVMFR_NATIVE',
    `the native module of kvmfr for ${platform()}-${arch()} was not found in any of\n${tried.join('\n')}\nbuild it with: ${buildCommand(folder)}`,
    { cause: new AggregateError(causes), hint: `run ${buildCommand(folder)}` },
  );
}

/** The command that builds the module: another one inside an install than in a checkout. */
export function buildCommand(folder: string): string {
  if (!folder.split(sep).includes('node_modules')) return 'npm run build:native';
  const here = relative(process.cwd(), folder);
  return `npx node-gyp rebuild --directory ${here.startsWith('..') ? folder : here}`;
}

function prebuiltNames(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.node'));
    return names.length > 0 ? names.sort() : ['*.node'];
  } catch {
    return ['*.node'];
  }
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if ('code' in cause && cause.code === 'MODULE_NOT_FOUND') return 'no such file';
  return cause.message.split('\n', 1)[0] ?? cause.message;
}
