import type { Rect } from '../../protocol/rect.ts';
import { coverBytes } from '../../protocol/wire/index.ts';

/** Part of the tiles that must be moving for the video to take all of the screen. */
const FLOOD = 0.9;

/** What is needed of a picture to tell what of it a viewer lacks. */
export interface TileAges {
  /** Serial of the update that changed each tile last. */
  readonly tileSerials: Uint32Array;
  readonly grid: { readonly tileCount: number; readonly columns: number; readonly tilePx: number };
}

/**
 * What a viewer's screen shows, tile by tile: nothing yet, the tile as it was at some serial and
 * exact, or a picture of it that is not exact (a JPEG, or the video shining through).
 *
 * Everything a viewer is owed follows from this and the picture, so nothing has to be queued for it.
 */
export class Screen {
  /** Serial at which a tile was sent exactly and is still to be seen so; 0 when it is not. */
  #exact: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  /** Serial at which a tile was sent by itself, exactly or not; 0 when never. */
  #shown: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #videoSerial = 0;
  /** What the video shows; all when undefined. */
  #region: Rect | undefined;
  /** 1 for each tile that the video does not show. */
  #outside: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #inside = 0;
  #cover: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Cover as the viewer was told it last: what tiles have drawn since is not in it. */
  #told: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #flooded = false;

  /** Begins again with an empty screen. */
  reset(tileCount: number): void {
    if (this.#exact.length === tileCount) {
      this.#exact.fill(0);
      this.#shown.fill(0);
      this.#cover.fill(0);
      this.#told.fill(0);
    } else {
      this.#exact = new Uint32Array(tileCount);
      this.#shown = new Uint32Array(tileCount);
      this.#cover = new Uint8Array(coverBytes(tileCount));
      this.#told = new Uint8Array(coverBytes(tileCount));
    }
    this.#videoSerial = 0;
    this.#region = undefined;
    this.#outside = new Uint8Array(tileCount);
    this.#inside = tileCount;
    this.#flooded = false;
  }

  /** Bits of the tiles that show the video. Ownership: valid until the next call. */
  get cover(): Uint8Array {
    return this.#cover;
  }

  /**
   * Writes to `out` the tiles that have changed since they were shown in any way, in rising order.
   *
   * @returns how many there are
   */
  missing(picture: TileAges, out: Uint32Array): number {
    const { tileSerials } = picture;
    let count = 0;
    for (let tile = 0; tile < this.#shown.length; tile++) {
      const serial = tileSerials[tile] ?? 0;
      if (this.#lacks(tile, serial)) out[count++] = tile;
    }
    return count;
  }

  /**
   * Writes to `out` the tiles that are not shown exactly: those that lack the newest pixels, all or
   * only where the video does not show them, and of those that are merely blurred at most `most`
   * that have not changed after `restSerial`.
   *
   * @returns how many there are
   */
  inexact(
    picture: TileAges,
    limits: {
      readonly restSerial: number;
      readonly most: number;
      readonly missing: 'all' | 'outside' | 'none';
    },
    out: Uint32Array,
  ): number {
    const { tileSerials } = picture;
    const { missing } = limits;
    let count = 0;
    let left = limits.most;
    for (let tile = 0; tile < this.#exact.length; tile++) {
      const serial = tileSerials[tile] ?? 0;
      if (serial <= (this.#exact[tile] ?? 0)) continue;
      if (this.#lacks(tile, serial)) {
        const isOutside = this.#outside[tile] === 1;
        if (missing === 'all' || (missing === 'outside' && isOutside)) out[count++] = tile;
      } else if (left > 0 && serial <= limits.restSerial) {
        out[count++] = tile;
        left--;
      }
    }
    return count;
  }

  /** Whether every tile is shown exactly as it is in the picture. */
  isExact(picture: TileAges): boolean {
    const { tileSerials } = picture;
    for (let tile = 0; tile < this.#exact.length; tile++)
      if ((tileSerials[tile] ?? 0) > (this.#exact[tile] ?? 0)) return false;
    return true;
  }

  /** Whether the video has newer pixels to show than it was sent with. */
  awaitsVideo(picture: TileAges): boolean {
    if (this.#region === undefined) return false;
    const { tileSerials } = picture;
    for (let tile = 0; tile < this.#outside.length; tile++)
      if (this.#outside[tile] === 0 && this.#lacks(tile, tileSerials[tile] ?? 0)) return true;
    return false;
  }

  /** Whether any tile shows the video. */
  get hasVideo(): boolean {
    return this.#cover.some((byte) => byte !== 0);
  }

  /** Writes a bit for each tile that is not shown exactly, tile 0 in bit 0 of the first word. */
  lacking(picture: TileAges, out: Uint32Array): void {
    const { tileSerials } = picture;
    out.fill(0);
    for (let tile = 0; tile < this.#exact.length; tile++)
      if ((tileSerials[tile] ?? 0) > (this.#exact[tile] ?? 0))
        out[tile >> 5] = (out[tile >> 5] ?? 0) | (1 << (tile & 31));
  }

  /** Moves were sent that make all tiles without a bit what they were at a serial. */
  tookMoves(rest: Uint32Array, serial: number): void {
    for (let tile = 0; tile < this.#exact.length; tile++) {
      if (((rest[tile >> 5] ?? 0) >>> (tile & 31)) & 1) continue;
      this.#exact[tile] = serial;
      this.#shown[tile] = serial;
    }
  }

  /** Tiles were sent as they were at a serial. They cover the video where it shone through. */
  tookTiles(tiles: Uint32Array, serial: number, exact: boolean): void {
    for (const tile of tiles) {
      this.#shown[tile] = serial;
      this.#exact[tile] = exact ? serial : 0;
      this.#cover[tile >> 3] = (this.#cover[tile >> 3] ?? 0) & ~(1 << (tile & 7));
    }
  }

  /** Tiles that were sent may have been torn: they are owed again. */
  distrust(tiles: Uint32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const tile = tiles[i] ?? 0;
      this.#shown[tile] = 0;
      this.#exact[tile] = 0;
    }
  }

  /** Whether all of the region shows the video, because nearly all has moved a moment ago. */
  get flooded(): boolean {
    return this.#flooded;
  }

  /**
   * A picture of the video was sent, of all or a region of the picture: there it shines through
   * wherever a tile is not exact; and everywhere when nearly all tiles have changed after `restSerial`. A corner that is kept exact beside a film
   * that fills the screen would make the browser lay two whole screens over each other.
   *
   * @returns whether {@link cover} is another one than this said last
   */
  tookVideo(
    picture: TileAges,
    serial: number,
    restSerial: number = serial,
    region?: Rect,
  ): boolean {
    if (region !== this.#region) this.#turnTo(region, picture.grid);
    const { tileSerials } = picture;
    let changed = false;
    let moving = 0;
    for (let tile = 0; tile < this.#exact.length; tile++)
      if (this.#outside[tile] === 0 && (tileSerials[tile] ?? 0) > restSerial) moving++;
    this.#flooded = moving >= this.#inside * FLOOD;
    for (let at = 0; at < this.#cover.length; at++) {
      let bits = 0;
      const first = at * 8;
      const end = Math.min(first + 8, this.#exact.length);
      for (let tile = first; tile < end; tile++) {
        if (this.#outside[tile] === 1) continue;
        if (!this.#flooded && (tileSerials[tile] ?? 0) <= (this.#exact[tile] ?? 0)) continue;
        bits |= 1 << (tile - first);
        this.#exact[tile] = 0;
        this.#shown[tile] = 0;
      }
      this.#cover[at] = bits;
      if (bits === this.#told[at]) continue;
      this.#told[at] = bits;
      changed = true;
    }
    this.#videoSerial = serial;
    return changed;
  }

  /** Whether a tile has newer pixels than were shown of it in any way. */
  #lacks(tile: number, serial: number): boolean {
    if (serial <= (this.#shown[tile] ?? 0)) return false;
    return serial > this.#videoSerial || this.#outside[tile] === 1;
  }

  #turnTo(region: Rect | undefined, { columns, tilePx }: TileAges['grid']): void {
    this.#region = region;
    this.#outside.fill(0);
    this.#inside = this.#outside.length;
    if (region === undefined) return;
    const { x, y, width, height } = region;
    for (let tile = 0; tile < this.#outside.length; tile++) {
      const left = (tile % columns) * tilePx;
      const top = Math.floor(tile / columns) * tilePx;
      if (left >= x && left < x + width && top >= y && top < y + height) continue;
      this.#outside[tile] = 1;
      this.#inside--;
    }
  }
}
