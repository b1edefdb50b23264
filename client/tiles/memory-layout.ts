import { type Layout, layout } from '../../protocol/memory/layout.ts';
import type { TileGrid } from './grid.ts';
import type { SharedPlanes } from './shared-planes.ts';

/**
 * The memory of a picture, which one thread writes and other threads and processes read:
 *
 *         0  +---------------------------------------------------------------+
 *            | magic, version                                                |
 *            | epoch         number of the geometry                          |
 *            | serial        number of the newest update that is whole       |
 *            | updating      1 while an update has begun and not ended       |
 *            | sequence      odd while the tiles of a band are written       |
 *            | bandTop, End  its rows of tiles, set before sequence is odd   |
 *       256  | planes[64]    per epoch: odd while Y, U and V are not whole   |
 *      4096  +---------------------------------------------------------------+
 *            | a serial per tile, row by row                                 |
 *            | the highest serial of each row of tiles                       |
 *            | 32 steps from one serial to the next; s is step s % 32        |
 *            +---------------------------------------------------------------+ pixelsAt, a page
 *            | B, G, R, 255: heightPx rows of widthPx                        |
 *            +---------------------------------------------------------------+ planesAt, a page
 *            | Y   heightPx rows of widthPx                                  |
 *            | U   half of both, rounded up                                  |
 *            | V   as U                                                      |
 *            +---------------------------------------------------------------+
 *
 * All words have 32 bits in the machine's order. Epoch e uses the word `planes[e % 64]`, which stays
 * odd after it: who still reads by an old geometry never takes what it finds for a picture.
 */
export const MEMORY_HEADER_FIELDS = {
  magic: ['u32', 0],
  version: ['u32', 4],
  epoch: ['u32', 8],
  serial: ['u32', 12],
  updating: ['u32', 16],
  sequence: ['u32', 20],
  bandTop: ['u32', 24],
  bandEnd: ['u32', 28],
  reserved: ['u32', 32, 56],
  planes: ['u32', 256, 64],
} as const;

/** The words at the start of the memory. */
export const MemoryHeader: Layout<typeof MEMORY_HEADER_FIELDS> = layout(MEMORY_HEADER_FIELDS, 512);

/**
 * A step: what has moved from serial `base` to `serial` (nothing when width is 0), and a bit for each
 * tile that this does not explain, from `rest` on.
 */
export const MEMORY_STEP_FIELDS = {
  serial: ['u32', 0],
  base: ['u32', 4],
  x: ['u32', 8],
  y: ['u32', 12],
  width: ['u32', 16],
  height: ['u32', 20],
  fromX: ['u32', 24],
  fromY: ['u32', 28],
  rest: ['u32', 32],
} as const;

/** One step, with the first word of its bits. */
export const MemoryStep: Layout<typeof MEMORY_STEP_FIELDS> = layout(MEMORY_STEP_FIELDS, 36);

/** Steps that are kept: half a second at 60 Hz. */
export const STEPS: number = 32;

/** What stands at the start: "kvmp" as bytes. */
export const MEMORY_MAGIC: number = 0x706d766b;
/** Changes whenever what is drawn above does. */
export const MEMORY_VERSION: number = 2;

const HEADER_BYTES = 4096;
const PAGE_BYTES = 4096;
const WORD_BYTES = 4;
const PIXEL_BYTES = 4;
const PLANES_WORDS = 64;

/** Where everything lies for a picture of some size. Units: bytes from the start of the memory. */
export interface MemoryLayout {
  readonly tileSerialsAt: number;
  readonly rowSerialsAt: number;
  readonly stepsAt: number;
  readonly pixelsAt: number;
  readonly pixelBytes: number;
  readonly planesAt: number;
  /** The planes are counted in when they are wanted. */
  readonly byteLength: number;
}

/** Where everything lies for a picture of this size. */
export function memoryLayout(grid: TileGrid, withPlanes: boolean): MemoryLayout {
  const tileSerialsAt = HEADER_BYTES;
  const rowSerialsAt = tileSerialsAt + grid.tileCount * WORD_BYTES;
  const stepsAt = rowSerialsAt + grid.rows * WORD_BYTES;
  const pixelsAt = wholePages(stepsAt + STEPS * stepBytes(grid));
  const pixelBytes = grid.widthPx * grid.heightPx * PIXEL_BYTES;
  const planesAt = wholePages(pixelsAt + pixelBytes);
  const chromaBytes = Math.ceil(grid.widthPx / 2) * Math.ceil(grid.heightPx / 2);
  const planeBytes = grid.widthPx * grid.heightPx + 2 * chromaBytes;
  const byteLength = withPlanes ? wholePages(planesAt + planeBytes) : planesAt;
  return { tileSerialsAt, rowSerialsAt, stepsAt, pixelsAt, pixelBytes, planesAt, byteLength };
}

/** Bytes of one step of a picture of this size. */
export function stepBytes(grid: TileGrid): number {
  return MemoryStep.rest.offsetBytes + Math.ceil(grid.tileCount / 32) * WORD_BYTES;
}

/** Where the word of an epoch's planes lies. */
export function planesWordAt(epoch: number): number {
  return MemoryHeader.planes.offsetBytes + (epoch % PLANES_WORDS) * WORD_BYTES;
}

/** What leads to shared memory, and proves that it is the one that was meant. */
export type MemoryPlace = SharedPlanes['memory'];

/** Where others find the planes of an epoch's picture. */
export function planesIn(memory: MemoryPlace, grid: TileGrid, epoch: number): SharedPlanes {
  const { widthPx, heightPx } = grid;
  const { planesAt } = memoryLayout(grid, true);
  const chromaPitch = Math.ceil(widthPx / 2);
  const u = planesAt + widthPx * heightPx;
  const v = u + chromaPitch * Math.ceil(heightPx / 2);
  return {
    memory,
    epochOffsetBytes: planesWordAt(epoch),
    widthPx,
    heightPx,
    y: { offsetBytes: planesAt, pitchBytes: widthPx },
    u: { offsetBytes: u, pitchBytes: chromaPitch },
    v: { offsetBytes: v, pitchBytes: chromaPitch },
  };
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
