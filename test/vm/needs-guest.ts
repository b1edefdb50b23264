import { guestKernelFolder } from '../../scripts/guest-kernel.mjs';
import { type GatedTests, gatedBy, missingTools } from '../support/machine.ts';

/** Tests that boot a virtual machine: skipped aloud where they cannot, failed where CI is set. */
export function needsGuest(): GatedTests {
  const kernel = guestKernelFolder() === undefined;
  return gatedBy([
    ...missingTools(['qemu', 'busybox', 'xz']),
    ...(kernel ? ['there is no kernel for virtual machines (see scripts/guest-kernel.mjs)'] : []),
  ]);
}
