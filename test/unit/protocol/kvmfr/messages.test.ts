import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeClientMessage,
  encodeFrameSchedule,
  encodeSetCursorPos,
  encodeWindowSize,
  type FrameScheduleMessage,
} from '../../../../protocol/index.ts';

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

  it.each([19, 20])('may be followed by more in KVMFR %i', (version) => {
    expect(decodeClientMessage(hexBytes('000000000100000002000000ffff'), version)).toEqual({
      type: 'set-cursor-pos',
      x: 1,
      y: 2,
    });
  });

  it('has its exact size in KVMFR 34', () => {
    const bytes = '000000000100000002000000';
    expect(decodeClientMessage(hexBytes(bytes), 34)).toEqual({
      type: 'set-cursor-pos',
      x: 1,
      y: 2,
    });
    for (const other of [`${bytes}00`, `${bytes}00000000`, bytes.slice(0, -2)])
      expect(decodeClientMessage(hexBytes(other), 34)).toMatchObject({
        type: 'unknown',
        wireType: 0,
      });
  });
});

describe('KVMFRWindowSize', () => {
  const bytes = '01000000' + '80070000' + '38040000';

  it('is a type and two sizes', () => {
    const message = encodeWindowSize({ widthPx: 1920, heightPx: 1080 });
    expect(Buffer.from(message).toString('hex')).toBe(bytes);
    expect(decodeClientMessage(hexBytes(bytes), 34)).toEqual({
      type: 'window-size',
      widthPx: 1920,
      heightPx: 1080,
    });
  });

  it.each([
    ['before 34', bytes, 20],
    ['when it is cut', bytes.slice(0, -2), 34],
    ['when it is longer', `${bytes}00`, 34],
  ] as const)('is not known %s', (_, hex, version) => {
    expect(decodeClientMessage(hexBytes(hex), version)).toMatchObject({
      type: 'unknown',
      wireType: 1,
    });
  });
});

describe('KVMFRFrameSchedule', () => {
  const schedule: Omit<FrameScheduleMessage, 'type'> = {
    clientId: 7,
    generation: 0xffff_fff0,
    flags: 5,
    periodNs: 16_666_667,
    targetSlackNs: 500_000,
    phaseErrorNs: -2,
    feedbackFrameSerial: 11,
    feedbackScheduleEpoch: 12,
    feedbackDeadlineSerial: 13,
    leaseMs: 1000,
  };
  // Type, client, generation, flags; period, slack and phase in 64 bits; then words, and 8 reserved.
  const bytes = [
    ...['02000000', '07000000', 'f0ffffff', '05000000'],
    ...['2b50fe0000000000', '20a1070000000000', 'feffffffffffffff'],
    ...['0b000000', '0c000000', '0d000000', 'e8030000', '0000000000000000'],
  ].join('');

  it('is 64 bytes, of which the phase is signed', () => {
    expect(bytes).toHaveLength(128);
    expect(Buffer.from(encodeFrameSchedule(schedule)).toString('hex')).toBe(bytes);
    expect(decodeClientMessage(hexBytes(bytes), 34)).toEqual({
      type: 'frame-schedule',
      ...schedule,
    });
  });

  it('has whole nanoseconds', () => {
    const parts = { periodNs: 16_666_666.6, targetSlackNs: 499_999.9, phaseErrorNs: -2.4 };
    const message = encodeFrameSchedule({ ...schedule, ...parts });
    expect(Buffer.from(message).toString('hex')).toBe(bytes);
  });

  it.each([
    ['before 34', bytes, 20],
    ['when it is cut', bytes.slice(0, -2), 34],
  ] as const)('is not known %s', (_, hex, version) => {
    expect(decodeClientMessage(hexBytes(hex), version)).toMatchObject({
      type: 'unknown',
      wireType: 2,
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
        decodeClientMessage(bytes, 34);
        expect(decodeClientMessage(encodeSetCursorPos({ x, y }))).toEqual({
          type: 'set-cursor-pos',
          x,
          y,
        });
      }),
    );
  });
});
