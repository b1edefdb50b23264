import { describe, expect, it } from 'vitest';
import { ERROR_CODES, hex, KvmfrError, outOfRange } from '../../../protocol/index.ts';

describe('KvmfrError', () => {
  it('carries its code, its message and what the system said', () => {
    const cause = new Error('below');
    const error = new KvmfrError('ERR_KVMFR_DENIED', 'no', {
      cause,
      syscall: 'open',
      errno: 'EACCES',
      path: '/dev/kvmfr0',
      hint: 'join the group',
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'KvmfrError',
      code: 'ERR_KVMFR_DENIED',
      message: 'no',
      syscall: 'open',
      errno: 'EACCES',
      path: '/dev/kvmfr0',
      hint: 'join the group',
    });
    expect(error.cause).toBe(cause);
  });

  it('has no cause when none was given', () => {
    expect('cause' in new KvmfrError('ERR_KVMFR_CLOSED', 'closed')).toBe(false);
  });

  it('is recognised when another copy of the package made it', () => {
    expect(KvmfrError.is(new KvmfrError('ERR_KVMFR_CLOSED', 'closed'))).toBe(true);
    expect(KvmfrError.is({ isKvmfrError: true, code: 'ERR_KVMFR_CLOSED' })).toBe(true);
    for (const other of [new Error('x'), undefined, null, 'ERR_KVMFR_CLOSED', {}])
      expect(KvmfrError.is(other)).toBe(false);
  });

  it('has codes of one form, each with its meaning', () => {
    for (const [code, meaning] of Object.entries(ERROR_CODES)) {
      expect(code).toMatch(/^ERR_KVMFR_[A-Z_]+$/);
      expect(meaning.length).toBeGreaterThan(10);
    }
  });
});

it('hex writes numbers and bigints alike', () => {
  expect(hex(0)).toBe('0x0');
  expect(hex(0xdead_beef)).toBe('0xdeadbeef');
  expect(hex(0xffff_ffff_ffff_fff0n)).toBe('0xfffffffffffffff0');
});

describe('outOfRange', () => {
  it('says what was expected, where, and what was found', () => {
    const error = outOfRange('pitch', 3, { min: 4, max: 8, where: 'frame header 0x1000' });
    expect(error.code).toBe('ERR_KVMFR_BOUNDS');
    expect(error.message).toBe('pitch at frame header 0x1000 must be 4 to 8, but is 3');
  });

  it('begins at 0 when nothing is said', () => {
    expect(outOfRange('count', 9n, { max: 5n, where: 'queue 0x20' }).message).toBe(
      'count at queue 0x20 must be 0 to 5, but is 9',
    );
  });
});
