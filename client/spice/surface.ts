import { clipRect, type Rect } from '../../protocol/rect.ts';
import { brokenSpice } from './wire/body.ts';
import { type Pixels, ROP } from './wire/display.ts';

/**
 * A picture that a SPICE server draws on.
 *
 * Shape: rows of B, G, R and a byte that means nothing, without padding between them. Every draw is
 * cut to the surface first, so none writes outside of it.
 */
export class Surface {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pixels: Buffer;
  readonly #words: Uint32Array;
  /** One row of an image, made into our pixels. */
  #row: Uint32Array = new Uint32Array(0);

  constructor(widthPx: number, heightPx: number) {
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    const memory = new ArrayBuffer(widthPx * heightPx * 4);
    this.pixels = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
  }

  /** From one row to the next. */
  get pitchBytes(): number {
    return this.widthPx * 4;
  }

  /** Itself as an image. */
  get asPixels(): Pixels {
    const { widthPx, heightPx, pitchBytes } = this;
    return {
      bytes: this.pixels,
      at: 0,
      pitchBytes,
      widthPx,
      heightPx,
      bits: 32,
      bigEndian: false,
      palette: undefined,
    };
  }

  /**
   * The parts of a box that are drawn.
   *
   * @throws ERR_KVMFR_SPICE when the parts overlap: that would make the work unbounded
   */
  parts(box: Rect, clip: readonly Rect[] | undefined): readonly Rect[] {
    const whole = clipRect(box, this.widthPx, this.heightPx);
    if (whole === undefined) return [];
    if (clip === undefined) return [whole];
    const parts: Rect[] = [];
    let areaPx = 0;
    for (const rect of clip) {
      const part = intersection(whole, rect);
      if (part === undefined) continue;
      areaPx += part.width * part.height;
      parts.push(part);
    }
    if (areaPx > whole.width * whole.height)
      throw brokenSpice(
        `the ${clip.length} clip rects of a draw must not overlap, but cover ${areaPx} of ${whole.width * whole.height} pixels`,
      );
    return parts;
  }

  /**
   * Draws a part of an image into a box, as far as it is within `part`.
   *
   * @throws ERR_KVMFR_SPICE when the source is outside of the image
   */
  draw(
    image: Pixels,
    how: {
      readonly box: Rect;
      readonly source: Rect;
      readonly part: Rect;
      readonly rop: number;
      /** Pixels of this colour are left out. */
      readonly transparent?: number;
    },
  ): void {
    const { box, source, part } = how;
    checkSource(image, source);
    const isScaled = source.width !== box.width || source.height !== box.height;
    const isPlain = how.rop === ROP.put && how.transparent === undefined;
    if (isPlain && !isScaled && image.bits === 32) {
      this.#copyRows(image, source.x + part.x - box.x, source.y + part.y - box.y, part);
      return;
    }
    if (this.#row.length < this.widthPx) this.#row = new Uint32Array(this.widthPx);
    for (let y = part.y; y < part.y + part.height; y++) {
      const sourceY = source.y + Math.floor(((y - box.y) * source.height) / box.height);
      const rowAt = image.at + sourceY * image.pitchBytes;
      for (let x = part.x; x < part.x + part.width; x++) {
        const sourceX = source.x + Math.floor(((x - box.x) * source.width) / box.width);
        this.#row[x - part.x] = pixelAt(image, rowAt, sourceX);
      }
      this.#combineRow(y, part, how);
    }
  }

  /** Fills a part with a colour. */
  fill(part: Rect, color: number, rop: number): void {
    for (let y = part.y; y < part.y + part.height; y++) {
      const at = y * this.widthPx + part.x;
      if (rop === ROP.put) this.#words.fill(color, at, at + part.width);
      else
        for (let i = at; i < at + part.width; i++)
          this.#words[i] = combine(color, this.#words[i] ?? 0, rop);
    }
  }

  /** Copies from another place of this surface, also where the two overlap. */
  copyBits(part: Rect, from: { readonly x: number; readonly y: number }): void {
    checkSource(this.asPixels, { ...from, width: part.width, height: part.height });
    const upwards = from.y < part.y;
    for (let i = 0; i < part.height; i++) {
      const row = upwards ? part.height - 1 - i : i;
      const source = (from.y + row) * this.widthPx + from.x;
      this.#words.copyWithin((part.y + row) * this.widthPx + part.x, source, source + part.width);
    }
  }

  #copyRows(image: Pixels, sourceX: number, sourceY: number, part: Rect): void {
    const rowBytes = part.width * 4;
    for (let row = 0; row < part.height; row++) {
      const from = image.at + (sourceY + row) * image.pitchBytes + sourceX * 4;
      image.bytes.copy(
        this.pixels,
        (part.y + row) * this.pitchBytes + part.x * 4,
        from,
        from + rowBytes,
      );
    }
  }

  #combineRow(
    y: number,
    part: Rect,
    how: { readonly rop: number; readonly transparent?: number },
  ): void {
    const at = y * this.widthPx + part.x;
    for (let i = 0; i < part.width; i++) {
      const color = this.#row[i] ?? 0;
      if (how.transparent !== undefined && ((color ^ how.transparent) & 0xff_ffff) === 0) continue;
      this.#words[at + i] = combine(color, this.#words[at + i] ?? 0, how.rop);
    }
  }
}

/** The part of a rect that is inside of another. */
export function intersection(a: Rect, b: Rect): Rect | undefined {
  const part = clipRect({ ...b, x: b.x - a.x, y: b.y - a.y }, a.width, a.height);
  return part === undefined ? undefined : { ...part, x: part.x + a.x, y: part.y + a.y };
}

/** An image of its own with the pixels of another, for who keeps it. */
export function copyOf(image: Pixels): Pixels {
  const { widthPx, heightPx } = image;
  const surface = new Surface(widthPx, heightPx);
  const all: Rect = { x: 0, y: 0, width: widthPx, height: heightPx };
  if (widthPx > 0 && heightPx > 0)
    surface.draw(image, { box: all, source: all, part: all, rop: ROP.put });
  return surface.asPixels;
}

function checkSource(image: Pixels, source: Rect): void {
  const isInside =
    source.x >= 0 &&
    source.y >= 0 &&
    source.width > 0 &&
    source.height > 0 &&
    source.x + source.width <= image.widthPx &&
    source.y + source.height <= image.heightPx;
  if (isInside) return;
  throw brokenSpice(
    `a draw must take pixels of an image of ${image.widthPx} x ${image.heightPx}, but takes ${source.width} x ${source.height} at ${source.x},${source.y}`,
  );
}

function pixelAt(image: Pixels, rowAt: number, x: number): number {
  const { bytes, bits } = image;
  switch (bits) {
    case 32:
      return bytes.readUInt32LE(rowAt + x * 4);
    case 24:
      return bytes.readUIntLE(rowAt + x * 3, 3);
    case 16:
      return expand555(bytes.readUInt16LE(rowAt + x * 2));
    case 8:
      return image.palette?.[bytes.readUInt8(rowAt + x)] ?? 0;
    case 4: {
      const byte = bytes.readUInt8(rowAt + (x >>> 1));
      const isHigh = ((x & 1) === 0) === image.bigEndian;
      return image.palette?.[isHigh ? byte >>> 4 : byte & 15] ?? 0;
    }
    case 1: {
      const byte = bytes.readUInt8(rowAt + (x >>> 3));
      const shift = image.bigEndian ? 7 - (x & 7) : x & 7;
      return image.palette?.[(byte >>> shift) & 1] ?? 0;
    }
  }
}

/** Five bits of a colour become eight; all ones stay all ones. */
function expand555(pixel: number): number {
  const eight = (five: number): number => (five << 3) | (five >>> 2);
  const red = eight((pixel >>> 10) & 31);
  const green = eight((pixel >>> 5) & 31);
  return (red << 16) | (green << 8) | eight(pixel & 31);
}

/** A pixel that comes and one that is there become one, as bits of a rop say. */
export function combine(color: number, dest: number, rop: number): number {
  const s = (rop & (ROP.inversSrc | ROP.inversBrush)) === 0 ? color : ~color;
  const d = (rop & ROP.inversDest) === 0 ? dest : ~dest;
  const result = combined(s, d, { dest, rop });
  return ((rop & ROP.inversRes) === 0 ? result : ~result) >>> 0;
}

function combined(
  s: number,
  d: number,
  { dest, rop }: { readonly dest: number; readonly rop: number },
): number {
  if ((rop & ROP.put) !== 0) return s;
  if ((rop & ROP.or) !== 0) return s | d;
  if ((rop & ROP.and) !== 0) return s & d;
  if ((rop & ROP.xor) !== 0) return s ^ d;
  if ((rop & ROP.blackness) !== 0) return 0;
  if ((rop & ROP.whiteness) !== 0) return 0xffff_ffff;
  if ((rop & ROP.invers) !== 0) return ~dest;
  return dest;
}
