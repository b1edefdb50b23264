import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeAck,
  decodeBye,
  decodeHello,
  decodePing,
  decodePong,
  decodeState,
  decodeStats,
  decodeView,
  decodeViewerHello,
  ENCODINGS,
  encodeAck,
  encodeBye,
  encodeHello,
  encodePing,
  encodePong,
  encodeRefresh,
  encodeState,
  encodeStats,
  encodeView,
  encodeViewerHello,
  readEnvelope,
  SOURCES,
  STATES,
} from '../../../protocol/wire/index.ts';
import { bytes, codeOf, patched } from './literal.ts';

/** A message of a type whose body is this text. */
function text(type: number, body: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([type, 0, 0, 0, ...Buffer.from(body)]);
}

const ACK = bytes('82 00 0000 05000000 09000000 f4010000 64000000 e8030000 a00f0000');

describe('an acknowledgement', () => {
  const ack = {
    epoch: 5,
    serial: 9,
    networkUs: 500,
    boundUs: 100,
    decodeUs: 1000,
    presentUs: 4000,
  };

  it('is written and read as drawn', () => {
    expect(encodeAck(ack)).toEqual(ACK);
    expect(decodeAck(readEnvelope(ACK))).toEqual(ack);
  });

  it('has exactly 24 bytes', () => {
    expect(codeOf(() => decodeAck(readEnvelope(ACK.subarray(0, -1))))).toBe('ERR_KVMFR_WIRE');
    const longer = Uint8Array.from([...ACK, 0]);
    expect(codeOf(() => decodeAck(readEnvelope(longer)))).toBe('ERR_KVMFR_WIRE');
  });

  it('comes back as it was written', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const acks = fc.record({
      epoch: u32,
      serial: u32,
      networkUs: u32,
      boundUs: u32,
      decodeUs: u32,
      presentUs: u32,
    });
    fc.assert(
      fc.property(acks, (any) => {
        expect(decodeAck(readEnvelope(encodeAck(any)))).toEqual(any);
      }),
    );
  });
});

describe('ping, pong and refresh', () => {
  it('are written and read as drawn', () => {
    const ping = bytes('84 00 0000 0000000000804840'); // 49.0
    const pong = bytes('08 00 0000 0000000000804840 000000000000f03f'); // 49.0, 1.0
    expect(encodePing(49)).toEqual(ping);
    expect(decodePing(readEnvelope(ping))).toBe(49);
    expect(encodePong({ viewerMs: 49, relayMs: 1 })).toEqual(pong);
    expect(decodePong(readEnvelope(pong))).toEqual({ viewerMs: 49, relayMs: 1 });
    expect(encodeRefresh()).toEqual(bytes('85 00 0000'));
  });

  it('are refused in any other length', () => {
    expect(codeOf(() => decodePing(readEnvelope(bytes('84000000 00'))))).toBe('ERR_KVMFR_WIRE');
    expect(codeOf(() => decodePong(readEnvelope(bytes('08000000 0000000000804840'))))).toBe(
      'ERR_KVMFR_WIRE',
    );
  });
});

describe("the relay's hello", () => {
  const drawn = text(
    0x01,
    '{"wire":1,"version":"0.1.0","tilePx":64,"viewOnly":true,"encodings":["lossless","video"],"codecs":["vp8"]}',
  );
  const hello = {
    wire: 1,
    version: '0.1.0',
    tilePx: 64,
    viewOnly: true,
    encodings: ['lossless', 'video'],
    codecs: ['vp8'],
  } as const;

  it('is written and read as drawn', () => {
    expect(encodeHello(hello)).toEqual(drawn);
    expect(decodeHello(readEnvelope(drawn))).toEqual(hello);
  });

  it('may name encodings that are not known here, among others that are', () => {
    const later = text(0x01, '{"wire":1,"tilePx":64,"encodings":["av2","jpeg"],"more":[1]}');
    expect(decodeHello(readEnvelope(later))).toMatchObject({ encodings: ['jpeg'], version: '' });
  });

  it.each([
    ['another wire version', '{"wire":2,"tilePx":64,"encodings":["jpeg"]}'],
    ['no wire version', '{"tilePx":64,"encodings":["jpeg"]}'],
    ['a wire version that is text', '{"wire":"1","tilePx":64,"encodings":["jpeg"]}'],
    ['tiles too small', '{"wire":1,"tilePx":7,"encodings":["jpeg"]}'],
    ['tiles too large', '{"wire":1,"tilePx":1025,"encodings":["jpeg"]}'],
    ['no tile size', '{"wire":1,"encodings":["jpeg"]}'],
    ['no encodings', '{"wire":1,"tilePx":64}'],
    ['no known encoding', '{"wire":1,"tilePx":64,"encodings":["av2"]}'],
    ['a list for an object', '[1]'],
    ['null', 'null'],
    ['half of it', '{"wire":1,'],
    ['nothing', ''],
  ])('is refused with %s', (_, body) => {
    expect(codeOf(() => decodeHello(readEnvelope(text(0x01, body))))).toBe('ERR_KVMFR_WIRE');
  });
});

describe("the viewer's hello", () => {
  const drawn = text(0x81, '{"wire":1,"encodings":["jpeg"],"codecs":["h264"],"visible":false}');

  it('is written and read as drawn', () => {
    const hello = { wire: 1, encodings: ['jpeg'], codecs: ['h264'], visible: false } as const;
    expect(encodeViewerHello(hello)).toEqual(drawn);
    expect(decodeViewerHello(readEnvelope(drawn))).toEqual(hello);
  });

  it('means visible when it does not say', () => {
    const short = text(0x81, '{"wire":1,"encodings":["lossless"]}');
    expect(decodeViewerHello(readEnvelope(short)).visible).toBe(true);
  });

  it('may tell how often the display is refreshed', () => {
    const drawn = text(
      0x81,
      '{"wire":1,"encodings":["jpeg"],"codecs":[],"visible":true,"refreshHz":59.94}',
    );
    const hello = {
      wire: 1,
      encodings: ['jpeg'],
      codecs: [],
      visible: true,
      refreshHz: 59.94,
    } as const;
    expect(encodeViewerHello(hello)).toEqual(drawn);
    expect(decodeViewerHello(readEnvelope(drawn))).toEqual(hello);
  });

  it('may name codings of tiles, among others that are not known here', () => {
    const drawn = text(
      0x81,
      '{"wire":1,"encodings":["lossless"],"codecs":[],"tileCodings":["ops"],"visible":true}',
    );
    const hello = {
      wire: 1,
      encodings: ['lossless'],
      codecs: [],
      tileCodings: ['ops'],
      visible: true,
    } as const;
    expect(encodeViewerHello(hello)).toEqual(drawn);
    expect(decodeViewerHello(readEnvelope(drawn))).toEqual(hello);
    for (const [list, known] of [
      ['["zstd","ops",7]', ['ops']],
      ['[]', []],
      ['"ops"', undefined],
    ] as const) {
      const other = text(0x81, `{"wire":1,"encodings":["lossless"],"tileCodings":${list}}`);
      expect(decodeViewerHello(readEnvelope(other)).tileCodings).toEqual(known);
    }
  });

  it('may say that it takes video of a part of the picture', () => {
    const drawn = text(
      0x81,
      '{"wire":1,"encodings":["video"],"codecs":["vp8"],"videoRegions":true,"visible":true}',
    );
    const hello = {
      wire: 1,
      encodings: ['video'],
      codecs: ['vp8'],
      videoRegions: true,
      visible: true,
    } as const;
    expect(encodeViewerHello(hello)).toEqual(drawn);
    expect(decodeViewerHello(readEnvelope(drawn))).toEqual(hello);
  });

  it('has its list of encodings read up to the sixteenth', () => {
    const many = [...Array.from({ length: 16 }, () => 'x'), 'jpeg'];
    const long = text(0x81, JSON.stringify({ wire: 1, encodings: many }));
    expect(codeOf(() => decodeViewerHello(readEnvelope(long)))).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a view message', () => {
  it.each([
    ['{"visible":true}', { visible: true }],
    ['{"encoding":"auto"}', { encoding: 'auto' }],
    ['{"visible":false,"encoding":"jpeg"}', { visible: false, encoding: 'jpeg' }],
    ['{"refreshHz":143.98}', { refreshHz: 143.98 }],
    ['{"refreshHz":0.1}', { refreshHz: 0.1 }],
    ['{"refreshHz":10000}', { refreshHz: 10000 }],
    ['{}', {}],
  ] as const)('%s is written and read as drawn', (body, view) => {
    expect(encodeView(view)).toEqual(text(0x83, body));
    expect(decodeView(readEnvelope(text(0x83, body)))).toEqual(view);
  });

  it('is refused with an encoding that is not known', () => {
    expect(codeOf(() => decodeView(readEnvelope(text(0x83, '{"encoding":"av2"}'))))).toBe(
      'ERR_KVMFR_WIRE',
    );
  });
});

describe('a refresh rate', () => {
  it.each(['0', '-60', '0.09', '10001', '1e999', '"60"', 'null', '[60]', 'true'])(
    'is refused when it is %s',
    (rate) => {
      const view = text(0x83, `{"refreshHz":${rate}}`);
      const hello = text(0x81, `{"wire":1,"encodings":["jpeg"],"refreshHz":${rate}}`);
      expect(codeOf(() => decodeView(readEnvelope(view)))).toBe('ERR_KVMFR_WIRE');
      expect(codeOf(() => decodeViewerHello(readEnvelope(hello)))).toBe('ERR_KVMFR_WIRE');
    },
  );
});

describe('a state message', () => {
  const drawn = text(
    0x02,
    '{"state":"too-small","message":"rows are missing","hint":"make it larger",' +
      '"code":"ERR_KVMFR_SIZE","needMib":64,"source":"lgmp","session":{"release":"B7","lgmpVersion":6,' +
      '"kvmfrVersion":20,"hostVersion":"B7-0","os":"Windows 11","capture":"DXGI","cpu":"AMD"}}',
  );
  const state = {
    state: 'too-small',
    message: 'rows are missing',
    hint: 'make it larger',
    code: 'ERR_KVMFR_SIZE',
    needMib: 64,
    source: 'lgmp',
    session: {
      release: 'B7',
      lgmpVersion: 6,
      kvmfrVersion: 20,
      hostVersion: 'B7-0',
      os: 'Windows 11',
      capture: 'DXGI',
      cpu: 'AMD',
    },
  } as const;

  it('is written and read as drawn', () => {
    expect(encodeState(state)).toEqual(drawn);
    expect(decodeState(readEnvelope(drawn))).toEqual(state);
  });

  it.each(STATES.map((name) => [name]))('knows the state %s', (name) => {
    const message = encodeState({ state: name, message: '' });
    expect(decodeState(readEnvelope(message))).toEqual({ state: name, message: '' });
  });

  it.each(SOURCES.map((name) => [name]))('knows the source %s, and takes no other', (source) => {
    const state = { state: 'showing', message: '', source } as const;
    expect(decodeState(readEnvelope(encodeState(state)))).toEqual(state);
    const odd = text(0x02, '{"state":"showing","message":"","source":"tape"}');
    expect(decodeState(readEnvelope(odd))).toEqual({ state: 'showing', message: '' });
  });

  it('is refused in a state that is not known', () => {
    expect(codeOf(() => decodeState(readEnvelope(text(0x02, '{"state":"on"}'))))).toBe(
      'ERR_KVMFR_WIRE',
    );
  });

  it('leaves out what is not of its type', () => {
    const odd = '{"state":"stale","message":1,"hint":{},"needMib":-1,"session":{"os":[]}}';
    expect(decodeState(readEnvelope(text(0x02, odd)))).toEqual({
      state: 'stale',
      message: '',
      session: { release: '', lgmpVersion: 0, kvmfrVersion: 0, hostVersion: '' },
    });
  });
});

describe('stats and bye', () => {
  it('are written and read as drawn', () => {
    const stats = { viewers: 2, guestFps: 59.9, framesSkipped: 3, framesGivenUp: 1 };
    const drawnStats = text(
      0x09,
      '{"viewers":2,"guestFps":59.9,"framesSkipped":3,"framesGivenUp":1}',
    );
    expect(encodeStats(stats)).toEqual(drawnStats);
    expect(decodeStats(readEnvelope(drawnStats))).toEqual(stats);
    const bye = { code: 'ERR_KVMFR_BUSY', message: 'full', retry: true };
    const drawnBye = text(0x0a, '{"code":"ERR_KVMFR_BUSY","message":"full","retry":true}');
    expect(encodeBye(bye)).toEqual(drawnBye);
    expect(decodeBye(readEnvelope(drawnBye))).toEqual(bye);
  });

  it('read numbers that make no sense as nothing', () => {
    const odd = text(0x09, '{"viewers":-1,"guestFps":"60","framesSkipped":1e999}');
    expect(decodeStats(readEnvelope(odd))).toEqual({
      viewers: 0,
      guestFps: 0,
      framesSkipped: 0,
      framesGivenUp: 0,
    });
  });

  it('keep text that is not UTF-8 from doing harm', () => {
    const broken = patched(text(0x0a, '{"code":"x"}'), 13, 0xff);
    expect(decodeBye(readEnvelope(broken)).code).toBe('\ufffd');
  });
});

describe('the names on the wire', () => {
  it('are these', () => {
    expect(ENCODINGS).toEqual(['lossless', 'video', 'jpeg']);
    expect(STATES).toEqual([
      'waiting',
      'showing',
      'stale',
      'incompatible',
      'too-small',
      'denied',
      'failed',
    ]);
  });
});
