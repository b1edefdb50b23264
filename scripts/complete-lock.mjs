// Completes package-lock.json with the packages of other platforms.
//
//   node scripts/complete-lock.mjs [FILE]
//
// npm leaves out of the lock what the registry that it asked does not have, and a mirror seldom
// has the binaries of every platform. `npm ci` then refuses the lock everywhere. Each missing one
// is named in its parent's manifest with an exact version, and says in its name where it runs:
// enough for an entry that is passed over on all other platforms. Its checksum is not known here.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('../package-lock.json', import.meta.url));
const path = process.argv[2] ?? here;
const lock = JSON.parse(readFileSync(path, 'utf8'));
const added = [];

for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const where = platformOf(name);
    if (key in lock.packages || where === undefined || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    const dev = parent.dev === true ? { dev: true } : {};
    lock.packages[key] = { version, ...where, ...dev, optional: true };
    added.push(`${name}@${version}`);
  }
}
if (added.length > 0) {
  const [root, ...others] = Object.keys(lock.packages);
  const sorted = [root, ...others.sort((a, b) => a.localeCompare(b, 'en'))];
  lock.packages = Object.fromEntries(sorted.map((key) => [key, lock.packages[key]]));
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}
process.stdout.write(`${added.length} added${added.map((one) => `\n  ${one}`).join('')}\n`);

/** `...-linux-x64-musl`, `...-linux-arm-gnueabihf`: system, processor and C library. */
function platformOf(name) {
  const [, os, cpu, abi] =
    /-(android|darwin|freebsd|linux|win32)-(x64|arm64|arm|riscv64|ia32)(?:-(\w+))?$/.exec(name) ??
    [];
  if (os === undefined) return undefined;
  const libc = os === 'linux' ? { libc: [abi === 'musl' ? 'musl' : 'glibc'] } : {};
  return { cpu: [cpu], ...libc, os: [os] };
}
