import {
  answer,
  bounds,
  needArray,
  needPicture,
  needRows,
  needTiles,
  needWords,
  PICTURE_PIXEL_BYTES,
} from './arguments.ts';
import { addon } from './load.ts';

/** A picture with a serial per tile, and a copy of another state of it. */
export interface PictureStates {
  /** Pixels as B, G, R, 255. */
  readonly picture: Uint8Array;
  readonly picturePitchBytes: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
  /** One per tile, row by row from the top left. */
  readonly serials: Uint32Array;
  /** Tiles with a serial above this one have changed. */
  readonly base: number;
  /** The copy: as many rows, without padding. */
  readonly copy: Uint8Array;
}

/** Pixels of a picture that were elsewhere in it before. Units: pixels, tiles. */
export interface FoundMove {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fromX: number;
  readonly fromY: number;
  readonly changedTiles: number;
  /** Tiles that are other than the move alone makes them: those that have a bit. */
  readonly restTiles: number;
}

const FOUND_WORDS = 8;
const found = new Uint32Array(FOUND_WORDS);

/**
 * Looks for the move up or down that explains most of what has changed since `copy` was made. Every
 * pixel that it explains was compared.
 *
 * @param rest takes a bit for each tile that the move alone does not explain, tile 0 in bit 0 of
 *   the first word; without a move there is anything in it
 * @returns undefined when there is no move, or none that saves enough
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when something leaves its buffer
 */
export function findMove(states: PictureStates, rest: Uint32Array): FoundMove | undefined {
  const { picture, picturePitchBytes, widthPx, heightPx, tilePx, serials, base, copy } = states;
  const tiles = needStates(states);
  needArray('rest', rest, Uint32Array);
  if (rest.length * 32 < tiles)
    throw bounds('rest', Math.ceil(tiles / 32), rest.length, 'elements');
  const isFound = answer(
    addon().findMove(
      picture,
      picturePitchBytes,
      widthPx,
      heightPx,
      tilePx,
      serials,
      base,
      copy,
      widthPx * PICTURE_PIXEL_BYTES,
      rest,
      found,
    ),
  );
  if (isFound === 0) return undefined;
  const [x = 0, y = 0, width = 0, height = 0, fromX = 0, fromY = 0] = found;
  const [, , , , , , changedTiles = 0, restTiles = 0] = found;
  return { x, y, width, height, fromX, fromY, changedTiles, restTiles };
}

/**
 * Brings a copy of a picture up to date: copies the tiles with a serial above `base`.
 *
 * @returns how many there were
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BOUNDS when something leaves its buffer
 */
export function copyChangedTiles(states: PictureStates): number {
  const { picture, picturePitchBytes, widthPx, heightPx, tilePx, serials, base, copy } = states;
  needStates(states);
  return answer(
    addon().copyChangedTiles(
      picture,
      picturePitchBytes,
      widthPx,
      heightPx,
      tilePx,
      serials,
      base,
      copy,
      widthPx * PICTURE_PIXEL_BYTES,
    ),
  );
}

/** Returns how many tiles there are. */
function needStates(states: PictureStates): number {
  const { widthPx, heightPx, tilePx, serials, base, copy } = states;
  needPicture(states);
  needTiles(states);
  needWords(base, 0, 0, 0);
  needArray('serials', serials, Uint32Array);
  const tiles = Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx);
  if (serials.length < tiles) throw bounds('serials', tiles, serials.length, 'elements');
  const rowBytes = widthPx * PICTURE_PIXEL_BYTES;
  needRows('copy', copy, 0, rowBytes, rowBytes, heightPx);
  return tiles;
}
