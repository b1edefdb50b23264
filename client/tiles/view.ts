import type { PixelFormat } from '../../protocol/pixel.ts';
import type { TileGrid } from './grid.ts';
import type { PictureStep } from './steps.ts';

/** The geometry of a picture; a new one begins an epoch. */
export interface PictureGeometry {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly dataHeightPx: number;
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly rotation: number;
  readonly format: PixelFormat;
}

/** Looks at a picture between {@link PictureView.beginRead} and {@link end}. */
export interface PictureRead {
  /**
   * Tells which of the tiles that were read meanwhile may be other than they were at the serial the
   * read began with: an update has changed them since, or was doing so. All others are exact.
   *
   * @param tiles indices in rising order; the first `count` of them
   * @param out has room for `count`; may be `tiles` itself
   * @returns how many indices were written to `out`, in rising order
   */
  end(tiles: Uint32Array, count: number, out: Uint32Array): number;
}

/**
 * The reading face of a picture, wherever it is written: in this thread between two turns, or in
 * another one at any time.
 *
 * Ownership: all but the pixels and the serials of tiles stays as it is until the event loop's next
 * turn. `pixels` and `tileSerials` are other arrays after a new epoch, and those of before may be
 * empty: what is needed across an `await` is copied first.
 */
export interface PictureView {
  /** Number of the geometry that is current; 0 before the first frame. */
  readonly epoch: number;
  /** Number of the update that changed the picture last. Grows across epochs. */
  readonly serial: number;
  /** The geometry of the newest frame; undefined before the first. */
  readonly geometry: PictureGeometry | undefined;
  /** The tiles the picture is divided into. */
  readonly grid: TileGrid;
  /** The pixels: B, G, R, 255; `heightPx` rows of `pitchBytes`. */
  readonly pixels: Uint8Array;
  /** Bytes from one row to the next. */
  readonly pitchBytes: number;
  /** Whether an update is under way, so that some tiles may already be newer than `serial`. */
  readonly updating: boolean;
  /** The serial of the update that changed each tile last. */
  readonly tileSerials: Uint32Array;
  /**
   * Writes the indices of all tiles that changed after `serial` to `out`, in rising order, and
   * returns how many there are. Allocates nothing.
   *
   * @throws ERR_KVMFR_ARGUMENT when `out` has less room than the picture has tiles
   */
  changedSince(serial: number, out: Uint32Array): number;
  /**
   * Reads how the picture came to a serial from the one before; false when that is not known any
   * more. Allocates only for a picture of another size.
   */
  readStep(serial: number, into: PictureStep): boolean;
  /**
   * Begins to read tiles. One read at a time: it must end in the same turn.
   *
   * Ownership: the same object each time.
   */
  beginRead(): PictureRead;
}
