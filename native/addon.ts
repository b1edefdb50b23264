/**
 * The boundary: what the C++ module exports, as `src/addon.cc` lists it. Nothing here is public;
 * the typed faces check every argument before they call, and C++ checks again.
 */
export interface Addon extends Partial<LinuxAddon> {
  /** Absent where a region cannot be read: other systems than Linux. */
  readonly Mapping?: {
    /** Opens a path; `sealed` takes only memory whose size is sealed. */
    new (path: string, readOnly: boolean, sealed: boolean): NativeMapping;
    /** Maps a part of an open file; all of it when `byteLength` is 0. Keeps a descriptor of its own. */
    new (
      name: string,
      readOnly: boolean,
      sealed: false,
      fd: number,
      offset: number,
      byteLength: number,
    ): NativeMapping;
    /** Creates memory without a name. */
    new (byteLength: number): NativeMapping;
  };
  /** Returns 0 or an errno. */
  readonly allocateBlocks?: (fd: number, byteLength: number) => number;
  readonly ScreenMemory?: {
    /** Maps an open device, to read. */
    new (fd: number, byteLength: number): NativeScreenMemory;
    /** Makes a segment of System V. */
    new (byteLength: number): NativeScreenMemory;
  };
  /** Returns 0 or an errno; `words` takes the 16 numbers that src/screen-pages.h names. */
  readonly frameBufferFacts?: (fd: number, words: Uint32Array) => number;

  /**
   * The kernels return -1 when they refuse an argument or a range. Variants are 0 the best, 1 plain
   * code that the compiler vectorised, 2 the reference.
   */
  copyRows(
    to: Uint8Array,
    toOffset: number,
    toPitchBytes: number,
    from: Uint8Array,
    fromOffset: number,
    fromPitchBytes: number,
    rowBytes: number,
    rows: number,
  ): number;
  convertRows(
    to: Uint8Array,
    toOffset: number,
    toPitchBytes: number,
    from: Uint8Array,
    fromOffset: number,
    fromPitchBytes: number,
    widthPx: number,
    rows: number,
    format: number,
    variant: number,
    toneMap: Uint32Array | undefined,
  ): number;
  updateTiles(
    picture: Uint8Array,
    pitchBytes: number,
    widthPx: number,
    heightPx: number,
    tilePx: number,
    serials: Uint32Array,
    serial: number,
    from: Uint8Array,
    fromOffset: number,
    fromPitchBytes: number,
    format: number,
    x: number,
    y: number,
    width: number,
    height: number,
    variant: number,
    toneMap: Uint32Array | undefined,
    yPlane: Uint8Array | undefined,
    yOffset: number | undefined,
    yPitchBytes: number | undefined,
    u: Uint8Array | undefined,
    uOffset: number | undefined,
    uPitchBytes: number | undefined,
    v: Uint8Array | undefined,
    vOffset: number | undefined,
    vPitchBytes: number | undefined,
  ): number;
  convertToI420(
    picture: Uint8Array,
    pitchBytes: number,
    widthPx: number,
    heightPx: number,
    x: number,
    y: number,
    width: number,
    height: number,
    variant: number,
    yPlane: Uint8Array,
    yOffset: number,
    yPitchBytes: number,
    u: Uint8Array,
    uOffset: number,
    uPitchBytes: number,
    v: Uint8Array,
    vOffset: number,
    vPitchBytes: number,
  ): number;
  fillToneMap(words: Uint32Array, transfer: number, gain: number, peak: number): number;
  packTiles(
    to: Uint8Array,
    toOffset: number,
    picture: Uint8Array,
    pitchBytes: number,
    widthPx: number,
    heightPx: number,
    tilePx: number,
    tiles: Uint32Array,
    count: number,
    bytesPerPixel: number,
    variant: number,
  ): number;
  codeTiles(
    to: Uint8Array,
    words: Uint32Array,
    widthPx: number,
    heightPx: number,
    tilePx: number,
    tiles: Uint32Array,
    count: number,
  ): number;
  /** The arrays are another thread's until the promise settles. */
  codeTilesInPool(
    to: Uint8Array,
    words: Uint32Array,
    widthPx: number,
    heightPx: number,
    tilePx: number,
    tiles: Uint32Array,
    count: number,
  ): number | Promise<number>;
  /** Settles with 1 when memory was given back, else with 0. */
  giveBackMemory(): Promise<number>;
  /** Returns 1 when there is a move, else 0. */
  findMove(
    picture: Uint8Array,
    pitchBytes: number,
    widthPx: number,
    heightPx: number,
    tilePx: number,
    serials: Uint32Array,
    base: number,
    before: Uint8Array,
    beforePitchBytes: number,
    rest: Uint32Array,
    found: Uint32Array,
  ): number;
  copyChangedTiles(
    picture: Uint8Array,
    pitchBytes: number,
    widthPx: number,
    heightPx: number,
    tilePx: number,
    serials: Uint32Array,
    base: number,
    to: Uint8Array,
    toPitchBytes: number,
  ): number;
  kernelVariant(): 'avx2' | 'portable';
}

/**
 * What only Linux has. Functions return what they name, or a negative errno; descriptors are plain
 * numbers, which `node:fs` closes.
 */
export interface LinuxAddon {
  /** Tells when a descriptor can be read; owns it, unless `errorNumber` is not 0. */
  readonly FdWatch: { new (fd: number, readable: () => void): NativeFdWatch };
  readonly listenAt: (path: string, backlog: number) => number;
  readonly acceptFrom: (listener: number) => number;
  readonly connectTo: (path: string) => number;
  /** `passed`: a descriptor that goes with the bytes, or -1. */
  readonly sendTo: (socket: number, bytes: Uint8Array, passed: number) => number;
  /** Puts descriptors that came with the bytes into `passed`. */
  readonly receiveFrom: (socket: number, bytes: Uint8Array, passed: number[]) => number;
  readonly createEvent: () => number;
  /** 0 when a descriptor is an eventfd; it does not block from then on. */
  readonly takeEvent: (fd: number) => number;
  readonly ringEvent: (event: number) => number;
  /** 1 when it had been rung. */
  readonly drainEvent: (event: number) => number;
  readonly createSealedMemory: (byteLength: number) => number;
  readonly vfioApiVersion: (container: number) => number;
  readonly vfioHasType1: (container: number) => number;
  readonly vfioGroupViable: (group: number) => number;
  readonly vfioJoin: (group: number, container: number) => number;
  readonly vfioDevice: (group: number, address: string) => number;
  readonly vfioBind: (device: number, iommu: number) => number;
  readonly vfioRegionInfo: (
    device: number,
    index: number,
  ) =>
    | number
    | { readonly byteLength: number; readonly offset: number; readonly mappable: boolean };
  readonly vfioVectors: (device: number) => number;
  readonly vfioSetVectors: (device: number, events: readonly number[]) => number;
  readonly nodeOfThread: () => number;
  /** 0 or an errno, here not negative. Thread 0 is the caller. */
  readonly pinThread: (thread: number, processors: readonly number[]) => number;
}

/** A watch of {@link LinuxAddon}. */
export interface NativeFdWatch {
  /** 0, or why it does not watch. */
  readonly errorNumber: number;
  keepAlive(on: boolean): void;
  close(): void;
}

/** Why the constructor of {@link NativeMapping} could not open its path. */
export interface OpenFailure {
  readonly step: 'open' | 'inspect' | 'kind' | 'size' | 'map' | 'seals' | 'path';
  readonly syscall: string;
  /** 0 when no system call failed. */
  readonly errorNumber: number;
  /** `st_mode` of what was found, 0 when nothing was. */
  readonly mode: number;
  readonly byteLength: number;
}

/** One region, opened and mapped, unless {@link failure} says otherwise. */
export interface NativeMapping {
  readonly failure: OpenFailure | undefined;
  readonly path: string;
  readonly byteLength: number;
  readonly isDevice: boolean;
  readonly inode: bigint;
  readonly device: bigint;
  /** The same ArrayBuffer each time; undefined when the engine allows no external memory. */
  buffer(): ArrayBuffer | undefined;
  /** Whether memory went away under it. */
  readonly lost: boolean;
  /** Size of its pages. */
  readonly pageBytes: number;
  /** Nodes of some of its pages, negative where a page has none; undefined where nobody can tell. */
  pageNodes(): number[] | undefined;
  /** A doorbell was rung: looks at the words that waits watch, and tells what has finished. */
  rung(): void;
  /** What the open file has now; undefined when that cannot be told. */
  bytesNow(): number | undefined;
  /** Index into same, replaced, resized, gone, lost; or a negative errno. */
  look(): number;
  /**
   * Returns 0 or an errno. `finished` gets the id and outcome (1 changed, 2 timed out) of waits, and
   * the time of the last look at which nothing had changed, in milliseconds of the monotonic clock.
   * `inLoop`: the event loop of this thread looks, and no thread is made.
   */
  startWaiter(
    finished: (id: number, outcome: number, beforeMs: number) => void,
    inLoop: boolean,
  ): number;
  /**
   * 0 pending, 1 changed, 2 timed out; undefined when an argument was refused. `words` holds pairs
   * of offset and value; bit 0 of the offset says that the word is to reach its value.
   */
  wait(
    id: number,
    words: Uint32Array,
    wordCount: number,
    timeoutMs: number,
    cadence: boolean,
    soon: boolean,
  ): number | undefined;
  cancelWait(id: number): void;
  keepAlive(on: boolean): void;
  close(): void;
}

/** Memory in which a screen is, unless {@link errorNumber} says that there is none. */
export interface NativeScreenMemory {
  readonly errorNumber: number;
  /** The number of a segment; -1 for a device. */
  readonly segment: number;
  /** Whether memory went away under it. */
  readonly lost: boolean;
  /** The same ArrayBuffer each time; undefined when the engine allows no external memory. */
  buffer(): ArrayBuffer | undefined;
  close(): void;
}
