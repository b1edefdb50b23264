import { type KernelFormat, updateTiles } from '../../native/index.ts';
import { MAX_DAMAGE_RECTS, type Rect } from '../../protocol/index.ts';

const TILE_PX = 64;

/** Pixels of a screen that somebody else draws on. */
export interface ScreenPixels {
  readonly bytes: Uint8Array;
  /** Where the first visible pixel is. */
  readonly offsetBytes: number;
  readonly pitchBytes: number;
  readonly format: KernelFormat;
}

/**
 * Our copy of a screen that does not say what changes on it: what changed is found by comparing.
 *
 * Shape: `pixels` has rows of widthPx pixels B, G, R, 255. It is compared and taken over in one pass,
 * so that what was read is what is published, whatever is drawn meanwhile.
 */
export class ComparedPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pitchBytes: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly #columns: number;
  readonly #lines: number;
  readonly #serials: Uint32Array<ArrayBuffer>;
  #serial = 0;

  constructor(widthPx: number, heightPx: number) {
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.pitchBytes = widthPx * 4;
    // Black, and nowhere transparent.
    const words = new Uint32Array(widthPx * heightPx).fill(0xff00_0000);
    this.pixels = new Uint8Array(words.buffer);
    this.#columns = Math.ceil(widthPx / TILE_PX);
    this.#lines = Math.ceil(heightPx / TILE_PX);
    this.#serials = new Uint32Array(this.#columns * this.#lines);
  }

  /** Takes over what the screen shows; returns what of it is new, in at most 64 rects. */
  update(screen: ScreenPixels): readonly Rect[] {
    this.#serial = (this.#serial + 1) >>> 0 || 1;
    const changed = updateTiles({
      picture: this.pixels,
      picturePitchBytes: this.pitchBytes,
      widthPx: this.widthPx,
      heightPx: this.heightPx,
      tilePx: TILE_PX,
      serials: this.#serials,
      serial: this.#serial,
      src: screen.bytes,
      srcOffset: screen.offsetBytes,
      srcPitchBytes: screen.pitchBytes,
      format: screen.format,
      x: 0,
      y: 0,
      width: this.widthPx,
      height: this.heightPx,
    });
    if (changed === 0) return NOTHING;
    const runs = this.#runs();
    return runs.length <= MAX_DAMAGE_RECTS ? runs : this.#hulls();
  }

  /** Rows of changed tiles; runs of the same columns in lines below each other are one. */
  #runs(): Rect[] {
    const rects: Rect[] = [];
    for (let line = 0; line < this.#lines; line++) {
      for (let column = 0; column < this.#columns; column++) {
        if (!this.#isNew(line, column)) continue;
        let end = column + 1;
        while (end < this.#columns && this.#isNew(line, end)) end++;
        this.#add(rects, { line, from: column, end });
        column = end;
      }
    }
    return rects;
  }

  /** One rect for each line of tiles, or less. */
  #hulls(): Rect[] {
    const rects: Rect[] = [];
    for (let line = 0; line < this.#lines; line++) {
      let from = this.#columns;
      let end = 0;
      for (let column = 0; column < this.#columns; column++) {
        if (!this.#isNew(line, column)) continue;
        from = Math.min(from, column);
        end = column + 1;
      }
      if (end > 0) this.#add(rects, { line, from, end });
    }
    return rects;
  }

  #isNew(line: number, column: number): boolean {
    return this.#serials[line * this.#columns + column] === this.#serial;
  }

  #add(
    rects: Rect[],
    run: { readonly line: number; readonly from: number; readonly end: number },
  ): void {
    const x = run.from * TILE_PX;
    const y = run.line * TILE_PX;
    const width = Math.min(run.end * TILE_PX, this.widthPx) - x;
    const height = Math.min(y + TILE_PX, this.heightPx) - y;
    const above = rects.findIndex(
      (rect) => rect.x === x && rect.width === width && rect.y + rect.height === y,
    );
    const rect = rects[above];
    if (rect === undefined) rects.push({ x, y, width, height });
    else rects[above] = { ...rect, height: rect.height + height };
  }
}

const NOTHING: readonly Rect[] = [];
