import { connectSpice, type SpiceOptions, type SpiceSession } from '../../client/spice/index.ts';
import type { GuestFile } from './cpio.ts';
import { VirtualMachine } from './virtual-machine.ts';

/** The password of every machine here. */
export const PASSWORD = 'open sesame';

/** QEMU's arguments for SPICE on a socket in the machine's folder, and the devices that go with it. */
export const SPICE_DEVICES: readonly string[] = [
  ...['-object', `secret,id=spice-password,data=${PASSWORD}`],
  // Without an agent of the guest's desktop, positions of the pointer must go to the tablet.
  ...['-spice', 'unix=on,addr=spice.sock,password-secret=spice-password,agent-mouse=off'],
  ...['-vga', 'virtio', '-device', 'virtio-tablet-pci', '-device', 'virtio-keyboard-pci'],
];

/** Modules of the guest for {@link SPICE_DEVICES}. */
export const SPICE_MODULES: readonly string[] = [
  'evdev',
  'virtio_pci',
  'virtio_input',
  'virtio_gpu',
  'psmouse',
];

/** The address of a machine's SPICE server. */
export function spiceAddress(machine: VirtualMachine): string {
  return `unix:${machine.folder}/spice.sock`;
}

/** A link to a machine without a processor of its own may take this long. Units: milliseconds. */
const LINK_TIMEOUT_MS = 120_000;

/** A session with a machine, by its password. */
export function spiceOf(
  machine: VirtualMachine,
  options: SpiceOptions = {},
): Promise<SpiceSession> {
  return connectSpice(spiceAddress(machine), {
    password: PASSWORD,
    linkTimeoutMs: LINK_TIMEOUT_MS,
    ...options,
  });
}

/** What a guest has beside SPICE. */
export interface SpiceGuestOptions {
  readonly devices?: readonly string[];
  readonly modules?: readonly string[];
  readonly files?: readonly GuestFile[];
  readonly append?: string;
  readonly limitMs?: number;
}

/** Boots a guest with SPICE, and what else it shall have. */
export async function bootSpiceGuest(extra: SpiceGuestOptions = {}): Promise<VirtualMachine> {
  const machine = await startSpiceGuest(extra);
  await machine.ready();
  return machine;
}

/** Starts a guest with SPICE, which is in its firmware then. */
export function startSpiceGuest(extra: SpiceGuestOptions = {}): Promise<VirtualMachine> {
  return VirtualMachine.start({
    limitMs: 300_000,
    ...extra,
    devices: [...SPICE_DEVICES, ...(extra.devices ?? [])],
    modules: [...SPICE_MODULES, ...(extra.modules ?? [])],
  });
}
