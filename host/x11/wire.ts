import { KvmfrError, type Rect } from '../../protocol/index.ts';

/**
 * Bytes of the X protocol, version 11, least byte first: the requests that are made, and what is read of
 * the answers.
 *
 * Source: X Window System Protocol, X Version 11, Release 7.7; the protocols of MIT-SHM 1.2, DAMAGE 1.1,
 * XFIXES 5.0, XTEST 2.2 and XInput 2.
 */

/** Bytes of each event and error, and the least of a reply. */
export const MESSAGE_BYTES: number = 32;

/** A server's screen, as it introduces itself. */
export interface XSetup {
  readonly idBase: number;
  readonly idMask: number;
  readonly isLeastByteFirst: boolean;
  /** Bits of a pixel in a picture of a depth. */
  readonly bitsPerPixel: ReadonlyMap<number, number>;
  readonly screens: readonly XScreenFacts[];
}

/** One screen of a server. */
export interface XScreenFacts {
  readonly root: number;
  readonly depth: number;
  readonly redMask: number;
  readonly greenMask: number;
  readonly blueMask: number;
}

/** What asks to be let in. */
export function encodeSetup(cookie: Uint8Array | undefined): Uint8Array {
  const name = cookie === undefined ? '' : 'MIT-MAGIC-COOKIE-1';
  const data = cookie ?? new Uint8Array(0);
  const bytes = new Uint8Array(12 + padded(name.length) + padded(data.byteLength));
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x6c;
  view.setUint16(2, 11, true);
  view.setUint16(6, name.length, true);
  view.setUint16(8, data.byteLength, true);
  bytes.set(Buffer.from(name, 'latin1'), 12);
  bytes.set(data, 12 + padded(name.length));
  return bytes;
}

/** Why a server lets nobody in, in its own words; undefined when it does. */
export function refusalOf(answer: Uint8Array): string | undefined {
  if (answer[0] === 1) return undefined;
  const length = answer[0] === 0 ? (answer[1] ?? 0) : answer.byteLength - 8;
  const words = Buffer.from(answer.subarray(8, 8 + length)).toString('latin1');
  return words.replace(/[^\x20-\x7e]+/g, ' ').trim();
}

/**
 * Reads how a server introduces itself, the eight bytes before it included.
 *
 * @throws ERR_KVMFR_CORRUPT
 */
export function decodeSetup(answer: Uint8Array): XSetup {
  const view = viewOf(answer);
  const need = (at: number, bytes: number): number => {
    if (at + bytes <= answer.byteLength) return at;
    throw corrupt(`its introduction must go on until byte ${at + bytes}`, answer.byteLength);
  };
  need(0, 40);
  const formats = view.getUint8(29);
  let at = 40 + padded(view.getUint16(24, true));
  const bitsPerPixel = new Map<number, number>();
  for (let i = 0; i < formats; i++, at += 8) {
    need(at, 8);
    bitsPerPixel.set(view.getUint8(at), view.getUint8(at + 1));
  }
  const screens: XScreenFacts[] = [];
  for (let i = 0; i < view.getUint8(28); i++) {
    need(at, 40);
    const visual = view.getUint32(at + 32, true);
    const facts = { root: view.getUint32(at, true), depth: view.getUint8(at + 38) };
    const depths = view.getUint8(at + 39);
    let [redMask, greenMask, blueMask] = [0, 0, 0];
    at += 40;
    for (let depth = 0; depth < depths; depth++) {
      const visuals = view.getUint16(need(at, 8) + 2, true);
      at += 8;
      need(at, visuals * 24);
      for (let v = 0; v < visuals; v++, at += 24) {
        if (view.getUint32(at, true) !== visual) continue;
        redMask = view.getUint32(at + 8, true);
        greenMask = view.getUint32(at + 12, true);
        blueMask = view.getUint32(at + 16, true);
      }
    }
    screens.push({ ...facts, redMask, greenMask, blueMask });
  }
  return {
    idBase: view.getUint32(12, true),
    idMask: view.getUint32(16, true),
    isLeastByteFirst: view.getUint8(30) === 0,
    bitsPerPixel,
    screens,
  };
}

/** A request: its number, the byte beside it, and what follows. Shape: whole words. */
export function request(
  opcode: number,
  data: number,
  ...words: readonly (number | Uint8Array)[]
): Uint8Array {
  const length = words.reduce<number>(
    (sum, word) => sum + (typeof word === 'number' ? 4 : padded(word.byteLength)),
    4,
  );
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = opcode;
  bytes[1] = data;
  view.setUint16(2, length / 4, true);
  let at = 4;
  for (const word of words) {
    if (typeof word === 'number') {
      view.setUint32(at, word >>> 0, true);
      at += 4;
      continue;
    }
    bytes.set(word, at);
    at += padded(word.byteLength);
  }
  return bytes;
}

/** Two numbers of 16 bits in a word. */
export function pair(low: number, high: number): number {
  return ((low & 0xffff) | ((high & 0xffff) << 16)) >>> 0;
}

/** The numbers of requests that every server has. */
export const CORE = {
  changeWindowAttributes: 2,
  getGeometry: 14,
  queryPointer: 38,
  getInputFocus: 43,
  getImage: 73,
  queryExtension: 98,
} as const;

/** The mask that gives every plane of a picture. */
export const ALL_PLANES: number = 0xffff_ffff;
/** Pictures as whole pixels. */
export const Z_PIXMAP: number = 2;

/** Asks whether a server has an extension. */
export function queryExtension(name: string): Uint8Array {
  const bytes = Buffer.from(name, 'latin1');
  return request(CORE.queryExtension, 0, bytes.byteLength, bytes);
}

/** What of an extension there is. */
export interface XExtension {
  readonly opcode: number;
  readonly firstEvent: number;
}

/** Reads the answer to {@link queryExtension}; undefined when the server does not have it. */
export function decodeExtension(reply: Uint8Array): XExtension | undefined {
  if (reply[8] !== 1) return undefined;
  return { opcode: reply[9] ?? 0, firstEvent: reply[10] ?? 0 };
}

/** The size of a window. */
export function decodeGeometry(reply: Uint8Array): {
  readonly widthPx: number;
  readonly heightPx: number;
} {
  const view = viewOf(reply);
  return { widthPx: view.getUint16(16, true), heightPx: view.getUint16(18, true) };
}

/** Where the pointer is, and whether it is on this screen. */
export function decodePointer(reply: Uint8Array): {
  readonly isHere: boolean;
  readonly x: number;
  readonly y: number;
} {
  const view = viewOf(reply);
  return { isHere: reply[1] === 1, x: view.getInt16(16, true), y: view.getInt16(18, true) };
}

// More boxes than are worth being looked at one by one.
const MANY_BOXES = 1024;

/** The boxes of a region of XFIXES; when there are very many, the one that holds them all. */
export function decodeRegion(reply: Uint8Array): Rect[] {
  const view = viewOf(reply);
  const box = (at: number): Rect => ({
    x: view.getInt16(at, true),
    y: view.getInt16(at + 2, true),
    width: view.getUint16(at + 4, true),
    height: view.getUint16(at + 6, true),
  });
  const count = Math.floor((reply.byteLength - MESSAGE_BYTES) / 8);
  if (count > MANY_BOXES) return [box(8)];
  return Array.from({ length: count }, (_, i) => box(MESSAGE_BYTES + i * 8));
}

/** The shape of the pointer, and where its active point is on the screen. */
export interface XCursor {
  readonly x: number;
  readonly y: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  /** Rows of B, G, R, A; not premultiplied. */
  readonly bgra: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the answer to GetCursorImage.
 *
 * @throws ERR_KVMFR_CORRUPT
 */
export function decodeCursor(reply: Uint8Array): XCursor {
  const view = viewOf(reply);
  const widthPx = view.getUint16(12, true);
  const heightPx = view.getUint16(14, true);
  const bytes = widthPx * heightPx * 4;
  if (MESSAGE_BYTES + bytes > reply.byteLength)
    throw corrupt(`a cursor of ${widthPx} x ${heightPx} must have its pixels`, reply.byteLength);
  const bgra = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i += 4) {
    const alpha = reply[MESSAGE_BYTES + i + 3] ?? 0;
    if (alpha === 0) continue;
    // Colours come multiplied by alpha.
    for (let c = 0; c < 3; c++)
      bgra[i + c] = Math.min(255, Math.round(((reply[MESSAGE_BYTES + i + c] ?? 0) * 255) / alpha));
    bgra[i + 3] = alpha;
  }
  return {
    x: view.getInt16(8, true),
    y: view.getInt16(10, true),
    widthPx,
    heightPx,
    hotspotX: view.getUint16(16, true),
    hotspotY: view.getUint16(18, true),
    bgra,
  };
}

/** What a server says of a request that it refused. */
export interface XFault {
  readonly code: number;
  readonly value: number;
  readonly opcode: number;
  readonly minor: number;
}

/** Reads an error. */
export function decodeFault(bytes: Uint8Array): XFault {
  const view = viewOf(bytes);
  return {
    code: view.getUint8(1),
    value: view.getUint32(4, true),
    minor: view.getUint16(8, true),
    opcode: view.getUint8(10),
  };
}

/** The error for what no X server says. */
export function corrupt(expected: string, foundBytes: number): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_CORRUPT',
    `an X server broke its protocol: ${expected}, but there are ${foundBytes} bytes`,
  );
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
