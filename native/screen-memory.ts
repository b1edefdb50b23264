import { closeSync, constants, openSync } from 'node:fs';
import { KvmfrError } from '../protocol/error.ts';
import type { NativeScreenMemory } from './addon.ts';
import { argument } from './arguments.ts';
import { errorName } from './failure.ts';
import { addon } from './load.ts';
import { unsupported } from './mapping.ts';

const MAX_BYTES = 2 ** 32;
const FACTS = 16;

/**
 * Memory in which somebody else's screen is.
 *
 * Ownership: borrowed until {@link close}, which detaches the buffer. Belongs to one thread. What was
 * mapped of a device must not be written: the system ends a process that does.
 */
export class ScreenMemory implements Disposable {
  readonly buffer: ArrayBuffer;
  /** By what number an X server attaches it; -1 for a device. */
  readonly segment: number;
  readonly #native: NativeScreenMemory;

  /** Use {@link createSegment} or {@link FrameBuffer.map}. */
  constructor(native: NativeScreenMemory, what: string, syscall: string) {
    if (native.errorNumber !== 0) throw callError(what, syscall, native.errorNumber);
    const buffer = native.buffer();
    if (buffer === undefined) {
      native.close();
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `${what} was mapped, but this JavaScript engine allows no ArrayBuffer over memory it does not own`,
      );
    }
    this.#native = native;
    this.buffer = buffer;
    this.segment = native.segment;
  }

  /** Whether memory went away under it: zeros stand for it, and what was copied before was there. */
  get lost(): boolean {
    return this.#native.lost;
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Makes a segment of System V memory, which an X server of this machine can be told to write to.
 *
 * It is gone with the last of those who have it attached, also when they are killed.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_SYSCALL (ENOSPC, ENOMEM ...), ERR_KVMFR_UNSUPPORTED,
 *   ERR_KVMFR_NATIVE
 */
export function createSegment(byteLength: number): ScreenMemory {
  needSize(byteLength);
  const { ScreenMemory: Native } = addon();
  if (Native === undefined) throw unsupported();
  return new ScreenMemory(new Native(byteLength), 'a shared segment', 'shmget');
}

/** Where a colour is in a pixel. Units: bits, from the lowest. */
export interface ColorBits {
  readonly offset: number;
  readonly length: number;
}

/** The mode of a frame buffer, as its driver tells it. Nothing here is checked. */
export interface FrameBufferMode {
  readonly widthPx: number;
  readonly heightPx: number;
  /** The first column and row of its memory that are visible. */
  readonly offsetX: number;
  readonly offsetY: number;
  readonly bitsPerPixel: number;
  readonly isGrey: boolean;
  readonly red: ColorBits;
  readonly green: ColorBits;
  readonly blue: ColorBits;
  readonly pitchBytes: number;
  readonly memoryBytes: number;
  /** FB_TYPE_*: 0 is pixel after pixel. */
  readonly type: number;
  /** FB_VISUAL_*: 2 is true colour, 4 direct colour. */
  readonly visual: number;
}

/**
 * A frame buffer device of Linux: what a console, or whatever draws there, shows.
 *
 * Ownership: the caller closes it, and what {@link map} gave.
 */
export class FrameBuffer implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #facts: Uint32Array<ArrayBuffer> = new Uint32Array(FACTS);
  readonly #told: Uint32Array<ArrayBuffer> = new Uint32Array(FACTS);
  #mode: FrameBufferMode | undefined;
  #closed = false;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Opens a device to read, and asks it once.
   *
   * @throws ERR_KVMFR_ABSENT, ERR_KVMFR_DENIED, ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED (no frame
   *   buffer, or not Linux), ERR_KVMFR_NATIVE
   */
  static open(path: string): FrameBuffer {
    if (addon().frameBufferFacts === undefined) throw unsupported();
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (cause) {
      throw openError(path, cause);
    }
    const opened = new FrameBuffer(path, fd);
    try {
      opened.mode();
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /**
   * The mode that it has now: the same object as before while nothing has changed.
   *
   * @throws ERR_KVMFR_CLOSED, ERR_KVMFR_UNSUPPORTED (no frame buffer), ERR_KVMFR_SYSCALL (it is gone)
   */
  mode(): FrameBufferMode {
    this.#checkOpen();
    const facts = this.#facts;
    const errorNumber = addon().frameBufferFacts?.(this.#fd, facts) ?? 0;
    if (errorName(errorNumber) === 'ENOTTY' || errorName(errorNumber) === 'EINVAL')
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `expected a frame buffer at ${this.path}, but it does not answer as one`,
        { path: this.path, syscall: 'ioctl', errno: errorName(errorNumber) },
      );
    if (errorNumber !== 0) throw callError(this.path, 'ioctl', errorNumber);
    if (this.#mode === undefined || facts.some((fact, i) => fact !== this.#told[i])) {
      this.#told.set(facts);
      this.#mode = modeOf(facts);
    }
    return this.#mode;
  }

  /**
   * Maps the first bytes of its memory.
   *
   * @throws ERR_KVMFR_CLOSED, ERR_KVMFR_ARGUMENT, ERR_KVMFR_SYSCALL
   */
  map(byteLength: number): ScreenMemory {
    this.#checkOpen();
    needSize(byteLength);
    const { ScreenMemory: Native } = addon();
    if (Native === undefined) throw unsupported();
    return new ScreenMemory(new Native(this.#fd, byteLength), this.path, 'mmap');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new KvmfrError('ERR_KVMFR_CLOSED', `the frame buffer ${this.path} is closed`);
  }
}

// In the order of src/screen-pages.h.
function modeOf(facts: Uint32Array): FrameBufferMode {
  const fact = (index: number): number => facts[index] ?? 0;
  const color = (index: number): ColorBits => ({ offset: fact(index), length: fact(index + 1) });
  return {
    widthPx: fact(0),
    heightPx: fact(1),
    offsetX: fact(2),
    offsetY: fact(3),
    bitsPerPixel: fact(4),
    isGrey: fact(5) !== 0,
    red: color(6),
    green: color(8),
    blue: color(10),
    pitchBytes: fact(12),
    memoryBytes: fact(13),
    type: fact(14),
    visual: fact(15),
  };
}

function needSize(byteLength: number): void {
  if (Number.isInteger(byteLength) && byteLength > 0 && byteLength <= MAX_BYTES) return;
  throw argument(
    `expected the size of a screen to be 1 to ${MAX_BYTES} bytes, got ${String(byteLength)}`,
  );
}

function callError(what: string, syscall: string, errorNumber: number): KvmfrError {
  const errno = errorName(errorNumber);
  return new KvmfrError('ERR_KVMFR_SYSCALL', `${syscall} of ${what} failed (${errno})`, {
    syscall,
    errno,
    path: what,
  });
}

function openError(path: string, cause: unknown): KvmfrError {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  const details = { syscall: 'open', errno, path, cause };
  if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ENODEV' || errno === 'ENXIO')
    return new KvmfrError('ERR_KVMFR_ABSENT', `expected a frame buffer at ${path}, found nothing`, {
      ...details,
      hint: 'load the driver of the graphics card: one of DRM makes /dev/fb0 where its fbdev emulation is on',
    });
  if (errno === 'EACCES' || errno === 'EPERM')
    return new KvmfrError(
      'ERR_KVMFR_DENIED',
      `expected to be allowed to read the frame buffer ${path}, but the system refused it (${errno})`,
      { ...details, hint: 'run as a member of the group video' },
    );
  return new KvmfrError('ERR_KVMFR_SYSCALL', `${path} could not be opened (${errno})`, details);
}
