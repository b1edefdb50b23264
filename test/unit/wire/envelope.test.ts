import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as wire from '../../../protocol/wire/index.ts';
import { bytes, codeOf } from './literal.ts';

const GRID = { widthPx: 100, heightPx: 70, tilePx: 64 };

describe('readEnvelope()', () => {
  it('takes type, flags and body apart without a copy', () => {
    const message = bytes('04 01 0000 aabbcc');
    const envelope = wire.readEnvelope(message);
    expect(envelope.type).toBe(4);
    expect(envelope.flags).toBe(1);
    expect([...envelope.bytes]).toEqual([0xaa, 0xbb, 0xcc]);
    expect(envelope.bytes.buffer).toBe(message.buffer);
    expect(envelope.body.byteLength).toBe(3);
  });

  it('reads a message that lies in the middle of a buffer', () => {
    const around = bytes(
      'ffff 82000000 01000000 07000000 ffffffff ffffffff e8030000 d0070000 ffff',
    );
    const envelope = wire.readEnvelope(around.subarray(2, 30));
    expect(wire.decodeAck(envelope)).toEqual({
      epoch: 1,
      serial: 7,
      networkUs: 0xffff_ffff,
      boundUs: 0xffff_ffff,
      decodeUs: 1000,
      presentUs: 2000,
    });
  });

  it.each([
    ['nothing', ''],
    ['three bytes', '010000'],
    ['a first reserved byte that is not 0', '01000100'],
    ['a second reserved byte that is not 0', '01000001'],
  ])('refuses %s', (_, drawn) => {
    expect(codeOf(() => wire.readEnvelope(bytes(drawn)))).toBe('ERR_KVMFR_WIRE');
  });

  it('gives every type a number of its own, below 0x80 for the relay', () => {
    expect(wire.WIRE_TYPES).toEqual({
      hello: 0x01,
      state: 0x02,
      picture: 0x03,
      tiles: 0x04,
      image: 0x05,
      cursor: 0x06,
      cursorShape: 0x07,
      pong: 0x08,
      stats: 0x09,
      bye: 0x0a,
      videoStream: 0x0b,
      cover: 0x0c,
      video: 0x0d,
      times: 0x0e,
      moves: 0x0f,
      inputState: 0x10,
      clipboardState: 0x11,
      clipboardData: 0x12,
      soundState: 0x13,
      sound: 0x14,
      viewerHello: 0x81,
      ack: 0x82,
      view: 0x83,
      ping: 0x84,
      refresh: 0x85,
      needKey: 0x87,
      soundWish: 0x88,
      input: 0xc0,
      inputWish: 0xc1,
      clipboardOffer: 0xc2,
      clipboardRequest: 0xc3,
      viewerClipboardData: 0xc4,
      microphoneWish: 0xc8,
      microphone: 0xc9,
    });
    expect(wire.WIRE_VERSION).toBe(1);
    expect(wire.WIRE_SUBPROTOCOL).toBe('kvmfr.1');
  });
});

describe('every decoder', () => {
  const decoders: readonly ((envelope: wire.Envelope) => unknown)[] = [
    wire.decodeAck,
    wire.decodeBye,
    wire.decodeClipboardState,
    wire.decodeClipboardData,
    wire.decodeClipboardOffer,
    wire.decodeClipboardRequest,
    (envelope) => wire.decodeCover(envelope, 4),
    wire.decodeNeedKey,
    wire.decodeMicrophone,
    wire.decodeMicrophoneWish,
    wire.decodeSound,
    wire.decodeSoundState,
    wire.decodeSoundWish,
    wire.decodeTimes,
    wire.decodeVideo,
    wire.decodeVideoStream,
    wire.decodeCursor,
    wire.decodeCursorShape,
    wire.decodeHello,
    (envelope) => wire.decodeImage(envelope, GRID),
    wire.decodePicture,
    wire.decodePing,
    wire.decodePong,
    wire.decodeState,
    wire.decodeStats,
    (envelope) => wire.decodeTiles(envelope, GRID),
    wire.decodeView,
    wire.decodeViewerHello,
  ];

  it('reads any bytes, or refuses them as ERR_KVMFR_WIRE and by nothing else', () => {
    fc.assert(
      fc.property(
        fc.nat(decoders.length - 1),
        fc.uint8Array({ maxLength: 96 }),
        fc.nat(255),
        (which, body, flags) => {
          const message = Uint8Array.from([4, flags, 0, 0, ...body]);
          const code = codeOf(() => decoders[which]?.(wire.readEnvelope(message)));
          expect([undefined, 'ERR_KVMFR_WIRE']).toContain(code);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('reads any JSON, or refuses it as ERR_KVMFR_WIRE and by nothing else', () => {
    fc.assert(
      fc.property(fc.nat(decoders.length - 1), fc.json(), (which, json) => {
        const message = Uint8Array.from([1, 0, 0, 0, ...Buffer.from(json)]);
        const code = codeOf(() => decoders[which]?.(wire.readEnvelope(message)));
        expect([undefined, 'ERR_KVMFR_WIRE']).toContain(code);
      }),
      { numRuns: 2000 },
    );
  });
});
