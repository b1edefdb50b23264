import { wireError } from '../../../../protocol/wire/index.ts';
import { type TilePlan, visitTiles } from './plan.ts';

// Alpha 255 in the highest byte of a pixel, then B, G, R; as a signed word, which engines are quick with.
const OPAQUE = 0xff << 24;
const COLOURS = 64;
const LUMA = 0x80;
const RUN = 0xc0;
const ABOVE = 0xe0;
const RGB = 0xfe;
/** Pixels of a run and of a row above in an op of one byte; those of two begin after them. */
const SHORT_RUN = 24;
const SHORT_ABOVE = 22;
const MIN_COPY = 3;
const MORE_COPY = 15;
/** From here on a call is quicker than a loop. */
const FILL_PX = 24;

/**
 * Decodes the ops of a tiles message into rects of R, G, B, A.
 *
 * Shape: `rgba` has one little-endian word per pixel, block after block; `scratch` room for a tile.
 * Nothing outside of them is written, whatever the ops are.
 *
 * @throws ERR_KVMFR_WIRE when they do not give exactly the pixels of the tiles
 */
export function decodeOps(
  ops: Uint8Array,
  into: { readonly rgba: Uint32Array; readonly scratch: Int32Array; readonly plan: TilePlan },
): void {
  const { rgba, scratch, plan } = into;
  const reader = new OpsReader(ops, scratch);
  visitTiles(plan, (tile, to, stride) => {
    reader.read(tile.width, tile.height);
    let from = 0;
    for (let y = 0, start = to; y < tile.height; y++, start += stride)
      for (let x = start; x < start + tile.width; x++) rgba[x] = scratch[from++] ?? 0;
  });
  reader.end();
}

/** Reads the ops of one message, tile by tile. */
class OpsReader {
  readonly #ops: Uint8Array;
  readonly #tile: Int32Array;
  readonly #colours: Int32Array = new Int32Array(COLOURS).fill(OPAQUE);
  #previous = OPAQUE;
  #at = 0;

  constructor(ops: Uint8Array, tile: Int32Array) {
    this.#ops = ops;
    this.#tile = tile;
  }

  /** Reads the pixels of a tile to the start of the tile's buffer. */
  read(width: number, height: number): void {
    const count = width * height;
    const ops = this.#ops;
    const tile = this.#tile;
    const colours = this.#colours;
    // In local names: this is the loop over all pixels.
    let previous = this.#previous;
    let at = this.#at;
    let done = 0;
    while (done < count) {
      const op = ops[at++] ?? endsEarly();
      if (op < COLOURS) {
        previous = colours[op] ?? 0;
        tile[done++] = previous;
        continue;
      }
      if (op >= RUN && op !== RGB) {
        let distance = 0;
        let pixels: number;
        if (op < ABOVE) {
          pixels = op - RUN + 1;
          if (pixels > SHORT_RUN) pixels = longCount(pixels, SHORT_RUN, ops[at++] ?? endsEarly());
        } else if (op < RGB) {
          distance = width;
          pixels = op - ABOVE + 1;
          if (pixels > SHORT_ABOVE)
            pixels = longCount(pixels, SHORT_ABOVE, ops[at++] ?? endsEarly());
        } else {
          const low = ops[at++] ?? endsEarly();
          const high = ops[at++] ?? endsEarly();
          distance = 1 + (low | ((high & 15) << 8));
          pixels = MIN_COPY + (high >> 4);
          if (pixels === MIN_COPY + MORE_COPY) pixels += ops[at++] ?? endsEarly();
        }
        const end = done + pixels;
        if (end > count || distance > done) leavesTile();
        if (distance === 0) {
          if (pixels >= FILL_PX) tile.fill(previous, done, end);
          else for (let i = done; i < end; i++) tile[i] = previous;
        } else {
          for (let i = done; i < end; i++) tile[i] = tile[i - distance] ?? 0;
          previous = tile[end - 1] ?? 0;
        }
        done = end;
        continue;
      }
      let red: number;
      let green: number;
      let blue: number;
      if (op < LUMA) {
        red = (previous + ((op >> 4) & 3) - 2) & 255;
        green = ((previous >> 8) + ((op >> 2) & 3) - 2) & 255;
        blue = ((previous >> 16) + (op & 3) - 2) & 255;
      } else if (op < RUN) {
        const others = ops[at++] ?? endsEarly();
        const step = (op & 63) - 32;
        red = (previous + step + (others >> 4) - 8) & 255;
        green = ((previous >> 8) + step) & 255;
        blue = ((previous >> 16) + step + (others & 15) - 8) & 255;
      } else {
        red = ops[at++] ?? endsEarly();
        green = ops[at++] ?? endsEarly();
        blue = ops[at++] ?? endsEarly();
      }
      previous = OPAQUE | (blue << 16) | (green << 8) | red;
      colours[(red * 3 + green * 5 + blue * 7) & (COLOURS - 1)] = previous;
      tile[done++] = previous;
    }
    this.#previous = previous;
    this.#at = at;
  }

  /** All tiles have been read. */
  end(): void {
    const left = this.#ops.byteLength - this.#at;
    if (left > 0) throw wireError(`the ops of tiles must end with them, but ${left} bytes follow`);
  }
}

function longCount(pixels: number, shorts: number, low: number): number {
  return shorts + 1 + (((pixels - shorts - 1) << 8) | low);
}

function endsEarly(): never {
  throw wireError('the ops of tiles must give all pixels, but end before');
}

function leavesTile(): never {
  throw wireError('an op must stay in its tile, but leaves it');
}
