import { KvmfrError } from '../protocol/error.ts';
import type { NativeMapping } from './addon.ts';
import { misfit } from './arguments.ts';
import type { Doorbell } from './doorbell.ts';
import { fileAtDevicePath, isDevicePath, lossError, openError, systemError } from './failure.ts';
import { addon } from './load.ts';
import {
  type CancellableWaitOptions,
  type WaitOptions,
  type WaitOutcome,
  Waits,
  type WatchedWord,
} from './waits.ts';

/** How a mapping may use its region. */
export interface MappingOptions {
  /**
   * `read-write` (the default) shares every store with the other side. `read-only` needs no write
   * permission: it sees what the other side writes, and a store changes a private copy of that
   * page only, which then no longer follows the region.
   */
  readonly access?: 'read-write' | 'read-only';
  /**
   * Who looks at the words that waits watch: a `thread` of its own (the default), which sees a change
   * also while this thread is busy; or the event `loop` of this thread, which is told of it sooner,
   * at less cost. The loop asks the kernel for short slices for its thread.
   */
  readonly looks?: 'thread' | 'loop';
}

/**
 * What a region is: a plain file, a device of the kvmfr kernel module, the memory of a PCI device
 * through sysfs or through VFIO, or that of an ivshmem-server.
 */
export type RegionKind = 'file' | 'kvmfr-device' | 'pci' | 'vfio' | 'ivshmem';

/** What becomes a {@link Mapping}, beside the memory itself. */
export interface MappingParts {
  /** The name that the region was opened by. */
  readonly path: string;
  readonly access: 'read-write' | 'read-only';
  readonly looks?: 'thread' | 'loop';
  /** That of the memory when left out. */
  readonly kind?: RegionKind;
  /** Owned by the mapping from then on. */
  readonly doorbell?: Doorbell;
  /** What there is of the region now; found by its path when left out. */
  readonly presence?: () => RegionPresence;
}

/** What {@link Mapping.stillThere} finds at the path. */
export type RegionPresence = 'same' | 'replaced' | 'resized' | 'gone' | 'lost';

const PRESENCES: readonly RegionPresence[] = ['same', 'replaced', 'resized', 'gone', 'lost'];

/**
 * One mapping of a region into this process; owned by who opened it, and closed once.
 *
 * Ownership: belongs to one thread; a worker opens its own. While only {@link buffer} is still
 * referenced the memory stays mapped.
 */
export class Mapping implements Disposable {
  readonly path: string;
  readonly kind: RegionKind;
  /** Units: bytes. */
  readonly byteLength: number;
  readonly access: 'read-write' | 'read-only';
  /** Inode of the open file. */
  readonly inode: bigint;
  /** Number of the file system that holds the open file. */
  readonly device: bigint;

  /** By which the sides tell each other that something has changed; undefined where there is none. */
  readonly doorbell: Doorbell | undefined;

  readonly #native: NativeMapping;
  readonly #presence: (() => RegionPresence) | undefined;
  readonly #buffer: ArrayBuffer;
  readonly #waits: Waits;
  #closed = false;

  private constructor(native: NativeMapping, buffer: ArrayBuffer, made: MappingParts) {
    this.path = made.path;
    this.kind = made.kind ?? (native.isDevice ? 'kvmfr-device' : 'file');
    this.byteLength = native.byteLength;
    this.access = made.access;
    this.inode = native.inode;
    this.device = native.device;
    this.#native = native;
    this.#waits = new Waits(native, made.path, made.looks === 'loop');
    this.#presence = made.presence;
    this.doorbell = made.doorbell;
    this.doorbell?.listen(() => native.rung());
    this.#buffer = buffer;
  }

  /**
   * Opens a region file or a kvmfr device and maps all of it.
   *
   * @throws ERR_KVMFR_ABSENT, ERR_KVMFR_DENIED, ERR_KVMFR_NOT_A_REGION, ERR_KVMFR_SIZE,
   *   ERR_KVMFR_SYSCALL, ERR_KVMFR_ARGUMENT, ERR_KVMFR_NATIVE, ERR_KVMFR_UNSUPPORTED
   */
  static open(path: string, options: MappingOptions = {}): Mapping {
    const { access = 'read-write', looks = 'thread' } = options;
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw misfit('path', 'a path', path);
    }
    if (access !== 'read-write' && access !== 'read-only') {
      throw misfit('access', "'read-write' or 'read-only'", access);
    }
    if (looks !== 'thread' && looks !== 'loop') {
      throw misfit('looks', "'thread' or 'loop'", looks);
    }
    const NativeMapping = addon().Mapping;
    if (NativeMapping === undefined) throw unsupported();
    const native = new NativeMapping(path, access === 'read-only', false);
    if (native.failure !== undefined) throw openError(path, native.failure);
    if (isDevicePath(path) && !native.isDevice) {
      native.close();
      throw fileAtDevicePath(path);
    }
    return Mapping.own(native, { path, access, looks });
  }

  /**
   * Becomes the owner of something that this folder has mapped.
   *
   * @throws ERR_KVMFR_UNSUPPORTED, and closes it then
   */
  static own(native: NativeMapping, parts: MappingParts): Mapping {
    const buffer = native.buffer();
    if (buffer === undefined) {
      parts.doorbell?.close();
      native.close();
      const { path } = parts;
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `the region at ${path} was mapped, but this JavaScript engine allows no ArrayBuffer over memory it does not own`,
        { path },
      );
    }
    return new Mapping(native, buffer, parts);
  }

  /**
   * The region. Every read of it may see the other side's next write.
   *
   * Ownership: borrowed until {@link close}, which detaches it: views then have length 0. Give
   * views of it only to code that is done with them when it returns; what works on in another
   * thread (streams, zlib, sharp) gets a copy.
   *
   * @throws ERR_KVMFR_CLOSED
   */
  get buffer(): ArrayBuffer {
    if (this.#closed) throw this.#closedError('buffer');
    return this.#buffer;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Whether memory went away under the mapping: its file was cut, or the file system had no room for
   * a page that was touched for the first time. It cannot be read any more: from the page of the
   * fault to its end there are zeros, which nobody shares.
   *
   * Who has copied something out asks afterwards: what was copied before a false was there.
   */
  get lost(): boolean {
    return !this.#closed && this.#native.lost;
  }

  /** Size of the pages that the memory consists of. Units: bytes. */
  get pageBytes(): number {
    return this.#closed ? 0 : this.#native.pageBytes;
  }

  /**
   * The nodes of memory on which some of the pages are that are there; below zero where a page's cannot
   * be told. None where the system tells nothing, as of the memory of a device.
   */
  pageNodes(): readonly number[] {
    return this.#closed ? [] : (this.#native.pageNodes() ?? []);
  }

  /** What to tell of a mapping that is {@link lost}. */
  lossError(): KvmfrError {
    const now = this.#closed ? undefined : this.#native.bytesNow();
    return lossError(this.path, { mapped: this.byteLength, now });
  }

  /**
   * Compares what the path names now, and the size of the open file, with what was mapped. `lost` is
   * told whatever the path names.
   *
   * @throws ERR_KVMFR_CLOSED, ERR_KVMFR_DENIED, ERR_KVMFR_SYSCALL
   */
  stillThere(): RegionPresence {
    if (this.#closed) throw this.#closedError('stillThere()');
    if (this.#presence !== undefined) return this.lost ? 'lost' : this.#presence();
    const found = this.#native.look();
    const presence = PRESENCES[found];
    if (presence === undefined) throw systemError(this.path, 'stat', -found);
    return presence;
  }

  /**
   * Waits until one of the words is no longer the value given, without using the processor.
   *
   * Any number of waits may be pending. None stays pending after {@link close}, and on a closed
   * mapping a wait ends as `closed` at once. A word that differs at the call ends it at once.
   *
   * @throws ERR_KVMFR_ARGUMENT (at the call), ERR_KVMFR_SYSCALL when no thread can be made
   */
  wait(
    words: readonly WatchedWord[],
    options: CancellableWaitOptions,
  ): Promise<WaitOutcome | 'cancelled'>;
  wait(words: readonly WatchedWord[], options: WaitOptions): Promise<WaitOutcome>;
  wait(
    words: readonly WatchedWord[],
    options: WaitOptions & { readonly signal?: AbortSignal },
  ): Promise<WaitOutcome | 'cancelled'> {
    return this.#waits.wait(this, words, options);
  }

  /**
   * Ends every wait, takes the memory out of the ArrayBuffer, then unmaps it and closes the file.
   * A second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.doorbell?.close();
    this.#native.close();
    this.#waits.end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #closedError(what: string): KvmfrError {
    return new KvmfrError(
      'ERR_KVMFR_CLOSED',
      `${what} of the mapping of ${this.path} was used after close()`,
      { path: this.path },
    );
  }
}

/** The error for a system on which no region can be mapped. */
export function unsupported(): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_UNSUPPORTED',
    `a region can be mapped on Linux only, this is ${process.platform}`,
  );
}
