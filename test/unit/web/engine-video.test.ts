import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  coverBytes,
  helloBytes,
  pictureBytes,
  pongBytes,
  rawTilesBytes,
  stateBytes,
  timesBytes,
  videoBytes,
  videoStreamBytes,
} from '../../support/page-wire.ts';
import { FakeChunk, FakeImageData, settle } from './fakes.ts';
import { bytes, sentJson, setUp } from './test-engine.ts';

const ACK = 0x82;
const VIEW = 0x83;
const PING = 0x84;
const PATIENCE = { timeout: 60_000 };
const NEED_KEY = 0x87;
const HELLO = helloBytes({ encodings: ['lossless', 'video'], codecs: ['h264', 'vp8'] });
/** Two tiles, the second one cut to 36 pixels. */
const PICTURE = pictureBytes({ epoch: 7, widthPx: 100, heightPx: 64 });
const STREAM = {
  stream: 3,
  epoch: 7,
  codec: 'h264',
  codedWidthPx: 100,
  codedHeightPx: 64,
} as const;
const CHUNK = Uint8Array.of(0, 0, 0, 1, 0x67);
const UPDATE = { epoch: 7, serial: 9 };

async function begin(track?: WritableStream<VideoFrame>) {
  const at = setUp({ codecs: ['h264', 'vp8'], ...(track === undefined ? {} : { track }) });
  await settle();
  at.connect();
  at.receive(HELLO, stateBytes('showing'), PICTURE, videoStreamBytes(STREAM));
  const decoder = () => {
    const made = at.decoders.at(-1);
    if (made === undefined) throw new Error('nothing is decoded');
    return made;
  };
  return { ...at, decoder };
}

function video(serial: number, key: boolean, change: { readonly epoch?: number } = {}): Buffer {
  return videoBytes({ ...UPDATE, serial, ...change }, { stream: 3, key, chunk: CHUNK });
}

beforeEach(() => {
  vi.stubGlobal('ImageData', FakeImageData);
  vi.stubGlobal('EncodedVideoChunk', FakeChunk);
});
afterEach(() => vi.unstubAllGlobals());

describe('Engine, with video', () => {
  it('draws a picture where its cover says, and acknowledges it with its times', async () => {
    const { receive, decoder, refresh, drawn, network, clock, reports, book } = await begin();
    // 2 ms there and back; the relay's clock is 500 ms ahead.
    const [ping] = network.last.sentOf(PING);
    clock.pass(2);
    receive(pongBytes(ping?.subarray(4) ?? new Uint8Array(8), 1501));
    receive(
      coverBytes(UPDATE, { tileCount: 2, tiles: [1] }),
      timesBytes(UPDATE, { stagesUs: [1, 2, 3, 4, 5, 6, 7], sentMs: clock.now() + 500 - 4 }),
      video(9, true),
    );
    clock.pass(3);
    decoder().output();
    await settle();
    expect(network.last.sentOf(ACK)).toEqual([]);
    clock.pass(5);
    refresh();
    expect(drawn).toEqual(['clip 36x64 at 64,0', 'image at 0,0']);
    expect(book.open).toBe(0);
    expect(network.last.sentOf(ACK)).toEqual([
      // Network 4000 us, off by 1001 us at most: half of the round trip, and the drift of 10 ms.
      bytes('82000000 07000000 09000000 a00f0000 e9030000 b80b0000 88130000'),
    ]);
    expect(reports).toContainEqual({ kind: 'stream' });
  });

  it('tells what each update has been through while somebody wants to know', async () => {
    const { receive, decoder, refresh, reports, engine, clock, kinds } = await begin();
    const update = async (serial: number) => {
      const stagesUs = [0xffff_ffff, 1000, 2000, 3000, 4000, 5000, 6000];
      receive(timesBytes({ ...UPDATE, serial }, { stagesUs, sentMs: 0 }), video(serial, true));
      clock.pass(2);
      decoder().output();
      await settle();
      clock.pass(3);
      refresh();
    };
    await update(9);
    expect(kinds()).not.toContain('latency');
    engine.handle({ kind: 'trace', on: true });
    await update(10);
    expect(reports.filter(({ kind }) => kind === 'latency')).toEqual([
      {
        kind: 'latency',
        sample: {
          atMs: 1_700_000_000_000 + clock.now(),
          stagesMs: [undefined, 1, 2, 3, 4, 5, 6, undefined, 2, 3],
          boundMs: undefined,
        },
      },
    ]);
    engine.handle({ kind: 'trace', on: false });
    await update(11);
    expect(kinds().filter((kind) => kind === 'latency')).toHaveLength(1);
  });

  it('asks for video only where it decodes a codec of the relay', async () => {
    const asked = async (codecs: readonly ('h264' | 'vp8')[]) => {
      const at = setUp({ codecs });
      await settle();
      at.engine.handle({ kind: 'encoding', encoding: 'video' });
      at.connect();
      at.receive(helloBytes({ encodings: ['lossless', 'video'], codecs: ['h264'] }));
      return at.network.last.sentOf(VIEW).map(sentJson);
    };
    expect(await asked(['h264'])).toEqual([{ encoding: 'video' }]);
    expect(await asked(['vp8'])).toEqual([]);
    expect(await asked([])).toEqual([]);
  });

  it('says which stream it decodes, and who draws it', async () => {
    const { reports, clock } = await begin();
    clock.pass(1000);
    expect(reports.find(({ kind }) => kind === 'stats')).toMatchObject({
      stats: { video: { codec: 'h264', codecString: 'avc1.42C028', drawnBy: 'canvas' } },
    });
  });

  it('keeps the cover of the video message before where none is sent', async () => {
    const { receive, decoder, refresh, drawn } = await begin();
    receive(coverBytes(UPDATE, { tileCount: 2, tiles: [0] }), video(9, true));
    decoder().output();
    await settle();
    refresh();
    receive(video(10, false));
    decoder().output();
    await settle();
    refresh();
    expect(drawn).toEqual([
      'clip 64x64 at 0,0',
      'image at 0,0',
      'clip 64x64 at 0,0',
      'image at 0,0',
    ]);
  });

  it('draws tiles of an update before its video, and nothing before all of it is decoded', async () => {
    const { receive, decoder, refresh, drawn, network } = await begin();
    const tile = { coding: 0, indices: [1], rawBytes: 36 * 64 * 3, pixels: new Uint8Array(6912) };
    receive(
      rawTilesBytes({ ...UPDATE, last: false }, tile),
      coverBytes(UPDATE, { tileCount: 2, tiles: [0] }),
      video(9, true),
    );
    await settle();
    refresh();
    expect(drawn).toEqual([]);
    decoder().output();
    await settle();
    refresh();
    expect(drawn).toEqual(['36x64 at 64,0: 0,0,0,255', 'clip 64x64 at 0,0', 'image at 0,0']);
    expect(network.last.sentOf(ACK)).toHaveLength(1);
  });

  it('asks for a key picture when decoding fails, and gives the credit back meanwhile', async () => {
    const { receive, decoder, decoders, refresh, drawn, network } = await begin();
    receive(coverBytes(UPDATE, { tileCount: 2, tiles: [0] }), video(9, true), video(10, false));
    decoder().fail();
    receive(video(11, false));
    await settle();
    refresh();
    expect(drawn).toEqual([]);
    expect(network.last.sentOf(ACK)).toHaveLength(3);
    expect(network.last.sentOf(NEED_KEY)).toEqual([bytes('87000000 03000000')]);
    receive(video(12, true));
    expect(decoders).toHaveLength(2);
    decoder().output();
    await settle();
    refresh();
    expect(drawn).toEqual(['clip 64x64 at 0,0', 'image at 0,0']);
  });

  it('decodes nothing of a picture that is no more, but gives the credit back', async () => {
    const { receive, decoders, refresh, drawn, network } = await begin();
    const former = { epoch: 6, serial: 8 };
    receive(
      coverBytes(former, { tileCount: 40, tiles: [39] }),
      timesBytes(former, { stagesUs: [1, 2, 3, 4, 5, 6, 7], sentMs: 0 }),
      video(8, true, { epoch: 6 }),
    );
    await settle();
    refresh();
    expect(drawn).toEqual([]);
    expect(decoders).toEqual([]);
    expect(network.last.sentOf(ACK)).toEqual([
      bytes('82000000 06000000 08000000 ffffffff ffffffff 00000000 00000000'),
    ]);
    expect(network.last.closedWith).toBeUndefined();
  });

  it('begins the next epoch with nothing covered', async () => {
    const { receive, decoder, refresh, drawn } = await begin();
    receive(coverBytes(UPDATE, { tileCount: 2, tiles: [0, 1] }), video(9, true));
    decoder().output();
    receive(
      pictureBytes({ epoch: 8, widthPx: 100, heightPx: 64 }),
      videoStreamBytes({ ...STREAM, stream: 4, epoch: 8 }),
      videoBytes({ epoch: 8, serial: 10 }, { stream: 4, key: true, chunk: CHUNK }),
    );
    decoder().output();
    await settle();
    refresh();
    expect(drawn).toEqual([]);
  });

  it('puts the canvas back on the screen before a picture of another size is played below it', async () => {
    const writable = new WritableStream<VideoFrame>({ write: (frame) => frame.close() });
    const { receive, decoder, engine, clock, reports } = await begin(writable);
    const clear = () =>
      reports.flatMap((report) => (report.kind === 'clear' ? [report.isClear] : []));
    const play = async () => {
      const { timestamp: timestampUs } = decoder().output();
      await settle();
      return () => engine.handle({ kind: 'onScreen', timestampUs, atMs: clock.now() });
    };
    receive(coverBytes(UPDATE, { tileCount: 2, tiles: [0, 1] }), video(9, true));
    (await play())();
    expect(clear()).toEqual([true]);
    const next = { epoch: 8, serial: 10 };
    receive(
      pictureBytes({ epoch: 8, widthPx: 100, heightPx: 64 }),
      videoStreamBytes({ ...STREAM, stream: 4, epoch: 8 }),
      coverBytes(next, { tileCount: 2, tiles: [0, 1] }),
      videoBytes(next, { stream: 4, key: true, chunk: CHUNK }),
    );
    const onScreen = await play();
    expect(clear()).toEqual([true, false]);
    onScreen();
    expect(clear()).toEqual([true, false, true]);
  });

  it('closes what is under way when the connection ends', async () => {
    const { receive, decoder, network, book, refresh, drawn } = await begin();
    receive(coverBytes(UPDATE, { tileCount: 2, tiles: [0] }), video(9, true), video(10, false));
    decoder().output();
    network.last.handlers.closed();
    await settle();
    refresh();
    expect(drawn).toEqual([]);
    expect(decoder().closings).toBe(1);
    expect(book.open).toBe(0);
    expect(book.faults).toEqual([]);
  });

  it('does without a codec that it was said to have, but cannot decode', async () => {
    const { receive, decoder, network, clock, reports, connect } = await begin();
    for (let serial = 9; serial < 13; serial++) {
      receive(video(serial, true));
      decoder().fail();
    }
    expect(reports).toContainEqual({
      kind: 'error',
      code: 'ERR_KVMFR_UNSUPPORTED',
      message: 'this browser cannot decode avc1.42C028, though it says so',
    });
    expect(network.last.closedWith).toEqual({ code: 1000, reason: '' });
    clock.pass(1000);
    expect(network.sockets).toHaveLength(2);
    connect();
    expect(sentJson(network.last.sent[0])).toMatchObject({
      encodings: ['lossless', 'video', 'jpeg'],
      codecs: ['vp8'],
    });
  });

  it.each([
    ['video before a picture', [HELLO, video(9, true)]],
    ['a cover before a picture', [HELLO, coverBytes(UPDATE, { tileCount: 2, tiles: [0] })]],
    ['a cover of another size', [HELLO, PICTURE, coverBytes(UPDATE, { tileCount: 9, tiles: [0] })]],
    [
      'a stream of another size than its picture',
      [HELLO, PICTURE, videoStreamBytes({ ...STREAM, codedWidthPx: 102 }), video(9, true)],
    ],
    [
      'a stream of another epoch than its picture',
      [HELLO, PICTURE, videoStreamBytes({ ...STREAM, epoch: 6 }), video(9, true)],
    ],
    [
      'a video message without a chunk',
      [HELLO, PICTURE, Buffer.concat([video(9, true).subarray(0, 16)])],
    ],
  ])('ends a connection that brings %s', async (_, messages) => {
    const { network, receive, connect, decoders } = setUp({ codecs: ['h264'] });
    connect();
    receive(...messages);
    await vi.waitFor(() => expect(network.last.closedWith).toBeDefined(), PATIENCE);
    expect(network.last.closedWith).toEqual({ code: 4002, reason: 'ERR_KVMFR_WIRE' });
    expect(decoders).toEqual([]);
  });
});
