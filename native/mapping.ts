import { KvmfrError } from '../protocol/error.ts';
import type { NativeMapping } from './addon.ts';
import type { Doorbell } from './doorbell.ts';
import {
  errorName,
  fileAtDevicePath,
  isDevicePath,
  lossError,
  openError,
  systemError,
} from './failure.ts';
import { addon } from './load.ts';

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

/** A word of the region that a wait watches: the wait ends when the word is no longer `value`. */
export interface WatchedWord {
  /** Offset of the word, a multiple of 4. Units: bytes. */
  readonly offsetBytes: number;
  /** The unsigned 32-bit value the caller last saw; or, with `reaches`, the one it needs. */
  readonly value: number;
  /** End when the word is at least `value` instead, whatever steps it takes until then. */
  readonly reaches?: boolean;
}

/** What a wait tells of its looks. The same object may be used for one wait after the other. */
export interface WaitLooks {
  /**
   * The last look at which no word had changed: what has changed since came later than this. NaN when
   * there was none: the words differed at the call, or are not looked at because a doorbell tells.
   *
   * Units: milliseconds of the clock of `process.hrtime`.
   */
  beforeMs: number;
}

/** How a wait waits. */
export interface WaitOptions {
  /** Longest wait; 0 only looks, Infinity never times out. Units: milliseconds. */
  readonly timeoutMs: number;
  /**
   * Learn the rhythm in which these words change, and look closely when the next change is due.
   * For words that move at a frame rate; others are looked at every two milliseconds.
   */
  readonly cadence?: boolean;
  /**
   * The change is expected within milliseconds: look closely at first, then less and less, so that
   * it is seen late by a quarter of the time that it took.
   */
  readonly soon?: boolean;
  /** Whether this wait keeps the process alive, as a timer does; true when left out. */
  readonly keepAlive?: boolean;
  /** Is told when the change was not there yet. */
  readonly looks?: WaitLooks;
}

/** A wait that can be given up. */
export interface CancellableWaitOptions extends WaitOptions {
  /** Ends the wait as `cancelled`; no listener stays on it. */
  readonly signal: AbortSignal;
}

/** How a wait ended. */
export type WaitOutcome = 'changed' | 'timed-out' | 'closed';

/** Most words that one wait can watch. */
export const MAX_WATCHED_WORDS: number = 32;

const PRESENCES: readonly RegionPresence[] = ['same', 'replaced', 'resized', 'gone', 'lost'];
const CHANGED = 1;
const TIMED_OUT = 2;
const MAX_OFFSET_BYTES = 0xffff_ffff;

interface PendingWait {
  /** Keeps the mapping from being collected while somebody waits on it. */
  readonly mapping: Mapping;
  readonly settle: (outcome: WaitOutcome | 'cancelled') => void;
  readonly looks: WaitLooks | undefined;
}

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
  /** Shared with the native waiter; it must not lead from there to this mapping when empty. */
  readonly #pending: Map<number, PendingWait> = new Map();
  readonly #words: Uint32Array = new Uint32Array(2 * MAX_WATCHED_WORDS);
  readonly #inLoop: boolean;
  #waiterStarted = false;
  #nextWaitId = 0;
  #keptAlive = 0;
  #closed = false;

  private constructor(native: NativeMapping, buffer: ArrayBuffer, made: MappingParts) {
    this.path = made.path;
    this.kind = made.kind ?? (native.isDevice ? 'kvmfr-device' : 'file');
    this.byteLength = native.byteLength;
    this.access = made.access;
    this.inode = native.inode;
    this.device = native.device;
    this.#inLoop = made.looks === 'loop';
    this.#native = native;
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
      throw argument('path', 'a path', path);
    }
    if (access !== 'read-write' && access !== 'read-only') {
      throw argument('access', "'read-write' or 'read-only'", access);
    }
    if (looks !== 'thread' && looks !== 'loop') {
      throw argument('looks', "'thread' or 'loop'", looks);
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
    const { timeoutMs, cadence = false, soon = false, keepAlive = true, signal, looks } = options;
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      throw argument('timeoutMs', 'a number that is not negative', timeoutMs);
    }
    this.#takeWords(words);
    if (looks !== undefined) looks.beforeMs = Number.NaN;
    if (this.#closed) return Promise.resolve('closed');
    if (signal?.aborted) return Promise.resolve('cancelled');
    this.#startWaiter();

    const id = this.#freeWaitId();
    const outcome = this.#native.wait(
      id,
      this.#words,
      words.length,
      timeoutMs,
      cadence === true,
      soon === true,
    );
    if (outcome === undefined) throw argument('words', 'words of the region', words);
    if (outcome === CHANGED) return Promise.resolve('changed');
    if (outcome === TIMED_OUT) return Promise.resolve('timed-out');
    return new Promise((resolve) => {
      const cancel = signal === undefined ? undefined : () => this.#cancel(id);
      const settle = (result: WaitOutcome | 'cancelled'): void => {
        if (cancel !== undefined) signal?.removeEventListener('abort', cancel);
        if (keepAlive) this.#keep(-1);
        resolve(result);
      };
      if (cancel !== undefined) signal?.addEventListener('abort', cancel);
      if (keepAlive) this.#keep(1);
      this.#pending.set(id, { mapping: this, settle, looks });
    });
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
    const waits = [...this.#pending.values()];
    this.#pending.clear();
    for (const wait of waits) wait.settle('closed');
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #takeWords(words: readonly WatchedWord[]): void {
    if (!Array.isArray(words) || words.length === 0 || words.length > MAX_WATCHED_WORDS) {
      throw argument('words', `1 to ${MAX_WATCHED_WORDS} words`, words);
    }
    let at = 0;
    for (const { offsetBytes, value, reaches } of words) {
      if (!isWord(offsetBytes) || offsetBytes % 4 !== 0 || offsetBytes + 4 > this.byteLength) {
        throw argument(
          'offsetBytes',
          `a multiple of 4 up to ${this.byteLength - 4} (the region has ${this.byteLength} bytes)`,
          offsetBytes,
        );
      }
      if (!isWord(value)) throw argument('value', 'an unsigned 32-bit number', value);
      this.#words[at++] = offsetBytes + (reaches === true ? 1 : 0);
      this.#words[at++] = value;
    }
  }

  #startWaiter(): void {
    if (this.#waiterStarted) return;
    // This closure is reachable for as long as the native waiter lives, so it holds the table of
    // waits alone; a mapping that is forgotten without a wait can then be collected.
    const pending = this.#pending;
    const errorNumber = this.#native.startWaiter((id, outcome, beforeMs) => {
      const wait = pending.get(id);
      if (wait === undefined) return;
      pending.delete(id);
      if (wait.looks !== undefined) wait.looks.beforeMs = beforeMs;
      wait.settle(outcome === CHANGED ? 'changed' : 'timed-out');
    }, this.#inLoop);
    if (errorNumber !== 0) {
      const errno = errorName(errorNumber);
      const what = this.#inLoop ? 'timer' : 'thread';
      throw new KvmfrError('ERR_KVMFR_SYSCALL', `no ${what} could be made to wait: ${errno}`, {
        syscall: this.#inLoop ? 'timerfd_create' : 'pthread_create',
        errno,
        path: this.path,
      });
    }
    this.#waiterStarted = true;
  }

  #freeWaitId(): number {
    do {
      this.#nextWaitId = (this.#nextWaitId + 1) >>> 0;
    } while (this.#pending.has(this.#nextWaitId));
    return this.#nextWaitId;
  }

  #cancel(id: number): void {
    const wait = this.#pending.get(id);
    if (wait === undefined) return;
    this.#pending.delete(id);
    this.#native.cancelWait(id);
    wait.settle('cancelled');
  }

  #keep(change: 1 | -1): void {
    this.#keptAlive += change;
    if (this.#closed) return;
    if (change === 1 && this.#keptAlive === 1) this.#native.keepAlive(true);
    if (change === -1 && this.#keptAlive === 0) this.#native.keepAlive(false);
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

function isWord(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value && value <= MAX_OFFSET_BYTES;
}

function argument(name: string, expected: string, found: unknown): KvmfrError {
  const shown = typeof found === 'string' ? JSON.stringify(found) : String(found);
  return new KvmfrError('ERR_KVMFR_ARGUMENT', `expected ${name} to be ${expected}, got ${shown}`);
}
