import { describe, expect, it } from 'vitest';
import {
  CURSOR_LAYOUTS,
  KvmfrError,
  type PointerMessage,
  Region,
  readPointerMessage,
} from '../../../../protocol/index.ts';

const AT = 36;
const [POSITION, VISIBLE, SHAPE, COLORS, VISIBLE_VALID] = [1, 2, 4, 8, 16] as const;
const TRANSFORM_BYTES = 65592;

/** x -2, y 300, colour, hotspot 1,-1, 1 x 2 pixels, pitch 8; in 34 a white of 480. */
const HEAD = 'feff2c01' + '00000000' + '01ff' + 'eeee' + '01000000' + '02000000' + '08000000';
const WHITE = 'e0010000';
const SHAPE_BYTES = '0102030405060708' + '1112131415161718';
/** The flags of a transform with a matrix, and the matrix of 1.0 to 12.0. */
const MATRIX =
  '01000000' +
  '0000803f' +
  '00000040' +
  '00004040' +
  '00008040' +
  '0000a040' +
  '0000c040' +
  '0000e040' +
  '00000041' +
  '00001041' +
  '00002041' +
  '00003041' +
  '00004041';
const SCALAR = '0000003f';

function bytes(...hex: readonly string[]): Region {
  const found = Buffer.from(hex.join(''), 'hex');
  const region = new Region(new ArrayBuffer(AT + found.length));
  region.bytes.set(found, AT);
  return region;
}

function read(version: 19 | 20 | 34, flags: number, region: Region, size?: number): PointerMessage {
  const layout = CURSOR_LAYOUTS.get(version);
  if (layout === undefined) throw new Error(`no KVMFR ${version}`);
  const place = { at: AT, bytes: size ?? region.byteLength - AT, flags };
  return readPointerMessage(region, place, layout);
}

const NOTHING: PointerMessage = {
  position: undefined,
  visible: undefined,
  shape: undefined,
  colors: undefined,
  sdrWhiteLevel: undefined,
};
const position = { x: -2, y: 300 };
const shape = {
  kind: 'color',
  widthPx: 1,
  heightPx: 2,
  hotspotX: 1,
  hotspotY: -1,
  pitchBytes: 8,
  bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18),
};
const transform = {
  matrix: Array.from({ length: 12 }, (_, i) => i + 1),
  scalar: 0.5,
  lut: undefined,
};
const TRANSFORM = MATRIX + SCALAR + '00'.repeat(TRANSFORM_BYTES - 56);

describe.each([19, 20] as const)('a pointer message of KVMFR %i', (version) => {
  const message = (): Region => bytes(HEAD, SHAPE_BYTES);

  it.each([
    [0, { visible: false }],
    [POSITION, { position, visible: false }],
    [VISIBLE, { visible: true }],
    [POSITION | VISIBLE, { position, visible: true }],
    [SHAPE, { shape, visible: false }],
    [POSITION | VISIBLE | SHAPE, { position, shape, visible: true }],
    // Flags that came with 34 say nothing here.
    [COLORS, { visible: false }],
    [VISIBLE_VALID, { visible: false }],
    [POSITION | VISIBLE | COLORS | VISIBLE_VALID | 0xffff_ff00, { position, visible: true }],
  ])('with the flags %i', (flags, says) => {
    expect(read(version, flags, message())).toEqual({ ...NOTHING, ...says });
  });

  it('needs 24 bytes', () => {
    expect(read(version, POSITION, bytes(HEAD)).position).toEqual(position);
    expect(() => read(version, POSITION, bytes(HEAD), 23)).toThrow(
      'a cursor message needs 24 bytes, but names 23',
    );
  });
});

describe('a pointer message of KVMFR 34', () => {
  const message = (): Region => bytes(HEAD, WHITE, SHAPE_BYTES);

  it.each([
    [0, {}],
    [POSITION, { position }],
    // Without its companion the flag says nothing.
    [VISIBLE, {}],
    [VISIBLE_VALID, { visible: false, sdrWhiteLevel: 480 }],
    [VISIBLE_VALID | VISIBLE, { visible: true, sdrWhiteLevel: 480 }],
    [SHAPE, { shape }],
    [
      POSITION | VISIBLE | SHAPE | VISIBLE_VALID,
      { position, shape, visible: true, sdrWhiteLevel: 480 },
    ],
  ])('with the flags %i', (flags, says) => {
    expect(read(34, flags, message())).toEqual({ ...NOTHING, ...says });
  });

  it('has a colour transform behind its 28 bytes', () => {
    const region = bytes(HEAD, WHITE, TRANSFORM);
    expect(region.byteLength - AT).toBe(28 + TRANSFORM_BYTES);
    expect(read(34, COLORS, region)).toEqual({ ...NOTHING, colors: { transform } });
  });

  it('has a colour transform behind a shape', () => {
    const region = bytes(HEAD, WHITE, SHAPE_BYTES, TRANSFORM);
    expect(read(34, COLORS | SHAPE, region)).toEqual({ ...NOTHING, shape, colors: { transform } });
  });

  it('has a colour transform behind all rows of a shape, an odd one of monochrome as well', () => {
    // One pixel, five rows of a byte: two of each mask, and one that is nothing.
    const head = 'feff2c01' + '01000000' + '0000' + 'eeee' + '01000000' + '05000000' + '01000000';
    const region = bytes(head, WHITE, '00ff00ff55', TRANSFORM);
    const says = read(34, COLORS | SHAPE, region);
    expect(says.shape).toMatchObject({ heightPx: 2, bytes: Uint8Array.of(0, 255, 0, 255) });
    expect(says.colors).toEqual({ transform });
  });

  it('says that nothing is done to the colours', () => {
    const region = bytes(HEAD, WHITE, '00'.repeat(TRANSFORM_BYTES));
    expect(read(34, COLORS, region)).toEqual({ ...NOTHING, colors: { transform: undefined } });
  });

  it('has to hold what its flags say', () => {
    const region = bytes(HEAD, WHITE, SHAPE_BYTES, TRANSFORM);
    expect(() => read(34, 0, region, 27)).toThrow('needs 28 bytes, but names 27');
    expect(() => read(34, SHAPE, region, 28 + 15)).toThrow(KvmfrError);
    expect(() => read(34, COLORS | SHAPE, region, 28 + 16 + TRANSFORM_BYTES - 1)).toThrow(
      'needs 65592 bytes, but has room for 65591',
    );
    expect(() => read(34, COLORS, bytes(HEAD, WHITE), 28)).toThrow('has room for 0');
  });

  it('has no white where it says 0', () => {
    const region = bytes(HEAD, '00000000', SHAPE_BYTES);
    expect(read(34, VISIBLE_VALID, region).sdrWhiteLevel).toBeUndefined();
  });
});
