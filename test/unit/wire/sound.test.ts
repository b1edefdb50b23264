import { describe, expect, it } from 'vitest';
import {
  actsOnGuest,
  decodeMicrophone,
  decodeMicrophoneWish,
  decodeSound,
  decodeSoundState,
  decodeSoundWish,
  encodeMicrophone,
  encodeMicrophoneWish,
  encodeSound,
  encodeSoundState,
  encodeSoundWish,
  MAX_MICROPHONE_FRAMES,
  MAX_OPUS_BYTES,
  MAX_SOUND_FRAMES,
  readEnvelope,
  type SoundMessage,
  type SoundState,
  WIRE_TYPES,
} from '../../../protocol/wire/index.ts';
import { bytes, codeOf } from './literal.ts';

const HEAD = '02000000 05000000 0000000000408f40';

function json(type: string, text: string): Uint8Array<ArrayBuffer> {
  const head = bytes(`${type} 00 0000`);
  return Uint8Array.from([...head, ...Buffer.from(text)]);
}

describe('a sound message', () => {
  const pcm = bytes(`14 00 0000 ${HEAD} 02000000 00 000000 0100feff 0200fdff`);
  const piece: SoundMessage = {
    ...{ stream: 2, sequence: 5, atMs: 1000, frames: 2, codec: 'pcm', last: false },
    data: bytes('0100feff 0200fdff'),
  };
  const opus = bytes(`14 01 0000 ${HEAD} c0030000 01 000000 fcfffe`);

  it('is written and read as drawn', () => {
    expect(encodeSound(piece)).toEqual(pcm);
    expect(decodeSound(readEnvelope(pcm))).toEqual(piece);
    const last: SoundMessage = {
      ...{ stream: 2, sequence: 5, atMs: 1000, frames: 960, codec: 'opus', last: true },
      data: bytes('fcfffe'),
    };
    expect(encodeSound(last)).toEqual(opus);
    expect(decodeSound(readEnvelope(opus))).toEqual(last);
  });

  it.each([
    ['no head', `14 00 0000 ${HEAD}`],
    ['no chunk', `14 00 0000 ${HEAD} c0030000 01 000000`],
    ['an unknown codec', `14 00 0000 ${HEAD} 01000000 02 000000 01020304`],
    ['no frames', `14 00 0000 ${HEAD} 00000000 01 000000 01`],
    ['more frames than samples', `14 00 0000 ${HEAD} 02000000 00 000000 01020304`],
    ['fewer frames than samples', `14 00 0000 ${HEAD} 01000000 00 000000 0102030405060708`],
    [
      'a time that is none',
      '14 00 0000 02000000 05000000 000000000000f07f 01000000 00 000000 01020304',
    ],
  ])('is refused with %s', (_, drawn) => {
    expect(codeOf(() => decodeSound(readEnvelope(bytes(drawn))))).toBe('ERR_KVMFR_WIRE');
  });

  it('has so many frames at most, and so many bytes of Opus', () => {
    const of = (frames: number, codec: 'pcm' | 'opus', length: number) => () =>
      decodeSound(
        readEnvelope(encodeSound({ ...piece, codec, frames, data: new Uint8Array(length) })),
      );
    expect(of(MAX_SOUND_FRAMES, 'pcm', 4 * MAX_SOUND_FRAMES)().frames).toBe(MAX_SOUND_FRAMES);
    expect(codeOf(of(MAX_SOUND_FRAMES + 1, 'pcm', 4 * MAX_SOUND_FRAMES + 4))).toBe(
      'ERR_KVMFR_WIRE',
    );
    expect(of(960, 'opus', MAX_OPUS_BYTES)().data).toHaveLength(MAX_OPUS_BYTES);
    expect(codeOf(of(960, 'opus', MAX_OPUS_BYTES + 1))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a sound state', () => {
  const text =
    '{"available":false,"codec":"opus","microphone":"off","recording":true,"guestVolume":0.25,"reason":"a","microphoneReason":"b","rateHz":48000,"channels":2}';
  const state: SoundState = {
    ...{ available: false, codec: 'opus', microphone: 'off', recording: true },
    guestVolume: 0.25,
    ...{ reason: 'a', microphoneReason: 'b' },
  };

  it('is written and read as drawn', () => {
    expect(encodeSoundState(state)).toEqual(json('13', text));
    expect(decodeSoundState(readEnvelope(json('13', text)))).toEqual(state);
  });

  it.each([
    ['"guestVolume":0.25,', ''],
    ['0.25', '1.5'],
    ['0.25', '"loud"'],
  ])('is as loud as can be with %s as %s', (part, other) => {
    const drawn = json('13', text.replace(part, other));
    expect(decodeSoundState(readEnvelope(drawn)).guestVolume).toBe(1);
  });

  it.each([
    ['"opus"', '"flac"'],
    ['"off"', '"maybe"'],
    ['48000', '44100'],
    ['"channels":2', '"channels":6'],
  ])('is refused with %s as %s', (part, other) => {
    const drawn = json('13', text.replace(part, other));
    expect(codeOf(() => decodeSoundState(readEnvelope(drawn)))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a sound wish', () => {
  it('is written and read as drawn, and acts on nothing', () => {
    const drawn = json('88', '{"sound":true,"codecs":["opus"]}');
    expect(encodeSoundWish({ sound: true, codecs: ['opus'] })).toEqual(drawn);
    expect(decodeSoundWish(readEnvelope(drawn))).toEqual({ sound: true, codecs: ['opus'] });
    expect(actsOnGuest(WIRE_TYPES.soundWish)).toBe(false);
  });

  it('may name codecs that nobody knows, or none', () => {
    const read = (text: string) => decodeSoundWish(readEnvelope(json('88', text)));
    expect(read('{"sound":true,"codecs":["flac","pcm",1]}').codecs).toEqual(['pcm']);
    expect(read('{"sound":false}')).toEqual({ sound: false, codecs: [] });
    expect(codeOf(() => read('{"sound":1}'))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a microphone', () => {
  it('is asked for as drawn, which acts on the guest', () => {
    const drawn = json('c8', '{"microphone":true}');
    expect(encodeMicrophoneWish(true)).toEqual(drawn);
    expect(decodeMicrophoneWish(readEnvelope(drawn))).toBe(true);
    expect(codeOf(() => decodeMicrophoneWish(readEnvelope(json('c8', '{}'))))).toBe(
      'ERR_KVMFR_WIRE',
    );
    expect(actsOnGuest(WIRE_TYPES.microphoneWish)).toBe(true);
    expect(actsOnGuest(WIRE_TYPES.microphone)).toBe(true);
  });

  it('is written and read as drawn', () => {
    const drawn = bytes('c9 00 0000 07000000 0100 feff');
    expect(encodeMicrophone({ sequence: 7, samples: Int16Array.of(1, -2) })).toEqual(drawn);
    expect(decodeMicrophone(readEnvelope(drawn))).toEqual({
      sequence: 7,
      samples: Int16Array.of(1, -2),
    });
  });

  it.each([
    ['nothing', ''],
    ['no sample', '07000000'],
    ['half a sample', '07000000 01'],
  ])('is refused with %s', (_, body) => {
    const drawn = bytes(`c9 00 0000 ${body}`);
    expect(codeOf(() => decodeMicrophone(readEnvelope(drawn)))).toBe('ERR_KVMFR_WIRE');
  });

  it('says 100 ms at a time at most', () => {
    const of = (frames: number) => () =>
      decodeMicrophone(
        readEnvelope(encodeMicrophone({ sequence: 0, samples: new Int16Array(frames) })),
      );
    expect(of(MAX_MICROPHONE_FRAMES)().samples).toHaveLength(MAX_MICROPHONE_FRAMES);
    expect(codeOf(of(MAX_MICROPHONE_FRAMES + 1))).toBe('ERR_KVMFR_WIRE');
  });
});
