import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpiceCursor } from '../../../client/spice/cursor.ts';
import { KvmfrError } from '../../../protocol/index.ts';
import { fuzzed } from '../../fuzz/runs.ts';
import { bodyOf } from './display-bytes.ts';
import { fields } from './fake-server.ts';

const SET = 103;

function set(cursor: SpiceCursor, bytes: Uint8Array): void {
  const head = fields([2, 30], [2, -4], [1, 1]);
  cursor.message(SET, bodyOf(Buffer.concat([head, bytes])));
}

function shape(type: number, width: number, height: number, flags = 0, id = 9): Buffer {
  return fields([2, flags], [8, id], [1, type], [2, width], [2, height], [2, 1], [2, 2]);
}

describe('the pointer', () => {
  it('has a shape with alpha, which comes multiplied into the colours', () => {
    const cursor = new SpiceCursor();
    set(cursor, Buffer.concat([shape(0, 2, 1), Buffer.from('10204080ffffff00', 'hex')]));
    const { shape: seen, ...place } = cursor.state;
    expect(place).toEqual({ visible: true, x: 30, y: -4 });
    expect(seen).toMatchObject({ id: 9n, widthPx: 2, heightPx: 1, hotX: 1, hotY: 2 });
    expect([...(seen?.rgba ?? [])]).toEqual([128, 64, 32, 128, 0, 0, 0, 0]);
  });

  it('has a shape of two masks', () => {
    const cursor = new SpiceCursor();
    // AND 0011, XOR 0101: black, white, nothing, turned around.
    set(cursor, Buffer.concat([shape(1, 4, 1), Buffer.from('3050', 'hex')]));
    const rgba = [...(cursor.state.shape?.rgba ?? [])];
    expect([0, 4, 8, 12].map((at) => rgba.slice(at, at + 4))).toEqual([
      [0, 0, 0, 255],
      [255, 255, 255, 255],
      [0, 0, 0, 0],
      [0, 0, 0, 128],
    ]);
  });

  it.each([
    [
      '4 bits',
      2,
      Buffer.concat([
        Buffer.from('10', 'hex'),
        fields([4, 0x010203], [4, 0xaabbcc]),
        Buffer.alloc(56),
      ]),
    ],
    [
      '8 bits',
      3,
      Buffer.concat([
        Buffer.from('0100', 'hex'),
        fields([4, 0x010203], [4, 0xaabbcc]),
        Buffer.alloc(1016),
      ]),
    ],
    ['24 bits', 5, Buffer.from('ccbbaa030201', 'hex')],
    ['32 bits', 6, Buffer.from('ccbbaa0003020100', 'hex')],
  ])('has a shape of colours of %s, and a mask', (_, type, data) => {
    const cursor = new SpiceCursor();
    set(cursor, Buffer.concat([shape(type, 2, 1), data, Buffer.from('40', 'hex')]));
    expect([...(cursor.state.shape?.rgba ?? [])]).toEqual([0xaa, 0xbb, 0xcc, 255, 1, 2, 3, 0]);
  });

  it('moves, hides, and shows a shape again by its name', async () => {
    const cursor = new SpiceCursor();
    const states = cursor.states();
    await states.next();
    set(cursor, Buffer.concat([shape(0, 1, 1, 2, 5), Buffer.alloc(4, 255)]));
    const first = cursor.state.shape;
    set(cursor, Buffer.concat([shape(0, 1, 1, 0, 6), Buffer.alloc(4, 1)]));
    expect(cursor.state.shape?.id).toBe(6n);
    set(cursor, shape(0, 1, 1, 4, 5));
    expect(cursor.state.shape).toBe(first);
    cursor.message(104, bodyOf(fields([2, -1], [2, 77])));
    expect(cursor.state).toMatchObject({ visible: true, x: -1, y: 77, shape: first });
    cursor.message(105, bodyOf(Buffer.alloc(0)));
    expect((await states.next()).value).toEqual({ visible: false, x: -1, y: 77, shape: first });
    cursor.message(108, bodyOf(Buffer.alloc(0)));
    set(cursor, shape(0, 1, 1, 4, 5));
    expect(cursor.unknownShapes).toBe(1);
  });

  it('begins without a shape, or with one', () => {
    const cursor = new SpiceCursor();
    cursor.message(101, bodyOf(fields([2, 3], [2, 4], [2, 0], [2, 0], [1, 0], [2, 1])));
    expect(cursor.state).toEqual({ visible: false, x: 3, y: 4, shape: undefined });
    const head = fields([2, 3], [2, 4], [2, 0], [2, 0], [1, 1]);
    cursor.message(101, bodyOf(Buffer.concat([head, shape(0, 1, 1), Buffer.alloc(4)])));
    expect(cursor.state).toMatchObject({ visible: true, shape: { widthPx: 1 } });
  });

  it('is refused when it is larger than pointers are, or than its message', () => {
    const cursor = new SpiceCursor();
    for (const bytes of [shape(0, 0xffff, 0xffff), shape(0, 64, 64), shape(1, 512, 512)])
      expect(() => set(cursor, bytes)).toThrow(
        expect.objectContaining({ code: 'ERR_KVMFR_SPICE' }),
      );
  });

  it('of any bytes is taken or refused, and no more', () => {
    const kinds = fc.record({
      type: fc.integer({ min: 101, max: 108 }),
      flags: fc.constantFrom(0, 1, 2, 4, 6),
      kind: fc.nat(8),
      width: fc.nat(20),
      height: fc.nat(20),
      data: fc.uint8Array({ maxLength: 2000 }),
    });
    fc.assert(
      fc.property(fc.array(kinds, { maxLength: 4 }), (messages) => {
        const cursor = new SpiceCursor();
        for (const { type, flags, kind, width, height, data } of messages)
          try {
            const head = fields([2, 0], [2, 0], [1, 1]);
            const body = Buffer.concat([head, shape(kind, width, height, flags, 3), data]);
            cursor.message(type, bodyOf(body));
          } catch (error) {
            expect(KvmfrError.is(error) && error.code).toBe('ERR_KVMFR_SPICE');
          }
        const { shape: seen } = cursor.state;
        if (seen !== undefined) expect(seen.rgba).toHaveLength(seen.widthPx * seen.heightPx * 4);
      }),
      fuzzed(300),
    );
  });
});
