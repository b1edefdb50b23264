import { isIP } from 'node:net';

/**
 * The block of addresses that one stranger has for the asking: an IPv4 address, or the /64 that any
 * IPv6 host may choose its own addresses in.
 *
 * IPv4 blocks are no larger: a neighbour in the same network shall not be able to lock one out.
 */
export function addressBlock(address: string): string {
  const bare = address.replace(/%.*$/, '').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(bare) !== 6) return bare;
  return `${groupsOf(bare).slice(0, 4).join(':')}::/64`;
}

/** Whether an address is this machine's own loopback. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const bare = address.replace(/^::ffff:/i, '');
  return isIP(bare) === 4 ? bare.startsWith('127.') : bare === '::1';
}

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): readonly string[] {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  // A dotted end stands for two groups; it lies in the half that is cut off.
  const dotted = address.includes('.') ? 1 : 0;
  const gap = tail === undefined ? 0 : 8 - left.length - right.length - dotted;
  const zeros: readonly string[] = Array.from({ length: gap }, () => '0');
  return [...left, ...zeros, ...right].map((group) => group.replace(/^0+(?=.)/, ''));
}
