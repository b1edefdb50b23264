import { createHash } from 'node:crypto';
import type { Rect } from '../../protocol/index.ts';

/** Frames of one round: first somebody types, then all of it scrolls. */
const ROUND_FRAMES = 480;
const TYPING_FRAMES = 330;
const SCROLL_PX = 6;
const LETTER = { widthPx: 12, heightPx: 20 } as const;

/** A hash that fits a number. Units: 48 bits. */
export function hashOf(rgb: Uint8Array): number {
  return createHash('sha256').update(rgb).digest().readUIntBE(0, 6);
}

/** The number that a picture carries in its first two pixels. */
export function stampOf(rgb: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = rgb;
  return a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24;
}

/** What the guest of the soak shows: numbered pictures, of which every pixel is known. */
export class SoakScreen {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly bgra: Uint8Array;
  #stamp: number;

  constructor(size: { readonly widthPx: number; readonly heightPx: number }, stamp: number) {
    this.widthPx = size.widthPx;
    this.heightPx = size.heightPx;
    this.bgra = new Uint8Array(size.widthPx * size.heightPx * 4);
    this.#stamp = stamp;
    for (let y = 0; y < this.heightPx; y++) this.#paintRow(y, y);
    this.#paintStamp();
  }

  /** The number of the picture. */
  get stamp(): number {
    return this.#stamp;
  }

  /** Paints the next picture; tells what is different. */
  next(): Rect[] {
    this.#stamp += 1;
    const scrolls = this.#stamp % ROUND_FRAMES >= TYPING_FRAMES;
    const changed = scrolls ? this.#scroll() : this.#type();
    this.#paintStamp();
    return scrolls ? [changed] : [changed, { x: 0, y: 0, width: 2, height: 1 }];
  }

  /** The picture as viewers see it, as one number. */
  hash(): number {
    return hashOf(this.rgb());
  }

  /** The picture as viewers see it. */
  rgb(): Uint8Array {
    const rgb = new Uint8Array(this.widthPx * this.heightPx * 3);
    for (let from = 0, to = 0; from < this.bgra.length; from += 4, to += 3) {
      rgb[to] = this.bgra[from + 2] ?? 0;
      rgb[to + 1] = this.bgra[from + 1] ?? 0;
      rgb[to + 2] = this.bgra[from] ?? 0;
    }
    return rgb;
  }

  #type(): Rect {
    const columns = Math.floor(this.widthPx / LETTER.widthPx);
    const lines = Math.floor(this.heightPx / LETTER.heightPx);
    const at = this.#stamp % (columns * lines);
    const rect = {
      x: (at % columns) * LETTER.widthPx,
      y: Math.floor(at / columns) * LETTER.heightPx,
      width: LETTER.widthPx,
      height: LETTER.heightPx,
    };
    const shade = Math.imul(this.#stamp, 0x9e37_79b1);
    for (let y = rect.y; y < rect.y + rect.height; y++)
      for (let x = rect.x; x < rect.x + rect.width; x++)
        this.#put(x, y, shade ^ ((x ^ y) & 4 ? 0 : 0x55_5555));
    return rect;
  }

  #scroll(): Rect {
    const rowBytes = this.widthPx * 4;
    this.bgra.copyWithin(0, SCROLL_PX * rowBytes);
    for (let y = this.heightPx - SCROLL_PX; y < this.heightPx; y++)
      this.#paintRow(y, this.#stamp * SCROLL_PX + y);
    return { x: 0, y: 0, width: this.widthPx, height: this.heightPx };
  }

  /** Something like lines of text. */
  #paintRow(y: number, line: number): void {
    const row = Math.floor(line / 4);
    for (let x = 0; x < this.widthPx; x++) {
      const mixed = Math.imul(Math.floor(x / 6) + 1, 0x85eb_ca6b) ^ Math.imul(row + 1, 0xc2b2_ae35);
      this.#put(x, y, row % 5 > 2 || (mixed >>> 13) % 3 === 0 ? 0xf4f1_ea : mixed >>> 8);
    }
  }

  #paintStamp(): void {
    const stamp = this.#stamp;
    // R, G, B of the first pixel and R of the second; B comes first in the frame.
    this.#put(0, 0, ((stamp & 255) << 16) | (stamp & 0xff00) | ((stamp >>> 16) & 255));
    this.#put(1, 0, ((stamp >>> 24) & 255) << 16);
  }

  #put(x: number, y: number, rgb: number): void {
    const at = (y * this.widthPx + x) * 4;
    this.bgra[at] = rgb & 255;
    this.bgra[at + 1] = (rgb >>> 8) & 255;
    this.bgra[at + 2] = (rgb >>> 16) & 255;
    this.bgra[at + 3] = 255;
  }
}
