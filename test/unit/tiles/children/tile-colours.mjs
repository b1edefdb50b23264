/** Side of the tiles that are painted. */
export const TILE_PX = 64;

/** Whether a version paints a tile; each paints one at least. */
export function paints(version, tile) {
  return tile === 0 || mix(version, tile + 77) % 3 === 0;
}

/** Colour of a tile that a version has painted, as B, G, R, 255 in memory. Never twice in a row. */
export function colourOf(version, tile) {
  return ((mix(version, tile) & 0xffff00) | (version & 0xff) | 0xff000000) >>> 0;
}

/** Colour of a tile at a serial, when everything was painted at `firstVersion`. */
export function colourAt(serial, tile, firstVersion) {
  let version = serial;
  while (version > firstVersion && !paints(version, tile)) version--;
  return colourOf(version, tile);
}

function mix(a, b) {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}
