import { guestKernelFolder } from '../../scripts/guest-kernel.mjs';
import { type GatedTests, gatedBy, missingTools, type Tool } from '../support/machine.ts';

/** Tests that boot a virtual machine: skipped aloud where they cannot, failed where CI is set. */
export function needsGuest(...also: readonly Tool[]): GatedTests {
  const kernel = guestKernelFolder() === undefined;
  return gatedBy([
    ...missingTools(['qemu', 'busybox', 'xz', ...also]),
    ...(kernel ? ['there is no kernel for virtual machines (see scripts/guest-kernel.mjs)'] : []),
  ]);
}
