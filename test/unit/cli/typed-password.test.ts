import { describe, expect, it } from 'vitest';
import { typedPassword } from '../../../cli/typed-password.ts';

async function* keys(...chunks: readonly string[]): AsyncGenerator<string> {
  yield* chunks;
}

async function type(...chunks: readonly string[]) {
  let said = '';
  const say = (text: string) => {
    said += text;
  };
  const { signal } = new AbortController();
  return { password: await typedPassword(keys(...chunks), { signal, say }), said };
}

describe('a password that is typed', () => {
  it('is asked for twice, and taken when both are the same', async () => {
    expect(await type('corr', 'ect\r', 'correct\r')).toEqual({
      password: 'correct',
      said: 'Password: \nThe same again: ',
    });
    expect(await type('both in one\nboth in one\n')).toMatchObject({ password: 'both in one' });
  });

  it('is corrected by backspace', async () => {
    expect(await type('\bax\u007fb\r', 'aab\b\bb\r')).toMatchObject({ password: 'ab' });
  });

  it.each(['other\r', '\r'])('is refused when the second is another: %j', async (second) => {
    await expect(type('correct\r', second)).rejects.toMatchObject({
      code: 'ERR_KVMFR_USAGE',
      message: 'the two passwords are not the same',
    });
  });

  it('is not asked for again when there is none', async () => {
    expect(await type('\r')).toEqual({ password: '', said: 'Password: ' });
  });

  it('is given up by Ctrl+C, and when the terminal goes', async () => {
    expect(await type('correct\r', 'corr\u0003')).toMatchObject({ password: undefined });
    expect(await type('correct\r', 'corr')).toMatchObject({ password: undefined });
  });
});
