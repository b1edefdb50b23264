import { afterEach, describe, expect, it } from 'vitest';
import { SpiceSession } from '../../../client/spice/index.ts';
import { SpiceSource, type SpiceSourceOptions } from '../../../viewer/boot/index.ts';
import { closeStages, noisy, PING, Stage } from '../relay/stage.ts';
import type { TestViewer } from '../relay/test-viewer.ts';
import { bitmap, drawCopy, surfaceCreate } from '../spice/display-bytes.ts';
import { FakeServer, fields, frame } from '../spice/fake-server.ts';
import { CHANNELS, SpiceScreen, setCursor } from './spice-screen.ts';

afterEach(closeStages);

const MOUSE_MODE = 105;
const COPY = 304;
const CREATE = 314;
const PIXEL = bitmap({ width: 1, height: 1 }, Buffer.alloc(4, 255));

async function watched(
  guest: SpiceScreen,
  options: SpiceSourceOptions = {},
): Promise<{ readonly stage: Stage; readonly source: SpiceSource; readonly viewer: TestViewer }> {
  const source = new SpiceSource(guest.session, options);
  const stage = await Stage.open({ source });
  return { stage, source, viewer: stage.join() };
}

function said(viewer: TestViewer): string {
  return viewer.states.map(({ state, source }) => `${source} ${state}`).join(', ');
}

describe('a screen by SPICE', () => {
  it('is shown exactly, whatever is in the bytes that mean nothing', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const screen = noisy(1, 300, 130);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.picture).toMatchObject({ widthPx: 300, heightPx: 130, screenWidthPx: 300 });
    expect(viewer.state).toEqual({
      state: 'showing',
      source: 'spice',
      message: `showing the screen of the SPICE server at ${guest.server.address}`,
    });
  });

  it('costs what has changed of it', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const screen = noisy(1, 320, 192);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    screen.fill({ x: 70, y: 70, width: 5, height: 5 }, [255, 0, 0]);
    guest.show(screen, { x: 66, y: 66, width: 20, height: 20 });
    await viewer.untilShows(screen.rgb);
    // The tile in the second row and column of tiles of 64.
    expect(viewer.updates.at(-1)?.tiles).toEqual([6]);
  });

  it('changes its size without a word about a screen that was gone', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest, { graceMs: 600_000 });
    for (const screen of [noisy(1, 320, 200), noisy(2, 80, 25), noisy(3, 640, 480)]) {
      guest.show(screen);
      await viewer.untilShows(screen.rgb);
    }
    await viewer.settle(PING);
    expect(viewer.pictures.map(({ widthPx }) => widthPx)).toEqual([320, 80, 640]);
    expect(said(viewer)).toMatch(/^(spice waiting, )*spice showing$/);
  });

  it('that comes before the other channels are let in is not called stale', async () => {
    let letIn = (): void => undefined;
    const isLetIn = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const INPUTS = 3;
    await using guest = await SpiceScreen.open({
      beforeResult: (channel) => (channel === INPUTS ? isLetIn : Promise.resolve()),
    });
    const source = new SpiceSource(guest.session);
    const names: string[] = [];
    const heard = (async () => {
      for await (const { name } of source.states()) {
        names.push(name);
        if (name === 'showing') break;
      }
    })();
    guest.show(noisy(1));
    for await (const screen of guest.session.display.screens()) if (screen !== undefined) break;
    expect(guest.session.state.name).not.toBe('connected');
    await new Promise(setImmediate);
    expect(source.state.name).toBe('waiting');
    letIn();
    await heard;
    expect(names).not.toContain('stale');
    await source.close();
  });

  it('is waited for when the server has none, and comes back', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest, { graceMs: 0 });
    const screen = noisy(1);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    guest.hide();
    await viewer.until(({ state }) => state?.state === 'waiting');
    expect(viewer.state?.message).toMatch(/the SPICE server at .* shows no screen/);
    expect(viewer.state?.hint).toMatch(/has a display adapter/);
    screen.noise(2);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    await viewer.until(({ state }) => state?.state === 'showing');
  });

  it('stays as it was while the server is away, and comes back with another one', async () => {
    const guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const screen = noisy(1);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    const { port } = guest.server;
    await guest.server[Symbol.asyncDispose]();
    await viewer.until(
      ({ state }) => state?.state === 'stale' && state.code === 'ERR_KVMFR_ABSENT',
    );
    expect(viewer.state).toMatchObject({ source: 'spice' });
    await viewer.untilShows(screen.rgb);
    const server = await FakeServer.listen({ channels: CHANNELS }, port);
    try {
      await guest.turnTo(server);
      const other = noisy(2, 400, 100);
      guest.show(other);
      await viewer.untilShows(other.rgb);
      await viewer.until(({ state }) => state?.state === 'showing');
    } finally {
      await guest.session.close();
      await server[Symbol.asyncDispose]();
    }
  });

  it('is not copied while nobody looks', async () => {
    await using guest = await SpiceScreen.open();
    const { stage, source, viewer } = await watched(guest);
    const screen = noisy(1);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    await viewer.close();
    const isWatching = async (): Promise<boolean> => {
      const metrics = await (await fetch(`${stage.door.url}metrics?token=secret`)).text();
      return !metrics.includes('kvmfr_watching 0\n');
    };
    while (await isWatching());
    const { serial } = guest.session.display;
    const { framesSeen } = source.stats;
    screen.noise(2);
    guest.show(screen);
    for await (const _ of guest.session.display.frames())
      if (guest.session.display.serial > serial) break;
    expect(source.stats.framesSeen).toBe(framesSeen);
    const again = stage.join();
    await again.untilShows(screen.rgb);
    expect(source.stats.framesSeen).toBe(framesSeen + 1);
  });
});

describe('the pointer by SPICE', () => {
  it('is drawn where the server says, by its hot spot', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const pointer = await guest.server.channel(4);
    setCursor(pointer, { x: 50, y: 60 }, [10, 20, 30, 255]);
    await viewer.until(({ cursor }) => cursor?.visible === true);
    expect(viewer.cursor).toMatchObject({ x: 49, y: 59, shapeId: 1 });
    expect(viewer.shapes.at(-1)).toMatchObject({ widthPx: 2, heightPx: 2, hotspotX: 1 });
    expect([...(viewer.shapes.at(-1)?.rgba ?? [])].slice(0, 4)).toEqual([30, 20, 10, 255]);
    pointer.send(104, fields([2, 7], [2, 8]));
    await viewer.until(({ cursor }) => cursor?.x === 6 && cursor.y === 7);
    pointer.send(105);
    await viewer.until(({ cursor }) => cursor?.visible === false);
  });

  it('is drawn where it was put, while the server tells nothing of such moves', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const main = await guest.server.channel(1);
    setCursor(await guest.server.channel(4), { x: 50, y: 60 }, [1, 2, 3, 255]);
    await viewer.until(({ cursor }) => cursor?.visible === true);
    main.send(MOUSE_MODE, fields([2, 3], [2, 2]));
    // Nobody knows where it is before it is put somewhere.
    await viewer.until(({ cursor }) => cursor?.visible === false);
    guest.session.inputs.moveTo(200, 100);
    await viewer.until(({ cursor }) => cursor?.x === 199 && cursor.y === 99);
    // By steps the server tells where it is.
    main.send(MOUSE_MODE, fields([2, 3], [2, 1]));
    await viewer.until(({ cursor }) => cursor?.x === 49 && cursor.y === 59);
  });
});

describe('a screen that nobody acts on', () => {
  it('is asked for the moves of its pointer, once', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest, { onlyLooks: true });
    const main = await guest.server.channel(1);
    setCursor(await guest.server.channel(4), { x: 50, y: 60 }, [1, 2, 3, 255]);
    main.send(MOUSE_MODE, fields([2, 3], [2, 2]));
    const asked = (): number =>
      main.messages.filter(({ type, body }) => type === MOUSE_MODE && body.readUInt16LE() === 1)
        .length;
    await main.until(() => asked() > 0);
    // A server that does not do it is not asked again.
    for (let i = 0; i < 3; i++) main.send(MOUSE_MODE, fields([2, 3], [2, 2]));
    main.send(4, fields([4, 1], [8, 0]));
    await main.take(3);
    expect(asked()).toBe(1);
    main.send(MOUSE_MODE, fields([2, 3], [2, 1]));
    await viewer.until(({ cursor }) => cursor?.visible === true && cursor.x === 49);
  });
});

describe('a server that does not let us in', () => {
  it('is named with its password, and asked again when somebody comes', async () => {
    let isRight = false;
    const server = await FakeServer.listen({
      channels: CHANNELS,
      result: (right) => (isRight ? right : 7),
    });
    const session = new SpiceSession(server.address, { password: 'guess' });
    try {
      let nowMs = 0;
      const source = new SpiceSource(session, { nowMs: () => nowMs });
      const stage = await Stage.open({ source });
      const viewer = stage.join();
      await viewer.until(({ state }) => state?.state === 'denied');
      expect(viewer.state).toMatchObject({ source: 'spice', code: 'ERR_KVMFR_PASSWORD' });
      expect(viewer.state?.message).toContain('password');
      expect(JSON.stringify(viewer.state)).not.toContain('guess');
      nowMs += 10_000;
      const { connections } = server;
      isRight = true;
      stage.join();
      await viewer.until(({ state }) => state?.state !== 'denied');
      expect(server.connections).toBeGreaterThan(connections);
    } finally {
      await session.close();
      await server[Symbol.asyncDispose]();
    }
  });

  it('is taken back from another viewer when somebody comes, and not again at once', async () => {
    let isTaken = false;
    await using guest = await SpiceScreen.open({
      result: (right, channel) => (isTaken && channel !== 1 ? 8 : right),
    });
    let nowMs = 0;
    const { stage, viewer } = await watched(guest, { nowMs: () => nowMs });
    const screen = noisy(1);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    const loseIt = async (): Promise<void> => {
      isTaken = true;
      guest.server.drop();
      await viewer.until(({ state }) => state?.code === 'ERR_KVMFR_BUSY');
      isTaken = false;
    };
    await loseIt();
    expect(viewer.state).toMatchObject({ state: 'denied', source: 'spice' });
    expect(viewer.state?.message).toMatch(/^another viewer has taken the SPICE server at/);
    const second = stage.join();
    await viewer.until(({ state }) => state?.state !== 'denied');
    await guest.turnTo();
    guest.show(screen);
    await second.untilShows(screen.rgb);
    await loseIt();
    nowMs += 9_999;
    const third = stage.join();
    await third.until(({ state }) => state?.code === 'ERR_KVMFR_BUSY');
    expect(guest.session.state.name).toBe('taken');
    nowMs += 1;
    stage.join();
    await third.until(({ state }) => state?.state !== 'denied');
  });
});

describe('a server that lies', () => {
  const everySurface = Buffer.concat(
    Array.from({ length: 1025 }, (_, id) => frame(CREATE, surfaceCreate(1, 1, id + 1, 0))),
  );
  it.each([
    ['of a screen of 4 GiB', frame(CREATE, surfaceCreate(32_768, 32_768))],
    ['of more screens than there can be', everySurface],
    ['of a message of 2 GiB', fields([2, COPY], [4, 0x7fff_ffff])],
    ['of a message shorter than its fields', frame(CREATE, fields([4, 0]))],
    ['of a surface that is not there', frame(COPY, drawCopy([0, 0, 1, 1], PIXEL).fill(9, 0, 4))],
    [
      'of an image beyond the message',
      frame(COPY, drawCopy([0, 0, 1, 1], PIXEL).fill(255, 21, 25)),
    ],
  ])('%s is told of, left, and seen again when it is better', async (_, bytes) => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const screen = noisy(1);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    guest.lie(bytes);
    await viewer.until(({ states }) => states.some(({ code }) => code === 'ERR_KVMFR_SPICE'));
    expect(viewer.states.every(({ source }) => source === 'spice')).toBe(true);
    // What was there before is still there.
    await viewer.untilShows(screen.rgb);
    await guest.turnTo();
    const better = noisy(2, 200, 100);
    guest.show(better);
    await viewer.untilShows(better.rgb);
    await viewer.until(({ state }) => state?.state === 'showing');
  });

  it('and leaves in the middle of a draw is waited for', async () => {
    await using guest = await SpiceScreen.open();
    const { viewer } = await watched(guest);
    const screen = noisy(1);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    guest.lie(frame(COPY, drawCopy([0, 0, 1, 1], PIXEL)).subarray(0, 50));
    guest.leave();
    await viewer.until(({ states }) => states.some(({ state }) => state === 'stale'));
    await viewer.untilShows(screen.rgb);
    await guest.turnTo();
    screen.noise(2);
    guest.show(screen);
    await viewer.untilShows(screen.rgb);
    await viewer.until(({ state }) => state?.state === 'showing');
  });
});
