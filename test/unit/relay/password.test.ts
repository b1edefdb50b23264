import { scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hashPassword, MAX_WAITING, Password } from '../../../viewer/relay/password.ts';

/** A hash that costs nothing, made by the library itself. */
function cheapHash(password: string): string {
  const key = scryptSync(password, 'sixteen bytes ok', 32, { N: 2, r: 1, p: 1 });
  return `scrypt$2$1$1$${Buffer.from('sixteen bytes ok').toString('base64url')}$${key.toString('base64url')}`;
}

describe('hashPassword()', () => {
  it('names its parameters, and has another salt each time', async () => {
    const [one, other] = [await hashPassword('correct horse'), await hashPassword('correct horse')];
    expect(one).toMatch(/^scrypt\$32768\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(other);
    expect(await new Password(one).verify('correct horse')).toBe(true);
  });

  it.each(['', 'x'.repeat(1025)])('refuses a password of a wrong length', async (password) => {
    await expect(hashPassword(password)).rejects.toMatchObject({ code: 'ERR_KVMFR_ARGUMENT' });
  });
});

describe('Password', () => {
  it('is what was given, as text or as its hash, and nothing else', async () => {
    const plain = new Password('correct horse');
    expect(await plain.verify('correct horse')).toBe(true);
    const hashed = new Password(cheapHash('correct horse'));
    expect(await hashed.verify('correct horse')).toBe(true);
    for (const wrong of [
      '',
      'correct hors',
      'correct horse ',
      'x'.repeat(5000),
      cheapHash('correct horse'),
    ])
      expect(await hashed.verify(wrong)).toBe(false);
  });

  it('is the same in both ways to write an accent', async () => {
    expect(await new Password(cheapHash('caf\u00e9')).verify('cafe\u0301')).toBe(true);
  });

  it.each([
    'scrypt$',
    'scrypt$32768$8$1$c2l4dGVlbiBieXRlcyBvaw',
    'scrypt$3$8$1$c2l4dGVlbiBieXRlcyBvaw$c2l4dGVlbiBieXRlcyBvaw',
    'scrypt$1$8$1$c2l4dGVlbiBieXRlcyBvaw$c2l4dGVlbiBieXRlcyBvaw',
    'scrypt$32768$0$1$c2l4dGVlbiBieXRlcyBvaw$c2l4dGVlbiBieXRlcyBvaw',
    'scrypt$32768$8$0$c2l4dGVlbiBieXRlcyBvaw$c2l4dGVlbiBieXRlcyBvaw',
    'scrypt$32768$8$17$c2l4dGVlbiBieXRlcyBvaw$c2l4dGVlbiBieXRlcyBvaw',
    'scrypt$16777216$32$1$c2l4dGVlbiBieXRlcyBvaw$c2l4dGVlbiBieXRlcyBvaw',
  ])('refuses the broken or ruinous hash %s', (text) => {
    expect(() => new Password(text)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });

  it('lets eight wait, and sends the ninth away at once', async () => {
    const password = new Password(cheapHash('correct horse'));
    const answers = Array.from({ length: MAX_WAITING }, () => password.verify('correct horse'));
    expect(await password.verify('correct horse')).toBeUndefined();
    expect(await Promise.all(answers)).toEqual(answers.map(() => true));
    expect(await password.verify('correct horse')).toBe(true);
  });
});
