import { hex, KvmfrError, outOfRange } from '../error.ts';
import { MAX_CURSOR_BYTES, MAX_CURSOR_PX } from '../limits.ts';
import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';
import {
  applyColorTransform,
  type DisplaySignal,
  type RawColorTransform,
} from './color-transform.ts';

/** Fields of KVMFRCursor, KVMFR 19 and 20. */
export const CURSOR_V19_FIELDS = {
  x: ['i16', 0],
  y: ['i16', 2],
  type: ['u32', 4],
  hx: ['i8', 8],
  hy: ['i8', 9],
  width: ['u32', 12],
  height: ['u32', 16],
  pitch: ['u32', 20],
} as const;

/** KVMFRCursor of KVMFR 19 and 20: 24 bytes, the shape follows. */
export const CursorV19: Layout<typeof CURSOR_V19_FIELDS> = layout(CURSOR_V19_FIELDS, 24);

/** Flags in a pointer message; the last two since 34. */
export const CURSOR_FLAGS = {
  position: 0x01,
  visible: 0x02,
  shape: 0x04,
  colorTransform: 0x08,
  visibleValid: 0x10,
} as const;

/** What differs between KVMFR versions in a pointer message. */
export interface CursorLayout {
  readonly kvmfrVersion: number;
  /** Size of KVMFRCursor: the shape follows it. */
  readonly cursorBytes: number;
  /** Whether the flag `visible` only counts beside `visibleValid`; before 34 it always counts. */
  readonly visibleNeedsFlag: boolean;
  /** Whether a message may carry a colour transform, and the white of the pointer. */
  readonly hasColors: boolean;
}

/** Pointer messages of KVMFR 19 and 20. */
export const CURSOR_LAYOUT_V19: CursorLayout = {
  kvmfrVersion: 19,
  cursorBytes: CursorV19.$sizeBytes,
  visibleNeedsFlag: false,
  hasColors: false,
};

/** Kinds of cursor shape by their wire value. */
export const CURSOR_KINDS = ['color', 'monochrome', 'masked-color'] as const;
/** The name of a kind of cursor shape. */
export type CursorKind = (typeof CURSOR_KINDS)[number];

/** Where the pointer is: the left upper corner of its shape, in screen pixels. */
export interface CursorPosition {
  readonly x: number;
  readonly y: number;
}

/** A cursor shape as it was copied from the region. `heightPx` is what is seen. */
export interface RawCursorShape {
  readonly kind: CursorKind;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly pitchBytes: number;
  /** Rows of pitchBytes: heightPx of them; twice that for monochrome (AND mask, then XOR mask). */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Reads the position of a pointer message. The caller has checked that 24 bytes are there. */
export function readCursorPosition(region: Region, at: number): CursorPosition {
  return { x: CursorV19.x(region, at), y: CursorV19.y(region, at) };
}

/**
 * Reads and copies the shape of a pointer message, each field once.
 *
 * @throws ERR_KVMFR_CORRUPT for an unknown kind, ERR_KVMFR_BOUNDS for sizes that cannot be
 */
export function readCursorShape(
  region: Region,
  at: number,
  messageBytes: number,
  cursorBytes: number = CursorV19.$sizeBytes,
): RawCursorShape {
  return readSentShape(region, at, messageBytes, cursorBytes).shape;
}

/**
 * Like {@link readCursorShape}, and tells how many bytes of the message the shape takes: what may
 * follow it, begins there.
 *
 * @throws ERR_KVMFR_CORRUPT, ERR_KVMFR_BOUNDS
 */
export function readSentShape(
  region: Region,
  at: number,
  messageBytes: number,
  cursorBytes: number,
): { readonly shape: RawCursorShape; readonly sentBytes: number } {
  const where = `cursor ${hex(at)}`;
  const type = CursorV19.type(region, at);
  const kind = CURSOR_KINDS[type];
  if (kind === undefined)
    throw new KvmfrError('ERR_KVMFR_CORRUPT', `type in ${where} must be 0 to 2, but is ${type}`);
  const widthPx = CursorV19.width(region, at);
  const rows = CursorV19.height(region, at);
  const pitchBytes = CursorV19.pitch(region, at);
  const masks = kind === 'monochrome' ? 2 : 1;
  if (widthPx < 1 || widthPx > MAX_CURSOR_PX)
    throw outOfRange('width', widthPx, { min: 1, max: MAX_CURSOR_PX, where });
  if (rows < masks || rows > MAX_CURSOR_PX * masks)
    throw outOfRange('height', rows, { min: masks, max: MAX_CURSOR_PX * masks, where });
  const needPitch = kind === 'monochrome' ? Math.ceil(widthPx / 8) : widthPx * 4;
  if (pitchBytes < needPitch || pitchBytes > MAX_CURSOR_BYTES)
    throw outOfRange('pitch', pitchBytes, { min: needPitch, max: MAX_CURSOR_BYTES, where });
  const heightPx = Math.floor(rows / masks);
  const bytes = heightPx * masks * pitchBytes;
  const dataAt = at + cursorBytes;
  const room = Math.min(messageBytes - cursorBytes, region.byteLength - dataAt, MAX_CURSOR_BYTES);
  if (bytes > room)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `the shape of ${where} needs ${bytes} bytes, but has room for ${room}`,
    );
  const shape = {
    kind,
    widthPx,
    heightPx,
    hotspotX: CursorV19.hx(region, at),
    hotspotY: CursorV19.hy(region, at),
    pitchBytes,
    bytes: region.copyOut(dataAt, bytes),
  };
  return { shape, sentBytes: rows * pitchBytes };
}

/**
 * Makes a bitmap from any of the three kinds of shape.
 *
 * Pixels that invert the screen cannot be expressed in a bitmap: they become black, and transparent
 * pixels that touch one become white, so the pointer is seen on any background. In a shape that has
 * no such transparent pixel, they become black and white in turn. That black and white are ours: a
 * colour transform changes the colours of the guest only.
 *
 * Shape: widthPx x heightPx pixels R, G, B, A with straight alpha.
 */
export function cursorBitmap(
  shape: RawCursorShape,
  display?: DisplaySignal & { readonly transform: RawColorTransform },
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(shape.widthPx * shape.heightPx * 4);
  const inverted = paintKind(shape, out);
  if (display !== undefined) applyColorTransform(out, display.transform, display);
  if (inverted !== undefined) paintInverted(out, inverted, shape.widthPx);
  return out;
}

/** Paints what has a colour of its own, and tells which pixels invert. */
function paintKind(shape: RawCursorShape, out: Uint8Array): Uint8Array | undefined {
  switch (shape.kind) {
    case 'color':
      return paintColor(shape, out);
    case 'monochrome':
      return paintMonochrome(shape, out);
    case 'masked-color':
      return paintMasked(shape, out);
  }
}

function paintColor(shape: RawCursorShape, out: Uint8Array): undefined {
  const { widthPx, heightPx, pitchBytes, bytes } = shape;
  for (let y = 0, to = 0; y < heightPx; y++) {
    for (let x = 0, from = y * pitchBytes; x < widthPx; x++, from += 4, to += 4) {
      out[to] = bytes[from + 2] ?? 0;
      out[to + 1] = bytes[from + 1] ?? 0;
      out[to + 2] = bytes[from] ?? 0;
      out[to + 3] = bytes[from + 3] ?? 0;
    }
  }
}

function paintMonochrome(shape: RawCursorShape, out: Uint8Array): Uint8Array {
  const { widthPx, heightPx, pitchBytes, bytes } = shape;
  const inverted = new Uint8Array(widthPx * heightPx);
  const xorAt = heightPx * pitchBytes;
  for (let y = 0, pixel = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++, pixel++) {
      const at = y * pitchBytes + (x >> 3);
      const bit = 0x80 >> (x & 7);
      const and = ((bytes[at] ?? 0) & bit) !== 0;
      const xor = ((bytes[xorAt + at] ?? 0) & bit) !== 0;
      if (!and) paint(out, pixel, xor ? 255 : 0);
      else if (xor) inverted[pixel] = 1;
    }
  }
  return inverted;
}

function paintMasked(shape: RawCursorShape, out: Uint8Array): Uint8Array {
  const { widthPx, heightPx, pitchBytes, bytes } = shape;
  const inverted = new Uint8Array(widthPx * heightPx);
  for (let y = 0, pixel = 0; y < heightPx; y++) {
    for (let x = 0, from = y * pitchBytes; x < widthPx; x++, from += 4, pixel++) {
      const blue = bytes[from] ?? 0;
      const green = bytes[from + 1] ?? 0;
      const red = bytes[from + 2] ?? 0;
      if ((bytes[from + 3] ?? 0) === 0) {
        out[pixel * 4] = red;
        out[pixel * 4 + 1] = green;
        out[pixel * 4 + 2] = blue;
        out[pixel * 4 + 3] = 255;
      } else if ((red | green | blue) !== 0) inverted[pixel] = 1;
    }
  }
  return inverted;
}

function paint(out: Uint8Array, pixel: number, grey: number): void {
  out.fill(grey, pixel * 4, pixel * 4 + 3);
  out[pixel * 4 + 3] = 255;
}

function paintInverted(out: Uint8Array, inverted: Uint8Array, widthPx: number): void {
  const heightPx = inverted.length / widthPx;
  let rim = 0;
  for (let pixel = 0; pixel < inverted.length; pixel++) {
    if (inverted[pixel] !== 1) continue;
    paint(out, pixel, 0);
    const x = pixel % widthPx;
    const y = Math.floor(pixel / widthPx);
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        if (x + dx < 0 || x + dx >= widthPx || y + dy < 0 || y + dy >= heightPx) continue;
        const beside = pixel + dy * widthPx + dx;
        if (inverted[beside] === 1 || out[beside * 4 + 3] !== 0) continue;
        paint(out, beside, 255);
        rim++;
      }
    }
  }
  if (rim > 0) return;
  // No room for a rim anywhere: black and white in turn are seen as well.
  for (let pixel = 0; pixel < inverted.length; pixel++) {
    const white = ((pixel % widthPx) + Math.floor(pixel / widthPx)) % 2 === 1;
    if (inverted[pixel] === 1 && white) paint(out, pixel, 255);
  }
}
