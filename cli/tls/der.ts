/** Tags of ASN.1 as far as a certificate needs them. Source: X.690, section 8. */
export const TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** A value with its tag and length before it. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(body.byteLength)]), body]);
}

/** Several values in an order. */
export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(TAGS.sequence, ...parts);
}

/** A value with a tag that only its context explains, around other values. */
export function explicit(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return der(0xa0 | number, ...parts);
}

/** A string of bytes with a tag that only its context explains. */
export function implicit(number: number, bytes: Uint8Array): Buffer {
  return der(0x80 | number, bytes);
}

/** A name of the tree of object identifiers, as `1.2.840.10045.4.3.2`. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(TAGS.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** A whole number that is not negative, from its bytes. */
export function unsigned(bytes: Uint8Array): Buffer {
  let at = 0;
  while (at < bytes.byteLength - 1 && bytes[at] === 0) at++;
  const shortest = bytes.subarray(at);
  // A first bit of 1 would say that it is negative.
  const sign = (shortest[0] ?? 0) >= 0x80 ? [0] : [];
  return der(TAGS.integer, Buffer.from([...sign, ...shortest]));
}

/** Bits, of which the last `unused` do not count. */
export function bitString(bytes: Uint8Array, unused: number = 0): Buffer {
  return der(TAGS.bitString, Buffer.from([unused]), bytes);
}

/** A time of certificates: two digits of the year until 2049, four after that. */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return at.getUTCFullYear() < 2050
    ? der(TAGS.utcTime, Buffer.from(text.slice(2), 'latin1'))
    : der(TAGS.generalizedTime, Buffer.from(text, 'latin1'));
}

function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): readonly number[] {
  const bytes = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    bytes.unshift(0x80 | (left % 128));
  return bytes;
}
