import {
  convertToI420,
  createToneMap,
  type ToneMapTable,
  type UpdateTilesArguments,
  updateTiles,
} from '../../native/index.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { sameToneMap, type ToneMap } from '../../protocol/kvmfr/hdr.ts';
import { TILE_PX } from '../../protocol/limits.ts';
import type { PixelFormat } from '../../protocol/pixel.ts';
import { monotonicMs } from '../clock.ts';
import { changedBits, changedTiles, tilesAfter } from './changed.ts';
import { checkSize, geometryOf, sameGeometry } from './geometry.ts';
import { bandEnd, type TileGrid, tileGrid } from './grid.ts';
import { PictureMemory } from './memory.ts';
import { type MemoryPlace, planesIn } from './memory-layout.ts';
import { MoveWatch, type WatchedPicture } from './move-watch.ts';
import { lacks, type PictureFrame, type PictureOutcome } from './picture-frame.ts';
import type { SharedPlanes } from './shared-planes.ts';
import type { PictureStep } from './steps.ts';
import type { PictureGeometry, PictureRead, PictureView } from './view.ts';

export type { PictureGeometry } from './view.ts';

const BYTES_PER_PIXEL = 4;
const LAST_SERIAL = 0xffff_ffff;
/** Opaque black as B, G, R, 255 in memory order. */
const BLACK = Uint8Array.of(0, 0, 0, 255);

/**
 * Our own copy of the newest frame, cut into tiles that each carry the serial of the update that
 * changed them last. Readers never see the guest's memory: they ask which tiles changed since the
 * serial they have, and take those.
 *
 * A picture starts empty (`epoch` 0). Each new geometry begins an epoch: the picture is black, and
 * all of its tiles count as changed.
 *
 * Shape: `pixels` holds `heightPx` rows of `pitchBytes`, each pixel B, G, R, 255.
 *
 * Ownership: belongs to one thread. `pixels` and `tileSerials` may be read between updates, and are
 * other arrays after a new epoch; what is read across an `await` must be copied first. Shared memory
 * is given back by {@link close}.
 */
export class Picture implements PictureView {
  readonly #memory: PictureMemory;
  #grid: TileGrid;
  #geometry: PictureGeometry | undefined;
  #serial = 0;
  /** The serial that was last written into tiles; ahead of `#serial` after a frame was given up. */
  #writtenSerial = 0;
  /** Tiles that were written after `#serial`: those of a frame that was given up are among them. */
  #ahead = 0;
  #epoch = 0;
  #toneMap: ToneMap | undefined;
  #toneTable: ToneMapTable | undefined;
  #owesAll = true;
  #startsOver = false;
  #updating = false;
  #arrivedMs = 0;
  readonly #moves = new MoveWatch();
  /** Runs when there is nothing else to do, after an update. */
  #following: NodeJS.Immediate | undefined;
  /** Nothing changes within a turn: only what an unfinished update has written is not exact. */
  readonly #read: PictureRead = {
    end: (tiles, count, out) => {
      if (this.#writtenSerial === this.#serial) return 0;
      return tilesAfter(this.#memory.tileSerials, this.#serial, { list: tiles, count }, out);
    },
  };

  /**
   * @param options `tilePx`: side of a tile; `memory`: where it lies, private memory when left out;
   * `after`: the serial and epoch to count on from, for a picture that takes the place of another
   */
  constructor(
    options: {
      readonly tilePx?: number;
      readonly memory?: PictureMemory;
      readonly after?: { readonly serial: number; readonly epoch: number };
    } = {},
  ) {
    this.#grid = tileGrid({ widthPx: 0, heightPx: 0, tilePx: options.tilePx ?? TILE_PX });
    this.#memory = options.memory ?? new PictureMemory();
    this.#serial = options.after?.serial ?? 0;
    this.#writtenSerial = this.#serial;
    this.#epoch = options.after?.epoch ?? 0;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get serial(): number {
    return this.#serial;
  }

  get geometry(): PictureGeometry | undefined {
    return this.#geometry;
  }

  get grid(): TileGrid {
    return this.#grid;
  }

  get tileSerials(): Uint32Array {
    return this.#memory.tileSerials;
  }

  get pixels(): Uint8Array {
    return this.#memory.pixels;
  }

  get pitchBytes(): number {
    return this.#grid.widthPx * BYTES_PER_PIXEL;
  }

  get updating(): boolean {
    return this.#updating;
  }

  /** The planes for other processes, while {@link keepPlanes} is on; undefined while there are none. */
  get planes(): SharedPlanes | undefined {
    const { place, planes } = this.#memory;
    if (place === undefined || planes === undefined) return undefined;
    return planesIn(place, this.#grid, this.#epoch);
  }

  /** What leads other threads to the memory; undefined when it is not shared, and before the first frame. */
  get place(): MemoryPlace | undefined {
    return this.#memory.place;
  }

  /** When the last row of the newest frame was seen to be there. Units: as {@link monotonicMs}. */
  get arrivedMs(): number {
    return this.#arrivedMs;
  }

  /**
   * Brings the picture up to a frame, and starts while its rows still arrive.
   *
   * Ownership: the frame is borrowed until the promise settles. One update at a time.
   *
   * @throws ERR_KVMFR_BOUNDS when the frame is larger than any picture that is kept
   * @throws ERR_KVMFR_BUSY when another update has not ended
   */
  async update(frame: PictureFrame): Promise<PictureOutcome> {
    if (this.#updating)
      throw new KvmfrError('ERR_KVMFR_BUSY', 'a picture takes one frame at a time');
    this.#follow();
    this.#updating = true;
    try {
      return await this.#update(frame);
    } finally {
      this.#updating = false;
      this.#memory.settle(this.#serial);
      // Whoever waits for the picture comes first.
      this.#following = setImmediate(() => this.#follow());
    }
  }

  /**
   * Lets I420 planes follow the pixels, or not any more. All of the picture is converted once when
   * they begin to. In memory that is not shared there are none.
   */
  keepPlanes(on: boolean): void {
    const planes = this.#memory.keepPlanes(on);
    if (planes === undefined) return;
    const { widthPx, heightPx } = this.#grid;
    const size = { widthPx, heightPx, width: widthPx, height: heightPx };
    const picture = this.#memory.pixels;
    convertToI420({ picture, picturePitchBytes: this.pitchBytes, ...size, x: 0, y: 0, planes });
    this.#memory.planesFilled();
  }

  /** Gives the memory back; {@link update} is not called any more. */
  close(): void {
    clearImmediate(this.#following);
    this.#following = undefined;
    this.#moves.reset();
    this.#memory.close();
  }

  /** Begins a new epoch with the next frame, whatever its geometry: another guest draws now. */
  startOver(): void {
    this.#startsOver = true;
  }

  changedSince(serial: number, out: Uint32Array): number {
    const ages = {
      grid: this.#grid,
      tileSerials: this.#memory.tileSerials,
      rowSerials: this.#memory.rowSerials,
    };
    return changedTiles(ages, serial, out);
  }

  readStep(serial: number, into: PictureStep): boolean {
    return this.#memory.steps?.read(serial, into) === true;
  }

  beginRead(): PictureRead {
    return this.#read;
  }

  get #watched(): WatchedPicture {
    const { widthPx, heightPx, tilePx } = this.#grid;
    const { pixels: picture, tileSerials: serials } = this.#memory;
    return { picture, picturePitchBytes: this.pitchBytes, widthPx, heightPx, tilePx, serials };
  }

  #follow(): void {
    if (this.#following === undefined) return;
    clearImmediate(this.#following);
    this.#following = undefined;
    // What a frame that was given up has left is in no whole update.
    if (this.#epoch > 0 && this.#writtenSerial === this.#serial)
      this.#moves.follow(this.#watched, this.#serial);
  }

  /** Tells what an update has changed, and what of that has merely moved. */
  #tellStep(serial: number, changed: number): void {
    const { steps } = this.#memory;
    if (steps === undefined) return;
    const base = this.#serial;
    const rest = steps.begin(serial);
    const move = this.#moves.find(this.#watched, { changed, base }, rest);
    if (move === undefined) {
      const { tileSerials, rowSerials } = this.#memory;
      changedBits({ grid: this.#grid, tileSerials, rowSerials }, base, rest);
    }
    steps.end(serial, base, move);
  }

  async #update(frame: PictureFrame): Promise<PictureOutcome> {
    const { format } = frame;
    const fresh = this.#needsEpoch(frame);
    const relit = this.#followToneMap(frame);
    const all = fresh || relit || this.#owesAll || frame.damage.length === 0;
    // Until the frame is through, its damage is still owed: the next frame's is relative to it.
    this.#owesAll = true;
    if (fresh) {
      // The old picture stays until there is a whole new one.
      checkSize(frame);
      if (lacks(frame, frame.dataHeightPx) && !(await frame.whenRows(frame.dataHeightPx)))
        return 'given-up';
      this.#beginEpoch(frame);
    }
    const serial = fresh ? this.#serial : this.#nextSerial();
    let row = 0;
    while (row < frame.dataHeightPx) {
      const end = bandEnd({
        fromRow: row,
        arrivedRows: frame.complete,
        dataRows: frame.dataHeightPx,
        tilePx: this.#grid.tilePx,
      });
      if (lacks(frame, end) && !(await frame.whenRows(end))) return 'given-up';
      if (end === frame.dataHeightPx) this.#arrivedMs = monotonicMs();
      this.#ahead += this.#compareBand({ frame, format, serial, all, top: row, bottom: end });
      row = end;
    }
    // The guest may have written over what was copied: what is not published now, the next frame repairs.
    if (!frame.intact) return 'given-up';
    this.#owesAll = false;
    // What a frame that was given up has written was never told, also where this one is the same.
    const changed = this.#ahead;
    this.#ahead = 0;
    if (!fresh && changed === 0) return 'same';
    if (!fresh) this.#tellStep(serial, changed);
    this.#serial = serial;
    return 'changed';
  }

  /** Takes over what a frame says has changed in a band; returns the tiles that did. */
  #compareBand(band: {
    readonly frame: PictureFrame;
    readonly format: PixelFormat;
    readonly serial: number;
    readonly all: boolean;
    readonly top: number;
    readonly bottom: number;
  }): number {
    const { frame, format, serial, all, top, bottom } = band;
    const { widthPx, heightPx, tilePx } = this.#grid;
    const memory = this.#memory;
    memory.startUpdate();
    memory.startBand(Math.floor(top / tilePx), Math.ceil(bottom / tilePx));
    const job = {
      picture: memory.pixels,
      picturePitchBytes: this.pitchBytes,
      widthPx,
      heightPx,
      tilePx,
      serials: memory.tileSerials,
      serial,
      src: frame.pixels,
      srcOffset: 0,
      srcPitchBytes: frame.pitchBytes,
      format,
      toneMap: this.#toneTable,
      i420: memory.planes,
      x: 0,
      y: top,
      width: widthPx,
      height: bottom - top,
    };
    let changed = 0;
    if (all) changed = this.#compare(job);
    else
      for (const rect of frame.damage) {
        job.x = Math.max(rect.x, 0);
        job.y = Math.max(rect.y, top);
        job.width = Math.min(rect.x + rect.width, widthPx) - job.x;
        job.height = Math.min(rect.y + rect.height, bottom) - job.y;
        if (job.width > 0 && job.height > 0) changed += this.#compare(job);
      }
    memory.endBand();
    return changed;
  }

  /** Whether light is to be shown another way: then every pixel may change, and no rect says so. */
  #followToneMap({ toneMap }: PictureFrame): boolean {
    if (sameToneMap(toneMap, this.#toneMap)) return false;
    this.#toneMap = toneMap;
    this.#toneTable = toneMap === undefined ? undefined : createToneMap(toneMap);
    return true;
  }

  #compare(job: UpdateTilesArguments): number {
    const changed = updateTiles(job);
    if (changed > 0) {
      const last = Math.floor((job.y + job.height - 1) / job.tilePx);
      this.#memory.rowSerials.fill(job.serial, Math.floor(job.y / job.tilePx), last + 1);
    }
    return changed;
  }

  #nextSerial(): number {
    this.#writtenSerial++;
    return this.#writtenSerial;
  }

  #needsEpoch(frame: PictureFrame): boolean {
    if (this.#startsOver || this.#writtenSerial >= LAST_SERIAL) return true;
    return !sameGeometry(this.#geometry, frame);
  }

  /** Makes a black picture in the geometry of a frame, all of it changed. */
  #beginEpoch(frame: PictureFrame): void {
    const { widthPx, heightPx } = frame;
    const grid = tileGrid({ widthPx, heightPx, tilePx: this.#grid.tilePx });
    const epoch = this.#epoch < LAST_SERIAL ? this.#epoch + 1 : 1;
    const memory = this.#memory;
    memory.startUpdate();
    memory.begin(epoch, grid);
    this.#grid = grid;
    this.#epoch = epoch;
    blacken(memory.pixels);
    // After the last serial they start again: an epoch makes the serials that viewers hold void.
    if (this.#writtenSerial >= LAST_SERIAL) this.#writtenSerial = 0;
    this.#serial = this.#nextSerial();
    memory.tileSerials.fill(this.#serial);
    memory.rowSerials.fill(this.#serial);
    this.#geometry = geometryOf(frame);
    this.#moves.reset();
    this.#startsOver = false;
    // Tiles that the frame leaves black do not change any more.
    this.keepPlanes(memory.planes !== undefined);
  }
}

/** Fills with opaque black by doubling what is already there. */
function blacken(pixels: Uint8Array): void {
  pixels.set(BLACK);
  for (let filled = BLACK.length; filled < pixels.byteLength; filled *= 2)
    pixels.copyWithin(filled, 0, Math.min(filled, pixels.byteLength - filled));
}
