import type { CursorPosition, Rect } from '../../protocol/index.ts';
import { newSprite, OPAQUE, type Sprite, type Surface } from './surface.ts';
import type { Moment, Widget } from './widget.ts';

/** Side of a cell. Units: pixels. */
const CELL_PX = 4;
/** Bits of a coordinate. */
const AXIS_BITS = 13;
/** Cells that are the same in every marker: white, black, white before the bits, black, white after. */
const HEAD: readonly number[] = [1, 0, 1];
const TAIL: readonly number[] = [0, 1];
const CELLS = HEAD.length + 2 * AXIS_BITS + 1 + TAIL.length;
/** Where the marker is: the left upper corner of the screen. */
const PLACE: Rect = { x: 0, y: 0, width: CELLS * CELL_PX, height: CELL_PX };
const WHITE = 0xffffffff;

/** What a marker is read from. */
export interface MarkedPicture {
  /** B, G, R and a byte more for each pixel. */
  readonly pixels: Uint8Array;
  readonly pitchBytes: number;
}

/**
 * The guest's answer to input: a row of black and white cells that says to which position it was asked
 * last to move its pointer. A reader that has sent a position sees by it when the guest has drawn that.
 *
 * Shape: 32 cells of 4 x 4 pixels from the left upper corner on: 1 0 1, the bits of x and of y, the
 * highest of 13 first, a bit that makes their ones odd, 0 1. White is 1.
 */
export class Marker implements Widget {
  /** What is to be said; undefined for nothing: then there is no marker. */
  position: CursorPosition | undefined;
  readonly #beneath: Sprite = newSprite(PLACE.width, PLACE.height);
  #shown: CursorPosition | undefined;

  paint(_: Moment, surface: Surface, damage: Rect[], whole: boolean): void {
    const { position } = this;
    if (whole) {
      this.#keep(surface);
      this.#shown = undefined;
    }
    if (position === this.#shown) return;
    this.#shown = position;
    damage.push(PLACE);
    if (position === undefined) surface.put(this.#beneath, PLACE.x, PLACE.y);
    else
      for (const [cell, bit] of cellsOf(position).entries())
        surface.fill({ ...PLACE, x: cell * CELL_PX, width: CELL_PX }, bit === 1 ? WHITE : OPAQUE);
  }

  /** Nothing else that changes is drawn here, so this is what is seen without a marker. */
  #keep(surface: Surface): void {
    for (let y = 0; y < PLACE.height; y++) {
      const at = y * surface.widthPx;
      this.#beneath.words.set(surface.words.subarray(at, at + PLACE.width), y * PLACE.width);
    }
  }
}

/** The position that the marker in a picture says; undefined when there is none. */
export function readMarker(picture: MarkedPicture): CursorPosition | undefined {
  const cells: number[] = [];
  const middle = CELL_PX / 2;
  for (let cell = 0; cell < CELLS; cell++) {
    const at = middle * picture.pitchBytes + (cell * CELL_PX + middle) * 4;
    const blue = picture.pixels[at];
    const green = picture.pixels[at + 1];
    const red = picture.pixels[at + 2];
    if (blue === undefined || green === undefined || red === undefined) return undefined;
    const bit = bitOf(blue);
    if (bit === undefined || bitOf(green) !== bit || bitOf(red) !== bit) return undefined;
    cells.push(bit);
  }
  const x = numberOf(cells, HEAD.length);
  const y = numberOf(cells, HEAD.length + AXIS_BITS);
  const expected = cellsOf({ x, y });
  return cells.every((bit, index) => bit === expected[index]) ? { x, y } : undefined;
}

function cellsOf({ x, y }: CursorPosition): readonly number[] {
  const bits = [...bitsOf(x), ...bitsOf(y)];
  const ones = bits.reduce((sum, bit) => sum + bit, 0);
  return [...HEAD, ...bits, 1 - (ones % 2), ...TAIL];
}

function bitsOf(value: number): readonly number[] {
  return Array.from({ length: AXIS_BITS }, (_, i) => (value >>> (AXIS_BITS - 1 - i)) & 1);
}

function numberOf(cells: readonly number[], from: number): number {
  return cells.slice(from, from + AXIS_BITS).reduce((value, bit) => value * 2 + bit, 0);
}

/** Well away from grey: formats with other light round a little, and nothing else is this black. */
function bitOf(value: number): 0 | 1 | undefined {
  if (value >= 224) return 1;
  return value <= 31 ? 0 : undefined;
}
