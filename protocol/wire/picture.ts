import { MAX_DIMENSION_PX, MAX_PICTURE_PX } from '../limits.ts';
import type { Rect } from '../rect.ts';
import {
  ENVELOPE_BYTES,
  type Envelope,
  exactBody,
  needBody,
  newMessage,
  wireError,
} from './envelope.ts';

/**
 * The geometry of the picture. A new epoch makes everything that was drawn before void.
 *
 * Shape: 24 bytes: epoch u32, widthPx u32, heightPx u32, screenWidthPx u32, screenHeightPx u32,
 * rotation u8 (quarter turns clockwise), three bytes 0.
 */
export interface PictureMessage {
  readonly epoch: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Size of the guest's screen: the space of cursor positions. */
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly rotation: number;
}

const PICTURE_BYTES = 24;

/** Writes the geometry of the picture. */
export function encodePicture(picture: PictureMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('picture', PICTURE_BYTES);
  body.setUint32(0, picture.epoch, true);
  body.setUint32(4, picture.widthPx, true);
  body.setUint32(8, picture.heightPx, true);
  body.setUint32(12, picture.screenWidthPx, true);
  body.setUint32(16, picture.screenHeightPx, true);
  body.setUint8(20, picture.rotation);
  return message;
}

/** Reads the geometry of the picture. @throws ERR_KVMFR_WIRE */
export function decodePicture(envelope: Envelope): PictureMessage {
  exactBody(envelope, PICTURE_BYTES, 'picture message');
  const { body } = envelope;
  const picture: PictureMessage = {
    epoch: body.getUint32(0, true),
    widthPx: dimension(body.getUint32(4, true), 'widthPx'),
    heightPx: dimension(body.getUint32(8, true), 'heightPx'),
    screenWidthPx: dimension(body.getUint32(12, true), 'screenWidthPx'),
    screenHeightPx: dimension(body.getUint32(16, true), 'screenHeightPx'),
    rotation: body.getUint8(20),
  };
  if (picture.rotation > 3) throw wireError(`rotation must be 0 to 3, but is ${picture.rotation}`);
  if (picture.widthPx * picture.heightPx > MAX_PICTURE_PX)
    throw wireError(`a picture of ${picture.widthPx} x ${picture.heightPx} is too large`);
  return picture;
}

function dimension(value: number, what: string): number {
  if (value < 1 || value > MAX_DIMENSION_PX)
    throw wireError(`${what} must be 1 to ${MAX_DIMENSION_PX}, but is ${value}`);
  return value;
}

/** Set in the envelope's flags of the last message of an update: present it, then acknowledge it. */
export const UPDATE_LAST: number = 0x01;

/** How the pixels of a tiles message are coded. */
export const TILE_CODINGS = { raw: 0, deflateRaw: 1, ops: 2 } as const;

/**
 * Changed tiles of the picture, exact to the bit.
 *
 * Shape: head of 20 bytes: epoch u32, serial u32, coding u8 (0 raw, 1 deflate without a header,
 * 2 ops), three bytes 0, tileCount u32, rawBytes u32 (bytes of the pixels at three for each); then
 * tileCount indices u32, in rising order; then the coded pixels: tile by tile, row by row, R, G, B.
 * Tiles at the right and lower edge are cut to the picture.
 */
export interface TilesMessage {
  readonly epoch: number;
  /** Serial of the picture this update leads to. */
  readonly serial: number;
  readonly coding: number;
  readonly last: boolean;
  readonly rawBytes: number;
  readonly tiles: Uint32Array;
  readonly pixels: Uint8Array;
}

const TILES_HEAD_BYTES = 20;

/** Writes a tiles message. The pixels are copied into it. */
export function encodeTiles(tiles: TilesMessage): Uint8Array<ArrayBuffer> {
  const count = tiles.tiles.length;
  const size = TILES_HEAD_BYTES + count * 4 + tiles.pixels.byteLength;
  const { message, body } = newMessage('tiles', size, tiles.last ? UPDATE_LAST : 0);
  body.setUint32(0, tiles.epoch, true);
  body.setUint32(4, tiles.serial, true);
  body.setUint8(8, tiles.coding);
  body.setUint32(12, count, true);
  body.setUint32(16, tiles.rawBytes, true);
  let at = TILES_HEAD_BYTES;
  for (const index of tiles.tiles) {
    body.setUint32(at, index, true);
    at += 4;
  }
  message.set(tiles.pixels, ENVELOPE_BYTES + at);
  return message;
}

/**
 * Reads a tiles message for a picture it must fit.
 *
 * Ownership: `pixels` is a view into the message.
 *
 * @throws ERR_KVMFR_WIRE when counts, indices or sizes do not fit the picture
 */
export function decodeTiles(
  envelope: Envelope,
  grid: { readonly widthPx: number; readonly heightPx: number; readonly tilePx: number },
): TilesMessage {
  needBody(envelope, TILES_HEAD_BYTES, 'tiles message');
  const { body } = envelope;
  const coding = body.getUint8(8);
  if (coding > TILE_CODINGS.ops)
    throw wireError(`coding of a tiles message must be 0 to 2, but is ${coding}`);
  const count = body.getUint32(12, true);
  const rawBytes = body.getUint32(16, true);
  const columns = Math.ceil(grid.widthPx / grid.tilePx);
  const all = columns * Math.ceil(grid.heightPx / grid.tilePx);
  if (count > all) throw wireError(`a picture of ${all} tiles cannot change in ${count}`);
  needBody(envelope, TILES_HEAD_BYTES + count * 4, `tiles message of ${count} tiles`);
  const tiles = new Uint32Array(count);
  const right = grid.widthPx - (columns - 1) * grid.tilePx;
  const bottom = grid.heightPx - (all / columns - 1) * grid.tilePx;
  let need = 0;
  let before = -1;
  for (let i = 0; i < count; i++) {
    const index = body.getUint32(TILES_HEAD_BYTES + i * 4, true);
    if (index <= before || index >= all)
      throw wireError(`tile ${i} must be ${before + 1} to ${all - 1}, but is ${index}`);
    tiles[i] = index;
    before = index;
    // A rect for each would be an allocation for each.
    const width = index % columns === columns - 1 ? right : grid.tilePx;
    const height = index >= all - columns ? bottom : grid.tilePx;
    need += width * height * 3;
  }
  if (rawBytes !== need)
    throw wireError(`rawBytes of these tiles must be ${need}, but is ${rawBytes}`);
  const pixels = envelope.bytes.subarray(TILES_HEAD_BYTES + count * 4);
  if (coding === TILE_CODINGS.raw && pixels.byteLength !== need)
    throw wireError(`raw tiles need ${need} bytes, but have ${pixels.byteLength}`);
  return {
    epoch: body.getUint32(0, true),
    serial: body.getUint32(4, true),
    coding,
    last: (envelope.flags & UPDATE_LAST) !== 0,
    rawBytes,
    tiles,
    pixels,
  };
}

/** Where a tile lies in the picture, cut to its edges. */
export function tileRect(
  index: number,
  grid: { readonly widthPx: number; readonly heightPx: number; readonly tilePx: number },
): Rect {
  const columns = Math.ceil(grid.widthPx / grid.tilePx);
  const x = (index % columns) * grid.tilePx;
  const y = Math.floor(index / columns) * grid.tilePx;
  return {
    x,
    y,
    width: Math.min(grid.tilePx, grid.widthPx - x),
    height: Math.min(grid.tilePx, grid.heightPx - y),
  };
}

/** Kinds of coded image. */
export const IMAGE_KINDS = { jpeg: 1, png: 2 } as const;

/**
 * A part of the picture as a coded image.
 *
 * Shape: head of 28 bytes: epoch u32, serial u32, kind u8 (1 JPEG, 2 PNG), three bytes 0, x u32, y
 * u32, width u32, height u32; then the image file.
 */
export interface ImageMessage {
  readonly epoch: number;
  readonly serial: number;
  readonly kind: number;
  readonly last: boolean;
  readonly rect: Rect;
  readonly data: Uint8Array;
}

const IMAGE_HEAD_BYTES = 28;

/** Writes an image message. The image is copied into it. */
export function encodeImage(image: ImageMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage(
    'image',
    IMAGE_HEAD_BYTES + image.data.byteLength,
    image.last ? UPDATE_LAST : 0,
  );
  body.setUint32(0, image.epoch, true);
  body.setUint32(4, image.serial, true);
  body.setUint8(8, image.kind);
  body.setUint32(12, image.rect.x, true);
  body.setUint32(16, image.rect.y, true);
  body.setUint32(20, image.rect.width, true);
  body.setUint32(24, image.rect.height, true);
  message.set(image.data, ENVELOPE_BYTES + IMAGE_HEAD_BYTES);
  return message;
}

/**
 * Reads an image message for a picture it must fit.
 *
 * Ownership: `data` is a view into the message.
 *
 * @throws ERR_KVMFR_WIRE
 */
export function decodeImage(
  envelope: Envelope,
  size: { readonly widthPx: number; readonly heightPx: number },
): ImageMessage {
  needBody(envelope, IMAGE_HEAD_BYTES, 'image message');
  const { body } = envelope;
  const kind = body.getUint8(8);
  if (kind !== IMAGE_KINDS.jpeg && kind !== IMAGE_KINDS.png)
    throw wireError(`kind of an image message must be 1 or 2, but is ${kind}`);
  const rect = {
    x: body.getUint32(12, true),
    y: body.getUint32(16, true),
    width: body.getUint32(20, true),
    height: body.getUint32(24, true),
  };
  if (
    rect.width < 1 ||
    rect.height < 1 ||
    rect.x + rect.width > size.widthPx ||
    rect.y + rect.height > size.heightPx
  )
    throw wireError(
      `an image of ${rect.width} x ${rect.height} at ${rect.x},${rect.y} must lie in ${size.widthPx} x ${size.heightPx}`,
    );
  return {
    epoch: body.getUint32(0, true),
    serial: body.getUint32(4, true),
    kind,
    last: (envelope.flags & UPDATE_LAST) !== 0,
    rect,
    data: envelope.bytes.subarray(IMAGE_HEAD_BYTES),
  };
}
