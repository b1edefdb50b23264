import { deflateRawSync } from 'node:zlib';
import { type OpsTile, opsOfPixels } from './tile-ops.ts';

/**
 * Messages of a relay, byte by byte as docs/wire.md draws them. Written without the product's own
 * encoders, so that a slip in those shows.
 */

/** A rect of pixels. */
export interface WireRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** R, G, B triples of a picture, by rows. */
export interface RgbPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Uint8Array;
}

/** Whether more of the update follows, or it is to be presented. */
export interface UpdateEnd {
  readonly epoch: number;
  readonly serial: number;
  readonly last?: boolean;
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4);
  return bytes;
}

function message(type: number, flags: number, ...body: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([type, flags, 0, 0]), ...body]);
}

function json(type: number, value: object): Buffer {
  return message(type, 0, Buffer.from(JSON.stringify(value)));
}

/** The relay's first message, with tiles of 64 pixels. */
export function helloBytes(change: object = {}): Buffer {
  const hello = {
    wire: 1,
    version: '0.1.0',
    tilePx: 64,
    viewOnly: true,
    encodings: ['lossless', 'jpeg'],
  };
  return json(0x01, { ...hello, ...change });
}

/** A state. */
export function stateBytes(state: string, change: object = {}): Buffer {
  return json(0x02, { state, message: '', ...change });
}

/** Who may act on the guest. */
export function inputStateBytes(change: object = {}): Buffer {
  const state = { keyboard: true, absolute: true, relative: true, holder: 'nobody', free: true };
  return json(0x10, { ...state, ...change });
}

/** The geometry of a picture. */
export function pictureBytes(picture: {
  readonly epoch: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly screenWidthPx?: number;
  readonly screenHeightPx?: number;
  readonly rotation?: number;
}): Buffer {
  const { epoch, widthPx, heightPx } = picture;
  const screen = [picture.screenWidthPx ?? widthPx, picture.screenHeightPx ?? heightPx];
  const tail = Buffer.from([picture.rotation ?? 0, 0, 0, 0]);
  return message(0x03, 0, u32(epoch, widthPx, heightPx, ...screen), tail);
}

function tileSize(picture: RgbPicture, index: number): OpsTile {
  const columns = Math.ceil(picture.widthPx / 64);
  return {
    widthPx: Math.min(64, picture.widthPx - (index % columns) * 64),
    heightPx: Math.min(64, picture.heightPx - Math.floor(index / columns) * 64),
  };
}

/** The pixels of some tiles of a picture, tile by tile. */
export function tilePixels(picture: RgbPicture, tiles: readonly number[]): Buffer {
  const columns = Math.ceil(picture.widthPx / 64);
  const rows: Uint8Array[] = [];
  for (const index of tiles) {
    const x = (index % columns) * 64;
    const y = Math.floor(index / columns) * 64;
    const width = Math.min(64, picture.widthPx - x);
    for (let row = y; row < Math.min(y + 64, picture.heightPx); row++) {
      const from = (row * picture.widthPx + x) * 3;
      rows.push(picture.rgb.subarray(from, from + width * 3));
    }
  }
  return Buffer.concat(rows);
}

/** All tiles of a picture, in order. */
export function allTiles(picture: RgbPicture): number[] {
  const count = Math.ceil(picture.widthPx / 64) * Math.ceil(picture.heightPx / 64);
  return Array.from({ length: count }, (_, index) => index);
}

/** A tiles message whose pixels, claimed length and coding are the caller's affair. */
export function rawTilesBytes(
  update: UpdateEnd,
  tiles: {
    readonly coding: number;
    readonly indices: readonly number[];
    readonly rawBytes: number;
    readonly pixels: Uint8Array;
  },
): Buffer {
  return message(
    0x04,
    update.last === false ? 0 : 1,
    u32(update.epoch, update.serial),
    Buffer.from([tiles.coding, 0, 0, 0]),
    u32(tiles.indices.length, tiles.rawBytes, ...tiles.indices),
    tiles.pixels,
  );
}

interface TileCoder {
  readonly coding: number;
  readonly code: (rgb: Uint8Array, tiles: readonly OpsTile[]) => Uint8Array;
}

const TILE_CODERS: { readonly [name in 'raw' | 'deflate' | 'ops']: TileCoder } = {
  raw: { coding: 0, code: (rgb) => rgb },
  deflate: { coding: 1, code: (rgb) => deflateRawSync(rgb, { level: 1 }) },
  ops: { coding: 2, code: opsOfPixels },
};

/** Tiles of a picture. */
export function tilesBytes(
  update: UpdateEnd,
  picture: RgbPicture,
  how: { readonly coding: keyof typeof TILE_CODERS; readonly tiles?: readonly number[] },
): Buffer {
  const indices = how.tiles ?? allTiles(picture);
  const plain = tilePixels(picture, indices);
  const sizes = indices.map((index) => tileSize(picture, index));
  const { coding, code } = TILE_CODERS[how.coding];
  const pixels = code(plain, sizes);
  return rawTilesBytes(update, { coding, indices, rawBytes: plain.byteLength, pixels });
}

/** A part of the picture as an image file. */
export function imageBytes(
  update: UpdateEnd,
  image: { readonly kind: 'jpeg' | 'png'; readonly rect: WireRect; readonly file: Uint8Array },
): Buffer {
  const { x, y, width, height } = image.rect;
  return message(
    0x05,
    update.last === false ? 0 : 1,
    u32(update.epoch, update.serial),
    Buffer.from([image.kind === 'jpeg' ? 1 : 2, 0, 0, 0]),
    u32(x, y, width, height),
    image.file,
  );
}

/** Where the pointer is. */
export function cursorBytes(cursor: {
  readonly visible: boolean;
  readonly x: number;
  readonly y: number;
  readonly shapeId: number;
}): Buffer {
  const { visible, x, y, shapeId } = cursor;
  return message(0x06, visible ? 1 : 0, u32(x, y, shapeId));
}

/** What the pointer looks like: R, G, B, A by rows. */
export function cursorShapeBytes(shape: {
  readonly shapeId: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX?: number;
  readonly hotspotY?: number;
  readonly rgba: Uint8Array;
}): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt16LE(shape.widthPx, 0);
  numbers.writeUInt16LE(shape.heightPx, 2);
  numbers.writeInt16LE(shape.hotspotX ?? 0, 4);
  numbers.writeInt16LE(shape.hotspotY ?? 0, 6);
  return message(0x07, 0, u32(shape.shapeId), numbers, shape.rgba);
}

/** The answer to a ping, whose eight bytes it repeats. */
export function pongBytes(ping: Uint8Array, relayMs: number): Buffer {
  const time = Buffer.alloc(8);
  time.writeDoubleLE(relayMs);
  return message(0x08, 0, ping, time);
}

/** The relay's numbers. */
export function statsBytes(stats: object): Buffer {
  return json(0x09, stats);
}

/** The relay's last message. */
export function byeBytes(bye: {
  readonly code: string;
  readonly message: string;
  readonly retry: boolean;
}): Buffer {
  return json(0x0a, bye);
}

/** The announcement of a stream. */
export function videoStreamBytes(stream: {
  readonly stream: number;
  readonly epoch: number;
  readonly codec: 'h264' | 'vp8';
  readonly codedWidthPx: number;
  readonly codedHeightPx: number;
  readonly codecString?: string;
  readonly region?: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  };
}): Buffer {
  const codecString = stream.codec === 'h264' ? 'avc1.42C028' : 'vp8';
  return json(0x0b, { codecString, ...stream });
}

/** Which tiles show the video. */
export function coverBytes(
  update: UpdateEnd,
  cover: { readonly tileCount: number; readonly tiles: readonly number[] },
): Buffer {
  const bits = Buffer.alloc((cover.tileCount + 7) >> 3);
  for (const tile of cover.tiles)
    bits.writeUInt8(bits.readUInt8(tile >> 3) | (1 << (tile & 7)), tile >> 3);
  return message(0x0c, 0, u32(update.epoch, update.serial), bits);
}

/** A coded picture. */
export function videoBytes(
  update: UpdateEnd,
  video: { readonly stream: number; readonly key: boolean; readonly chunk: Uint8Array },
): Buffer {
  const flags = (update.last === false ? 0 : 1) | (video.key ? 2 : 0);
  const head = u32(update.epoch, update.serial, video.stream);
  return message(0x0d, flags, head, video.chunk);
}

/** What the frame of an update has been through. Units: microseconds, seven of them. */
export function timesBytes(
  update: UpdateEnd,
  times: { readonly stagesUs: readonly number[]; readonly sentMs: number },
): Buffer {
  const sent = Buffer.alloc(8);
  sent.writeDoubleLE(times.sentMs);
  return message(0x0e, 0, u32(update.epoch, update.serial, ...times.stagesUs), sent);
}
