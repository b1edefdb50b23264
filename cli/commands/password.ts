import { hashPassword } from '../../viewer/relay/index.ts';
import { type CommandSpec, type ParsedCommand, usageError } from '../spec.ts';
import { EXIT, print } from '../terminal.ts';
import { typedPassword } from '../typed-password.ts';

/** What `kvmfr password` takes. */
export const spec: CommandSpec = {
  name: 'password',
  summary: 'make the hash of a password, for --password-file',
  args: '',
  positionals: [],
  flags: {},
  example: 'kvmfr password > ~/.config/kvmfr-password',
};

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

/** What is typed in the terminal, unseen. */
async function typed(signal: AbortSignal): Promise<string | undefined> {
  const { stdin, stderr } = process;
  // First this: what is typed early must not be shown either.
  stdin.setRawMode(true);
  try {
    return await typedPassword(stdin.setEncoding('utf8'), {
      signal,
      say: (text) => stderr.write(text),
    });
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}
