import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';
import { say, serve } from '../support/child.ts';
import { nowNs } from '../support/stats.ts';

// A virtual machine that tells when it has got a key. It is the tests' own, which are not compiled for Node.

/** What this needs of test/vm. */
interface PressedGuest {
  readonly bootPressedGuest: (socket: string, pressed: () => void) => Promise<string>;
}

const [socket = ''] = process.argv.slice(2);
const path = fileURLToPath(new URL('../../../test/vm/pressed-guest.ts', import.meta.url));
const { module } = await runnerImport<PressedGuest>(path, { configFile: false });
let pressesUs: number[] = [];
const folder = await module.bootPressedGuest(socket, () => {
  pressesUs.push(Number(nowNs() / 1000n));
});
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

serve({
  begin() {
    pressesUs = [];
    return {};
  },
  /** When each press since `begin` was told by the guest. */
  presses() {
    return Object.fromEntries(pressesUs.map((us, index) => [`seen-${index}`, us]));
  },
});
await say('ready');
