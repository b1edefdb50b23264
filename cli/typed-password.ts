import { usageError } from './spec.ts';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const ENDS: readonly string[] = ['\r', '\n', CTRL_D];
const BACKSPACES: readonly string[] = ['\u007f', '\b'];

/**
 * Reads a password from keys as a terminal tells them: twice, because nobody sees a slip.
 * Undefined when it was interrupted.
 *
 * @throws ERR_KVMFR_USAGE when the two are not the same
 */
export async function typedPassword(
  keys: AsyncIterable<unknown>,
  options: { readonly signal: AbortSignal; readonly say: (text: string) => void },
): Promise<string | undefined> {
  const { signal, say } = options;
  let first: string | undefined;
  const letters: string[] = [];
  say('Password: ');
  for await (const chunk of keys)
    for (const letter of String(chunk)) {
      if (letter === CTRL_C || signal.aborted) return undefined;
      if (BACKSPACES.includes(letter)) letters.pop();
      else if (!ENDS.includes(letter)) letters.push(letter);
      else {
        const line = letters.splice(0).join('');
        if (line === first || (first === undefined && line === '')) return line;
        if (first !== undefined) throw usageError('the two passwords are not the same');
        first = line;
        say('\nThe same again: ');
      }
    }
  return undefined;
}
