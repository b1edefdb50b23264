/** Side of the tiles that are painted. */
export const TILE_PX: number;
/** Whether a version paints a tile. */
export function paints(version: number, tile: number): boolean;
/** Colour of a tile that a version has painted. */
export function colourOf(version: number, tile: number): number;
/** Colour of a tile at a serial, when everything was painted at `firstVersion`. */
export function colourAt(serial: number, tile: number, firstVersion: number): number;
