import { afterEach, describe, expect, it } from 'vitest';
import { encodeAck, encodeView, WIRE_TYPES } from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { SESSION, shapeOf } from '../unit/relay/fake-guest.ts';
import { closeStages, noisy, PING, Stage } from '../unit/relay/stage.ts';

afterEach(closeStages);

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
      encodings: ['lossless', 'video', 'jpeg'],
      codecs: ['h264', 'vp8'],
    });
    expect(viewer.state).toEqual({
      state: 'showing',
      source: 'lgmp',
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
      viewer.send(encodeAck({ ...wrong, networkUs: 0, boundUs: 0, decodeUs: 0, presentUs: 0 }));
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
    // However long a busy machine is at it, the viewer is not given up meanwhile.
    const stage = await Stage.open({ ackTimeoutMs: 600_000 });
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
    // One in a hundred seconds: however slow the machine is, the second is not due yet.
    const stage = await Stage.open({ maxFps: 0.01 });
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
