import { inflateRawSync } from 'node:zlib';
import { Picture } from '../../../client/tiles/picture.ts';
import {
  decodeTiles,
  readEnvelope,
  TILE_CODINGS,
  type TilesMessage,
  tileRect,
} from '../../../protocol/wire/index.ts';
import type { EncodedUpdate } from '../../../viewer/encode/index.ts';
import { pixelsOfOps } from '../../support/tile-ops.ts';
import type { Screen } from '../tiles/guest.ts';

/** A picture that shows a screen. */
export async function pictureOf(screen: Screen): Promise<Picture> {
  const picture = new Picture();
  await picture.update(screen.frame());
  return picture;
}

/** The messages of an update that was not refused. */
export async function messagesOf(update: EncodedUpdate | undefined): Promise<Uint8Array[]> {
  if (update === undefined) throw new Error('the update was refused');
  return await Promise.all(update.parts);
}

/** Size of a picture and its tiles. */
interface Grid {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
}

/** A message of an update, read the way a viewer reads it. */
export function readTiles(message: Uint8Array, grid: Grid): TilesMessage {
  return decodeTiles(readEnvelope(message), grid);
}

function rawPixels({ coding, pixels, rawBytes, tiles }: TilesMessage, grid: Grid): Uint8Array {
  if (coding === TILE_CODINGS.deflateRaw)
    return inflateRawSync(pixels, { maxOutputLength: rawBytes });
  if (coding !== TILE_CODINGS.ops) return pixels;
  const rects = [...tiles].map((index) => tileRect(index, grid));
  return pixelsOfOps(
    pixels,
    rects.map(({ width, height }) => ({ widthPx: width, heightPx: height })),
  );
}

/** Draws an update the slow way into R, G, B rows; returns the tiles it drew. */
export function drawTiles(tiles: TilesMessage, grid: Grid, rgb: Uint8Array): number[] {
  const raw = rawPixels(tiles, grid);
  if (raw.byteLength !== tiles.rawBytes) throw new Error(`${raw.byteLength} bytes were inflated`);
  let from = 0;
  for (const index of tiles.tiles) {
    const rect = tileRect(index, grid);
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      const rowBytes = rect.width * 3;
      rgb.set(raw.subarray(from, from + rowBytes), (y * grid.widthPx + rect.x) * 3);
      from += rowBytes;
    }
  }
  return [...tiles.tiles];
}
