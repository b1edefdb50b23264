// The kernel of the virtual machines that tests boot: Debian's, downloaded with apt-get and unpacked
// into a cache, never installed.
//
// A folder named by KVMFR_GUEST_KERNEL is taken as it is: `vmlinux` and `modules/` in it, the latter
// with the tree below lib/modules/VERSION.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../node_modules/.cache/kvmfr/kernels/', import.meta.url));
/** Written last, so that a folder with it is whole. */
const MARK = 'whole';
const XZ = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** The folder of a kernel that is there; undefined when none is. */
export function guestKernelFolder() {
  const named = process.env.KVMFR_GUEST_KERNEL;
  if (named !== undefined) return existsSync(join(named, 'vmlinux')) ? named : undefined;
  if (!existsSync(cache)) return undefined;
  const newestFirst = readdirSync(cache)
    .map((name) => join(cache, name))
    .filter((folder) => existsSync(join(folder, MARK)))
    .sort((a, b) => statSync(join(b, MARK)).mtimeMs - statSync(join(a, MARK)).mtimeMs);
  return newestFirst[0];
}

/**
 * Downloads and unpacks the kernel that Debian has now. Throws a sentence when it cannot.
 *
 * Needs apt-get, dpkg-deb, and xz or zstd, whichever the kernel was packed with.
 */
export function fetchGuestKernel() {
  const [, name] =
    /Depends: (linux-image-\S+)/.exec(output('apt-cache', ['depends', 'linux-image-amd64'])) ?? [];
  if (name === undefined) throw new Error('apt-cache names no kernel: run apt-get update');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, '.new-'));
  try {
    output('apt-get', ['download', '-qq', name], work);
    const [deb] = readdirSync(work).filter((file) => file.endsWith('.deb'));
    if (deb === undefined) throw new Error(`apt-get downloaded no ${name}`);
    output('dpkg-deb', ['-x', deb, 'all'], work);
    const version = name.slice('linux-image-'.length);
    const folder = join(work, 'kernel');
    mkdirSync(folder);
    unpackKernel(join(work, 'all/boot', `vmlinuz-${version}`), join(folder, 'vmlinux'));
    const merged = ['all/lib/modules', 'all/usr/lib/modules'].map((path) =>
      join(work, path, version),
    );
    const modules = merged.find((path) => existsSync(path));
    if (modules === undefined) throw new Error(`${deb} has no modules of ${version}`);
    renameSync(modules, join(folder, 'modules'));
    writeFileSync(join(folder, MARK), `${deb}\n`);
    const place = join(cache, deb.replace(/\.deb$/, ''));
    if (!existsSync(place)) renameSync(folder, place);
    return place;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** QEMU starts the unpacked kernel directly; the packed one spends seconds on unpacking itself. */
function unpackKernel(packed, unpacked) {
  const bytes = readFileSync(packed);
  for (const [magic, command, args] of [
    [XZ, 'xz', ['-dc', '--single-stream']],
    [ZSTD, 'zstd', ['-dc']],
  ]) {
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
      const input = bytes.subarray(at);
      // What follows the packed kernel is no error, though the programs may call it one.
      const { stdout } = spawnSync(command, args, { input, maxBuffer: 1 << 29 });
      if (stdout?.subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1')) !== true) continue;
      writeFileSync(unpacked, stdout);
      return;
    }
  }
  throw new Error(`${packed} holds no kernel that xz or zstd can unpack`);
}

function output(command, args, cwd) {
  const done = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (done.status === 0) return done.stdout;
  throw new Error(`${command} ${args.join(' ')}: ${done.error?.message ?? done.stderr.trim()}`);
}
