import { MAX_CURSOR_PX } from '../../../protocol/limits.ts';
import { type Body, brokenSpice } from './body.ts';

/** Messages of CURSOR from the server. */
export const CURSOR_FROM_SERVER = {
  init: 101,
  reset: 102,
  set: 103,
  move: 104,
  hide: 105,
  trail: 106,
  invalOne: 107,
  invalAll: 108,
} as const;

const FLAG_NONE = 1;
const FLAG_CACHE_ME = 2;
const FLAG_FROM_CACHE = 4;

/** Kinds of shapes by number. */
const ALPHA = 0;
const MONO = 1;
const COLOR_BITS: { readonly [type: number]: 4 | 8 | 16 | 24 | 32 } = {
  2: 4,
  3: 8,
  4: 16,
  5: 24,
  6: 32,
};

/**
 * The bitmap of a pointer.
 *
 * Shape: rgba has heightPx rows of widthPx pixels, R, G, B and alpha, not premultiplied. Pixels that
 * turn around what is below them cannot be said in it: they are half of black.
 */
export interface SpiceCursorShape {
  readonly id: bigint;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotX: number;
  readonly hotY: number;
  readonly rgba: Uint8Array;
}

/** What a message says of the shape: another one, one that was kept, or none. */
export type CursorUpdate =
  | { readonly kind: 'none' }
  | { readonly kind: 'kept'; readonly id: bigint }
  | { readonly kind: 'shape'; readonly shape: SpiceCursorShape; readonly keep: boolean };

/**
 * Reads the cursor at the end of INIT and SET.
 *
 * @returns undefined when the kind of shape is not known here
 */
export function decodeCursor(body: Body): CursorUpdate | undefined {
  const flags = body.u16('cursor flags');
  if ((flags & FLAG_NONE) !== 0) return { kind: 'none' };
  const id = body.u64('cursor id');
  const type = body.u8('cursor type');
  const widthPx = body.u16('cursor width');
  const heightPx = body.u16('cursor height');
  const hotX = body.u16('hotspot x');
  const hotY = body.u16('hotspot y');
  if ((flags & FLAG_FROM_CACHE) !== 0) return { kind: 'kept', id };
  if (widthPx > MAX_CURSOR_PX || heightPx > MAX_CURSOR_PX)
    throw brokenSpice(
      `a cursor has at most ${MAX_CURSOR_PX} x ${MAX_CURSOR_PX} pixels, but ${body.what} has ${widthPx} x ${heightPx}`,
    );
  const rgba = decodeShape(body, type, { widthPx, heightPx });
  if (rgba === undefined) return undefined;
  const shape = { id, widthPx, heightPx, hotX, hotY, rgba };
  return { kind: 'shape', shape, keep: (flags & FLAG_CACHE_ME) !== 0 };
}

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

function decodeShape(body: Body, type: number, size: Size): Uint8Array | undefined {
  if (type === ALPHA) return decodeAlpha(body, size);
  if (type === MONO) return decodeMono(body, size);
  const bits = COLOR_BITS[type];
  return bits === undefined ? undefined : decodeColor(body, bits, size);
}

function decodeAlpha(body: Body, { widthPx, heightPx }: Size): Uint8Array {
  const bgra = body.view(widthPx * heightPx * 4, 'cursor pixels');
  const rgba = new Uint8Array(bgra.length);
  for (let at = 0; at < rgba.length; at += 4) {
    const alpha = bgra.readUInt8(at + 3);
    // Colours come multiplied with their alpha.
    const whole = (value: number): number =>
      alpha === 0 ? 0 : Math.min(255, Math.round((value * 255) / alpha));
    rgba[at] = whole(bgra.readUInt8(at + 2));
    rgba[at + 1] = whole(bgra.readUInt8(at + 1));
    rgba[at + 2] = whole(bgra.readUInt8(at));
    rgba[at + 3] = alpha;
  }
  return rgba;
}

/** A bit of a mask whose rows are whole bytes, the first pixel in the high bit. */
function bitAt(mask: Buffer, rowBytes: number, x: number, y: number): number {
  return (mask.readUInt8(y * rowBytes + (x >>> 3)) >>> (7 - (x & 7))) & 1;
}

/** AND mask, then XOR mask: 0,0 black; 0,1 white; 1,0 nothing; 1,1 turned around. */
function decodeMono(body: Body, { widthPx, heightPx }: Size): Uint8Array {
  const rowBytes = Math.ceil(widthPx / 8);
  const and = body.view(rowBytes * heightPx, 'cursor AND mask');
  const xor = body.view(rowBytes * heightPx, 'cursor XOR mask');
  const rgba = new Uint8Array(widthPx * heightPx * 4);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const isKept = bitAt(and, rowBytes, x, y) === 1;
      const isSet = bitAt(xor, rowBytes, x, y) === 1;
      const white = isSet && !isKept ? 255 : 0;
      const alpha = isKept ? (isSet ? 128 : 0) : 255;
      rgba.set([white, white, white, alpha], (y * widthPx + x) * 4);
    }
  return rgba;
}

/** Pixels, then colours where pixels are numbers of them, then a mask: 1 keeps what is below. */
function decodeColor(
  body: Body,
  bits: 4 | 8 | 16 | 24 | 32,
  { widthPx, heightPx }: Size,
): Uint8Array {
  const rowBytes = Math.ceil((widthPx * bits) / 8);
  const maskBytes = Math.ceil(widthPx / 8);
  const pixels = body.view(rowBytes * heightPx, 'cursor pixels');
  const colors = bits === 4 ? 16 : bits === 8 ? 256 : 0;
  const palette = body.view(colors * 4, 'cursor palette');
  const mask = body.view(maskBytes * heightPx, 'cursor mask');
  const rgba = new Uint8Array(widthPx * heightPx * 4);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const color = colorAt(pixels, palette, { bits, rowAt: y * rowBytes, x });
      const alpha = bitAt(mask, maskBytes, x, y) === 1 ? 0 : 255;
      const at = (y * widthPx + x) * 4;
      rgba.set([(color >>> 16) & 255, (color >>> 8) & 255, color & 255, alpha], at);
    }
  return rgba;
}

function colorAt(
  pixels: Buffer,
  palette: Buffer,
  at: { readonly bits: 4 | 8 | 16 | 24 | 32; readonly rowAt: number; readonly x: number },
): number {
  const { rowAt, x } = at;
  switch (at.bits) {
    case 4: {
      const byte = pixels.readUInt8(rowAt + (x >>> 1));
      return palette.readUInt32LE(((x & 1) === 0 ? byte >>> 4 : byte & 15) * 4);
    }
    case 8:
      return palette.readUInt32LE(pixels.readUInt8(rowAt + x) * 4);
    case 16: {
      const five = pixels.readUInt16LE(rowAt + x * 2);
      const eight = (shift: number): number => (((five >>> shift) & 31) * 255) / 31;
      return (eight(10) << 16) | (eight(5) << 8) | eight(0);
    }
    case 24:
      return pixels.readUIntLE(rowAt + x * 3, 3);
    case 32:
      return pixels.readUInt32LE(rowAt + x * 4);
  }
}
