import { Region } from '../../protocol/memory/region.ts';
import { addU32, loadU32, storeU32 } from '../../protocol/memory/word.ts';
import type { TileGrid } from './grid.ts';
import { MemoryStep, memoryLayout, STEPS, stepBytes } from './memory-layout.ts';

/** Pixels of a picture that were elsewhere in it before. Units: pixels. */
export interface StepMove {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fromX: number;
  readonly fromY: number;
}

/** How a picture came from one serial to the next. Ownership: of who made it; read into again and again. */
export interface PictureStep {
  /** Serial that the step leads to; 0 while it is none. */
  serial: number;
  /** Serial of the picture before. */
  base: number;
  /** What moved, before anything else changed; undefined when nothing did. */
  move: StepMove | undefined;
  /**
   * A bit for each tile that is other than the move alone makes it, or that has changed when there
   * is none: tile 0 in bit 0 of the first word.
   */
  rest: Uint32Array;
}

/** A step to be read into. */
export function newStep(): PictureStep {
  return { serial: 0, base: 0, move: undefined, rest: new Uint32Array(0) };
}

const { serial: SERIAL, base: BASE, x: X, rest: REST } = MemoryStep;
const HEAD_WORDS = REST.offsetBytes / 4;
const BASE_WORD = BASE.offsetBytes / 4;
const X_WORD = X.offsetBytes / 4;

/**
 * The newest steps of a picture, in its memory. A step's serial is 0 while it is written, and is
 * written last: who reads it before and after the rest has read a whole one.
 */
export class StepTable {
  readonly #region: Region;
  readonly #at: number;
  readonly #bytes: number;
  /** A step each, from its serial on. */
  readonly #words: readonly Uint32Array[];
  readonly #fence = new Region(new ArrayBuffer(8));

  /** @param region the memory of a picture, laid out for this grid */
  constructor(region: Region, grid: TileGrid) {
    const { stepsAt } = memoryLayout(grid, false);
    this.#region = region;
    this.#at = stepsAt;
    this.#bytes = stepBytes(grid);
    this.#words = Array.from(
      { length: STEPS },
      (_, slot) => new Uint32Array(region.buffer, stepsAt + slot * this.#bytes, this.#bytes / 4),
    );
  }

  /** Forgets all steps. For who writes them. */
  clear(): void {
    for (let slot = 0; slot < STEPS; slot++) storeU32(this.#region, this.#serialAt(slot), 0);
  }

  /** Begins a step, and gives its bits to be filled before {@link end}. For who writes them. */
  begin(serial: number): Uint32Array {
    const slot = serial % STEPS;
    const at = this.#serialAt(slot);
    storeU32(this.#region, at, 0);
    // An atomic load stays behind the store, and what is written from here on stays behind the load.
    loadU32(this.#region, at);
    return this.#wordsOf(slot).subarray(HEAD_WORDS);
  }

  /** Ends a step. For who writes them. */
  end(serial: number, base: number, move: StepMove | undefined): void {
    const slot = serial % STEPS;
    const words = this.#wordsOf(slot);
    words[BASE_WORD] = base;
    words[X_WORD] = move?.x ?? 0;
    words[X_WORD + 1] = move?.y ?? 0;
    words[X_WORD + 2] = move?.width ?? 0;
    words[X_WORD + 3] = move?.height ?? 0;
    words[X_WORD + 4] = move?.fromX ?? 0;
    words[X_WORD + 5] = move?.fromY ?? 0;
    storeU32(this.#region, this.#serialAt(slot), serial);
  }

  /** Reads the step to a serial; false when it is not there any more, or never was. */
  read(serial: number, into: PictureStep): boolean {
    const slot = serial % STEPS;
    const at = this.#serialAt(slot);
    if (serial === 0 || loadU32(this.#region, at) !== serial) return false;
    const words = this.#wordsOf(slot);
    const bits = words.length - HEAD_WORDS;
    if (into.rest.length !== bits) into.rest = new Uint32Array(bits);
    for (let i = 0; i < bits; i++) into.rest[i] = words[HEAD_WORDS + i] ?? 0;
    const [x = 0, y = 0, width = 0, height = 0, fromX = 0, fromY = 0] = words.subarray(X_WORD);
    const base = words[BASE_WORD] ?? 0;
    // An atomic write lets no read before it come later.
    addU32(this.#fence, 0, 1);
    if (loadU32(this.#region, at) !== serial) return false;
    into.serial = serial;
    into.base = base;
    into.move = width === 0 ? undefined : { x, y, width, height, fromX, fromY };
    return true;
  }

  #serialAt(slot: number): number {
    return this.#at + slot * this.#bytes + SERIAL.offsetBytes;
  }

  #wordsOf(slot: number): Uint32Array {
    return this.#words[slot] ?? new Uint32Array(0);
  }
}
