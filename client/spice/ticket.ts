import { constants, createPublicKey, type KeyObject, publicEncrypt } from 'node:crypto';
import { KvmfrError } from '../../protocol/error.ts';
import { brokenSpice } from './wire/body.ts';
import { MAX_PASSWORD_BYTES } from './wire/limits.ts';
import { AUTH_SPICE } from './wire/link.ts';

/** The one kind of key the protocol has. Units: bits. */
const KEY_BITS = 1024;

/**
 * What answers a link reply: how we authenticate, and the password for the server's key alone.
 *
 * @throws ERR_KVMFR_ARGUMENT when the password is longer than the protocol's, ERR_KVMFR_SPICE when
 *   the key is none
 */
export function encodeTicket(derKey: Buffer, password: string): Buffer {
  const secret = Buffer.from(`${password}\0`, 'utf8');
  if (secret.length > MAX_PASSWORD_BYTES + 1)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a SPICE password must have at most ${MAX_PASSWORD_BYTES} bytes, but this one has ${secret.length - 1}`,
    );
  const key = readKey(derKey);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const ticket = publicEncrypt({ key, padding, oaepHash: 'sha1' }, secret);
  const bytes = Buffer.alloc(4 + ticket.length);
  bytes.writeUInt32LE(AUTH_SPICE, 0);
  ticket.copy(bytes, 4);
  return bytes;
}

function readKey(der: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (cause) {
    throw brokenSpice(
      `the key of a SPICE server must be an RSA key in DER, but cannot be read: ${String(cause)}`,
    );
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (key.asymmetricKeyType !== 'rsa' || bits !== KEY_BITS)
    throw brokenSpice(
      `the key of a SPICE server must be RSA of ${KEY_BITS} bits, but is ${key.asymmetricKeyType} of ${bits}`,
    );
  return key;
}
