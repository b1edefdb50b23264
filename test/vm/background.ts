import type { VirtualMachine } from './virtual-machine.ts';

let logs = 0;

/**
 * Starts a program in a guest that runs on, and waits until it is ready. `isReady`: a line of shell in
 * which `$log` is the file with what the program says.
 *
 * @returns what it has said
 * @throws what it has said, when it ends before it is ready
 */
export async function startInGuest(
  machine: VirtualMachine,
  command: string,
  isReady: string,
): Promise<string> {
  const begin = `log=/tmp/log${logs++}; ${command} >$log 2>&1 & pid=$!`;
  const wait = `until ${isReady}; do kill -0 $pid 2>/dev/null || break; usleep 50000; done`;
  const { output } = await machine.run(`${begin}; ${wait}; cat $log`);
  const { status } = await machine.run('kill -0 $pid 2>/dev/null');
  const said = output.join('\n');
  if (status !== 0) throw new Error(`${command} must run on, but has ended:\n${said}`);
  return said;
}
