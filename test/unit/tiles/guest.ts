import type { PictureFrame } from '../../../client/tiles/picture-frame.ts';
import type { Rect } from '../../../protocol/rect.ts';

/** Pixel formats that the client hands on. */
export type Format = 'BGRA' | 'RGBA' | 'BGR_32' | 'RGB_24';
/** All of them. */
export const FORMATS: readonly Format[] = ['BGRA', 'RGBA', 'BGR_32', 'RGB_24'];

const OFFSETS: { readonly [format in Format]: readonly [r: number, g: number, b: number] } = {
  BGRA: [2, 1, 0],
  RGBA: [0, 1, 2],
  BGR_32: [2, 1, 0],
  RGB_24: [0, 1, 2],
};

/**
 * A guest's screen as plain R, G, B, with frames made of it the slow and obvious way: what the code
 * under test must agree with.
 */
export class Screen {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Uint8Array<ArrayBuffer>;

  constructor(widthPx: number, heightPx: number) {
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.rgb = new Uint8Array(widthPx * heightPx * 3);
  }

  /** Fills a rect with a colour. */
  fill(rect: Rect, colour: readonly [r: number, g: number, b: number]): void {
    for (let y = rect.y; y < rect.y + rect.height; y++)
      for (let x = rect.x; x < rect.x + rect.width; x++)
        this.rgb.set(colour, (y * this.widthPx + x) * 3);
  }

  /** Fills everything with noise from a seed, or a rect. */
  noise(seed: number, rect?: Rect): void {
    const { x, y, width, height } = rect ?? {
      x: 0,
      y: 0,
      width: this.widthPx,
      height: this.heightPx,
    };
    let state = (seed * 2 + 1) >>> 0;
    for (let row = y; row < y + height; row++)
      for (let i = (row * this.widthPx + x) * 3; i < (row * this.widthPx + x + width) * 3; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        this.rgb[i] = state >>> 24;
      }
  }

  /** What is in a rect goes up by so many rows, or down when negative; noise comes in. */
  scroll(rect: Rect, rows: number, seed: number): void {
    const before = this.rgb.slice();
    this.noise(seed, rect);
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      const from = y + rows;
      if (from < rect.y || from >= rect.y + rect.height) continue;
      const at = (from * this.widthPx + rect.x) * 3;
      this.rgb.set(before.subarray(at, at + rect.width * 3), (y * this.widthPx + rect.x) * 3);
    }
  }

  /** The pixels as a frame carries them, with padding that must never be looked at. */
  frame(options: FrameOptions = {}): TestFrame {
    const format = options.format ?? 'BGRA';
    const size = format === 'BGRA' || format === 'RGBA' ? 4 : 3;
    const dataHeightPx = options.dataHeightPx ?? this.heightPx;
    const pitchBytes = this.widthPx * size + (options.paddingBytes ?? 0);
    const pixels = new Uint8Array(pitchBytes * dataHeightPx).fill(0xee);
    const offsets = OFFSETS[format];
    for (let y = 0; y < dataHeightPx; y++)
      for (let x = 0; x < this.widthPx; x++)
        for (const [channel, offset] of offsets.entries())
          pixels[y * pitchBytes + x * size + offset] =
            this.rgb[(y * this.widthPx + x) * 3 + channel] ?? 0;
    return new TestFrame(this, { ...options, format, dataHeightPx, pitchBytes, pixels });
  }
}

/** How a frame is made. */
export interface FrameOptions {
  readonly format?: Format;
  readonly dataHeightPx?: number;
  readonly paddingBytes?: number;
  readonly damage?: readonly Rect[];
  readonly rotation?: 0 | 1 | 2 | 3;
  /** Rows that are there from the start; all of them when left out. */
  readonly arrivedRows?: number;
}

/** A frame whose rows arrive when the test says so. */
export class TestFrame implements PictureFrame {
  readonly format: Format;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly dataHeightPx: number;
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly pitchBytes: number;
  readonly rotation: 0 | 1 | 2 | 3;
  readonly damage: readonly Rect[];
  readonly pixels: Uint8Array;
  complete: number;
  intact = true;
  released = false;
  #given = false;
  #waiting: { readonly rows: number; readonly resolve: (there: boolean) => void }[] = [];

  constructor(
    screen: Screen,
    made: FrameOptions & {
      readonly format: Format;
      readonly dataHeightPx: number;
      readonly pitchBytes: number;
      readonly pixels: Uint8Array;
    },
  ) {
    this.format = made.format;
    this.widthPx = screen.widthPx;
    this.heightPx = screen.heightPx;
    this.screenWidthPx = screen.widthPx;
    this.screenHeightPx = screen.heightPx;
    this.dataHeightPx = made.dataHeightPx;
    this.pitchBytes = made.pitchBytes;
    this.pixels = made.pixels;
    this.rotation = made.rotation ?? 0;
    this.damage = made.damage ?? [];
    this.complete = made.arrivedRows ?? made.dataHeightPx;
  }

  /** Rows that somebody waits for. */
  get awaited(): readonly number[] {
    return this.#waiting.map((waiter) => waiter.rows);
  }

  /** More rows have been written. */
  arrive(rows: number): void {
    this.complete = rows;
    this.#settle();
  }

  /** The guest will write no more. */
  giveUp(): void {
    this.#given = true;
    this.#settle();
  }

  async whenRows(rows: number): Promise<boolean> {
    return await new Promise((resolve) => {
      this.#waiting.push({ rows, resolve });
      this.#settle();
    });
  }

  release(): void {
    this.released = true;
  }

  #settle(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (this.complete >= waiter.rows) waiter.resolve(true);
      else if (this.#given) waiter.resolve(false);
      else this.#waiting.push(waiter);
    }
  }
}
