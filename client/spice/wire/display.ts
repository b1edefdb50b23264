import { MAX_DIMENSION_PX, MAX_PICTURE_PX } from '../../../protocol/limits.ts';
import type { Rect } from '../../../protocol/rect.ts';
import { type Body, brokenSpice } from './body.ts';
import { MAX_CLIP_RECTS } from './limits.ts';
import { HEADER_BYTES, newMessage } from './message.ts';

/** Messages of DISPLAY from the server. */
export const DISPLAY_FROM_SERVER = {
  mode: 101,
  mark: 102,
  reset: 103,
  copyBits: 104,
  invalList: 105,
  invalAllPixmaps: 106,
  invalPalette: 107,
  invalAllPalettes: 108,
  streamCreate: 122,
  streamData: 123,
  streamClip: 124,
  streamDestroy: 125,
  streamDestroyAll: 126,
  drawFill: 302,
  drawOpaque: 303,
  drawCopy: 304,
  drawBlend: 305,
  drawBlackness: 306,
  drawWhiteness: 307,
  drawInvers: 308,
  drawRop3: 309,
  drawComposite: 318,
  surfaceCreate: 314,
  surfaceDestroy: 315,
  streamDataSized: 316,
  monitorsConfig: 317,
} as const;

/** Messages of DISPLAY to the server. */
export const DISPLAY_TO_SERVER = { init: 101, preferredCompression: 103 } as const;

/**
 * Capabilities of DISPLAY by bit. With `multiCodec` a client names the codecs it can decode: who has
 * it and none of them gets no video streams.
 */
export const DISPLAY_CAPABILITIES = {
  sizedStream: 0,
  monitorsConfig: 1,
  preferredCompression: 6,
  multiCodec: 8,
} as const;

/** Image compression `off`. */
const COMPRESSION_OFF = 1;

/** Says that we keep no images and no dictionary: 14 zeros. */
export function encodeDisplayInit(): Buffer {
  return newMessage(DISPLAY_TO_SERVER.init, 14);
}

/** Asks for images as they are. */
export function encodeUncompressed(): Buffer {
  const bytes = newMessage(DISPLAY_TO_SERVER.preferredCompression, 1);
  bytes.writeUInt8(COMPRESSION_OFF, HEADER_BYTES);
  return bytes;
}

/** A surface that the server draws on. */
export interface SurfaceCreate {
  readonly id: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly isPrimary: boolean;
}

/** Reads SURFACE_CREATE. */
export function decodeSurfaceCreate(body: Body): SurfaceCreate {
  const id = body.u32('surface');
  const widthPx = body.u32('width');
  const heightPx = body.u32('height');
  body.skip(4, 'format');
  const flags = body.u32('flags');
  const fits =
    widthPx > 0 &&
    heightPx > 0 &&
    widthPx <= MAX_DIMENSION_PX &&
    heightPx <= MAX_DIMENSION_PX &&
    widthPx * heightPx <= MAX_PICTURE_PX;
  if (!fits)
    throw brokenSpice(
      `a surface of SPICE has at most ${MAX_PICTURE_PX} pixels, but number ${id} is to have ${widthPx} x ${heightPx}`,
    );
  return { id, widthPx, heightPx, isPrimary: (flags & 1) !== 0 };
}

/** Where a draw goes. */
export interface DrawBase {
  readonly surface: number;
  readonly box: Rect;
  /** Undefined when nothing is cut. */
  readonly clip: readonly Rect[] | undefined;
}

/** Reads the fields that every draw begins with. */
export function decodeDrawBase(body: Body): DrawBase {
  const surface = body.u32('surface');
  const box = decodeRect(body, 'box');
  const type = body.u8('clip type');
  if (type === 0) return { surface, box, clip: undefined };
  if (type !== 1) throw brokenSpice(`clip type of ${body.what} must be 0 or 1, but is ${type}`);
  const count = body.count('clip rects', MAX_CLIP_RECTS);
  return { surface, box, clip: Array.from({ length: count }, () => decodeRect(body, 'clip')) };
}

/** Reads a rect, which is top, left, bottom, right on this wire. */
export function decodeRect(body: Body, name: string): Rect {
  const top = body.i32(name);
  const left = body.i32(name);
  const bottom = body.i32(name);
  const right = body.i32(name);
  const isRect =
    right >= left && bottom >= top && Math.max(-left, -top, right, bottom) <= 2 * MAX_DIMENSION_PX;
  if (!isRect)
    throw brokenSpice(
      `${name} of ${body.what} must be a rect of a surface, but is ${left},${top} to ${right},${bottom}`,
    );
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** How a draw and what is there already become one: bits. */
export const ROP = {
  inversSrc: 1,
  inversBrush: 2,
  inversDest: 4,
  put: 8,
  or: 16,
  and: 32,
  xor: 64,
  blackness: 128,
  whiteness: 256,
  invers: 512,
  inversRes: 1024,
} as const;

/** Reads a mask; true when there is one. */
export function decodeHasMask(body: Body): boolean {
  body.skip(9, 'mask');
  return body.u32('mask image') !== 0;
}

/** What fills: undefined when it is a pattern. */
export type Brush =
  | { readonly kind: 'none' | 'pattern' }
  | { readonly kind: 'solid'; readonly color: number };

/** Reads a brush. */
export function decodeBrush(body: Body): Brush {
  const type = body.u8('brush type');
  switch (type) {
    case 0:
      return { kind: 'none' };
    case 1:
      return { kind: 'solid', color: body.u32('brush color') };
    case 2:
      body.skip(12, 'brush pattern');
      return { kind: 'pattern' };
    default:
      throw brokenSpice(`brush type of ${body.what} must be 0 to 2, but is ${type}`);
  }
}

/** The image of a draw. */
export interface DrawImage {
  readonly imageAt: number;
  readonly source: Rect;
}

/** Reads where the image of a draw is, and which part of it is drawn. */
export function decodeDrawImage(body: Body): DrawImage {
  return { imageAt: body.u32('image offset'), source: decodeRect(body, 'source') };
}

/** Kinds of images by number; others are compressed, and not read. */
export const IMAGE_TYPES = {
  bitmap: 0,
  fromCache: 103,
  surface: 104,
  fromCacheLossless: 106,
} as const;
/** The server wants the image to be kept. */
export const IMAGE_CACHE_ME = 1;

/** What every image begins with. */
export interface ImageHeader {
  readonly id: bigint;
  readonly type: number;
  readonly flags: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Reads the head of an image at an offset. */
export function decodeImageHeader(body: Body, offset: number): ImageHeader {
  body.seek(offset, 'image offset');
  return {
    id: body.u64('image id'),
    type: body.u8('image type'),
    flags: body.u8('image flags'),
    widthPx: body.u32('image width'),
    heightPx: body.u32('image height'),
  };
}

/** Bits of a bitmap pixel, and how they are meant, by the number of its format. */
export const BITMAP_FORMATS = {
  1: { bits: 1, bigEndian: false },
  2: { bits: 1, bigEndian: true },
  3: { bits: 4, bigEndian: false },
  4: { bits: 4, bigEndian: true },
  5: { bits: 8, bigEndian: false },
  6: { bits: 16, bigEndian: false },
  7: { bits: 24, bigEndian: false },
  8: { bits: 32, bigEndian: false },
  9: { bits: 32, bigEndian: false },
} as const;

const BITMAP_PALETTE_CACHE_ME = 1;
const BITMAP_PALETTE_FROM_CACHE = 2;
const BITMAP_TOP_DOWN = 4;

/** Pixels in memory that a draw takes: a bitmap of a message, an image that was kept, a surface. */
export interface Pixels {
  readonly bytes: Buffer;
  /** Where the first row from the top begins. */
  readonly at: number;
  /** From one row to the one below it; negative when they run upwards. */
  readonly pitchBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly bits: 1 | 4 | 8 | 16 | 24 | 32;
  /** Of pixels with fewer than 8 bits: the first one is in the high bits. */
  readonly bigEndian: boolean;
  /** Colours of the pixels, when they are numbers of colours. */
  readonly palette: Uint32Array | undefined;
}

/** Palettes that are kept by their number. */
export type Palettes = Map<bigint, Uint32Array>;

/**
 * Reads a bitmap, where {@link decodeImageHeader} stopped.
 *
 * Ownership: the pixels are those of the message.
 *
 * @returns undefined when its format is not known here, or its palette is not kept any more
 */
export function decodeBitmap(
  body: Body,
  palettes: Palettes,
  maxPalettes: number,
): Pixels | undefined {
  const format = body.u8('bitmap format');
  const flags = body.u8('bitmap flags');
  const widthPx = body.u32('bitmap width');
  const heightPx = body.u32('bitmap height');
  const strideBytes = body.u32('bitmap stride');
  const palette = readPalette(body, flags, { palettes, maxPalettes });
  const known = bitmapFormat(format);
  if (known === undefined || (known.bits <= 8 && palette === undefined)) return undefined;
  const rowBytes = Math.ceil((widthPx * known.bits) / 8);
  if (widthPx > MAX_DIMENSION_PX || heightPx > MAX_DIMENSION_PX || strideBytes < rowBytes)
    throw brokenSpice(
      `a bitmap of ${body.what} has rows of ${strideBytes} bytes for ${widthPx} x ${heightPx} pixels of ${known.bits} bits`,
    );
  const start = body.position;
  body.skip(strideBytes * heightPx, 'bitmap data');
  const topDown = (flags & BITMAP_TOP_DOWN) !== 0;
  return {
    bytes: body.buffer,
    at: topDown ? start : start + strideBytes * Math.max(0, heightPx - 1),
    pitchBytes: topDown ? strideBytes : -strideBytes,
    widthPx,
    heightPx,
    bits: known.bits,
    bigEndian: known.bigEndian,
    palette,
  };
}

function bitmapFormat(
  format: number,
): (typeof BITMAP_FORMATS)[keyof typeof BITMAP_FORMATS] | undefined {
  return Object.entries(BITMAP_FORMATS).find(([number]) => Number(number) === format)?.[1];
}

function readPalette(
  body: Body,
  flags: number,
  kept: { readonly palettes: Palettes; readonly maxPalettes: number },
): Uint32Array | undefined {
  if ((flags & BITMAP_PALETTE_FROM_CACHE) !== 0) return kept.palettes.get(body.u64('palette id'));
  const offset = body.u32('palette offset');
  if (offset === 0) return undefined;
  const back = body.offset;
  body.seek(offset, 'palette offset');
  const id = body.u64('palette id');
  const count = body.count16('palette colours', 256);
  const palette = new Uint32Array(256);
  for (let i = 0; i < count; i++) palette[i] = body.u32('palette colour');
  body.seek(back, 'bitmap data');
  if ((flags & BITMAP_PALETTE_CACHE_ME) !== 0 && kept.palettes.size < kept.maxPalettes)
    kept.palettes.set(id, palette);
  return palette;
}
