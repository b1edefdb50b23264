import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openMapping } from '../../native/index.ts';
import { guestKernelFolder } from '../../scripts/guest-kernel.mjs';
import { toolPath } from '../support/machine.ts';
import { cpioArchive } from './cpio.ts';
import { guestProgram } from './guest-program.ts';
import { needsGuest } from './needs-guest.ts';

const LIMIT_MS = 240_000;
const REGION_MIB = 16;
const REGION_BYTES = REGION_MIB * 2 ** 20;
/** The user `nobody`; tests that are no root's run as themselves. */
const NOBODY = 65_534;

const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
exec /bin/bar
`;

/** The machine as a person would define it; the parts of <shmem> are those of the README. */
function domain(parts: {
  readonly name: string;
  readonly folder: string;
  readonly qemu: string;
}): string {
  const { name, folder, qemu } = parts;
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>256</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${folder}/vmlinux</kernel>
    <initrd>${folder}/initrd</initrd>
    <cmdline>quiet panic=-1 no_timer_check</cmdline>
  </os>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <cpu mode='maximum'/>
  <devices>
    <emulator>${qemu}</emulator>
    <shmem name='${name}'><model type='ivshmem-plain'/><size unit='M'>${REGION_MIB}</size></shmem>
  </devices>
</domain>
`;
}

needsGuest('libvirt').describe('a machine of libvirt, of a user who is not root', () => {
  const name = `kvmfr-test-${process.pid}`;
  const region = join('/dev/shm', name);
  const isRoot = process.getuid?.() === 0;
  let folder = '';

  /** Runs a command of libvirt's shell as that user. */
  async function virsh(...args: readonly string[]): Promise<string> {
    const home = { HOME: join(folder, 'home'), XDG_RUNTIME_DIR: join(folder, 'run') };
    const asUser = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--'];
    const command = [toolPath('libvirt') ?? 'virsh', '-c', 'qemu:///session', ...args];
    const [program = '', ...words] = isRoot ? ['setpriv', ...asUser, ...command] : command;
    const env = { ...process.env, ...home };
    const { stdout } = await promisify(execFile)(program, words, { env, timeout: LIMIT_MS });
    return stdout;
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kvmfr-libvirt-'));
    chmodSync(folder, 0o755);
    for (const own of ['home', 'run']) {
      mkdirSync(join(folder, own), { mode: 0o700 });
      if (isRoot) chownSync(join(folder, own), NOBODY, NOBODY);
    }
    const initrd = cpioArchive([
      { path: 'init', data: Buffer.from(INIT), mode: 0o755 },
      { path: 'bin/busybox', data: readFileSync(toolPath('busybox') ?? ''), mode: 0o755 },
      guestProgram('bar'),
    ]);
    writeFileSync(join(folder, 'initrd'), initrd, { mode: 0o644 });
    copyFileSync(join(guestKernelFolder() ?? '', 'vmlinux'), join(folder, 'vmlinux'));
    chmodSync(join(folder, 'vmlinux'), 0o644);
    const definition = join(folder, 'machine.xml');
    const qemu = toolPath('qemu') ?? '';
    writeFileSync(definition, domain({ name, folder, qemu }), { mode: 0o644 });
    await virsh('define', definition);
    await virsh('start', name);
  }, LIMIT_MS);

  afterAll(async () => {
    await virsh('destroy', name).catch(() => undefined);
    await virsh('undefine', name).catch(() => undefined);
    endDaemon(join(folder, 'run/libvirt/libvirtd.pid'));
    rmSync(region, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT_MS);

  it(
    'has the memory of its <shmem> where the README says, and shares it both ways',
    async () => {
      const { size, uid } = statSync(region);
      expect([size, uid]).toEqual([REGION_BYTES, isRoot ? NOBODY : process.getuid?.()]);
      using mapping = openMapping(region);
      const bytes = new Uint8Array(mapping.buffer);
      const answerAt = REGION_BYTES - 4096;
      const answered = mapping.wait([{ offsetBytes: answerAt, value: 0 }], {
        timeoutMs: LIMIT_MS,
      });
      bytes.set(Buffer.from('hello, guest'), REGION_BYTES - 8192);
      expect(await answered).toBe('changed');
      const end = bytes.indexOf(0, answerAt);
      expect(Buffer.from(bytes.slice(answerAt, end)).toString('latin1')).toBe(
        `${REGION_BYTES} bytes: hello, guest`,
      );
    },
    LIMIT_MS,
  );
});

/** The daemon that the first command has started would stay for two minutes. */
function endDaemon(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'latin1')), 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}
