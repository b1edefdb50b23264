import { guestProgram } from './guest-program.ts';
import { SPICE_MODULES } from './spice-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';

/**
 * Boots a guest with SPICE on a socket, for the bench of input, and calls back when the guest has said
 * that it got a key's press. Resolves with the machine's folder when it listens; the machine ends with
 * this process.
 */
export async function bootPressedGuest(socket: string, pressed: () => void): Promise<string> {
  const machine = await VirtualMachine.boot({
    files: [guestProgram('events')],
    devices: [
      ...['-spice', `unix=on,addr=${socket},disable-ticketing=on,agent-mouse=off`],
      ...['-vga', 'virtio', '-device', 'virtio-tablet-pci', '-device', 'virtio-keyboard-pci'],
    ],
    modules: SPICE_MODULES,
    limitMs: 600_000,
  });
  await machine.run('events &');
  await machine.events.take(/^input ready [1-9]/);
  void told(machine, pressed);
  return machine.folder;
}

async function told(machine: VirtualMachine, pressed: () => void): Promise<never> {
  for (;;) {
    await machine.events.take(/^input \S+ 1 \d+ 1$/);
    pressed();
  }
}
