import { spec as demo } from '../../../cli/commands/demo.ts';
import { spec as host } from '../../../cli/commands/host.ts';
import { spec as info } from '../../../cli/commands/info.ts';
import { spec as latency } from '../../../cli/commands/latency.ts';
import { spec as snapshot } from '../../../cli/commands/snapshot.ts';
import { spec as view } from '../../../cli/commands/view.ts';
import {
  addressFlag,
  numberFlag,
  type ParsedCommand,
  parseCommand,
  sizeFlag,
} from '../../../cli/spec.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import type { ParserTarget } from '../loop/parser-target.ts';
import { claim } from './claim.ts';

const SPECS = [demo, host, info, latency, snapshot, view] as const;
const FLAGS = [...new Set(SPECS.flatMap(({ flags }) => Object.keys(flags)))];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function seed(command: (typeof SPECS)[number], ...argv: readonly string[]): Uint8Array {
  return Uint8Array.from([SPECS.indexOf(command), ...encoder.encode(argv.join('\n'))]);
}

/** Which command, then its arguments, one a line. */
export const COMMAND_LINE: ParserTarget = {
  name: 'cli: command lines',
  words: [
    ...FLAGS.map((flag) => `--${flag}`),
    ...FLAGS.map((flag) => `\n--${flag}=`),
    ...['--', '\n--\n', '-', '\n-o', '=', '0', '99999', '1e3', '0x10', '1920x1080', '[::1]:8400'],
    ...['--__proto__', '--constructor', '--no-', '\u0000', '\u{1f600}'],
  ],
  maxBytes: 256,
  seeds: [
    seed(view, '/dev/shm/looking-glass', '--listen', '127.0.0.1:8400', '--max-fps=30'),
    seed(view, '--listen', '[::1]:8400', '--allow-origin', 'https://a', '--allow-origin=https://b'),
    seed(demo, '--size', '1920x1080', '--fps', '60'),
    seed(host, '/dev/shm/x', '--size=640x480', '--wire', 'B7'),
    seed(info, '--json', '--watch'),
    seed(snapshot, '/dev/shm/x', '-o', '-', '--timeout-ms', '100'),
    seed(latency, '--duration', '3', '--json', 'x.json'),
  ],
  read: (bytes) => {
    const spec = SPECS[(bytes[0] ?? 0) % SPECS.length] ?? view;
    const text = decoder.decode(bytes.subarray(1));
    const command = parsed(spec, text === '' ? [] : text.split('\n'));
    if (typeof command === 'string') return command;
    claim(command.positionals.length <= spec.positionals.length, 'a command has its arguments');
    let refusal: KvmfrError | undefined;
    for (const flag of Object.keys(spec.flags)) {
      refusal =
        refusedBy(() => {
          const number = numberFlag(command, flag, { min: 1, max: 1000 });
          claim(number === undefined || (number >= 1 && number <= 1000), 'a number has bounds');
        }) ?? refusal;
      refusal =
        refusedBy(() => {
          const size = sizeFlag(command, flag);
          claim(
            size === undefined || (size.widthPx >= 320 && size.widthPx <= 8192),
            'sizes as well',
          );
        }) ?? refusal;
      refusal =
        refusedBy(() => {
          const address = addressFlag(command, flag);
          claim(address === undefined || address.port <= 65535, 'a port is one');
        }) ?? refusal;
      command.texts(flag);
      command.has(flag);
    }
    return `${spec.name}, ${refusal?.message.split(' ')[0] ?? 'all taken'}`;
  },
};

/** The command line, or in which way it is refused: what it said itself is no kind of answer. */
function parsed(spec: (typeof SPECS)[number], argv: readonly string[]): ParsedCommand | string {
  try {
    return parseCommand(spec, argv);
  } catch (error) {
    if (!KvmfrError.is(error)) throw error;
    return `${spec.name} ${error.code} ${error.message.split(' ').slice(2, 5).join(' ')}`;
  }
}

function refusedBy(work: () => void): KvmfrError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (KvmfrError.is(error)) return error;
    throw error;
  }
}
