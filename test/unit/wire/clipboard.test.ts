import { describe, expect, it } from 'vitest';
import * as wire from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

const STATE: wire.ClipboardState = {
  policy: 'both',
  active: true,
  available: true,
  reason: 'x',
  limits: { text: 1 << 24, png: 1 << 25 },
  guest: { offer: 7, kinds: ['text', 'png'] },
  given: 3,
  wanted: { transfer: 5, offer: 3, kind: 'text', upTo: 131_072 },
};

function message(type: number, json: string): Uint8Array {
  return Uint8Array.from([type, 0, 0, 0, ...Buffer.from(json)]);
}

function read<T>(decode: (envelope: wire.Envelope) => T, type: number, json: string): T {
  return decode(wire.readEnvelope(message(type, json)));
}

describe('clipboard messages', () => {
  it('are told and asked for as docs/wire.md has them', () => {
    const state =
      '{"policy":"both","active":true,"available":true,"limits":{"text":16777216,"png":33554432},' +
      '"guest":{"offer":7,"kinds":["text"]},' +
      '"given":3,"wanted":{"transfer":5,"offer":3,"kind":"text","upTo":131072}}';
    expect(read(wire.decodeClipboardState, 0x11, state)).toEqual({
      ...{ policy: 'both', active: true, available: true },
      limits: { text: 16_777_216, png: 33_554_432 },
      ...{ guest: { offer: 7, kinds: ['text'] }, given: 3 },
      wanted: { transfer: 5, offer: 3, kind: 'text', upTo: 131_072 },
    });
    expect(wire.encodeClipboardOffer({ offer: 3, kinds: ['text', 'png'] })).toEqual(
      message(0xc2, '{"offer":3,"kinds":["text","png"]}'),
    );
    expect(
      wire.encodeClipboardRequest({ transfer: 5, offer: 7, kind: 'text', upTo: 131_072 }),
    ).toEqual(message(0xc3, '{"transfer":5,"offer":7,"kind":"text","upTo":131072}'));
  });

  it('are read as they were written', () => {
    const again = (written: Uint8Array) => wire.readEnvelope(written);
    expect(wire.decodeClipboardState(again(wire.encodeClipboardState(STATE)))).toEqual(STATE);
    const offer = { offer: 0xffff_ffff, kinds: [] };
    expect(wire.decodeClipboardOffer(again(wire.encodeClipboardOffer(offer)))).toEqual(offer);
    const request = { transfer: 1, offer: 2, kind: 'png', upTo: 0 } as const;
    expect(wire.decodeClipboardRequest(again(wire.encodeClipboardRequest(request)))).toEqual(
      request,
    );
  });

  it('carry a piece of contents, or a reason, in these bytes', () => {
    const piece = bytes('12 00 0000  05000000 00000000 0b000000  6b6c6976');
    const data = { transfer: 5, offset: 0, total: 11, bytes: bytes('6b6c6976') };
    expect(wire.encodeClipboardData(data, 'relay')).toEqual(piece);
    expect(wire.decodeClipboardData(wire.readEnvelope(piece))).toEqual(data);
    expect(wire.encodeClipboardData(data, 'viewer')).toEqual(patched(piece, 0, 0xc4));
    const none = bytes('12 01 0000  05000000 00000000 00000000  676f6e65');
    const refused = { transfer: 5, refused: 'gone' };
    expect(wire.encodeClipboardData(refused, 'relay')).toEqual(none);
    expect(wire.decodeClipboardData(wire.readEnvelope(none))).toEqual(refused);
  });

  it('name kinds in one order, each once, and leave out what is not known', () => {
    const json = '{"offer":1,"kinds":["png","html","text","png",7]}';
    expect(read(wire.decodeClipboardOffer, 0xc2, json).kinds).toEqual(['text', 'png']);
  });

  it.each([
    ['a state without a policy', wire.decodeClipboardState, '{"policy":"off"}'],
    ['an offer without a number', wire.decodeClipboardOffer, '{"kinds":[]}'],
    ['an offer of half a number', wire.decodeClipboardOffer, '{"offer":1.5,"kinds":[]}'],
    ['an offer without kinds', wire.decodeClipboardOffer, '{"offer":1}'],
    [
      'a request for a kind that is not known',
      wire.decodeClipboardRequest,
      '{"transfer":1,"offer":1,"kind":"html","upTo":1}',
    ],
    [
      'a request for less than nothing',
      wire.decodeClipboardRequest,
      '{"transfer":1,"offer":1,"kind":"png","upTo":-1}',
    ],
  ])('do not have %s', (_, decode, json) => {
    expect(codeOf(() => read<unknown>(decode, 0x11, json))).toBe('ERR_KVMFR_WIRE');
  });

  it.each([
    ['shorter than its head', 'c4 00 0000  05000000 00000000 0b0000'],
    ['that goes beyond its contents', 'c4 00 0000  05000000 08000000 0b000000  6b6c6976'],
    ['of contents larger than any', 'c4 00 0000  05000000 00000000 01000004  6b'],
    ['without bytes of contents with some', 'c4 00 0000  05000000 00000000 0b000000'],
    ['whose reason is a book', `c4 01 0000  05000000 00000000 00000000 ${'61'.repeat(401)}`],
    [
      'larger than any',
      `c4 00 0000  05000000 00000000 00000100 ${'00'.repeat(wire.CLIPBOARD_CHUNK_BYTES + 1)}`,
    ],
  ])('do not have a piece %s', (_, drawn) => {
    expect(codeOf(() => wire.decodeClipboardData(wire.readEnvelope(bytes(drawn))))).toBe(
      'ERR_KVMFR_WIRE',
    );
  });

  it('act on the guest when a viewer sends them', () => {
    for (const type of ['clipboardOffer', 'clipboardRequest', 'viewerClipboardData'] as const)
      expect(wire.actsOnGuest(wire.WIRE_TYPES[type])).toBe(true);
  });
});
