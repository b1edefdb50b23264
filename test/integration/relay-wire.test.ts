import { afterEach, describe, expect, it } from 'vitest';
import {
  encodeCursor,
  encodePing,
  encodeRefresh,
  encodeView,
  encodeViewerHello,
  TILE_CODINGS,
} from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { shapeOf } from '../unit/relay/fake-guest.ts';
import { closeStages, noisy, PING, Stage } from '../unit/relay/stage.ts';
import { Screen } from '../unit/tiles/guest.ts';

afterEach(closeStages);

describe('states', () => {
  it('are told to everybody, with their hint, code and the size that would do', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length === 1);
    stage.guest.session = undefined;
    stage.guest.tell({
      name: 'too-small',
      message: 'rows are missing',
      hint: 'make it larger',
      code: 'ERR_KVMFR_SIZE',
      needMib: 64,
    });
    await viewer.until(() => viewer.states.length === 2);
    expect(viewer.state).toEqual({
      state: 'too-small',
      source: 'lgmp',
      message: 'rows are missing',
      hint: 'make it larger',
      code: 'ERR_KVMFR_SIZE',
      needMib: 64,
    });
  });

  it('leave the last picture where it is, also for who comes later', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    stage.guest.tell({ name: 'stale', message: 'the guest does not answer' });
    await viewer.until(() => viewer.state?.state === 'stale');
    const late = stage.join();
    await late.untilShows(screen.rgb);
    expect(late.state?.state).toBe('stale');
  });

  it('say when frames cannot be shown, and when they can again', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    const huge = Object.assign(noisy(1).frame(), { widthPx: 20_000, heightPx: 20_000 });
    stage.guest.publish(huge);
    await viewer.until(() => viewer.state?.state === 'failed');
    expect(viewer.state).toMatchObject({ code: 'ERR_KVMFR_BOUNDS' });
    expect(viewer.state?.message).toContain('20000 x 20000');
    expect(huge.released).toBe(true);
    const screen = noisy(2);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    await viewer.until(() => viewer.state?.state === 'showing');
  });
});

describe('the cursor', () => {
  it('is sent on its own, its shape once', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.pointed);
    const arrow = shapeOf(1, 4);
    for (const [x, shape, visible] of [
      [10, arrow, true],
      [11, arrow, true],
      [12, shapeOf(2, 5), true],
      [12, undefined, false],
    ] as const) {
      stage.guest.point({ visible, x, y: 20, shape });
      await viewer.until(() => viewer.cursor?.x === x && viewer.cursor.visible === visible);
    }
    expect(viewer.cursors.map(({ x, shapeId }) => [x, shapeId])).toEqual([
      [10, 1],
      [11, 1],
      [12, 2],
      [12, 2],
    ]);
    expect(viewer.shapes.map(({ widthPx, hotspotX }) => [widthPx, hotspotX])).toEqual([
      [4, 1],
      [5, 1],
    ]);
    expect(viewer.updates).toHaveLength(0);
  });
});

describe('encodings', () => {
  it('are the viewer’s choice, and can be changed while it looks', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: { encodings: ['jpeg', 'lossless'] } });
    await eventually(() => stage.guest.watched);
    await stage.show(noisy(1));
    const images = (from: number): boolean =>
      viewer.updates.slice(from).some((update) => update.images > 0);
    await viewer.until(() => images(0));
    viewer.send(encodeView({ encoding: 'lossless' }));
    await viewer.settle(PING);
    const exactFrom = viewer.updates.length;
    const screen = noisy(2);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(images(exactFrom)).toBe(false);
    viewer.send(encodeView({ encoding: 'auto' }));
    await viewer.settle(PING);
    const autoFrom = viewer.updates.length;
    const last = noisy(3);
    await stage.show(last);
    await viewer.until(() => images(autoFrom));
    // What a JPEG has blurred is repaired when it is at rest.
    await viewer.untilShows(last.rgb);
  });

  it('are those the relay was made with', async () => {
    const stage = await Stage.open({ encode: 'lossless' });
    const viewer = stage.join({ hello: { encodings: ['jpeg', 'lossless'] } });
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.hello?.encodings).toEqual(['lossless']);
    const other = stage.join({ hello: { encodings: ['jpeg'] } });
    await other.untilClosed();
    expect(other.bye).toMatchObject({ code: 'ERR_KVMFR_UNSUPPORTED', retry: false });
  });
});

describe('codings of tiles', () => {
  it('are those that each viewer names, and deflate for those that name none', async () => {
    const stage = await Stage.open({ encode: 'lossless' });
    const old = stage.join();
    const other = stage.join({ hello: { tileCodings: [] } });
    const page = stage.join({ hello: { tileCodings: ['ops'] } });
    await eventually(() => stage.guest.watched);
    const screen = new Screen(700, 400);
    screen.fill({ x: 30, y: 20, width: 500, height: 300 }, [10, 200, 30]);
    await stage.show(screen);
    for (const [viewer, coding] of [
      [old, TILE_CODINGS.deflateRaw],
      [other, TILE_CODINGS.deflateRaw],
      [page, TILE_CODINGS.ops],
    ] as const) {
      await viewer.until(() => viewer.updates.length > 0);
      expect(Buffer.compare(viewer.rgb, screen.rgb)).toBe(0);
      expect(new Set(viewer.updates.flatMap((update) => update.codings))).toEqual(
        new Set([coding]),
      );
    }
  });
});

describe('refresh', () => {
  it('brings picture, cursor and all tiles again', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched && stage.guest.pointed);
    const screen = noisy(1);
    await stage.show(screen);
    stage.guest.point({ visible: true, x: 1, y: 1, shape: shapeOf(1, 2) });
    await viewer.until(() => viewer.updates.length === 1 && viewer.cursors.length === 1);
    viewer.send(encodeRefresh());
    await viewer.until(() => viewer.updates.length === 2 && viewer.cursors.length === 2);
    expect(viewer.pictures.map((picture) => picture.epoch)).toEqual([1, 1]);
    expect(viewer.shapes).toHaveLength(2);
    await viewer.untilShows(screen.rgb);
  });

  it('is honoured once a second, however often it is asked for', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    await stage.show(noisy(1));
    await viewer.until(() => viewer.updates.length === 1);
    for (let i = 0; i < 20; i++) viewer.send(encodeRefresh());
    await viewer.until(() => viewer.updates.length === 2);
    await viewer.settle(PING);
    expect(viewer.updates).toHaveLength(2);
    // The rest of them is answered together, later.
    await viewer.until(() => viewer.updates.length === 3);
  });
});

describe('a viewer that breaks the wire', () => {
  const hello = encodeViewerHello({ wire: 1, encodings: ['lossless'], codecs: [], visible: true });
  it.each([
    ['speaks before its hello', [PING]],
    ['says hello twice', [hello, hello]],
    ['sends nothing in a message', [hello, new Uint8Array(0)]],
    ['sends half an envelope', [hello, new Uint8Array([0x82, 0])]],
    ['uses reserved bytes', [hello, Uint8Array.from([0x85, 0, 1, 0])]],
    ['sends an unknown type', [hello, Uint8Array.from([0xff, 0, 0, 0])]],
    [
      'sends what only a relay may',
      [hello, encodeCursor({ visible: true, x: 0, y: 0, shapeId: 0 })],
    ],
    ['cuts an acknowledgement', [hello, Uint8Array.from([0x82, 0, 0, 0, 1, 2, 3])]],
    ['gives refresh a body', [hello, Uint8Array.from([0x85, 0, 0, 0, 1])]],
    ['sends JSON that is none', [Uint8Array.from([0x81, 0, 0, 0, ...Buffer.from('{"wire":')])]],
    [
      'speaks another version',
      [Uint8Array.from([0x81, 0, 0, 0, ...Buffer.from('{"wire":2,"encodings":["lossless"]}')])],
    ],
    [
      'asks for an encoding that is none',
      [hello, Uint8Array.from([0x83, 0, 0, 0, ...Buffer.from('{"encoding":"gif"}')])],
    ],
    // Several times what passes in a second: wherever a second ends, one has too many.
    ['floods', Array.from({ length: 20_000 }, (_, index) => (index === 0 ? hello : PING))],
  ])('and %s is told so and closed with 1002, and nobody else notices', async (_, messages) => {
    const stage = await Stage.open();
    const other = stage.join();
    await eventually(() => stage.guest.watched);
    const viewer = stage.join({ hello: false });
    await viewer.until(() => viewer.hello !== undefined);
    for (const message of messages) viewer.send(message);
    await viewer.untilClosed();
    expect(viewer.bye).toMatchObject({ code: 'ERR_KVMFR_WIRE', retry: false });
    expect(viewer.closeCode).toBe(1002);
    await eventually(() => stage.relay.viewers.length === 1);
    const screen = noisy(1);
    await stage.show(screen);
    await other.untilShows(screen.rgb);
  });

  it('by text is closed with 1002', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    viewer.socket.send('{"wire":1}');
    await viewer.untilClosed();
    expect(viewer.closeCode).toBe(1002);
  });

  it('by a message that is too long is closed with 1009', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    viewer.send(new Uint8Array(64 * 1024 + 1));
    await viewer.untilClosed();
    expect(viewer.closeCode).toBe(1009);
    await eventually(() => stage.relay.viewers.length === 0);
  });
});

describe('the number of viewers', () => {
  it('is bounded: one too many is told, and has its place when another leaves', async () => {
    const stage = await Stage.open({ maxViewers: 2 });
    const first = stage.join();
    const second = stage.join();
    await eventually(() => stage.relay.viewers.length === 2);
    const third = stage.join();
    await third.untilClosed();
    expect(third.bye).toMatchObject({ code: 'ERR_KVMFR_BUSY', retry: true });
    expect(third.closeCode).toBe(1013);
    await first.close();
    await eventually(() => stage.relay.viewers.length === 1);
    const fourth = stage.join();
    await fourth.until(() => fourth.states.length > 0);
    expect(fourth.bye).toBeUndefined();
    await second.close();
  });
});

describe('once a second', () => {
  it('a visible viewer is told how many look and how the guest does', async () => {
    const stage = await Stage.open({ ackTimeoutMs: 100 });
    const viewer = stage.join();
    await viewer.until(() => viewer.stats.length > 0);
    expect(viewer.stats[0]).toMatchObject({ viewers: 1, framesSkipped: 0, framesGivenUp: 0 });
  });
});

describe('a ping', () => {
  it('is answered with its own number and the time', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    const before = Date.now() - 1000;
    await viewer.settle(encodePing(123.25));
    expect(viewer.pongs[0]?.viewerMs).toBe(123.25);
    expect(viewer.pongs[0]?.relayMs).toBeGreaterThan(before);
  });
});

describe('close()', () => {
  it('says goodbye to all and leaves no socket, timer or reader behind', async () => {
    const before = resources();
    const stage = await Stage.open({ idleGraceMs: 60_000 });
    const viewers = [stage.join(), stage.join(), stage.join({ hello: false })];
    for (const viewer of viewers) await viewer.until(() => viewer.hello !== undefined);
    await eventually(() => stage.guest.watched);
    await stage.show(noisy(1, 1024, 768));
    viewers[1]?.socket.pause();
    await stage.relay.close();
    await viewers[0]?.untilClosed();
    expect(viewers[0]?.bye).toMatchObject({ code: 'ERR_KVMFR_CLOSED', retry: true });
    expect(viewers[0]?.closeCode).toBe(1001);
    expect(stage.guest.watched).toBe(false);
    expect(stage.guest.pointed).toBe(false);
    // The source is whose it was.
    expect(stage.guest.closed).toBe(false);
    await stage.relay.close();
    await stage.door.close();
    for (const viewer of viewers) viewer.socket.terminate();
    await eventually(() => {
      const after = resources();
      return [...after].every(([kind, count]) => count <= (before.get(kind) ?? 0));
    });
  });

  it('comes with the signal', async () => {
    const stop = new AbortController();
    const stage = await Stage.open({ signal: stop.signal });
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    stop.abort();
    await viewer.untilClosed();
    expect(viewer.bye).toMatchObject({ code: 'ERR_KVMFR_CLOSED' });
  });
});

/** What keeps the process busy, by kind. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  // The loop that waits here is an Immediate itself.
  for (const kind of process.getActiveResourcesInfo())
    if (kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
