import type { Rect } from '../../protocol/index.ts';

/** A picture of opaque pixels, one 32-bit word each: bytes B, G, R, A in memory. */
export interface Sprite {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly words: Uint32Array<ArrayBuffer>;
}

/** Opaque black in {@link Sprite.words}. */
export const OPAQUE: number = 0xff000000;

/** A colour as a word of a {@link Sprite}. */
export function rgb(red: number, green: number, blue: number): number {
  return (OPAQUE | (red << 16) | (green << 8) | blue) >>> 0;
}

/** The mixture of two words; `part` of 256 parts are `b`. */
export function mix(a: number, b: number, part: number): number {
  const keep = 256 - part;
  const oddA = a & 0x00ff00ff;
  const oddB = b & 0x00ff00ff;
  const evenA = (a >>> 8) & 0xff;
  const evenB = (b >>> 8) & 0xff;
  const odd = ((Math.imul(oddA, keep) + Math.imul(oddB, part)) >>> 8) & 0x00ff00ff;
  const even = (evenA * keep + evenB * part) & 0xff00;
  return (OPAQUE | odd | even) >>> 0;
}

/** An empty sprite. */
export function newSprite(widthPx: number, heightPx: number): Sprite {
  return { widthPx, heightPx, words: new Uint32Array(widthPx * heightPx) };
}

/** The screen of the synthetic guest: a sprite that others are copied into. */
export class Surface implements Sprite {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly words: Uint32Array<ArrayBuffer>;
  /** The same pixels as bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor(widthPx: number, heightPx: number) {
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.words = new Uint32Array(widthPx * heightPx);
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Copies a part of a sprite; what would lie outside of the surface or the sprite is left out. */
  blit(sprite: Sprite, from: Rect, to: { readonly x: number; readonly y: number }): void {
    const left = Math.max(0, -to.x, -from.x);
    const top = Math.max(0, -to.y, -from.y);
    const width = Math.min(from.width, sprite.widthPx - from.x, this.widthPx - to.x) - left;
    const height = Math.min(from.height, sprite.heightPx - from.y, this.heightPx - to.y) - top;
    if (width < 1) return;
    for (let row = 0; row < height; row++) {
      const at = (from.y + top + row) * sprite.widthPx + from.x + left;
      const out = (to.y + top + row) * this.widthPx + to.x + left;
      this.words.set(sprite.words.subarray(at, at + width), out);
    }
  }

  /** Copies all of a sprite. */
  put(sprite: Sprite, x: number, y: number): void {
    this.blit(sprite, { x: 0, y: 0, width: sprite.widthPx, height: sprite.heightPx }, { x, y });
  }

  /** Moves the rows of a rect up; the lowest `rows` keep what they had. */
  scrollUp(rect: Rect, rows: number): void {
    for (let y = rect.y; y < rect.y + rect.height - rows; y++) {
      const from = (y + rows) * this.widthPx + rect.x;
      this.words.copyWithin(y * this.widthPx + rect.x, from, from + rect.width);
    }
  }

  fill(rect: Rect, word: number): void {
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      const at = y * this.widthPx + rect.x;
      this.words.fill(word, at, at + rect.width);
    }
  }
}
