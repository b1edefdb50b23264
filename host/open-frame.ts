import { type RawFrameHeader, type Region, storeU32 } from '../protocol/index.ts';
import { copyBytes } from './copy.ts';
import type { FrameInput } from './frame-input.ts';
import type { Payload } from './plan.ts';
import type { PostResult } from './queue.ts';

/** Deviations from a proper frame, for tests of readers. Nothing here is checked. */
export interface FrameTampering {
  /** Replaces fields of the header that is written. */
  readonly header?: Partial<RawFrameHeader> | undefined;
  /** Replaces the damage rects that are written: x, y, width, height each. */
  readonly damageRects?: readonly (readonly [number, number, number, number])[] | undefined;
  /** Replaces the place and size that the message names. */
  readonly message?: Partial<Payload> | undefined;
}

/** A frame that was posted and whose pixels are written step by step. */
export class OpenFrame {
  /** The header as it was written, tampering included. */
  readonly header: RawFrameHeader;
  readonly result: PostResult;
  /** Where its header is in the region. */
  readonly at: number;
  /** Where its pixels are in the region. */
  readonly dataAt: number;
  readonly #region: Region;
  readonly #frame: FrameInput;
  readonly #pitchBytes: number;
  readonly #rows: number;
  readonly #finish: () => void;
  #row = 0;

  constructor(
    region: Region,
    frame: FrameInput,
    facts: {
      readonly header: RawFrameHeader;
      readonly result: PostResult;
      readonly at: number;
      readonly dataAt: number;
      readonly pitchBytes: number;
      readonly rows: number;
      /** Called after the last pixel. */
      readonly finish: () => void;
    },
  ) {
    this.#region = region;
    this.#frame = frame;
    this.header = facts.header;
    this.result = facts.result;
    this.at = facts.at;
    this.dataAt = facts.dataAt;
    this.#finish = facts.finish;
    this.#pitchBytes = facts.pitchBytes;
    this.#rows = facts.rows;
  }

  /** Copies the next rows and moves the write pointer behind them. */
  writeRows(count: number): void {
    const until = Math.min(this.#row + count, this.#rows);
    const from = this.#row * this.#pitchBytes;
    const to = Math.min(until * this.#pitchBytes, this.#frame.pixels.byteLength);
    copyBytes(this.#region, this.dataAt + from, this.#frame.pixels, from, to - from);
    this.#row = until;
    this.setWritePointer(until * this.#pitchBytes);
  }

  /** Stores any number in the write pointer. */
  setWritePointer(bytes: number): void {
    storeU32(this.#region, this.dataAt - 4, bytes);
  }

  /** Writes what is left, and the frame's times where there are some. */
  end(): void {
    this.writeRows(this.#rows);
    this.#finish();
  }
}
