import { setTimeout as sleep } from 'node:timers/promises';
import type { SharedPlanes } from '../../../client/tiles/shared-planes.ts';
import { type Mapping, openSharedMemory } from '../../../native/index.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import { type CodedSize, codedSize, packedBytes, packedView, packPlanes } from './planes.ts';

/** Looks at a picture before it is given up: at one that is written for 20 ms, or again and again. */
const MAX_LOOKS = 20;
const WRITING_MS = 1;

/**
 * Reads pictures out of memory that another process writes.
 *
 * Ownership: keeps the newest memory mapped, and a buffer of its size when pictures have to be
 * packed.
 */
export class SharedPicture {
  #memory: Mapping | undefined;
  #packed: Buffer = Buffer.alloc(0);
  /** Written to only to order what is read around it; see {@link #copy}. */
  readonly #fence = new Int32Array(1);

  /** The size in which a picture is coded. */
  sizeOf(planes: SharedPlanes): CodedSize {
    return codedSize(planes);
  }

  /**
   * What `copy` makes of the picture's bytes, when they are those of one picture; undefined when
   * it was written during each look, or its memory has gone.
   *
   * @param copy must have copied the bytes when it returns; what it returned is closed when it is
   *   thrown away
   */
  async take<T extends { close(): void }>(
    planes: SharedPlanes,
    copy: (pixels: Uint8Array) => T,
  ): Promise<T | undefined> {
    const memory = this.#open(planes);
    if (memory === undefined) return undefined;
    const epoch = new Int32Array(memory.buffer, planes.epochOffsetBytes, 1);
    for (let look = 0; look < MAX_LOOKS; look++) {
      const before = Atomics.load(epoch, 0);
      if ((before & 1) !== 0) {
        await sleep(WRITING_MS);
        continue;
      }
      const taken = this.#copy(planes, memory.buffer, copy);
      // An atomic write lets no read before it come later, and none after it come earlier.
      Atomics.add(this.#fence, 0, 1);
      if (Atomics.load(epoch, 0) === before) return taken;
      taken.close();
    }
    return undefined;
  }

  /** Unmaps. */
  close(): void {
    this.#memory?.close();
    this.#memory = undefined;
  }

  #copy<T>(planes: SharedPlanes, memory: ArrayBuffer, copy: (pixels: Uint8Array) => T): T {
    const view = packedView(planes, memory);
    if (view !== undefined) return copy(view);
    const bytes = packedBytes(codedSize(planes));
    if (this.#packed.byteLength !== bytes) this.#packed = Buffer.alloc(bytes);
    packPlanes(planes, memory, this.#packed);
    return copy(this.#packed);
  }

  /** The memory, mapped; a path may lead to other memory after a while, an inode does not. */
  #open(planes: SharedPlanes): Mapping | undefined {
    const { path, inode, byteLength } = planes.memory;
    if (this.#memory?.inode === inode && this.#memory.path === path) return this.#memory;
    this.close();
    try {
      const memory = openSharedMemory(path, byteLength, { access: 'read-only' });
      if (memory.inode !== inode) {
        memory.close();
        return undefined;
      }
      this.#memory = memory;
      return memory;
    } catch (error) {
      if (KvmfrError.is(error) && GONE.has(error.code)) return undefined;
      throw error;
    }
  }
}

/** What is found at a path whose memory was closed: nothing, or something else. */
const GONE: ReadonlySet<string> = new Set([
  'ERR_KVMFR_ABSENT',
  'ERR_KVMFR_NOT_A_REGION',
  'ERR_KVMFR_SIZE',
  'ERR_KVMFR_SYSCALL',
]);
