import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClientMessage, encodeSetCursorPos } from '../../../../protocol/index.ts';

const hexBytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

describe('KVMFRSetCursorPos', () => {
  it('is a type and two signed numbers', () => {
    expect(Buffer.from(encodeSetCursorPos({ x: 640, y: -2 })).toString('hex')).toBe(
      '00000000' + '80020000' + 'feffffff',
    );
  });

  it('is read from the bytes a client sends', () => {
    expect(decodeClientMessage(hexBytes('00000000' + 'ffffffff' + '00000080'))).toEqual({
      type: 'set-cursor-pos',
      x: -1,
      y: -(2 ** 31),
    });
  });

  it('may be followed by more, as a later version would', () => {
    expect(decodeClientMessage(hexBytes('000000000100000002000000ffff'))).toEqual({
      type: 'set-cursor-pos',
      x: 1,
      y: 2,
    });
  });
});

describe('decodeClientMessage', () => {
  it.each([
    ['no bytes', '', undefined],
    ['less than a type', '000000', undefined],
    ['a position that is cut', '0000000001000000020000', 0],
    ['a type of a later version', '01000000' + '80020000' + 'e0010000', 1],
    ['a type of no version', 'ffffffff', 0xffff_ffff],
  ])('does not know %s', (_, hex, wireType) => {
    expect(decodeClientMessage(hexBytes(hex))).toEqual({
      type: 'unknown',
      wireType,
      bytes: hexBytes(hex),
    });
  });

  it('gives a copy', () => {
    const bytes = hexBytes('01000000aabb');
    const message = decodeClientMessage(bytes);
    bytes.fill(0);
    expect(message.type === 'unknown' && [...message.bytes]).toEqual([1, 0, 0, 0, 0xaa, 0xbb]);
  });

  it('survives any bytes, and reads back what was encoded', () => {
    const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), i32, i32, (bytes, x, y) => {
        decodeClientMessage(bytes);
        expect(decodeClientMessage(encodeSetCursorPos({ x, y }))).toEqual({
          type: 'set-cursor-pos',
          x,
          y,
        });
      }),
    );
  });
});
