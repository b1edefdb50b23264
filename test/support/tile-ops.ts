/**
 * Ops of lossless tiles, the slow and obvious way, as docs/wire.md tells it. Written without the
 * product's own coder and decoder, so that a slip in those shows.
 */

/** A tile whose pixels are asked for: its pixels are R, G, B by rows. */
export interface OpsTile {
  readonly widthPx: number;
  readonly heightPx: number;
}

type Colour = readonly [red: number, green: number, blue: number];

const BLACK: Colour = [0, 0, 0];

function placeOf([red, green, blue]: Colour): number {
  return (3 * red + 5 * green + 7 * blue) % 64;
}

function same(a: Colour | undefined, b: Colour | undefined): boolean {
  return a !== undefined && b !== undefined && a.every((value, i) => value === b[i]);
}

/**
 * What ops stand for: R, G, B, tile by tile.
 *
 * @throws when they are not ops of exactly these tiles
 */
export function pixelsOfOps(ops: Uint8Array, tiles: readonly OpsTile[]): Uint8Array {
  const table: Colour[] = Array.from({ length: 64 }, () => BLACK);
  const all: number[] = [];
  let before = BLACK;
  let at = 0;
  const byte = (): number => {
    const value = ops[at++];
    if (value === undefined) throw new Error('the ops end too soon');
    return value;
  };
  for (const { widthPx, heightPx } of tiles) {
    const tile: Colour[] = [];
    const copy = (count: number, distance: number): void => {
      for (let i = 0; i < count; i++) {
        const colour = tile[tile.length - distance];
        if (colour === undefined) throw new Error('a copy from before the tile');
        tile.push(colour);
      }
    };
    const put = (...[red, green, blue]: Colour): void => {
      const colour: Colour = [red & 255, green & 255, blue & 255];
      table[placeOf(colour)] = colour;
      tile.push(colour);
    };
    while (tile.length < widthPx * heightPx) {
      const op = byte();
      const [red, green, blue] = before;
      if (op <= 0x3f) tile.push(table[op] ?? BLACK);
      else if (op <= 0x7f)
        put(red + ((op >> 4) & 3) - 2, green + ((op >> 2) & 3) - 2, blue + (op & 3) - 2);
      else if (op <= 0xbf) {
        const others = byte();
        const step = (op & 63) - 32;
        put(red + step + (others >> 4) - 8, green + step, blue + step + (others & 15) - 8);
      } else if (op <= 0xdf) {
        const count = op <= 0xd7 ? op - 0xbf : 25 + (op - 0xd8) * 256 + byte();
        for (let i = 0; i < count; i++) tile.push(before);
      } else if (op <= 0xfd)
        copy(op <= 0xf5 ? op - 0xdf : 23 + (op - 0xf6) * 256 + byte(), widthPx);
      else if (op === 0xfe) put(byte(), byte(), byte());
      else {
        const low = byte();
        const high = byte();
        const count = 3 + (high >> 4);
        copy(count === 18 ? count + byte() : count, 1 + low + (high & 15) * 256);
      }
      before = tile.at(-1) ?? before;
    }
    if (tile.length > widthPx * heightPx) throw new Error('an op leaves its tile');
    for (const colour of tile) all.push(...colour);
  }
  if (at !== ops.length) throw new Error(`${ops.length - at} bytes follow the ops`);
  return Uint8Array.from(all);
}

/** Ops for the pixels of tiles, some of every kind where the pixels allow. */
export function opsOfPixels(rgb: Uint8Array, tiles: readonly OpsTile[]): Uint8Array {
  const table: Colour[] = Array.from({ length: 64 }, () => BLACK);
  const ops: number[] = [];
  let before = BLACK;
  let from = 0;
  let turn = 0;
  for (const { widthPx, heightPx } of tiles) {
    const count = widthPx * heightPx;
    const tile = Array.from({ length: count }, (_, i): Colour => {
      const [red = 0, green = 0, blue = 0] = rgb.subarray(from + i * 3, from + i * 3 + 3);
      return [red, green, blue];
    });
    from += count * 3;
    const repeats = (at: number, distance: number, most: number): number => {
      let length = 0;
      while (length < most && same(tile[at + length], tile[at + length - distance])) length++;
      return length;
    };
    for (let at = 0; at < count; ) {
      const colour = tile[at] ?? BLACK;
      let run = 0;
      while (run < 2072 && same(tile[at + run], before)) run++;
      const above = at >= widthPx ? repeats(at, widthPx, 2070) : 0;
      const distance = 1 + (turn++ % 7);
      const copied = at >= distance ? repeats(at, distance, 273) : 0;
      if (run > 24) ops.push(0xd8 + ((run - 25) >> 8), (run - 25) & 255);
      else if (run > 0) ops.push(0xbf + run);
      else if (above > 22) ops.push(0xf6 + ((above - 23) >> 8), (above - 23) & 255);
      else if (above > 0) ops.push(0xdf + above);
      else if (copied >= 18) ops.push(0xff, distance - 1, 0xf0, copied - 18);
      else if (copied >= 3) ops.push(0xff, distance - 1, (copied - 3) << 4);
      else {
        const [red, green, blue] = colour;
        const [dr, dg, db] = [red - before[0], green - before[1], blue - before[2]];
        if (same(table[placeOf(colour)], colour)) ops.push(placeOf(colour));
        else {
          if ([dr, dg, db].every((step) => step >= -2 && step <= 1))
            ops.push(0x40 + (dr + 2) * 16 + (dg + 2) * 4 + db + 2);
          else if (
            dg >= -32 &&
            dg <= 31 &&
            [dr - dg, db - dg].every((step) => step >= -8 && step <= 7)
          )
            ops.push(0x80 + dg + 32, (dr - dg + 8) * 16 + db - dg + 8);
          else ops.push(0xfe, red, green, blue);
          table[placeOf(colour)] = colour;
        }
      }
      at += run || above || (copied >= 3 ? copied : 1);
      before = tile[at - 1] ?? before;
    }
  }
  return Uint8Array.from(ops);
}
