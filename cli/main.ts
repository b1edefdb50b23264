#!/usr/bin/env node
import { KvmfrError } from '../protocol/error.ts';
import * as demo from './commands/demo.ts';
import * as doorbell from './commands/doorbell.ts';
import * as host from './commands/host.ts';
import * as info from './commands/info.ts';
import * as latency from './commands/latency.ts';
import * as password from './commands/password.ts';
import * as snapshot from './commands/snapshot.ts';
import * as view from './commands/view.ts';
import { commandHelp } from './help.ts';
import { type CommandSpec, type ParsedCommand, parseCommand } from './spec.ts';
import { EXIT, errorJson, errorText, exitStatus, interruptSignal, print, say } from './terminal.ts';
import { packageVersion } from './version.ts';

interface Command {
  readonly spec: CommandSpec;
  run(command: ParsedCommand, signal: AbortSignal): Promise<number>;
}

const COMMANDS: readonly Command[] = [
  view,
  demo,
  host,
  info,
  snapshot,
  latency,
  doorbell,
  password,
];

/** Commands of the plan that this version does not have: refused by name, not as unknown. */
const LATER = ['record', 'replay', 'doctor', 'publish'];

function help(): string {
  const width = Math.max(...COMMANDS.map(({ spec }) => `${spec.name} ${spec.args}`.length));
  return [
    `kvmfr ${packageVersion()}: the screen of a virtual machine with a passed-through GPU, in any browser`,
    '',
    ...COMMANDS.map(
      ({ spec }) => `  kvmfr ${`${spec.name} ${spec.args}`.padEnd(width)}  ${spec.summary}`,
    ),
    '',
    'kvmfr COMMAND --help tells more of each. REGION is the memory shared with the guest: a file',
    '(/dev/shm/looking-glass) or a device (/dev/kvmfr0).',
    '',
    'Example: kvmfr view /dev/shm/looking-glass',
    '',
  ].join('\n');
}

function findCommand(name: string): Command {
  const found = COMMANDS.find(({ spec }) => spec.name === name);
  if (found !== undefined) return found;
  if (LATER.includes(name))
    throw new KvmfrError('ERR_KVMFR_UNSUPPORTED', `kvmfr ${name} is not in this version of kvmfr`);
  const names = COMMANDS.map(({ spec }) => spec.name).join(', ');
  throw new KvmfrError('ERR_KVMFR_USAGE', `there is no command ${name}; there are ${names}`);
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const of = name === 'help' && rest[0] !== undefined ? findCommand(rest[0]) : undefined;
    process.stdout.write(of === undefined ? help() : commandHelp(of.spec));
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version' || name === '-V') {
    print(packageVersion());
    return EXIT.done;
  }
  const command = findCommand(name);
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(commandHelp(command.spec));
    return EXIT.done;
  }
  const parsed = parseCommand(command.spec, rest);
  const signal = interruptSignal();
  return command.run(parsed, signal);
}

function commandName(name: string | undefined): string {
  return COMMANDS.some(({ spec }) => spec.name === name) ? ` ${name}` : '';
}

// A reader that went away (a closed pipe) is no failure of ours; a full disk is.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  say(`kvmfr: standard output could not be written: ${error.code ?? error.message}`);
  process.exit(EXIT.failed);
});

const argv = process.argv.slice(2);
// Should the event loop run dry before a command is through, that is no success.
process.exitCode = EXIT.failed;
main(argv).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    if (argv.includes('--json')) print(JSON.stringify(errorJson(error)));
    say(errorText(error).replace(/^(?!kvmfr )/, 'kvmfr: '));
    if (exitStatus(error) === EXIT.usage) say(`       See kvmfr${commandName(argv[0])} --help.`);
    process.exitCode = exitStatus(error);
  },
);
