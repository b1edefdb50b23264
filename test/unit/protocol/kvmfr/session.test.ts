import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeSession,
  KvmfrError,
  MAX_RECORDS,
  parseSession,
  type SessionBlob,
} from '../../../../protocol/index.ts';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, loadFixture } from '../../../support/fixture.ts';
import { sessionBytes } from '../../../support/region-factory.ts';

const ascii = (text: string): number[] => [...Buffer.from(text, 'latin1')];
const u32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
const padded = (text: string, bytes: number): number[] => [
  ...ascii(text),
  ...new Array<number>(bytes - text.length).fill(0),
];

const record = (type: number, data: readonly number[], size = data.length): number[] => [
  type,
  0xaa,
  0xaa,
  0xaa,
  ...u32(size),
  ...data,
];
const uuid = [0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0xff];
const vmInfo = [...uuid, ...padded('DXGI', 32), 16, 8, 1, ...ascii('AMD EPYC\0')];
const osInfo = [3, ...ascii('Windows 11\0')];

const blob = (...parts: readonly (readonly number[])[]): Uint8Array =>
  Uint8Array.from([...sessionBytes({ version: 20, hostVersion: 'B7' }), ...parts.flat()]);

describe('parseSession', () => {
  it.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])(
    'reads what the real publisher wrote, %s',
    (name) => {
      const { bytes, facts } = loadFixture(name);
      const { udataOffset, udataSize } = facts.lgmp;
      const session = parseSession(bytes.subarray(udataOffset, udataOffset + udataSize));
      const [vm, os] = facts.kvmfr.records;
      expect(session).toEqual({
        kvmfrVersion: facts.kvmfr.version,
        hostVersion: facts.kvmfr.hostver,
        features: facts.kvmfr.features,
        vm: {
          // All zero: the publisher did not know it.
          uuid: undefined,
          capture: vm?.capture,
          cpus: vm?.cpus,
          cores: vm?.cores,
          sockets: vm?.sockets,
          model: vm?.model,
        },
        os: { kind: 'linux', name: os?.name },
      });
    },
  );

  it('reads literal records, packed, in any order', () => {
    const expected = {
      kvmfrVersion: 20,
      hostVersion: 'B7',
      features: 0,
      vm: {
        uuid: 'deadbeef-0102-0304-0506-0708090a0bff',
        capture: 'DXGI',
        cpus: 16,
        cores: 8,
        sockets: 1,
        model: 'AMD EPYC',
      },
      os: { kind: 'windows', name: 'Windows 11' },
    };
    expect(parseSession(blob(record(1, vmInfo), record(2, osInfo)))).toEqual(expected);
    expect(parseSession(blob(record(2, osInfo), record(1, vmInfo)))).toEqual(expected);
  });

  it('needs no record', () => {
    expect(parseSession(sessionBytes({ version: 19, hostVersion: 'B6' }))).toEqual({
      kvmfrVersion: 19,
      hostVersion: 'B6',
      features: 0,
      vm: undefined,
      os: undefined,
    });
  });

  it('takes texts that fill their place without a NUL', () => {
    const full = [...uuid, ...ascii('c'.repeat(32)), 1, 1, 1, ...ascii('model')];
    const head = sessionBytes({ hostVersion: 'h'.repeat(32) });
    const session = parseSession(Uint8Array.from([...head, ...record(1, full)]));
    expect(session.hostVersion).toBe('h'.repeat(32));
    expect(session.vm).toMatchObject({ capture: 'c'.repeat(32), model: 'model' });
  });

  it('passes over records that it does not know', () => {
    const session = parseSession(blob(record(9, [1, 2, 3]), record(2, osInfo), record(0, [])));
    expect(session.os?.name).toBe('Windows 11');
  });

  it.each([
    ['shorter than its fixed part', record(1, vmInfo.slice(0, 50))],
    ['that claims more than there is', record(1, vmInfo, vmInfo.length + 1)],
    ['that claims 4 GiB', record(1, vmInfo, 0xffff_ffff)],
    ['cut inside its head', [1, 0, 0, 0, 9, 0, 0]],
  ])('passes over a record %s', (_, bytes) => {
    expect(parseSession(blob(bytes)).vm).toBeUndefined();
  });

  it('reads a record that has its fixed part and nothing more', () => {
    const session = parseSession(blob(record(1, vmInfo.slice(0, 51)), record(2, [4])));
    expect(session.vm?.model).toBe('');
    expect(session.os).toEqual({ kind: 'other', name: '' });
  });

  it('calls an unknown kind of system other', () => {
    expect(parseSession(blob(record(2, [200, 0]))).os?.kind).toBe('other');
  });

  it('stops after a bounded number of records', () => {
    const many = new Array<number[]>(MAX_RECORDS).fill(record(9, []));
    expect(parseSession(blob(...many.slice(1), record(2, osInfo))).os?.name).toBe('Windows 11');
    expect(parseSession(blob(...many, record(2, osInfo))).os).toBeUndefined();
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['a head that is cut', sessionBytes().subarray(0, 47)],
    ['another magic', sessionBytes({ magic: 'KVMFR--+' })],
    ['a magic in lower case', sessionBytes({ magic: 'kvmfr---' })],
    ['zeros', new Uint8Array(48)],
    ['control characters', sessionBytes({ magic: '\u001b[2J\u0007\n\r\0' })],
  ])('refuses %s by naming what it must begin with', (_, bytes) => {
    let thrown: unknown;
    try {
      parseSession(bytes);
    } catch (error) {
      thrown = error;
    }
    expect(KvmfrError.is(thrown) && thrown.code).toBe('ERR_KVMFR_MAGIC');
    expect(String(thrown)).toMatch(/must begin with KVMFR---/);
    expect(String(thrown)).not.toMatch(/\p{Cc}/u);
  });

  it('shows nothing of the guest that could move or hide text', () => {
    const name = [3, ...ascii('a\u001b[31mb\0')];
    expect(parseSession(blob(record(2, name))).os?.name).toBe('a\ufffd[31mb');
  });

  it('throws nothing but its own error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (noise, withHead) => {
        const bytes = withHead ? Uint8Array.from([...sessionBytes(), ...noise]) : noise;
        try {
          parseSession(bytes);
        } catch (error) {
          expect(KvmfrError.is(error) && error.code).toBe('ERR_KVMFR_MAGIC');
        }
      }),
    );
  });
});

describe('encodeSession', () => {
  it.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])(
    'writes the bytes of the real publisher, %s',
    (name) => {
      const { bytes, facts } = loadFixture(name);
      const { udataOffset, udataSize } = facts.lgmp;
      const real = Buffer.from(bytes.subarray(udataOffset, udataOffset + udataSize));
      const written = Buffer.from(encodeSession(parseSession(real)));
      // The padding of a record's head is whatever was in the publisher's memory.
      let at = 48;
      for (const { size } of facts.kvmfr.records) {
        real.fill(0, at + 1, at + 4);
        at += 8 + size;
      }
      expect(written.toString('hex')).toBe(real.toString('hex'));
    },
  );

  it('is the inverse of parseSession', () => {
    const session: SessionBlob = {
      kvmfrVersion: 19,
      hostVersion: 'B6',
      features: 1,
      vm: {
        uuid: 'deadbeef-0102-0304-0506-0708090a0bff',
        capture: 'D3D12',
        cpus: 255,
        cores: 128,
        sockets: 2,
        model: 'Ω',
      },
      os: { kind: 'bsd', name: 'FreeBSD 15' },
    };
    expect(parseSession(encodeSession(session))).toEqual(session);
    expect(parseSession(encodeSession({ ...session, vm: undefined }))).toEqual({
      ...session,
      vm: undefined,
    });
  });
});
