import { Client, checkRegionName, defaultRegionPath } from '../../client/index.ts';
import { SERVE_FLAGS, SERVE_LATER, serve, serveOptions } from '../serve.ts';
import type { CommandSpec, ParsedCommand } from '../spec.ts';
import { EXIT } from '../terminal.ts';

/** What `kvmfr view` takes. */
export const spec: CommandSpec = {
  name: 'view',
  summary: "relay a guest's screen to browsers",
  args: '[REGION]',
  positionals: [{ name: 'REGION', required: false }],
  flags: SERVE_FLAGS,
  later: { ...SERVE_LATER, assume: 'only B6 and B7 are read' },
  example: 'kvmfr view /dev/shm/looking-glass --listen 127.0.0.1:8400',
};

/** Runs `kvmfr view` until it is interrupted. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  const options = serveOptions(command);
  const path = command.positionals[0] ?? defaultRegionPath();
  checkRegionName(path);
  await using client = new Client(path);
  await serve(client, options, { signal, title: `the screen of the guest at ${path}` });
  return EXIT.interrupted;
}
