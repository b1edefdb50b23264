import { keepToCpus } from '../cpu.ts';
import { HANDS_FLAGS } from '../hands.ts';
import { ASSUME_FLAG, assumedWire, regionOf } from '../region.ts';
import { DOOR_FLAGS, SERVE_FLAGS, serve, serveOptions } from '../serve.ts';
import { type CommandSpec, grouped, type ParsedCommand } from '../spec.ts';
import { EXIT } from '../terminal.ts';

/** What `kvmfr view` takes. */
export const spec: CommandSpec = {
  name: 'view',
  summary: "relay a guest's screen to browsers",
  args: '[REGION]',
  positionals: [{ name: 'REGION', required: false }],
  flags: {
    ...SERVE_FLAGS,
    ...DOOR_FLAGS,
    ...HANDS_FLAGS,
    ...grouped('Region', ASSUME_FLAG),
  },
  example: 'kvmfr view /dev/shm/looking-glass --listen 127.0.0.1:8400',
};

/** Runs `kvmfr view` until it is interrupted. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  keepToCpus(command);
  const options = serveOptions(command);
  const [region] = command.positionals;
  const isBySpice = region === undefined && options.hands?.kind === 'spice';
  const path = isBySpice ? undefined : regionOf(command);
  const assume = assumedWire(command);
  const title =
    path === undefined ? 'the screen of the guest by SPICE' : `the screen of the guest at ${path}`;
  await serve({ ...(path === undefined ? {} : { path }), assume }, options, { signal, title });
  return EXIT.interrupted;
}
