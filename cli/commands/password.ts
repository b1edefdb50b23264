import { hashPassword } from '../../viewer/relay/index.ts';
import { type CommandSpec, type ParsedCommand, usageError } from '../spec.ts';
import { EXIT, print } from '../terminal.ts';

/** What `kvmfr password` takes. */
export const spec: CommandSpec = {
  name: 'password',
  summary: 'make the hash of a password, for --password-file',
  args: '',
  positionals: [],
  flags: {},
  example: 'kvmfr password > ~/.config/kvmfr-password',
};

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACES: readonly string[] = ['\u007f', '\b'];
const MAX_INPUT_BYTES = 4096;

/** Runs `kvmfr password`: one line of standard input, or what is typed unseen, becomes its hash. */
export async function run(_command: ParsedCommand, signal: AbortSignal): Promise<number> {
  const password = process.stdin.isTTY ? await typed(signal) : await firstLine();
  if (password === undefined) return EXIT.interrupted;
  if (password === '') throw usageError('kvmfr password needs a password that is not empty');
  print(await hashPassword(password));
  return EXIT.done;
}

async function firstLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (Buffer.byteLength(text) > MAX_INPUT_BYTES) break;
    if (text.includes('\n')) break;
  }
  return text.split(/\r?\n/)[0] ?? '';
}

/** Reads a line from the terminal without showing it. */
async function typed(signal: AbortSignal): Promise<string | undefined> {
  const { stdin, stderr } = process;
  // First this: what is typed early must not be shown either.
  stdin.setRawMode(true);
  stderr.write('Password: ');
  try {
    const letters: string[] = [];
    for await (const chunk of stdin.setEncoding('utf8'))
      for (const letter of String(chunk)) {
        if (letter === CTRL_C || signal.aborted) return undefined;
        if (letter === '\r' || letter === '\n' || letter === CTRL_D) return letters.join('');
        if (BACKSPACES.includes(letter)) letters.pop();
        else letters.push(letter);
      }
    return letters.join('');
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}
