import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEYS, type Key, keyOfCode } from '../../../protocol/keys.ts';
import {
  actsOnGuest,
  decodeInput,
  decodeInputState,
  decodeInputWish,
  encodeInput,
  encodeInputState,
  encodeInputWish,
  type InputEvent,
  MAX_INPUT_EVENTS,
  readEnvelope,
  WIRE_TYPES,
} from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

function key(code: string): Key {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return found;
}

describe('an input message', () => {
  const drawn = bytes(
    'c0 00 0000  000000000000f03f', // one millisecond after 1970
    '01 01 0400 0700 0000', // A goes down
    '01 00 e900 0c00 0000', // volume up goes up
    '02 01 0100 0000 0000', // the middle button goes down
    '03 00 0000 8007 3804', // the pointer is at 1920, 1080
    '04 00 0000 ffff 0200', // it moves by -1, 2
    '05 00 0000 0000 88ff', // the wheel turns by a notch away from the person
    '06 00 0000 0000 0000', // everything goes up
  );
  const input = {
    atMs: 1,
    events: [
      { kind: 'key', key: key('KeyA'), down: true },
      { kind: 'key', key: key('AudioVolumeUp'), down: false },
      { kind: 'button', button: 1, down: true },
      { kind: 'position', x: 1920, y: 1080 },
      { kind: 'motion', dx: -1, dy: 2 },
      { kind: 'wheel', dx: 0, dy: -120 },
      { kind: 'release' },
    ],
  } as const;

  it('is written and read as drawn', () => {
    expect(encodeInput(input)).toEqual(drawn);
    expect(decodeInput(readEnvelope(drawn))).toEqual(input);
  });

  it('acts on the guest, as does a wish for the input', () => {
    expect(actsOnGuest(WIRE_TYPES.input)).toBe(true);
    expect(actsOnGuest(WIRE_TYPES.inputWish)).toBe(true);
    const acting = Object.entries(WIRE_TYPES).filter(([, type]) => actsOnGuest(type));
    expect(acting.map(([name]) => name)).toEqual([
      ...['input', 'inputWish'],
      ...['clipboardOffer', 'clipboardRequest', 'viewerClipboardData'],
      ...['microphoneWish', 'microphone'],
    ]);
  });

  it('does not know when it was when it says 0, or nonsense', () => {
    for (const time of [
      '0000000000000000',
      '000000000000f87f',
      '000000000000f07f',
      '00000000000014c0',
    ])
      expect(
        decodeInput(readEnvelope(bytes(`c0000000 ${time} 0600000000000000`))).atMs,
      ).toBeUndefined();
    expect(encodeInput({ atMs: undefined, events: [{ kind: 'release' }] })).toEqual(
      bytes('c0000000 0000000000000000 0600000000000000'),
    );
  });

  it('leaves out keys that nobody knows', () => {
    const message = bytes('c0000000 0000000000000000 0101 0300 0700 0000 0600 0000 0000 0000');
    expect(decodeInput(readEnvelope(message)).events).toEqual([{ kind: 'release' }]);
  });

  it('cuts steps that are longer than it has room for', () => {
    const long = encodeInput({
      atMs: undefined,
      events: [{ kind: 'motion', dx: 1e6, dy: -1e6 }],
    });
    expect(decodeInput(readEnvelope(long)).events).toEqual([
      { kind: 'motion', dx: 32767, dy: -32767 },
    ]);
  });

  it.each([
    ['no event', bytes('c0000000 0000000000000000')],
    ['half an event', bytes('c0000000 0000000000000000 06000000')],
    ['no room for the time', bytes('c0000000 00000000')],
    ['kind 0', patched(drawn, 12, 0)],
    ['kind 7', patched(drawn, 12, 7)],
    ['a key that is down twice', patched(drawn, 13, 2)],
    ['a key of another page', patched(drawn, 16, 9)],
    ['a sixth button', patched(drawn, 30, 5)],
    ['a place beyond all screens', patched(drawn, 40, 1, 0x80)],
  ])('is refused with %s', (_, message) => {
    expect(codeOf(() => decodeInput(readEnvelope(message)))).toBe('ERR_KVMFR_WIRE');
  });

  it('has an end', () => {
    const events = (count: number): InputEvent[] =>
      Array.from({ length: count }, () => ({ kind: 'release' }));
    const most = encodeInput({ atMs: undefined, events: events(MAX_INPUT_EVENTS) });
    expect(decodeInput(readEnvelope(most)).events).toHaveLength(MAX_INPUT_EVENTS);
    const more = encodeInput({ atMs: undefined, events: events(MAX_INPUT_EVENTS + 1) });
    expect(codeOf(() => decodeInput(readEnvelope(more)))).toBe('ERR_KVMFR_WIRE');
  });

  it('comes out as it went in', () => {
    const whole = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
    const event: fc.Arbitrary<InputEvent> = fc.oneof(
      fc.record({
        kind: fc.constant('key' as const),
        key: fc.constantFrom(...KEYS),
        down: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('button' as const), button: whole(0, 4), down: fc.boolean() }),
      fc.record({ kind: fc.constant('position' as const), x: whole(0, 32768), y: whole(0, 32768) }),
      fc.record({
        kind: fc.constantFrom('motion' as const, 'wheel' as const),
        dx: whole(-32767, 32767),
        dy: whole(-32767, 32767),
      }),
      fc.constant({ kind: 'release' as const }),
    );
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 1, maxLength: 64 }),
        fc.option(fc.double({ min: 1, max: 1e13, noNaN: true }), { nil: undefined }),
        (events, atMs) => {
          expect(decodeInput(readEnvelope(encodeInput({ atMs, events })))).toEqual({
            atMs,
            events,
          });
        },
      ),
    );
  });
});

describe('a wish for the input', () => {
  it.each(['take', 'give'] as const)('is to %s it', (want) => {
    const drawn = Uint8Array.from([0xc1, 0, 0, 0, ...Buffer.from(`{"want":"${want}"}`)]);
    expect(encodeInputWish(want)).toEqual(drawn);
    expect(decodeInputWish(readEnvelope(drawn))).toBe(want);
  });

  it('is refused when it wants something else', () => {
    const message = Uint8Array.from([0xc1, 0, 0, 0, ...Buffer.from('{"want":"all"}')]);
    expect(codeOf(() => decodeInputWish(readEnvelope(message)))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('an input state', () => {
  it('is written and read as drawn', () => {
    const state = {
      keyboard: true,
      absolute: true,
      relative: false,
      holder: 'other',
      holderName: '10.0.0.7',
      free: false,
      locks: { caps: true, num: false, scroll: false },
      reason: 'the guest has no mouse',
    } as const;
    const drawn = Uint8Array.from([
      ...[0x10, 0, 0, 0],
      ...Buffer.from(
        '{"keyboard":true,"absolute":true,"relative":false,"holder":"other","holderName":"10.0.0.7","free":false,"locks":{"caps":true,"num":false,"scroll":false},"reason":"the guest has no mouse"}',
      ),
    ]);
    expect(encodeInputState(state)).toEqual(drawn);
    expect(decodeInputState(readEnvelope(drawn))).toEqual(state);
  });

  it('offers nothing that it does not name', () => {
    const bare = Uint8Array.from([0x10, 0, 0, 0, ...Buffer.from('{"holder":"you"}')]);
    expect(decodeInputState(readEnvelope(bare))).toEqual({
      ...{ keyboard: false, absolute: false, relative: false, holder: 'you', free: false },
    });
    const nobody = Uint8Array.from([0x10, 0, 0, 0, ...Buffer.from('{"holder":"root"}')]);
    expect(codeOf(() => decodeInputState(readEnvelope(nobody)))).toBe('ERR_KVMFR_WIRE');
  });
});
