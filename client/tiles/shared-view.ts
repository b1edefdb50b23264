import { type Mapping, openSharedMemory } from '../../native/index.ts';
import { KvmfrError, type KvmfrErrorCode } from '../../protocol/error.ts';
import { TILE_PX } from '../../protocol/limits.ts';
import { Region } from '../../protocol/memory/region.ts';
import { addU32, loadU32 } from '../../protocol/memory/word.ts';
import { changedTiles } from './changed.ts';
import { type TileGrid, tileGrid } from './grid.ts';
import {
  MEMORY_MAGIC,
  MEMORY_VERSION,
  MemoryHeader,
  type MemoryPlace,
  memoryLayout,
  planesIn,
} from './memory-layout.ts';
import type { SharedPlanes } from './shared-planes.ts';
import { type PictureStep, StepTable } from './steps.ts';
import type { PictureGeometry, PictureRead, PictureView } from './view.ts';

const { offsetBytes: MAGIC } = MemoryHeader.magic;
const { offsetBytes: VERSION } = MemoryHeader.version;
const { offsetBytes: EPOCH } = MemoryHeader.epoch;
const { offsetBytes: SERIAL } = MemoryHeader.serial;
const { offsetBytes: UPDATING } = MemoryHeader.updating;
const { offsetBytes: SEQUENCE } = MemoryHeader.sequence;
const { offsetBytes: BAND_TOP } = MemoryHeader.bandTop;
const { offsetBytes: BAND_END } = MemoryHeader.bandEnd;

/** What a writer tells of an epoch, for who reads the memory. */
export interface SharedEpoch {
  readonly memory: MemoryPlace;
  readonly epoch: number;
  readonly geometry: PictureGeometry;
  readonly tilePx: number;
  /** Whether planes follow the pixels. */
  readonly planes: boolean;
}

/** Looks at the rows of a band that change while one looks. */
const MAX_LOOKS = 8;

/**
 * A picture that another thread writes.
 *
 * What it shows is the state of the last {@link adopt} or {@link refresh}; the pixels and the serials
 * of tiles are those of now, and {@link beginRead} tells which of them are newer.
 *
 * Ownership: maps the memory, to read only; {@link close} unmaps it.
 */
export class SharedPictureView implements PictureView {
  #mapping: Mapping | undefined;
  #region: Region = new Region(new ArrayBuffer(MemoryHeader.$sizeBytes));
  #grid: TileGrid = tileGrid({ widthPx: 0, heightPx: 0, tilePx: TILE_PX });
  #geometry: PictureGeometry | undefined;
  #planes: SharedPlanes | undefined;
  #pixels: Uint8Array = new Uint8Array(0);
  #tileSerials: Uint32Array = new Uint32Array(0);
  #rowSerials: Uint32Array = new Uint32Array(0);
  #steps: StepTable | undefined;
  #epoch = 0;
  #serial = 0;
  #abandoned = false;
  readonly #fence = new Region(new ArrayBuffer(8));
  readonly #read: PictureRead = {
    end: (tiles, count, out) => this.#torn(tiles, count, out),
  };

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

  get pixels(): Uint8Array {
    return this.#pixels;
  }

  get pitchBytes(): number {
    return this.#grid.widthPx * 4;
  }

  get tileSerials(): Uint32Array {
    return this.#tileSerials;
  }

  get updating(): boolean {
    if (this.#abandoned) return false;
    const region = this.#region;
    return loadU32(region, UPDATING) !== 0 || loadU32(region, EPOCH) !== this.#epoch;
  }

  /** The planes for other processes; undefined while there are none. */
  get planes(): SharedPlanes | undefined {
    return this.#planes;
  }

  /**
   * Turns to what a writer has told.
   *
   * @returns false when the memory is gone already: then the writer tells of another one next
   * @throws what `openSharedMemory` throws besides; ERR_KVMFR_CORRUPT when it is no picture's
   */
  adopt(told: SharedEpoch): boolean {
    const { memory, epoch, geometry, tilePx } = told;
    const { widthPx, heightPx } = geometry;
    const grid = tileGrid({ widthPx, heightPx, tilePx });
    const layout = memoryLayout(grid, true);
    if (memory.inode !== this.#mapping?.inode && !this.#map(memory, layout.byteLength))
      return false;
    const { buffer } = this.#region;
    this.#abandoned = false;
    this.#grid = grid;
    this.#geometry = geometry;
    this.#epoch = epoch;
    this.#pixels = new Uint8Array(buffer, layout.pixelsAt, layout.pixelBytes);
    this.#tileSerials = new Uint32Array(buffer, layout.tileSerialsAt, grid.tileCount);
    this.#rowSerials = new Uint32Array(buffer, layout.rowSerialsAt, grid.rows);
    this.#steps = new StepTable(this.#region, grid);
    this.#planes = told.planes ? planesIn(memory, grid, epoch) : undefined;
    this.refresh();
    return true;
  }

  /** Takes over the newest serial, unless it belongs to an epoch that was not told yet. */
  refresh(): void {
    const serial = loadU32(this.#region, SERIAL);
    if (loadU32(this.#region, EPOCH) === this.#epoch) this.#serial = serial;
  }

  /** The newest that a writer has counted to: another one counts on from there. */
  newest(): { readonly serial: number; readonly epoch: number } {
    const region = this.#region;
    const serial = Math.max(this.#serial, loadU32(region, SERIAL));
    return { serial, epoch: Math.max(this.#epoch, loadU32(region, EPOCH)) };
  }

  /** Nobody writes the memory any more: what is in it stays as it is. */
  abandon(): void {
    this.#abandoned = true;
    this.#planes = undefined;
  }

  changedSince(serial: number, out: Uint32Array): number {
    const ages = { grid: this.#grid, tileSerials: this.#tileSerials, rowSerials: this.#rowSerials };
    return changedTiles(ages, serial, out);
  }

  readStep(serial: number, into: PictureStep): boolean {
    if (this.#steps?.read(serial, into) !== true) return false;
    // What was read by an old geometry is no step.
    return loadU32(this.#region, EPOCH) === this.#epoch;
  }

  beginRead(): PictureRead {
    return this.#read;
  }

  /** Unmaps: `pixels` that were kept have no bytes any more. */
  close(): void {
    const mapping = this.#mapping;
    this.#mapping = undefined;
    this.#region = new Region(new ArrayBuffer(MemoryHeader.$sizeBytes));
    this.#grid = tileGrid({ widthPx: 0, heightPx: 0, tilePx: this.#grid.tilePx });
    this.#geometry = undefined;
    this.#planes = undefined;
    this.#epoch = 0;
    this.#pixels = new Uint8Array(0);
    this.#tileSerials = new Uint32Array(0);
    this.#rowSerials = new Uint32Array(0);
    this.#steps = undefined;
    mapping?.close();
  }

  #map(memory: MemoryPlace, byteLength: number): boolean {
    const mapping = openIfThere(memory, byteLength);
    if (mapping === undefined) return false;
    const region = new Region(mapping.buffer);
    if (loadU32(region, MAGIC) !== MEMORY_MAGIC || loadU32(region, VERSION) !== MEMORY_VERSION) {
      mapping.close();
      throw new KvmfrError(
        'ERR_KVMFR_CORRUPT',
        `expected the memory of a picture at ${memory.path}, but it does not begin like one`,
        { path: memory.path },
      );
    }
    const before = this.#mapping;
    this.#mapping = mapping;
    this.#region = region;
    before?.close();
    return true;
  }

  #torn(tiles: Uint32Array, count: number, out: Uint32Array): number {
    const region = this.#region;
    // An atomic write lets no read before it come later: what follows is newer than what was read.
    addU32(this.#fence, 0, 1);
    if (loadU32(region, EPOCH) !== this.#epoch) {
      out.set(tiles.subarray(0, count));
      return count;
    }
    let top = 0;
    let end = 0xffff_ffff;
    for (let look = 0; look < MAX_LOOKS; look++) {
      const sequence = loadU32(region, SEQUENCE);
      const bandTop = loadU32(region, BAND_TOP);
      const bandEnd = loadU32(region, BAND_END);
      if (loadU32(region, SEQUENCE) !== sequence) continue;
      top = bandTop;
      end = (sequence & 1) === 0 ? bandTop : bandEnd;
      break;
    }
    // Bands that have ended left their serials; those that begin from here on have spoilt nothing.
    const { columns } = this.#grid;
    const serial = this.#serial;
    const tileSerials = this.#tileSerials;
    let torn = 0;
    for (let i = 0; i < count; i++) {
      const tile = tiles[i] ?? 0;
      const row = Math.floor(tile / columns);
      if ((tileSerials[tile] ?? 0) > serial || (row >= top && row < end)) out[torn++] = tile;
    }
    return torn;
  }
}

/** What is found at a path whose memory was closed: nothing, or something else. */
const GONE: ReadonlySet<KvmfrErrorCode> = new Set([
  'ERR_KVMFR_ABSENT',
  'ERR_KVMFR_NOT_A_REGION',
  'ERR_KVMFR_SIZE',
]);

function openIfThere(memory: MemoryPlace, byteLength: number): Mapping | undefined {
  try {
    const mapping = openSharedMemory(memory.path, byteLength, { access: 'read-only' });
    if (mapping.inode === memory.inode) return mapping;
    mapping.close();
    return undefined;
  } catch (error) {
    if (KvmfrError.is(error) && GONE.has(error.code)) return undefined;
    throw error;
  }
}
