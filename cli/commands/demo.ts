import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GuestProcess, spawnPattern } from '../../host/index.ts';
import { keepToCpus } from '../cpu.ts';
import { GUEST_FLAGS, guestOptions } from '../guest.ts';
import { DOOR_FLAGS, SERVE_FLAGS, serve, serveOptions } from '../serve.ts';
import { type CommandSpec, grouped, type ParsedCommand } from '../spec.ts';
import { EXIT, errorText, say } from '../terminal.ts';

/** What `kvmfr demo` takes. */
export const spec: CommandSpec = {
  name: 'demo',
  summary: 'a synthetic guest in a temporary region, and `view` on it',
  args: '',
  positionals: [],
  flags: {
    ...SERVE_FLAGS,
    ...DOOR_FLAGS,
    ...grouped('Synthetic guest', {
      ...GUEST_FLAGS,
      wire: {
        value: 'NAME',
        help: 'B6, B7, dev10 or dev12, which one can type in (default dev12)',
      },
    }),
  },
  example: 'kvmfr demo --size 1280x720 --content scroll',
};

/** Runs `kvmfr demo` until it is interrupted. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  keepToCpus(command);
  const serving = serveOptions(command);
  const options = guestOptions(command, 'dev12');
  const folder = await temporaryFolder();
  try {
    const region = join(folder, 'looking-glass');
    await using guest = await spawnPattern({ region, ...options });
    const served = new AbortController();
    tellEnd(guest, AbortSignal.any([signal, served.signal]));
    try {
      await serve({ path: region }, serving, {
        signal,
        title: `a synthetic guest of ${options.widthPx} x ${options.heightPx}, wire ${options.wire}`,
      });
    } finally {
      served.abort();
    }
    return EXIT.interrupted;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Shared memory where there is some: a region on a disk would be written to it again and again. */
async function temporaryFolder(): Promise<string> {
  try {
    return await mkdtemp('/dev/shm/kvmfr-demo-');
  } catch {
    return mkdtemp(join(tmpdir(), 'kvmfr-demo-'));
  }
}

/** Tells when the guest ends by itself; once the signal has fired, we end it. */
function tellEnd(guest: GuestProcess, signal: AbortSignal): void {
  guest.on('error', (error) => say(`  the synthetic guest: ${errorText(error)}`));
  void guest.exited.then(() => {
    if (!signal.aborted) say('  the synthetic guest has ended; the page shows its last picture');
  });
}
