import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  byeBytes,
  cursorBytes,
  cursorShapeBytes,
  helloBytes,
  pictureBytes,
  rawTilesBytes,
  stateBytes,
  statsBytes,
  tilesBytes,
} from '../../support/page-wire.ts';
import { FakeImageData, settle } from './fakes.ts';
import { bytes, sentJson, setUp } from './test-engine.ts';

const ACK = 0x82;
const VIEW = 0x83;
const PING = 0x84;
const PATIENCE = { timeout: 60_000 };

const TINY = { widthPx: 2, heightPx: 1, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) };
const PICTURE = pictureBytes({ epoch: 7, widthPx: 2, heightPx: 1 });
const TILES = tilesBytes({ epoch: 7, serial: 40 }, TINY, { coding: 'raw' });

beforeEach(() => vi.stubGlobal('ImageData', FakeImageData));
afterEach(() => vi.unstubAllGlobals());

describe('Engine', () => {
  it('introduces itself when the socket is open and the browser has named its codecs', async () => {
    const { network, connect } = setUp({ visible: false });
    connect();
    expect(network.last.sent).toEqual([]);
    await settle();
    const [hello, ...rest] = network.last.sent;
    expect(hello?.[0]).toBe(0x81);
    expect(sentJson(hello)).toEqual({
      wire: 1,
      encodings: ['lossless', 'jpeg'],
      codecs: [],
      tileCodings: ['ops'],
      moves: true,
      videoRegions: true,
      visible: false,
    });
    expect(rest.map((message) => message[0])).toEqual([PING]);
  });

  it('names video, and the codecs in the order of its liking, where there are any', async () => {
    const { network, connect } = setUp({ codecs: ['h264', 'vp8'] });
    await settle();
    connect();
    expect(sentJson(network.last.sent[0])).toEqual({
      wire: 1,
      encodings: ['lossless', 'video', 'jpeg'],
      codecs: ['h264', 'vp8'],
      tileCodings: ['ops'],
      moves: true,
      videoRegions: true,
      visible: true,
    });
  });

  it('tells what its display does: when it is measured, and on each new connection', async () => {
    const { network, connect, runDisplay } = setUp();
    await settle();
    runDisplay();
    connect();
    runDisplay();
    expect(network.last.sentOf(VIEW).map(sentJson)).toEqual([{ refreshHz: 100 }]);
    connect();
    expect(sentJson(network.last.sent[0])).toMatchObject({ refreshHz: 100 });
    runDisplay();
    expect(network.last.sentOf(VIEW)).toEqual([]);
  });

  it('measures no display that nobody looks at', () => {
    const { network, engine, connect, runDisplay } = setUp({ visible: false });
    connect();
    runDisplay();
    expect(network.last.sentOf(VIEW)).toEqual([]);
    engine.handle({ kind: 'visible', visible: true });
    runDisplay();
    expect(network.last.sentOf(VIEW).map(sentJson)).toEqual([
      { visible: true },
      { refreshHz: 100 },
    ]);
  });

  it('asks for the encoding that was chosen, at once and on each new connection', () => {
    const { network, engine, receive, connect } = setUp();
    engine.handle({ kind: 'encoding', encoding: 'jpeg' });
    connect();
    expect(network.last.sentOf(VIEW)).toEqual([]);
    receive(helloBytes());
    expect(network.last.sentOf(VIEW).map(sentJson)).toEqual([{ encoding: 'jpeg' }]);
    engine.handle({ kind: 'encoding', encoding: 'auto' });
    expect(network.last.sentOf(VIEW).map(sentJson)).toEqual([
      { encoding: 'jpeg' },
      { encoding: 'auto' },
    ]);
  });

  it('does not ask for an encoding that the relay does not offer', () => {
    const { network, engine, receive, reports, connect } = setUp();
    engine.handle({ kind: 'encoding', encoding: 'jpeg' });
    connect();
    receive(helloBytes({ encodings: ['lossless'] }));
    expect(network.last.sentOf(VIEW)).toEqual([]);
    expect(reports).toContainEqual({
      kind: 'hello',
      version: '0.1.0',
      encodings: ['lossless'],
      codecs: [],
      viewOnly: true,
    });
  });

  it('draws an update whole, then gives the credit back in literal bytes', async () => {
    const { network, receive, refresh, drawn, canvas, reports, clock, connect } = setUp();
    connect();
    receive(helloBytes(), stateBytes('showing'), PICTURE, TILES);
    clock.pass(2);
    await settle();
    expect(drawn).toEqual([]);
    expect(network.last.sentOf(ACK)).toEqual([]);
    clock.pass(3);
    refresh();
    expect([canvas.width, canvas.height]).toEqual([2, 1]);
    expect(drawn).toEqual(['2x1 at 0,0: 1,2,3,255']);
    expect(network.last.sentOf(ACK)).toEqual([
      // Type, flags and two reserved; epoch 7; serial 40; nobody told when it was sent, so nothing
      // is known of the network, nor how well; 2000 us to decode; 3000 us to present.
      bytes('82000000 07000000 28000000 ffffffff ffffffff d0070000 b80b0000'),
    ]);
    expect(reports.slice(-2)).toEqual([
      expect.objectContaining({ kind: 'picture' }),
      { kind: 'presented', epoch: 7, serial: 40 },
    ]);
  });

  it('holds back the parts of an update until its last one', async () => {
    const { receive, refresh, drawn, network, connect } = setUp();
    connect();
    const wide = { widthPx: 128, heightPx: 1, rgb: new Uint8Array(384).fill(9) };
    receive(helloBytes(), pictureBytes({ epoch: 1, widthPx: 128, heightPx: 1 }));
    receive(tilesBytes({ epoch: 1, serial: 5, last: false }, wide, { coding: 'raw', tiles: [0] }));
    await settle();
    refresh();
    expect(drawn).toEqual([]);
    receive(tilesBytes({ epoch: 1, serial: 5 }, wide, { coding: 'deflate', tiles: [1] }));
    await vi.waitFor(() => {
      refresh();
      expect(drawn).toEqual(['64x1 at 0,0: 9,9,9,255', '64x1 at 64,0: 9,9,9,255']);
    }, PATIENCE);
    expect(network.last.sentOf(ACK)).toHaveLength(1);
  });

  it('gives the credit back while the page is hidden, when nothing is refreshed', async () => {
    const { network, engine, receive, connect } = setUp();
    connect();
    receive(helloBytes(), PICTURE);
    engine.handle({ kind: 'visible', visible: false });
    expect(network.last.sentOf(VIEW).map(sentJson)).toEqual([{ visible: false }]);
    receive(TILES);
    await settle();
    expect(network.last.sentOf(ACK)).toHaveLength(1);
    engine.handle({ kind: 'visible', visible: true });
    engine.handle({ kind: 'visible', visible: true });
    expect(network.last.sentOf(VIEW).map(sentJson)).toEqual([
      { visible: false },
      { visible: true },
    ]);
  });

  it('gives the credit back for a picture that is no more, and draws nothing of it', async () => {
    const { network, receive, refresh, drawn, connect } = setUp();
    connect();
    receive(helloBytes(), PICTURE, tilesBytes({ epoch: 6, serial: 39 }, TINY, { coding: 'raw' }));
    await settle();
    refresh();
    expect(drawn).toEqual([]);
    expect(network.last.sentOf(ACK)).toEqual([
      bytes('82000000 06000000 27000000 ffffffff ffffffff 00000000 00000000'),
    ]);
  });

  it('draws the rest of the former picture before it changes to the next', async () => {
    const { receive, refresh, drawn, network, connect } = setUp();
    connect();
    receive(helloBytes(), PICTURE, TILES, pictureBytes({ epoch: 8, widthPx: 1, heightPx: 1 }));
    const one = { widthPx: 1, heightPx: 1, rgb: Uint8Array.of(7, 7, 7) };
    receive(tilesBytes({ epoch: 8, serial: 41 }, one, { coding: 'raw' }));
    await settle();
    refresh();
    expect(drawn).toEqual(['2x1 at 0,0: 1,2,3,255', '1x1 at 0,0: 7,7,7,255']);
    expect(network.last.sentOf(ACK)).toHaveLength(2);
  });

  it.each([
    ['a message of three bytes', [Uint8Array.of(1, 0, 0)]],
    ['a hello of another version', [helloBytes({ wire: 2 })]],
    ['a picture before the hello', [PICTURE]],
    ['tiles before a picture', [helloBytes(), TILES]],
    [
      'a tile outside of the picture',
      [
        helloBytes(),
        PICTURE,
        rawTilesBytes(
          { epoch: 7, serial: 1 },
          { coding: 0, indices: [1], rawBytes: 6, pixels: new Uint8Array(6) },
        ),
      ],
    ],
    [
      'a damaged stream',
      [
        helloBytes(),
        PICTURE,
        rawTilesBytes(
          { epoch: 7, serial: 1 },
          { coding: 1, indices: [0], rawBytes: 6, pixels: Uint8Array.of(255, 255, 255) },
        ),
      ],
    ],
    [
      'a stream that yields too much',
      [
        helloBytes(),
        PICTURE,
        rawTilesBytes(
          { epoch: 7, serial: 1 },
          // 17 bytes, where 6 were announced.
          {
            coding: 1,
            indices: [0],
            rawBytes: 6,
            pixels: Uint8Array.of(0xcb, 0x2e, 0xcb, 0x4d, 0x2b, 0x52, 0xc8, 0x46, 0x90, 0),
          },
        ),
      ],
    ],
  ])('ends a connection that brings %s, says so, and tries again later', async (_, messages) => {
    const { network, receive, reports, states, clock, connect } = setUp();
    connect();
    receive(...messages);
    await vi.waitFor(() => expect(network.last.closedWith).toBeDefined(), PATIENCE);
    expect(network.last.closedWith).toEqual({ code: 4002, reason: 'ERR_KVMFR_WIRE' });
    expect(reports).toContainEqual(
      expect.objectContaining({ kind: 'error', code: 'ERR_KVMFR_WIRE' }),
    );
    expect(states().at(-1)).toBe('failed');
    clock.pass(1500);
    expect(network.sockets).toHaveLength(2);
  });

  it('passes over types that a later relay may send', () => {
    const { network, receive, kinds, connect } = setUp();
    connect();
    receive(helloBytes(), Uint8Array.of(0x70, 0, 0, 0, 1, 2, 3));
    expect(network.last.closedWith).toBeUndefined();
    expect(kinds()).not.toContain('error');
  });

  it('hands the cursor on without waiting for a frame', () => {
    const { receive, reports, connect } = setUp();
    connect();
    receive(helloBytes());
    const rgba = Uint8Array.of(1, 2, 3, 4);
    receive(cursorShapeBytes({ shapeId: 3, widthPx: 1, heightPx: 1, hotspotX: -2, rgba }));
    receive(cursorBytes({ visible: true, x: -5, y: 70000, shapeId: 3 }));
    expect(reports.slice(-2)).toEqual([
      {
        kind: 'cursorShape',
        shape: {
          shapeId: 3,
          widthPx: 1,
          heightPx: 1,
          hotspotX: -2,
          hotspotY: 0,
          rgba: Uint8ClampedArray.of(1, 2, 3, 4),
        },
      },
      { kind: 'cursor', cursor: { visible: true, x: -5, y: 70000, shapeId: 3 } },
    ]);
  });

  it('says disconnected until a new connection has brought a state', async () => {
    const { network, receive, states, clock, connect } = setUp();
    connect();
    receive(helloBytes(), stateBytes('showing'));
    clock.pass(3000);
    receive(statsBytes({}));
    network.last.handlers.closed();
    clock.pass(50);
    network.last.handlers.opened();
    receive(helloBytes());
    expect(states()).toEqual(['connecting', 'showing', 'disconnected']);
    receive(stateBytes('waiting'));
    expect(states().at(-1)).toBe('waiting');
  });

  it('keeps the time at which a state began when only its words change', () => {
    const { receive, reports, clock, connect } = setUp();
    connect();
    receive(helloBytes(), stateBytes('stale', { message: 'a' }));
    clock.pass(400);
    receive(stateBytes('stale', { message: 'b' }), stateBytes('stale', { message: 'b' }));
    const stale = reports.flatMap((report) =>
      report.kind === 'status' && report.status.state === 'stale' ? [report.status] : [],
    );
    expect(stale.map(({ message }) => message)).toEqual(['a', 'b']);
    expect(stale[1]?.sinceMs).toBe(stale[0]?.sinceMs);
  });

  it('stays away after a bye that says so, until it is told to connect', () => {
    const { network, receive, reports, clock, connect, engine } = setUp();
    connect();
    receive(helloBytes(), byeBytes({ code: 'ERR_KVMFR_BUSY', message: 'Full.', retry: false }));
    expect(network.last.closedWith?.code).toBe(1000);
    expect(reports.at(-1)).toMatchObject({
      kind: 'status',
      status: { state: 'disconnected', message: 'Full.', code: 'ERR_KVMFR_BUSY', retrying: false },
    });
    clock.pass(60_000);
    expect(network.sockets).toHaveLength(1);
    engine.handle({ kind: 'connect', url: 'ws://relay/ws' });
    expect(network.sockets).toHaveLength(2);
  });

  it('comes back after a bye that lets it', () => {
    const { network, receive, reports, clock, connect } = setUp();
    connect();
    receive(helloBytes(), byeBytes({ code: '', message: 'Restarting.', retry: true }));
    expect(reports.at(-1)).toMatchObject({
      status: { state: 'disconnected', message: 'Restarting.', retrying: true },
    });
    clock.pass(50);
    expect(network.sockets).toHaveLength(2);
  });

  it('leaves a relay that is full alone for longer', () => {
    const { network, receive, clock, connect } = setUp();
    connect();
    receive(helloBytes(), byeBytes({ code: 'ERR_KVMFR_BUSY', message: 'Full.', retry: true }));
    clock.pass(1400);
    expect(network.sockets).toHaveLength(1);
    clock.pass(100);
    expect(network.sockets).toHaveLength(2);
  });

  it('forgets the last words of a relay that is gone', async () => {
    const { network, receive, reports, clock, connect } = setUp();
    connect();
    receive(helloBytes(), byeBytes({ code: '', message: 'Restarting.', retry: true }));
    clock.pass(50);
    network.last.handlers.closed();
    await settle();
    expect(reports.at(-1)).toMatchObject({ kind: 'status' });
    expect(reports.at(-1)).not.toHaveProperty('status.message');
  });

  it('is unauthorized when the relay wants its token', async () => {
    const { network, engine, states } = setUp({ probe: 'unauthorized' });
    engine.handle({ kind: 'connect', url: 'ws://relay/ws' });
    network.last.handlers.closed();
    await settle();
    expect(states()).toEqual(['connecting', 'unauthorized']);
  });

  it('reports numbers once a second, while there is a connection', async () => {
    const { network, receive, refresh, reports, clock, connect } = setUp();
    connect();
    receive(helloBytes(), PICTURE, TILES, statsBytes({ viewers: 3, guestFps: 60 }));
    await settle();
    refresh();
    clock.pass(1000);
    const stats = reports.flatMap((report) => (report.kind === 'stats' ? [report.stats] : []));
    expect(stats).toHaveLength(1);
    expect(stats[0]).toMatchObject({ fps: 1, relay: { viewers: 3, guestFps: 60 } });
    network.last.handlers.closed();
    clock.pass(40);
    expect(reports.filter(({ kind }) => kind === 'stats')).toHaveLength(1);
  });

  it('answers questions about the picture, also with a refusal', async () => {
    const { engine, reports } = setUp();
    engine.handle({ kind: 'snapshot', ask: 1 });
    engine.handle({ kind: 'pixels', ask: 2 });
    await settle();
    expect(reports).toContainEqual({ kind: 'snapshot', ask: 1, png: expect.any(Blob) });
    expect(reports).toContainEqual({
      kind: 'refused',
      ask: 2,
      code: 'ERR_KVMFR_IMAGE',
      message: 'not read here',
    });
  });
});
