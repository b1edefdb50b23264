import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeImage,
  decodePicture,
  decodeTiles,
  encodeImage,
  encodePicture,
  encodeTiles,
  IMAGE_KINDS,
  readEnvelope,
  TILE_CODINGS,
  tileRect,
} from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

const PICTURE = bytes(
  '03 00 0000', // type, flags, reserved
  '02000000', // epoch
  '80070000', // widthPx 1920
  '38040000', // heightPx 1080
  '000a0000', // screenWidthPx 2560
  'a0050000', // screenHeightPx 1440
  '01 000000', // rotation, reserved
);

describe('a picture message', () => {
  const picture = {
    epoch: 2,
    widthPx: 1920,
    heightPx: 1080,
    screenWidthPx: 2560,
    screenHeightPx: 1440,
    rotation: 1,
  };

  it('is written as drawn', () => {
    expect(encodePicture(picture)).toEqual(PICTURE);
  });

  it('is read as drawn', () => {
    expect(decodePicture(readEnvelope(PICTURE))).toEqual(picture);
  });

  it.each([
    ['one byte less', PICTURE.subarray(0, -1)],
    ['one byte more', bytes(Buffer.from(PICTURE).toString('hex'), '00')],
    ['no width', patched(PICTURE, 8, 0, 0)],
    ['no height', patched(PICTURE, 12, 0, 0)],
    ['no screen width', patched(PICTURE, 16, 0, 0)],
    ['no screen height', patched(PICTURE, 20, 0, 0)],
    ['a width of 32769', patched(PICTURE, 8, 0x01, 0x80)],
    ['a height of 2 ** 32 - 1', patched(PICTURE, 12, 0xff, 0xff, 0xff, 0xff)],
    ['a screen of 2 ** 31', patched(PICTURE, 16, 0, 0, 0, 0x80)],
    ['more pixels than a picture may have', patched(PICTURE, 8, 0x00, 0x80, 0, 0, 0x00, 0x80)],
    ['five quarter turns', patched(PICTURE, 24, 5)],
  ])('is refused with %s', (_, message) => {
    expect(codeOf(() => decodePicture(readEnvelope(message)))).toBe('ERR_KVMFR_WIRE');
  });
});

// 3 x 2 pixels in tiles of 2: tile 0 is 2 x 2, tile 1 is cut to 1 x 2.
const SMALL = { widthPx: 3, heightPx: 2, tilePx: 2 };
const TILES = bytes(
  '04 01 0000', // type, flags: last of the update
  '05000000', // epoch
  '09000000', // serial
  '00 000000', // coding: raw
  '02000000', // tileCount
  '12000000', // rawBytes 18
  '00000000 01000000', // indices
  '010101 020202 030303 040404', // tile 0: two rows of two pixels
  '0a0a0a 0b0b0b', // tile 1: two rows of one pixel
);

describe('a tiles message', () => {
  const tiles = {
    epoch: 5,
    serial: 9,
    coding: TILE_CODINGS.raw,
    last: true,
    rawBytes: 18,
    tiles: Uint32Array.of(0, 1),
    pixels: bytes('010101 020202 030303 040404 0a0a0a 0b0b0b'),
  };

  it('is written as drawn', () => {
    expect(encodeTiles(tiles)).toEqual(TILES);
    expect(encodeTiles({ ...tiles, last: false })).toEqual(patched(TILES, 1, 0));
  });

  it('is read as drawn, its pixels without a copy', () => {
    const read = decodeTiles(readEnvelope(TILES), SMALL);
    expect({ ...read, pixels: Uint8Array.from(read.pixels) }).toEqual(tiles);
    expect(read.pixels.buffer).toBe(TILES.buffer);
  });

  it('may have no tile at all', () => {
    const empty = bytes('04 01 0000 05000000 09000000 00000000 00000000 00000000');
    expect(decodeTiles(readEnvelope(empty), SMALL).tiles).toHaveLength(0);
  });

  it.each([TILE_CODINGS.deflateRaw, TILE_CODINGS.ops])(
    'is read in coding %i without a look at the length of what was coded',
    (coding) => {
      const coded = patched(TILES, 12, coding).subarray(0, -3);
      expect(decodeTiles(readEnvelope(coded), SMALL)).toMatchObject({ coding, rawBytes: 18 });
      expect(decodeTiles(readEnvelope(coded), SMALL).pixels).toHaveLength(15);
    },
  );

  it.each([
    ['a head that is cut', TILES.subarray(0, 23)],
    ['indices that are cut', TILES.subarray(0, 31)],
    ['raw pixels that are cut', TILES.subarray(0, -1)],
    ['raw pixels to spare', bytes(Buffer.from(TILES).toString('hex'), '00')],
    ['an unknown coding', patched(TILES, 12, 3)],
    ['more tiles than the picture has', patched(TILES, 16, 3)],
    ['2 ** 32 - 1 tiles', patched(TILES, 16, 0xff, 0xff, 0xff, 0xff)],
    ['fewer tiles than indices', patched(TILES, 16, 1)],
    ['rawBytes too small', patched(TILES, 20, 17)],
    ['rawBytes of 2 ** 32 - 1', patched(TILES, 20, 0xff, 0xff, 0xff, 0xff)],
    ['an index twice', patched(TILES, 28, 0)],
    ['indices that fall', patched(TILES, 24, 1, 0, 0, 0, 0)],
    ['an index behind the last tile', patched(TILES, 28, 2)],
    ['an index of 2 ** 32 - 1', patched(TILES, 28, 0xff, 0xff, 0xff, 0xff)],
  ])('is refused with %s', (_, message) => {
    expect(codeOf(() => decodeTiles(readEnvelope(message), SMALL))).toBe('ERR_KVMFR_WIRE');
  });

  it('comes back as it was written, for any grid and any tiles', () => {
    const sizes = fc.record({
      widthPx: fc.integer({ min: 1, max: 60 }),
      heightPx: fc.integer({ min: 1, max: 60 }),
      tilePx: fc.integer({ min: 8, max: 24 }),
    });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.boolean()), fc.boolean(), (grid, pick, last) => {
        const all = Math.ceil(grid.widthPx / grid.tilePx) * Math.ceil(grid.heightPx / grid.tilePx);
        const picked = Uint32Array.from(
          Array.from({ length: all }, (_, index) => index).filter(() => pick.next().value),
        );
        const rawBytes = [...picked].reduce((sum, index) => {
          const rect = tileRect(index, grid);
          return sum + rect.width * rect.height * 3;
        }, 0);
        const pixels = Uint8Array.from({ length: rawBytes }, (_, i) => i);
        const written = { epoch: 1, serial: 0xffff_ffff, coding: 0, last, rawBytes };
        const message = encodeTiles({ ...written, tiles: picked, pixels });
        const read = decodeTiles(readEnvelope(message), grid);
        expect(read).toMatchObject(written);
        expect(read.tiles).toEqual(picked);
        expect(Buffer.compare(read.pixels, pixels)).toBe(0);
      }),
    );
  });
});

describe('tileRect()', () => {
  it('cuts tiles at the right and lower edge', () => {
    const grid = { widthPx: 100, heightPx: 70, tilePx: 64 };
    expect([0, 1, 2, 3].map((index) => tileRect(index, grid))).toEqual([
      { x: 0, y: 0, width: 64, height: 64 },
      { x: 64, y: 0, width: 36, height: 64 },
      { x: 0, y: 64, width: 64, height: 6 },
      { x: 64, y: 64, width: 36, height: 6 },
    ]);
  });
});

const IMAGE = bytes(
  '05 01 0000', // type, flags: last of the update
  '05000000', // epoch
  '09000000', // serial
  '01 000000', // kind: JPEG
  '40000000 80000000', // x 64, y 128
  '24000000 06000000', // width 36, height 6
  'ffd8ffd9', // the file
);

describe('an image message', () => {
  const size = { widthPx: 100, heightPx: 134 };
  const image = {
    epoch: 5,
    serial: 9,
    kind: IMAGE_KINDS.jpeg,
    last: true,
    rect: { x: 64, y: 128, width: 36, height: 6 },
    data: bytes('ffd8ffd9'),
  };

  it('is written as drawn', () => {
    expect(encodeImage(image)).toEqual(IMAGE);
  });

  it('is read as drawn, its file without a copy', () => {
    const read = decodeImage(readEnvelope(IMAGE), size);
    expect({ ...read, data: Uint8Array.from(read.data) }).toEqual(image);
    expect(read.data.buffer).toBe(IMAGE.buffer);
  });

  it.each([
    ['a head that is cut', IMAGE.subarray(0, 31)],
    ['an unknown kind', patched(IMAGE, 12, 3)],
    ['no width', patched(IMAGE, 24, 0)],
    ['no height', patched(IMAGE, 28, 0)],
    ['a right edge outside of the picture', patched(IMAGE, 24, 37)],
    ['a lower edge outside of the picture', patched(IMAGE, 28, 7)],
    ['a place of 2 ** 32 - 1', patched(IMAGE, 16, 0xff, 0xff, 0xff, 0xff)],
    ['a place and width whose sum leaves 32 bits', patched(IMAGE, 24, 0xc1, 0xff, 0xff, 0xff)],
  ])('is refused with %s', (_, message) => {
    expect(codeOf(() => decodeImage(readEnvelope(message), size))).toBe('ERR_KVMFR_WIRE');
  });
});
