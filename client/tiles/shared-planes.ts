import {
  createSharedMemory,
  type I420Planes,
  i420ByteLength,
  i420Planes,
  type Mapping,
} from '../../native/index.ts';

/** Where a plane lies in its memory. */
export interface PlaneLayout {
  readonly offsetBytes: number;
  /** From one row to the next. */
  readonly pitchBytes: number;
}

/**
 * Where a picture lies as I420 in memory that processes share: brightness in full size, both
 * colours in half, rounded up; BT.709, limited range. Plain data, so that it can be sent to others.
 *
 * The 32-bit word at `epochOffsetBytes` is odd while the planes are written, and another even number
 * after each write, so that a reader knows whether what it has copied is one picture.
 */
export interface SharedPlanes {
  /** What there is to know of a mapping that `createSharedMemory` made. */
  readonly memory: Pick<Mapping, 'path' | 'inode' | 'byteLength'>;
  /** A multiple of 4. */
  readonly epochOffsetBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly y: PlaneLayout;
  readonly u: PlaneLayout;
  readonly v: PlaneLayout;
}

/** The planes begin at a cache line of their own. */
const HEAD_BYTES = 64;

/**
 * Memory for the planes of one size of picture, as their writer has it; all bytes are 0, which is no
 * black, until they are written. The planes lie one behind the other without padding.
 *
 * Ownership: belongs to one thread. Readers that have it mapped keep it when it is closed.
 */
export class PlanesMemory implements Disposable {
  /** For readers. */
  readonly planes: SharedPlanes;
  /** For the writer. */
  readonly i420: I420Planes;
  readonly #memory: Mapping;
  readonly #epoch: Int32Array;

  /** @throws what `createSharedMemory` throws */
  constructor(size: { readonly widthPx: number; readonly heightPx: number }) {
    const { widthPx, heightPx } = size;
    const memory = createSharedMemory(HEAD_BYTES + i420ByteLength(widthPx, heightPx));
    const { path, inode, byteLength } = memory;
    this.#memory = memory;
    this.#epoch = new Int32Array(memory.buffer, 0, 1);
    this.i420 = i420Planes(new Uint8Array(memory.buffer), {
      widthPx,
      heightPx,
      offset: HEAD_BYTES,
    });
    const { y, u, v } = this.i420;
    this.planes = {
      memory: { path, inode, byteLength },
      epochOffsetBytes: 0,
      widthPx,
      heightPx,
      y: { offsetBytes: y.offset, pitchBytes: y.pitchBytes },
      u: { offsetBytes: u.offset, pitchBytes: u.pitchBytes },
      v: { offsetBytes: v.offset, pitchBytes: v.pitchBytes },
    };
  }

  /** Says that the planes are written from now on. */
  beginWrite(): void {
    beginWrite(this.#epoch);
  }

  /** Says that the planes are one picture again. */
  endWrite(): void {
    endWrite(this.#epoch);
  }

  /** Unmaps. */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Marks planes as being written. @param epoch the word at `epochOffsetBytes` */
export function beginWrite(epoch: Int32Array): void {
  Atomics.or(epoch, 0, 1);
}

/** Marks planes as one picture again. @param epoch the word at `epochOffsetBytes` */
export function endWrite(epoch: Int32Array): void {
  // From odd to the next even number: no two writes leave the same one behind.
  Atomics.add(epoch, 0, 1);
}
