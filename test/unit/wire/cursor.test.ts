import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCursor,
  decodeCursorShape,
  encodeCursor,
  encodeCursorShape,
  readEnvelope,
} from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

const CURSOR = bytes(
  '06 01 0000', // type, flags: visible
  'feffffff', // x -2
  '58020000', // y 600
  '03000000', // shapeId
);

describe('a cursor message', () => {
  it('is written and read as drawn', () => {
    const cursor = { visible: true, x: -2, y: 600, shapeId: 3 };
    expect(encodeCursor(cursor)).toEqual(CURSOR);
    expect(decodeCursor(readEnvelope(CURSOR))).toEqual(cursor);
  });

  it('is of a cursor that is not to be seen without its flag', () => {
    const hidden = patched(CURSOR, 1, 0);
    expect(decodeCursor(readEnvelope(hidden)).visible).toBe(false);
    expect(encodeCursor({ visible: false, x: -2, y: 600, shapeId: 3 })).toEqual(hidden);
  });

  it('has exactly 12 bytes', () => {
    expect(codeOf(() => decodeCursor(readEnvelope(CURSOR.subarray(0, -1))))).toBe('ERR_KVMFR_WIRE');
    const longer = Uint8Array.from([...CURSOR, 0]);
    expect(codeOf(() => decodeCursor(readEnvelope(longer)))).toBe('ERR_KVMFR_WIRE');
  });

  it('comes back as it was written', () => {
    const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const cursors = fc.record({
      visible: fc.boolean(),
      x: i32,
      y: i32,
      shapeId: fc.integer({ min: 0, max: 0xffff_ffff }),
    });
    fc.assert(
      fc.property(cursors, (any) => {
        expect(decodeCursor(readEnvelope(encodeCursor(any)))).toEqual(any);
      }),
    );
  });
});

const SHAPE = bytes(
  '07 00 0000', // type, flags, reserved
  '03000000', // shapeId
  '0200 0100', // widthPx 2, heightPx 1
  'ffff 0000', // hotspotX -1, hotspotY 0
  '11223344 55667788', // two pixels R, G, B, A
);

describe('a cursor shape', () => {
  const shape = {
    shapeId: 3,
    widthPx: 2,
    heightPx: 1,
    hotspotX: -1,
    hotspotY: 0,
    rgba: bytes('11223344 55667788'),
  };

  it('is written and read as drawn, its pixels without a copy', () => {
    expect(encodeCursorShape(shape)).toEqual(SHAPE);
    const read = decodeCursorShape(readEnvelope(SHAPE));
    expect({ ...read, rgba: Uint8Array.from(read.rgba) }).toEqual(shape);
    expect(read.rgba.buffer).toBe(SHAPE.buffer);
  });

  it.each([
    ['a head that is cut', SHAPE.subarray(0, 15)],
    ['pixels that are cut', SHAPE.subarray(0, -1)],
    ['pixels to spare', Uint8Array.from([...SHAPE, 0])],
    ['no width', patched(SHAPE, 8, 0, 0)],
    ['no height', patched(SHAPE, 10, 0, 0)],
    ['a width of 513', patched(SHAPE, 8, 0x01, 0x02)],
    ['a height of 65535', patched(SHAPE, 10, 0xff, 0xff)],
  ])('is refused with %s', (_, message) => {
    expect(codeOf(() => decodeCursorShape(readEnvelope(message)))).toBe('ERR_KVMFR_WIRE');
  });
});
