import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeSession, parseSession, type SessionBlob } from '../../../protocol/index.ts';

const blob: SessionBlob = {
  kvmfrVersion: 20,
  hostVersion: 'B7-test',
  features: 1,
  vm: {
    uuid: '00112233-4455-6677-8899-aabbccddeeff',
    capture: 'DXGI',
    cpus: 8,
    cores: 4,
    sockets: 2,
    model: 'Some CPU',
  },
  os: { kind: 'windows', name: 'Windows 11' },
};

describe('encodeSession()', () => {
  it('is what parseSession() reads', () => {
    expect(parseSession(encodeSession(blob))).toEqual(blob);
    expect(parseSession(encodeSession({ ...blob, vm: undefined }))).toEqual({
      ...blob,
      vm: undefined,
    });
    expect(parseSession(encodeSession({ ...blob, os: undefined }))).toEqual({
      ...blob,
      os: undefined,
    });
  });

  it('writes every byte where it belongs', () => {
    const bytes = Buffer.from(encodeSession(blob));
    expect(bytes.subarray(0, 20).toString('latin1')).toBe('KVMFR---\x14\0\0\0B7-test\0');
    expect(bytes.subarray(44, 56).toString('hex')).toBe('01000000010000003c000000');
    expect(bytes.subarray(56, 72).toString('hex')).toBe('00112233445566778899aabbccddeeff');
    expect(bytes.subarray(104, 116).toString('latin1')).toBe('\x08\x04\x02Some CPU\0');
    expect(bytes.subarray(116).toString('latin1')).toBe('\x02\0\0\0\x0c\0\0\0\x03Windows 11\0');
  });

  it('cuts texts between letters and ends each with a NUL', () => {
    const text = 'ä'.repeat(400);
    const read = parseSession(
      encodeSession({ ...blob, hostVersion: text, vm: { ...blob.vm, ...vmOf(text) } }),
    );
    expect(read.hostVersion).toBe('ä'.repeat(15));
    expect(read.vm?.capture).toBe('ä'.repeat(15));
    expect(read.vm?.model).toBe('ä'.repeat(127));
  });

  it('never makes what its reader stumbles over', () => {
    const texts = fc.string({ unit: 'grapheme', maxLength: 300 });
    fc.assert(
      fc.property(texts, texts, fc.nat(1000), (a, b, cpus) => {
        const read = parseSession(
          encodeSession({
            ...blob,
            hostVersion: a,
            vm: { ...vmOf(b), cpus },
            os: { kind: 'other', name: a },
          }),
        );
        expect(read.vm?.cpus).toBe(cpus & 0xff);
        expect(read.os?.kind).toBe('other');
      }),
    );
  });

  it('refuses a uuid and a kind of system that are none', () => {
    const refused = expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' });
    expect(() => encodeSession({ ...blob, vm: { ...vmOf('x'), uuid: 'abc' } })).toThrow(refused);
    expect(() => encodeSession({ ...blob, os: { kind: 'beos', name: '' } })).toThrow(refused);
  });
});

function vmOf(text: string): NonNullable<SessionBlob['vm']> {
  return { uuid: undefined, capture: text, cpus: 1, cores: 1, sockets: 1, model: text };
}
