import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  coverBytes,
  decodeCover,
  decodeNeedKey,
  decodeTimes,
  decodeVideo,
  decodeVideoStream,
  encodeCover,
  encodeNeedKey,
  encodeTimes,
  encodeVideo,
  encodeVideoStream,
  readEnvelope,
  UNKNOWN_US,
  wireMicroseconds,
} from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

function text(type: number, body: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([type, 0, 0, 0, ...Buffer.from(body)]);
}

describe('a video stream message', () => {
  const drawn = text(
    0x0b,
    '{"stream":3,"epoch":2,"codec":"h264","codecString":"avc1.42C028","codedWidthPx":1920,"codedHeightPx":1080}',
  );
  const stream = {
    stream: 3,
    epoch: 2,
    codec: 'h264',
    codecString: 'avc1.42C028',
    codedWidthPx: 1920,
    codedHeightPx: 1080,
  } as const;

  it('is written and read as drawn', () => {
    expect(encodeVideoStream(stream)).toEqual(drawn);
    expect(decodeVideoStream(readEnvelope(drawn))).toEqual(stream);
  });

  it('may be of a part of the picture', () => {
    const region = { x: 960, y: 192, width: 960, height: 448 };
    const part = { ...stream, codedWidthPx: 960, codedHeightPx: 448, region };
    const drawnPart = text(
      0x0b,
      '{"stream":3,"epoch":2,"codec":"h264","codecString":"avc1.42C028","codedWidthPx":960,"codedHeightPx":448,"region":{"x":960,"y":192,"width":960,"height":448}}',
    );
    expect(encodeVideoStream(part)).toEqual(drawnPart);
    expect(decodeVideoStream(readEnvelope(drawnPart))).toEqual(part);
  });

  it.each([
    ['an unknown codec', { ...stream, codec: 'av2' }],
    ['no codec string', { ...stream, codecString: undefined }],
    ['a codec string with a blank', { ...stream, codecString: 'avc1 x' }],
    ['a codec string without end', { ...stream, codecString: 'a'.repeat(33) }],
    ['stream 0', { ...stream, stream: 0 }],
    ['half a stream', { ...stream, stream: 1.5 }],
    ['no width', { ...stream, codedWidthPx: 0 }],
    ['a height beyond all pictures', { ...stream, codedHeightPx: 32770 }],
    ['a region that is a list', { ...stream, region: [0, 0, 64, 64] }],
    ['a region without a width', { ...stream, region: { x: 0, y: 0, height: 64 } }],
    ['an empty region', { ...stream, region: { x: 0, y: 0, width: 64, height: 0 } }],
    [
      'a region left of the picture',
      { ...stream, region: { x: -64, y: 0, width: 64, height: 64 } },
    ],
    ['half a pixel', { ...stream, region: { x: 0.5, y: 0, width: 64, height: 64 } }],
  ])('is refused with %s', (_, body) => {
    const message = text(0x0b, JSON.stringify(body));
    expect(codeOf(() => decodeVideoStream(readEnvelope(message)))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a cover message', () => {
  const drawn = bytes('0c 00 0000 02000000 09000000 05 02'); // tiles 0, 2 and 9 of ten
  const cover = { epoch: 2, serial: 9, bits: Uint8Array.of(5, 2) };

  it('is written and read as drawn', () => {
    expect(encodeCover(cover)).toEqual(drawn);
    expect(decodeCover(readEnvelope(drawn), 10)).toEqual(cover);
  });

  it('has a bit for each tile and none beyond', () => {
    expect(coverBytes(0)).toBe(0);
    expect(coverBytes(8)).toBe(1);
    expect(coverBytes(9)).toBe(2);
    expect(codeOf(() => decodeCover(readEnvelope(drawn), 9))).toBe('ERR_KVMFR_WIRE');
    expect(codeOf(() => decodeCover(readEnvelope(drawn), 8))).toBe('ERR_KVMFR_WIRE');
    expect(codeOf(() => decodeCover(readEnvelope(drawn), 17))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a video message', () => {
  const drawn = bytes('0d 03 0000 02000000 09000000 03000000 00000001 6742c028');
  const video = {
    epoch: 2,
    serial: 9,
    stream: 3,
    key: true,
    last: true,
    data: bytes('00000001 6742c028'),
  };

  it('is written and read as drawn', () => {
    expect(encodeVideo(video)).toEqual(drawn);
    expect(decodeVideo(readEnvelope(drawn))).toEqual(video);
    expect(decodeVideo(readEnvelope(patched(drawn, 1, 1)))).toMatchObject({ key: false });
    expect(decodeVideo(readEnvelope(patched(drawn, 1, 2)))).toMatchObject({ last: false });
  });

  it('has a chunk', () => {
    expect(codeOf(() => decodeVideo(readEnvelope(drawn.subarray(0, 16))))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a times message', () => {
  const drawn = bytes(
    '0e 00 0000 02000000 09000000',
    'ffffffff 64000000 c8000000 2c010000 90010000 f4010000 58020000',
    '000000000000f03f',
  );
  const times = {
    epoch: 2,
    serial: 9,
    stages: {
      producer: UNKNOWN_US,
      notice: 100,
      arrive: 200,
      apply: 300,
      queue: 400,
      encode: 500,
      send: 600,
    },
    sentMs: 1,
  };

  it('is written and read as drawn', () => {
    expect(encodeTimes(times)).toEqual(drawn);
    expect(decodeTimes(readEnvelope(drawn))).toEqual(times);
  });

  it('has exactly 44 bytes', () => {
    expect(codeOf(() => decodeTimes(readEnvelope(drawn.subarray(0, -1))))).toBe('ERR_KVMFR_WIRE');
    const longer = Uint8Array.from([...drawn, 0]);
    expect(codeOf(() => decodeTimes(readEnvelope(longer)))).toBe('ERR_KVMFR_WIRE');
  });

  it('gives any span of milliseconds as a number of microseconds', () => {
    expect(wireMicroseconds(1.5)).toBe(1500);
    expect(wireMicroseconds(-3)).toBe(0);
    expect(wireMicroseconds(1e12)).toBe(UNKNOWN_US - 1);
    expect(wireMicroseconds(Number.NaN)).toBe(UNKNOWN_US);
    expect(wireMicroseconds(undefined)).toBe(UNKNOWN_US);
    fc.assert(
      fc.property(fc.double(), (ms) => {
        const us = wireMicroseconds(ms);
        return Number.isInteger(us) && us >= 0 && us <= UNKNOWN_US;
      }),
    );
  });
});

describe('a needKey message', () => {
  it('is written and read as drawn', () => {
    const drawn = bytes('87 00 0000 03000000');
    expect(encodeNeedKey(3)).toEqual(drawn);
    expect(decodeNeedKey(readEnvelope(drawn))).toBe(3);
    expect(codeOf(() => decodeNeedKey(readEnvelope(bytes('87 00 0000 0300'))))).toBe(
      'ERR_KVMFR_WIRE',
    );
  });
});
