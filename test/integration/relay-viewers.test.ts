import { afterEach, describe, expect, it } from 'vitest';
import {
  encodeAck,
  encodeCursor,
  encodePing,
  encodeRefresh,
  encodeView,
  encodeViewerHello,
  WIRE_TYPES,
} from '../../protocol/wire/index.ts';
import {
  createViewer,
  type Listening,
  listen,
  type Viewer,
  type ViewerOptions,
} from '../../viewer/relay/index.ts';
import { FakeGuest, SESSION, shapeOf } from '../unit/relay/fake-guest.ts';
import { TestViewer, type TestViewerOptions } from '../unit/relay/test-viewer.ts';
import { Screen } from '../unit/tiles/guest.ts';

const PING = encodePing(1);

/** A relay on a guest that does what the test says. */
class Stage implements AsyncDisposable {
  readonly guest: FakeGuest;
  readonly relay: Viewer;
  readonly door: Listening;
  readonly viewers: TestViewer[] = [];
  readonly log: string[] = [];

  private constructor(guest: FakeGuest, relay: Viewer, door: Listening) {
    this.guest = guest;
    this.relay = relay;
    this.door = door;
  }

  static async open(options: Partial<ViewerOptions> = {}): Promise<Stage> {
    const guest = new FakeGuest();
    const log: string[] = [];
    const relay = createViewer({
      source: guest,
      token: 'secret',
      idleGraceMs: 0,
      log: (line) => log.push(line),
      ...options,
    });
    const stage = new Stage(guest, relay, await listen(relay, { host: '127.0.0.1', port: 0 }));
    stage.log.push(...log);
    stages.push(stage);
    return stage;
  }

  get url(): string {
    return `${this.door.url.replace('http:', 'ws:')}ws?token=secret`;
  }

  join(options: TestViewerOptions = {}): TestViewer {
    const viewer = new TestViewer(this.url, options);
    this.viewers.push(viewer);
    return viewer;
  }

  /** Publishes a whole frame and waits until the relay has taken it. */
  async show(screen: Screen): Promise<void> {
    const frame = screen.frame();
    this.guest.publish(frame);
    await eventually(() => frame.released);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const viewer of this.viewers) viewer.socket.terminate();
    await this.relay.close();
    await this.door.close();
  }
}

const stages: Stage[] = [];

afterEach(async () => {
  for (const stage of stages.splice(0)) await stage[Symbol.asyncDispose]();
});

/** Waits for something in the relay that has no event, turn by turn of the event loop. */
async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve));
}

function noisy(seed: number, widthPx = 320, heightPx = 200): Screen {
  const screen = new Screen(widthPx, heightPx);
  screen.noise(seed);
  return screen;
}

describe('a viewer that joins', () => {
  it('is greeted, told the state, and shown the picture exactly', async () => {
    const stage = await Stage.open({ version: '9.8.7' });
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.socket.protocol).toBe('kvmfr.1');
    expect(viewer.socket.extensions).toBe('');
    expect(viewer.hello).toEqual({
      wire: 1,
      version: '9.8.7',
      tilePx: 64,
      viewOnly: true,
      encodings: ['lossless', 'jpeg'],
    });
    expect(viewer.state).toEqual({
      state: 'showing',
      message: 'showing a test',
      session: {
        release: 'B7',
        lgmpVersion: 6,
        kvmfrVersion: 20,
        hostVersion: 'B7-test',
        os: 'Test OS <b>"&',
        capture: 'pattern',
        cpu: 'test CPU',
      },
    });
    expect(viewer.picture).toEqual({
      epoch: 1,
      widthPx: 320,
      heightPx: 200,
      screenWidthPx: 320,
      screenHeightPx: 200,
      rotation: 0,
    });
    expect(viewer.order[0]).toBe(WIRE_TYPES.hello);
    expect(viewer.order[1]).toBe(WIRE_TYPES.state);
  });

  it('late gets state, picture, tiles and cursor without the guest drawing anything new', async () => {
    const stage = await Stage.open();
    const first = stage.join();
    await eventually(() => stage.guest.watched);
    const screen = noisy(2);
    await stage.show(screen);
    stage.guest.point({ visible: true, x: -5, y: 7, shape: shapeOf(9, 3) });
    await first.until(() => first.cursor !== undefined && first.updates.length > 0);
    const late = stage.join();
    await late.until(() => late.cursor !== undefined);
    await late.untilShows(screen.rgb);
    expect(late.cursor).toEqual({ visible: true, x: -5, y: 7, shapeId: 1 });
    expect(late.shapes).toHaveLength(1);
    expect([...(late.shapes[0]?.rgba ?? [])]).toEqual(Array.from({ length: 36 }, () => 9));
    expect(late.order.indexOf(WIRE_TYPES.cursorShape)).toBeLessThan(
      late.order.indexOf(WIRE_TYPES.cursor),
    );
    expect(stage.guest.subscriptions).toBe(1);
  });

  it('is sent later only the tiles that changed', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    const screen = noisy(3);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    screen.fill({ x: 70, y: 70, width: 3, height: 3 }, [1, 2, 3]);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.updates.map((update) => update.tiles.length)).toEqual([20, 1]);
    expect(viewer.updates[1]?.tiles).toEqual([6]);
  });

  it('is sent nothing when a frame brings nothing new', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    const screen = noisy(3);
    for (let i = 0; i < 3; i++) await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    await viewer.settle(PING);
    expect(viewer.updates).toHaveLength(1);
  });
});

describe('credit', () => {
  it('runs out after two updates, and what came meanwhile is one update then', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ acks: false });
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.until(() => viewer.updates.length === 1);
    const dot = async (x: number): Promise<void> => {
      screen.fill({ x, y: 0, width: 1, height: 1 }, [x & 255, 0, 0]);
      await stage.show(screen);
    };
    await dot(0);
    await viewer.until(() => viewer.updates.length === 2);
    for (const x of [64, 128, 128, 192]) await dot(x);
    await viewer.settle(PING);
    expect(viewer.updates).toHaveLength(2);
    expect(stage.relay.viewers[0]).toMatchObject({ inFlight: 2 });
    viewer.ack(0);
    await viewer.until(() => viewer.updates.length === 3);
    expect(viewer.updates[2]?.tiles).toEqual([1, 2, 3]);
    await viewer.untilShows(screen.rgb);
    await viewer.settle(PING);
    expect(viewer.updates).toHaveLength(3);
  });

  it('comes back for all updates up to the one that is acknowledged', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ acks: false });
    await eventually(() => stage.guest.watched);
    for (const seed of [1, 2]) {
      await stage.show(noisy(seed));
      await viewer.until(() => viewer.updates.length === seed);
    }
    viewer.ack(1);
    await viewer.settle(PING);
    expect(stage.relay.viewers[0]).toMatchObject({ inFlight: 0 });
  });

  it('is not given for updates that were never sent', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ acks: false });
    await eventually(() => stage.guest.watched);
    await stage.show(noisy(1));
    await viewer.until(() => viewer.updates.length === 1);
    const { epoch, serial } = viewer.updates[0] ?? { epoch: 0, serial: 0 };
    for (const wrong of [
      { epoch, serial: serial + 1 },
      { epoch: epoch + 1, serial },
    ])
      viewer.send(encodeAck({ ...wrong, decodeUs: 0, presentUs: 0 }));
    await viewer.settle(PING);
    expect(stage.relay.viewers[0]).toMatchObject({ inFlight: 1 });
  });

  it('can be set', async () => {
    const stage = await Stage.open({ credit: 1 });
    const viewer = stage.join({ acks: false });
    await eventually(() => stage.guest.watched);
    for (const seed of [1, 2]) await stage.show(noisy(seed));
    await viewer.until(() => viewer.updates.length > 0);
    await viewer.settle(PING);
    expect(viewer.updates).toHaveLength(1);
  });
});

describe('nine viewers of which one never reads', () => {
  it('show eight of them everything, hold little for the ninth, and drop it in the end', async () => {
    const stage = await Stage.open({ ackTimeoutMs: 3000 });
    const stuck = stage.join({ acks: false });
    await stuck.until(() => stuck.hello !== undefined);
    stuck.socket.pause();
    const others = Array.from({ length: 8 }, () => stage.join());
    for (const viewer of others) await viewer.until(() => viewer.states.length > 0);
    await eventually(() => stage.guest.watched && stage.relay.viewers.length === 9);
    const [{ id } = { id: 0 }] = stage.relay.viewers;
    const screen = noisy(0, 640, 480);
    let most = 0;
    for (let seed = 1; seed <= 12; seed++) {
      screen.noise(seed);
      await stage.show(screen);
      for (const viewer of others) await viewer.untilShows(screen.rgb);
      most = Math.max(most, stage.relay.viewers.find((info) => info.id === id)?.bytesSent ?? 0);
    }
    // Two updates of this size, and nothing of the ten that came after them.
    expect(most).toBeLessThan(2.1 * screen.rgb.byteLength);
    await eventually(() => stage.relay.viewers.length === 8);
    stuck.socket.resume();
    await stuck.untilClosed();
    screen.noise(99);
    await stage.show(screen);
    for (const viewer of others) await viewer.untilShows(screen.rgb);
  });

  it('is handed no more of a large update than its line takes, and all of it in the end', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    await eventually(() => stage.guest.watched);
    viewer.socket.pause();
    const screen = noisy(1, 4000, 2500);
    await stage.show(screen);
    let before = -1;
    // Until the buffers of the system are full and nothing moves any more.
    while (before !== (stage.relay.viewers[0]?.bytesSent ?? 0)) {
      before = stage.relay.viewers[0]?.bytesSent ?? 0;
      for (let turn = 0; turn < 500; turn++)
        await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(before).toBeLessThan(screen.rgb.byteLength / 2);
    viewer.socket.resume();
    await viewer.untilShows(screen.rgb);
    expect(viewer.updates).toHaveLength(1);
  });

  it('code each update once for the eight', async () => {
    const stage = await Stage.open();
    const viewers = Array.from({ length: 8 }, () => stage.join());
    for (const viewer of viewers) await viewer.until(() => viewer.states.length > 0);
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    for (let seed = 1; seed <= 5; seed++) {
      screen.noise(seed);
      await stage.show(screen);
      for (const viewer of viewers) await viewer.untilShows(screen.rgb);
    }
    for (const viewer of viewers) await viewer.settle(PING);
    const metrics = await (await fetch(`${stage.door.url}metrics?token=secret`)).text();
    expect(metrics).toContain('kvmfr_encode_updates_total{encoding="lossless"} 5\n');
    expect(metrics).toContain('kvmfr_encode_shared_total{encoding="lossless"} 35\n');
    expect(metrics).toContain('kvmfr_updates_acked_total 40\n');
  });
});

describe('the guest is watched', () => {
  it('from the first visible viewer to the last, and nothing is coded when nobody looks', async () => {
    const stage = await Stage.open();
    expect(stage.guest.watched).toBe(false);
    const one = stage.join();
    const two = stage.join();
    await two.until(() => two.states.length > 0);
    await eventually(() => stage.guest.watched && stage.guest.pointed);
    await one.close();
    await two.settle(PING);
    expect(stage.guest.watched).toBe(true);
    await two.close();
    await eventually(() => !stage.guest.watched && !stage.guest.pointed);
    const frame = noisy(1).frame();
    stage.guest.publish(frame);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(frame.released).toBe(false);
  });

  it('while a viewer is visible, and not while it is hidden', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: { visible: false } });
    await viewer.until(() => viewer.states.length > 0);
    await viewer.settle(PING);
    expect(stage.guest.watched).toBe(false);
    viewer.send(encodeView({ visible: true }));
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    viewer.send(encodeView({ visible: false }));
    await eventually(() => !stage.guest.watched);
    stage.guest.tell({ name: 'stale', message: 'gone' });
    await viewer.until(() => viewer.state?.state === 'stale');
    screen.noise(2);
    stage.guest.current = () => screen.frame();
    viewer.send(encodeView({ visible: true }));
    await viewer.untilShows(screen.rgb);
    expect(stage.guest.subscriptions).toBe(2);
  });

  it('for a while after the last viewer has left', async () => {
    const stage = await Stage.open({ idleGraceMs: 60_000 });
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    await viewer.close();
    await eventually(() => stage.relay.viewers.length === 0);
    expect(stage.guest.watched).toBe(true);
    const again = stage.join();
    await again.until(() => again.states.length > 0);
    expect(stage.guest.subscriptions).toBe(1);
  });

  it('at most so many frames a second', async () => {
    const stage = await Stage.open({ maxFps: 1 });
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    await stage.show(noisy(1));
    const next = noisy(2).frame();
    stage.guest.publish(next);
    await viewer.until(() => viewer.updates.length === 1);
    await viewer.settle(PING);
    expect(next.released).toBe(false);
  });
});

describe('another guest or resolution', () => {
  it('begins a new epoch: geometry first, then all tiles', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    await stage.show(noisy(1, 320, 200));
    await viewer.until(() => viewer.updates.length === 1);
    const screen = noisy(2, 200, 320);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.pictures.map(({ epoch, widthPx }) => [epoch, widthPx])).toEqual([
      [1, 320],
      [2, 200],
    ]);
    expect(viewer.updates.at(-1)).toMatchObject({ epoch: 2 });
  });

  it('makes void what was on the way, so that credit is there again', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ acks: false });
    await eventually(() => stage.guest.watched);
    for (const seed of [1, 2]) {
      await stage.show(noisy(seed));
      await viewer.until(() => viewer.updates.length === seed);
    }
    const screen = noisy(3, 100, 100);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    // Late acknowledgements of the old epoch are passed over.
    viewer.ack(0);
    viewer.ack(1);
    await viewer.settle(PING);
    expect(stage.relay.viewers[0]).toMatchObject({ inFlight: 1 });
  });

  it('in the middle of a large update stops that update', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    stage.guest.publish(noisy(1, 2000, 1200).frame());
    await viewer.until(() => viewer.pictures.length === 1);
    const screen = noisy(3, 100, 100);
    await stage.show(screen);
    // The viewer fails when a message of the old epoch comes after the new picture.
    await viewer.untilShows(screen.rgb);
    await viewer.settle(PING);
  });

  it('with a new session begins an epoch even in the same size', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await eventually(() => stage.guest.watched);
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.until(() => viewer.updates.length === 1);
    stage.guest.session = { ...SESSION, id: 8, hostVersion: 'another' };
    await stage.show(screen);
    await viewer.until(() => viewer.updates.length === 2);
    expect(viewer.picture?.epoch).toBe(2);
    expect(viewer.updates[1]?.tiles).toHaveLength(20);
    expect(viewer.state?.session?.hostVersion).toBe('another');
  });
});

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
    await viewer.until(() => viewer.updates.length === 1);
    expect(viewer.updates[0]?.images).toBeGreaterThan(0);
    viewer.send(encodeView({ encoding: 'lossless' }));
    await viewer.settle(PING);
    const screen = noisy(2);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.updates[1]?.images).toBe(0);
    viewer.send(encodeView({ encoding: 'auto' }));
    await viewer.settle(PING);
    await stage.show(noisy(3));
    await viewer.until(() => viewer.updates.length === 3);
    expect(viewer.updates[2]?.images).toBeGreaterThan(0);
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
  const hello = encodeViewerHello({ wire: 1, encodings: ['lossless'], visible: true });
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
    ['floods', Array.from({ length: 5000 }, (_, index) => (index === 0 ? hello : PING))],
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
