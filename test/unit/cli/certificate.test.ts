import { createPrivateKey, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressBytes, makeCertificate } from '../../../cli/tls/certificate.ts';
import { bitString, der, oid, TAGS, time, unsigned } from '../../../cli/tls/der.ts';

const FACTS = {
  names: ['localhost', 'vm-host.local', '127.0.0.1', '::1', '2001:db8::7'],
  commonName: 'kvmfr on vm-host',
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2027-02-02T12:34:56Z'),
};

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('DER', () => {
  it.each([
    ['a short length', der(TAGS.octetString, Buffer.from('abc')), '0403616263'],
    ['a length of 127', der(4, Buffer.alloc(127)).subarray(0, 2), '047f'],
    ['a length of 128', der(4, Buffer.alloc(128)).subarray(0, 3), '048180'],
    ['a length of 256', der(4, Buffer.alloc(256)).subarray(0, 4), '04820100'],
    ['a length of 65536', der(4, Buffer.alloc(65_536)).subarray(0, 5), '0483010000'],
    ['zero', unsigned(Buffer.from([0])), '020100'],
    ['127', unsigned(Buffer.from([0x7f])), '02017f'],
    ['128, which is not negative', unsigned(Buffer.from([0x80])), '02020080'],
    ['1 with zeros before it', unsigned(Buffer.from([0, 0, 1])), '020101'],
    ['an object identifier', oid('1.2.840.10045.4.3.2'), '06082a8648ce3d040302'],
    ['one of few numbers', oid('2.5.29.17'), '0603551d11'],
    ['bits', bitString(Buffer.from([0x80]), 7), '03020780'],
    [
      'a time of 2049',
      time(new Date('2049-12-31T23:59:59Z')),
      hex(Buffer.from('\x17\x0d491231235959Z')),
    ],
    [
      'a time of 2050',
      time(new Date('2050-01-01T00:00:00Z')),
      hex(Buffer.from('\x18\x0f20500101000000Z')),
    ],
  ])('of %s', (_, bytes, expected) => {
    expect(hex(bytes)).toBe(expected);
  });
});

describe('addressBytes()', () => {
  it.each([
    ['192.0.2.7', 'c0000207'],
    ['::', '0'.repeat(32)],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::7', '20010db8000000000000000000000007'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['2001:db8:1::', '20010db8000100000000000000000000'],
    ['::ffff:192.0.2.7', '00000000000000000000ffffc0000207'],
    ['64:ff9b::192.0.2.7', '0064ff9b0000000000000000c0000207'],
  ])('of %s', (address, expected) => {
    expect(hex(addressBytes(address))).toBe(expected);
  });

  it('has the length of its kind for every address', () => {
    fc.assert(fc.property(fc.ipV6(), (address) => addressBytes(address).byteLength === 16));
    fc.assert(fc.property(fc.ipV4(), (address) => addressBytes(address).byteLength === 4));
  });
});

describe('makeCertificate()', () => {
  it('makes what a reader of certificates takes: names, times, purpose, key and signature', () => {
    const { cert, key } = makeCertificate(FACTS);
    const read = new X509Certificate(cert);
    expect(read.subject).toBe('CN=kvmfr on vm-host');
    expect(read.issuer).toBe(read.subject);
    expect(read.subjectAltName).toBe(
      'DNS:localhost, DNS:vm-host.local, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:0:7',
    );
    expect(new Date(read.validFrom)).toEqual(FACTS.notBefore);
    expect(new Date(read.validTo)).toEqual(FACTS.notAfter);
    expect(read.ca).toBe(false);
    expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(read.verify(read.publicKey)).toBe(true);
    expect(read.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(read.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(read.checkHost('vm-host.local')).toBe('vm-host.local');
    expect(read.checkHost('other.local')).toBeUndefined();
    expect(read.checkIP('2001:db8::7')).toBe('2001:db8::7');
  });

  it('has another key and serial each time', () => {
    const [one, other] = [makeCertificate(FACTS), makeCertificate(FACTS)];
    expect(one.key).not.toBe(other.key);
    expect(new X509Certificate(one.cert).serialNumber).not.toBe(
      new X509Certificate(other.cert).serialNumber,
    );
  });
});
