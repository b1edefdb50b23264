import { MAX_DAMAGE_RECTS, type Rect, type Region } from '../protocol/index.ts';

const NUMBERS_PER_RECT = 4;

/**
 * What of a picture has changed: up to 64 rects, or all of it. Adding never loses a pixel: rects
 * that one in the list holds are dropped, and a list that would overflow becomes their hull.
 *
 * Shape: x, y, width, height per rect in one array, so that nothing is allocated per frame.
 */
export class DamageList {
  #all = false;
  #count = 0;
  readonly #rects: Int32Array<ArrayBuffer> = new Int32Array(MAX_DAMAGE_RECTS * NUMBERS_PER_RECT);

  /** Whether everything has changed; {@link count} is 0 then. */
  get all(): boolean {
    return this.#all;
  }

  get count(): number {
    return this.#count;
  }

  get empty(): boolean {
    return !this.#all && this.#count === 0;
  }

  x(index: number): number {
    return this.#rects[index * NUMBERS_PER_RECT] ?? 0;
  }

  y(index: number): number {
    return this.#rects[index * NUMBERS_PER_RECT + 1] ?? 0;
  }

  width(index: number): number {
    return this.#rects[index * NUMBERS_PER_RECT + 2] ?? 0;
  }

  height(index: number): number {
    return this.#rects[index * NUMBERS_PER_RECT + 3] ?? 0;
  }

  clear(): void {
    this.#all = false;
    this.#count = 0;
  }

  addAll(): void {
    this.#all = true;
    this.#count = 0;
  }

  /** Adds a rect that lies inside the picture. */
  add(rect: Rect): void {
    if (this.#all || rect.width < 1 || rect.height < 1) return;
    this.#add(rect.x, rect.y, rect.width, rect.height);
  }

  /** Adds everything that another list holds. */
  addList(other: DamageList): void {
    if (other.#all) this.addAll();
    if (this.#all) return;
    for (let i = 0; i < other.#count; i++)
      this.#add(other.x(i), other.y(i), other.width(i), other.height(i));
  }

  /** Adds the part of each rect that is inside `0,0 widthPx x heightPx`. */
  addClipped(rects: readonly Rect[], widthPx: number, heightPx: number): void {
    for (const rect of rects) {
      if (this.#all) return;
      const x = Math.max(0, Math.floor(rect.x));
      const y = Math.max(0, Math.floor(rect.y));
      const right = Math.min(widthPx, Math.ceil(rect.x + rect.width));
      const bottom = Math.min(heightPx, Math.ceil(rect.y + rect.height));
      if (right > x && bottom > y) this.#add(x, y, right - x, bottom - y);
    }
  }

  /** Writes the rects as the wire has them, four u32 each. */
  write(region: Region, at: number): void {
    for (let i = 0; i < this.#count * NUMBERS_PER_RECT; i++)
      region.view.setUint32(at + i * 4, this.#rects[i] ?? 0, true);
  }

  #add(x: number, y: number, width: number, height: number): void {
    const right = x + width;
    const bottom = y + height;
    let kept = 0;
    for (let i = 0; i < this.#count; i++) {
      const ix = this.x(i);
      const iy = this.y(i);
      const iRight = ix + this.width(i);
      const iBottom = iy + this.height(i);
      // Nothing was moved so far: a list in which one holds another does not occur.
      if (ix <= x && iy <= y && iRight >= right && iBottom >= bottom) return;
      if (x <= ix && y <= iy && right >= iRight && bottom >= iBottom) continue;
      if (kept !== i) this.#put(kept, ix, iy, iRight - ix, iBottom - iy);
      kept++;
    }
    this.#count = kept;
    if (kept === MAX_DAMAGE_RECTS) this.#collapse(x, y, right, bottom);
    else this.#put(this.#count++, x, y, width, height);
  }

  #collapse(x: number, y: number, right: number, bottom: number): void {
    let left = x;
    let top = y;
    let farRight = right;
    let farBottom = bottom;
    for (let i = 0; i < this.#count; i++) {
      left = Math.min(left, this.x(i));
      top = Math.min(top, this.y(i));
      farRight = Math.max(farRight, this.x(i) + this.width(i));
      farBottom = Math.max(farBottom, this.y(i) + this.height(i));
    }
    this.#count = 1;
    this.#put(0, left, top, farRight - left, farBottom - top);
  }

  #put(index: number, x: number, y: number, width: number, height: number): void {
    const at = index * NUMBERS_PER_RECT;
    this.#rects[at] = x;
    this.#rects[at + 1] = y;
    this.#rects[at + 2] = width;
    this.#rects[at + 3] = height;
  }
}
