import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import type { DisplayName } from './display.ts';

const COOKIE = 'MIT-MAGIC-COOKIE-1';
const LOCAL = 256;
const WILD = 65535;
const MAX_ENTRIES = 4096;

/**
 * Finds what an X server wants to be shown, in the bytes of an authority file.
 *
 * Shape: entries of a family (u16, the high byte first), then address, display, name and data, each
 * after its length (u16). Source: libXau, struct Xauth.
 *
 * @returns undefined when the file has nothing for that display, or is broken
 */
export function findCookie(
  file: Uint8Array,
  wanted: { readonly display: number; readonly hostname: string },
): Uint8Array | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 0;
  const field = (): Uint8Array | undefined => {
    if (at + 2 > file.byteLength) return undefined;
    const end = at + 2 + view.getUint16(at);
    if (end > file.byteLength) return undefined;
    const bytes = file.subarray(at + 2, end);
    at = end;
    return bytes;
  };
  for (let entry = 0; entry < MAX_ENTRIES && at + 2 <= file.byteLength; entry++) {
    const family = view.getUint16(at);
    at += 2;
    const [address, number, name, data] = [field(), field(), field(), field()];
    if (address === undefined || number === undefined || name === undefined || data === undefined)
      return undefined;
    const isHere = family === WILD || (family === LOCAL && text(address) === wanted.hostname);
    const isDisplay = number.byteLength === 0 || text(number) === String(wanted.display);
    if (isHere && isDisplay && text(name) === COOKIE) return data;
  }
  return undefined;
}

/** The cookie of a display from the file that `XAUTHORITY`, or the home folder, names. */
export function readCookie(name: DisplayName): Uint8Array | undefined {
  const path = process.env['XAUTHORITY'] ?? join(homedir(), '.Xauthority');
  try {
    return findCookie(readFileSync(path), { display: name.display, hostname: hostname() });
  } catch {
    // Many servers want none; one that does says so.
    return undefined;
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
