import { join } from 'node:path';
import { projectRoot } from '../support/project-root.ts';
import type { VirtualMachine } from './virtual-machine.ts';

/** QEMU's arguments by which a guest sees the files of this machine, and cannot change them. */
export const ROOT_DEVICES: readonly string[] = [
  '-virtfs',
  'local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap',
];

/** Modules of the guest for {@link ROOT_DEVICES}. */
export const ROOT_MODULES: readonly string[] = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/** Memory that a guest needs to run this machine's node. Units: MiB. */
export const ROOT_MEMORY_MIB = 768;

const MOUNTS = [
  'mkdir -p /lower /changes /machine',
  'mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro machine /lower',
  'mount -t tmpfs changes /changes',
  'mkdir /changes/upper /changes/work',
  'mount -t overlay -o lowerdir=/lower,upperdir=/changes/upper,workdir=/changes/work overlay /machine',
  'mount -t proc proc /machine/proc',
  'mount -t sysfs sys /machine/sys',
  'mount -t devtmpfs dev /machine/dev',
  'mkdir -p /machine/dev/shm /machine/dev/pts',
  'mount -t tmpfs shm /machine/dev/shm',
  'mount -t devpts pts /machine/dev/pts',
];

/**
 * Lets a guest with {@link ROOT_DEVICES} see this machine's programs, and the checkout, as its own
 * files: what it writes there is in its memory.
 */
export async function mountRoot(machine: VirtualMachine): Promise<void> {
  for (const command of MOUNTS) {
    const { status, output } = await machine.run(`${command} 2>&1`);
    if (status !== 0) throw new Error(`${command}: ${output.join('\n')}`);
  }
}

/** The line of shell that runs a command of this machine in a guest with {@link mountRoot}. */
export function inRoot(command: string): string {
  const quoted = command.replaceAll("'", `'\\''`);
  return `chroot /machine /bin/sh -c '${quoted}'`;
}

/** The line of shell that runs `kvmfr` of this checkout in a guest with {@link mountRoot}. */
export function kvmfrInRoot(args: string): string {
  return inRoot(`${process.execPath} ${join(projectRoot(), 'dist/cli/main.js')} ${args}`);
}
