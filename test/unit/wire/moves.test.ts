import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMoves, encodeMoves, MAX_MOVES, readEnvelope } from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

const SIZE = { widthPx: 1920, heightPx: 1080 };
const MOVES = bytes(
  '0f 00 0000', // type, flags, reserved
  '02000000', // epoch
  '09000000', // serial
  '01000000', // count
  '40000000 5a000000', // to 64,90
  '80000000 2c010000', // 128 x 300
  '40000000 66000000', // from 64,102
);
const X = 16;
const Y = 20;
const WIDTH = 24;
const HEIGHT = 28;
const FROM_X = 32;
const FROM_Y = 36;

describe('a moves message', () => {
  const moves = {
    epoch: 2,
    serial: 9,
    moves: [{ to: { x: 64, y: 90, width: 128, height: 300 }, fromX: 64, fromY: 102 }],
  };

  it('is written and read as drawn', () => {
    expect(encodeMoves(moves)).toEqual(MOVES);
    expect(decodeMoves(readEnvelope(MOVES), SIZE)).toEqual(moves);
  });

  it('keeps the order of its moves', () => {
    const many = Array.from({ length: MAX_MOVES }, (_, i) => ({
      to: { x: i, y: 2 * i, width: 1, height: 3 },
      fromX: 100 - i,
      fromY: i,
    }));
    const message = encodeMoves({ epoch: 1, serial: 2, moves: many });
    expect(decodeMoves(readEnvelope(message), SIZE).moves).toEqual(many);
  });

  it.each([
    ['one byte less', MOVES.subarray(0, -1)],
    ['one byte more', bytes(Buffer.from(MOVES).toString('hex'), '00')],
    ['no head', MOVES.subarray(0, 15)],
    ['no move', patched(MOVES, 12, 0).subarray(0, 16)],
    ['no move, and one', patched(MOVES, 12, 0)],
    ['two moves, and one', patched(MOVES, 12, 2)],
    ['2 ** 32 - 1 moves', patched(MOVES, 12, 0xff, 0xff, 0xff, 0xff)],
    ['no width', patched(MOVES, WIDTH, 0)],
    ['no height', patched(MOVES, HEIGHT, 0, 0)],
    ['a width of 2 ** 32 - 1', patched(MOVES, WIDTH, 0xff, 0xff, 0xff, 0xff)],
    ['one pixel too far right', patched(MOVES, X, 0x01, 0x07)],
    ['one row too far down', patched(MOVES, Y, 0x0d, 0x03)],
    ['a source too far right', patched(MOVES, FROM_X, 0x01, 0x07)],
    ['a source too far down', patched(MOVES, FROM_Y, 0x0d, 0x03)],
    ['a place at 2 ** 32 - 1', patched(MOVES, X, 0xff, 0xff, 0xff, 0xff)],
  ])('is refused with %s', (_, message) => {
    expect(codeOf(() => decodeMoves(readEnvelope(message), SIZE))).toBe('ERR_KVMFR_WIRE');
  });

  it.each([
    ['the last column', patched(MOVES, X, 0x00, 0x07)],
    ['the last row', patched(MOVES, Y, 0x0c, 0x03)],
    ['a source at the last row', patched(MOVES, FROM_Y, 0x0c, 0x03)],
  ])('may reach %s', (_, message) => {
    expect(decodeMoves(readEnvelope(message), SIZE).moves).toHaveLength(1);
  });

  it('is refused or lies in the picture, whatever its bytes', () => {
    const few = fc.array(fc.nat(40), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(few, { maxLength: 3 }), fc.nat(4), (all, count) => {
        const message = new Uint8Array(16 + all.length * 24);
        const view = new DataView(message.buffer);
        message[0] = 0x0f;
        view.setUint32(12, count, true);
        for (const [i, value] of all.flat().entries()) view.setUint32(16 + i * 4, value, true);
        const size = { widthPx: 30, heightPx: 20 };
        const code = codeOf(() => {
          for (const { to, fromX, fromY } of decodeMoves(readEnvelope(message), size).moves) {
            expect(Math.max(to.x, fromX) + to.width).toBeLessThanOrEqual(30);
            expect(Math.max(to.y, fromY) + to.height).toBeLessThanOrEqual(20);
          }
        });
        expect([undefined, 'ERR_KVMFR_WIRE']).toContain(code);
      }),
    );
  });
});
