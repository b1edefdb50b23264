import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { GuestFile } from './cpio.ts';

/**
 * The modules of a kernel, by name, each with those that it needs in front of it: the order in which a
 * guest without modprobe can load them.
 *
 * @throws when the kernel has no such module; what is built into it is passed over
 */
export function guestModules(folder: string, names: readonly string[]): readonly GuestFile[] {
  const paths = modulePaths(folder);
  const builtIn = new Set(
    readFileSync(join(folder, 'modules.builtin'), 'utf8').split('\n').map(moduleName),
  );
  const found = new Map<string, GuestFile>();
  const add = (name: string): void => {
    if (found.has(name) || builtIn.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw new Error(`the kernel in ${folder} has no module ${name}`);
    const data = readFileSync(path);
    for (const needed of neededBy(data)) add(needed);
    found.set(name, { path: `modules/${basename(path)}`, data });
  };
  for (const name of names) add(moduleName(name));
  return [...found.values()];
}

function modulePaths(folder: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (/\.ko(\.\w+)?$/.test(entry)) paths.set(moduleName(entry), join(folder, entry));
  return paths;
}

/** A module's name as the kernel says it: `snd-hda-intel.ko` and `snd_hda_intel` are one. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}

function neededBy(module: Buffer): readonly string[] {
  const key = Buffer.from('\0depends=', 'latin1');
  const at = module.indexOf(key);
  if (at < 0) return [];
  const from = at + key.length;
  const list = module.toString('latin1', from, module.indexOf(0, from));
  return list
    .split(',')
    .filter((name) => name !== '')
    .map(moduleName);
}
