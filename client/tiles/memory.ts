import {
  createSharedMemory,
  type I420Planes,
  i420Planes,
  type Mapping,
} from '../../native/index.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { Region } from '../../protocol/memory/region.ts';
import { addU32, loadU32, orU32, storeU32 } from '../../protocol/memory/word.ts';
import type { TileGrid } from './grid.ts';
import {
  MEMORY_MAGIC,
  MEMORY_VERSION,
  MemoryHeader,
  type MemoryPlace,
  memoryLayout,
  planesWordAt,
} from './memory-layout.ts';
import { StepTable } from './steps.ts';

const { offsetBytes: EPOCH } = MemoryHeader.epoch;
const { offsetBytes: SERIAL } = MemoryHeader.serial;
const { offsetBytes: UPDATING } = MemoryHeader.updating;
const { offsetBytes: SEQUENCE } = MemoryHeader.sequence;
const { offsetBytes: BAND_TOP } = MemoryHeader.bandTop;
const { offsetBytes: BAND_END } = MemoryHeader.bandEnd;

/** Tiles that are written before every serial says so: all rows there can be. */
const ALL_ROWS = 0xffff_ffff;

/**
 * The memory of a picture, from the side of the one thread that writes it: tells in its header what
 * is being written, so that other threads and processes know what they have read.
 *
 * Ownership: {@link close} gives the memory back.
 */
export class PictureMemory {
  readonly #shared: boolean;
  readonly #mustShare: boolean;
  #mapping: Mapping | undefined;
  #region: Region = new Region(new ArrayBuffer(MemoryHeader.$sizeBytes));
  #epoch = 0;
  #planes: I420Planes | undefined;
  #keepsPlanes = false;
  #updating = false;
  #pixels: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #tileSerials: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #rowSerials: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #steps: StepTable | undefined;

  /**
   * @param options `shared`: others are to read it, and it may keep planes. Where the system has no
   * way, only this thread reads it; with `must`, {@link begin} throws then
   */
  constructor(options: { readonly shared: boolean | 'must' } = { shared: false }) {
    this.#shared = options.shared !== false;
    this.#mustShare = options.shared === 'must';
  }

  /** What leads others to it; undefined when it is not shared, and before the first epoch. */
  get place(): MemoryPlace | undefined {
    const mapping = this.#mapping;
    return mapping && { path: mapping.path, inode: mapping.inode, byteLength: mapping.byteLength };
  }

  get pixels(): Uint8Array<ArrayBuffer> {
    return this.#pixels;
  }

  get tileSerials(): Uint32Array<ArrayBuffer> {
    return this.#tileSerials;
  }

  /** The highest serial in each row of tiles. */
  get rowSerials(): Uint32Array<ArrayBuffer> {
    return this.#rowSerials;
  }

  /** The newest steps; undefined before the first epoch. */
  get steps(): StepTable | undefined {
    return this.#steps;
  }

  /** The planes that follow the pixels; undefined while none do. */
  get planes(): I420Planes | undefined {
    return this.#keepsPlanes ? this.#planes : undefined;
  }

  /**
   * Lets planes follow the pixels from now on, or not any more. Returns those that the caller fills
   * from all that is in the pixels now, before it calls {@link planesFilled}.
   */
  keepPlanes(on: boolean): I420Planes | undefined {
    this.#keepsPlanes = on;
    this.#spoilPlanes();
    return this.planes;
  }

  /** The planes are those of the pixels. */
  planesFilled(): void {
    if (!this.#updating) this.#endPlanes();
  }

  /**
   * Makes room for a new epoch, in an update. What is in pixels and serials is left over: the caller
   * writes all of it before {@link settle}.
   *
   * @throws what `createSharedMemory` throws; then all is as it was
   */
  begin(epoch: number, grid: TileGrid): void {
    const layout = memoryLayout(grid, this.#shared);
    this.#fit(layout.byteLength);
    const region = this.#region;
    const { buffer } = region;
    // Before a byte is written: who reads by the old geometry learns that it is over.
    this.startBand(0, ALL_ROWS);
    storeU32(region, EPOCH, epoch);
    this.#spoilPlanes();
    this.#epoch = epoch;
    this.#spoilPlanes();
    this.#pixels = new Uint8Array(buffer, layout.pixelsAt, layout.pixelBytes);
    this.#tileSerials = new Uint32Array(buffer, layout.tileSerialsAt, grid.tileCount);
    this.#rowSerials = new Uint32Array(buffer, layout.rowSerialsAt, grid.rows);
    this.#steps = new StepTable(region, grid);
    this.#steps.clear();
    if (this.#shared) {
      const { widthPx, heightPx } = grid;
      const bytes = region.bytes;
      this.#planes = i420Planes(bytes, { widthPx, heightPx, offset: layout.planesAt });
    }
  }

  /** Tiles are about to be written. A second call does nothing. */
  startUpdate(): void {
    if (this.#updating) return;
    this.#updating = true;
    storeU32(this.#region, UPDATING, 1);
    if (this.#keepsPlanes) this.#spoilPlanes();
  }

  /** Tiles of these rows are written until {@link endBand}, and may not have their serial yet. */
  startBand(topRow: number, endRow: number): void {
    const region = this.#region;
    storeU32(region, BAND_TOP, topRow);
    storeU32(region, BAND_END, endRow);
    if ((loadU32(region, SEQUENCE) & 1) === 0) addU32(region, SEQUENCE, 1);
    // An atomic load stays behind the atomic stores before it, and what is written from here on stays
    // behind the load.
    loadU32(region, SEQUENCE);
  }

  /** What was written has its serials. */
  endBand(): void {
    if ((loadU32(this.#region, SEQUENCE) & 1) !== 0) addU32(this.#region, SEQUENCE, 1);
  }

  /** The update is over, whole or not; `serial` is that of the newest whole one. */
  settle(serial: number): void {
    if (!this.#updating) return;
    this.#updating = false;
    this.endBand();
    storeU32(this.#region, SERIAL, serial);
    if (this.#keepsPlanes) this.#endPlanes();
    storeU32(this.#region, UPDATING, 0);
  }

  /** Gives the memory back: what was read of it before has no bytes any more. */
  close(): void {
    this.#keepsPlanes = false;
    this.#spoilPlanes();
    this.#adopt(undefined, new Region(new ArrayBuffer(MemoryHeader.$sizeBytes)));
    this.#pixels = new Uint8Array(0);
    this.#tileSerials = new Uint32Array(0);
    this.#rowSerials = new Uint32Array(0);
    this.#steps = undefined;
    this.#planes = undefined;
  }

  #spoilPlanes(): void {
    orU32(this.#region, planesWordAt(this.#epoch), 1);
    loadU32(this.#region, planesWordAt(this.#epoch));
  }

  #endPlanes(): void {
    const at = planesWordAt(this.#epoch);
    // From odd to the next even number: no two pictures leave the same one behind.
    if ((loadU32(this.#region, at) & 1) !== 0) addU32(this.#region, at, 1);
  }

  /** A guest that goes to and fro between sizes gets the same memory again and again. */
  #fit(bytes: number): void {
    const { byteLength } = this.#region;
    if (bytes <= byteLength && bytes * 4 >= byteLength) return;
    const mapping = this.#shared ? sharedMemory(bytes, this.#mustShare) : undefined;
    const region = new Region(mapping?.buffer ?? new ArrayBuffer(bytes));
    storeU32(region, MemoryHeader.magic.offsetBytes, MEMORY_MAGIC);
    storeU32(region, MemoryHeader.version.offsetBytes, MEMORY_VERSION);
    storeU32(region, SERIAL, loadU32(this.#region, SERIAL));
    storeU32(region, UPDATING, this.#updating ? 1 : 0);
    this.#adopt(mapping, region);
  }

  /** Who still reads the old memory finds in it what it last was, and that nothing changes it. */
  #adopt(mapping: Mapping | undefined, region: Region): void {
    const before = this.#mapping;
    if (before !== undefined) {
      this.#spoilPlanes();
      storeU32(this.#region, UPDATING, 0);
    }
    this.#mapping = mapping;
    this.#region = region;
    before?.close();
  }
}

/** Other systems than Linux have none, nor has one without /proc. */
function sharedMemory(bytes: number, must: boolean): Mapping | undefined {
  try {
    return createSharedMemory(bytes);
  } catch (error) {
    if (!must && KvmfrError.is(error) && error.code === 'ERR_KVMFR_UNSUPPORTED') return undefined;
    throw error;
  }
}
