import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { bitString, der, explicit, implicit, oid, sequence, TAGS, time, unsigned } from './der.ts';

/** A certificate and its key, as PEM text. */
export interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. */
export interface CertificateFacts {
  /** Names and addresses it is good for. */
  readonly names: readonly string[];
  /** What people see as its owner. */
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Source: RFC 5280, 5480 and 5758. */
const OIDS = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

const SERIAL_BYTES = 16;
/** Most characters of a common name that X.509 allows. */
const MAX_COMMON_NAME = 64;
const DIGITAL_SIGNATURE = 0x80;
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/**
 * Makes a certificate that is its own issuer, with a new key on the curve P-256.
 *
 * It is good for a server and nothing else: no authority, so that whoever trusts it trusts no other
 * certificate by it.
 */
export function makeCertificate(facts: CertificateFacts): Pem {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(OIDS.ecdsaWithSha256));
  const commonName = Buffer.from(facts.commonName.slice(0, MAX_COMMON_NAME), 'utf8');
  const name = sequence(
    der(TAGS.set, sequence(oid(OIDS.commonName), der(TAGS.utf8String, commonName))),
  );
  const serial = randomBytes(SERIAL_BYTES);
  // Neither zero nor, with its sign, longer than what is allowed.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const body = sequence(
    explicit(0, unsigned(Buffer.from([2]))),
    unsigned(serial),
    algorithm,
    name,
    sequence(time(facts.notBefore), time(facts.notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, extensions(facts.names)),
  );
  const signature = bitString(sign('sha256', body, privateKey));
  return {
    cert: pem('CERTIFICATE', sequence(body, algorithm, signature)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function extensions(names: readonly string[]): Buffer {
  const usage = bitString(Buffer.from([DIGITAL_SIGNATURE]), 7);
  return sequence(
    extension(OIDS.basicConstraints, sequence(), 'critical'),
    extension(OIDS.keyUsage, usage, 'critical'),
    extension(OIDS.extendedKeyUsage, sequence(oid(OIDS.serverAuth))),
    extension(OIDS.subjectAltName, sequence(...names.map(generalName))),
  );
}

function extension(id: string, value: Uint8Array, critical?: 'critical'): Buffer {
  const flag = critical === undefined ? [] : [der(TAGS.boolean, Buffer.from([0xff]))];
  return sequence(oid(id), ...flag, der(TAGS.octetString, value));
}

function generalName(name: string): Buffer {
  return isIP(name) === 0
    ? implicit(DNS_NAME, Buffer.from(name, 'latin1'))
    : implicit(IP_ADDRESS, addressBytes(name));
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const bare = address.replace(/%.*$/, '');
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(bare)?.[0];
  const tailBytes = dotted === undefined ? [] : dotted.split('.').map(Number);
  const groups =
    dotted === undefined ? bare : bare.slice(0, -dotted.length).replace(/(?<!:):$/, '');
  const [head = '', tail] = groups.split('::');
  const left = groupBytes(head);
  const right = [...groupBytes(tail ?? ''), ...tailBytes];
  const zeros = Array.from({ length: 16 - left.length - right.length }, () => 0);
  return Buffer.from([...left, ...zeros, ...right]);
}

function groupBytes(groups: string): readonly number[] {
  return groups
    .split(':')
    .filter((group) => group !== '')
    .flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
}

function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
