import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeAck, encodeNeedKey, encodeRefresh, encodeView } from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { closeStages, noisy, PING, Stage } from '../unit/relay/stage.ts';
import type { TestViewer } from '../unit/relay/test-viewer.ts';
import { Screen } from '../unit/tiles/guest.ts';

const WIDTH = 640;
const HEIGHT = 384;
const COLUMNS = WIDTH / 64;

afterEach(closeStages);

const VIDEO = { encodings: ['lossless', 'video', 'jpeg'], codecs: ['h264'] } as const;

/** Shows frame after frame until something holds; returns the last one. */
async function play(
  stage: Stage,
  draw: (screen: Screen, frame: number) => void,
  until: () => boolean,
  screen = new Screen(WIDTH, HEIGHT),
): Promise<Screen> {
  for (let frame = 1; !until(); frame++) {
    draw(screen, frame);
    await stage.show(screen);
    // As a guest at 100 Hz: a relay that is given no turn sends nothing.
    await new Promise<void>((resolve) => setTimeout(resolve, 10));
  }
  return screen;
}

const noise = (screen: Screen, frame: number): void => screen.noise(frame);

/** Noise in the left half; the right one stays as it is. */
function leftNoise(screen: Screen, frame: number): void {
  const before = screen.rgb.slice();
  screen.noise(frame);
  const rowBytes = WIDTH * 3;
  for (let y = 0; y < HEIGHT; y++) {
    const from = y * rowBytes + rowBytes / 2;
    screen.rgb.set(before.subarray(from, from + rowBytes / 2), from);
  }
}

/** A tile with others on all sides. */
const MIDDLE = 3 * COLUMNS + 4;

/** Noise everywhere but in one tile in the middle. */
function aroundMiddle(screen: Screen, frame: number): void {
  const before = screen.rgb.slice();
  screen.noise(frame);
  for (let y = 3 * 64; y < 4 * 64; y++) {
    const from = (y * WIDTH + 4 * 64) * 3;
    screen.rgb.set(before.subarray(from, from + 64 * 3), from);
  }
}

async function watched(stage: Stage): Promise<void> {
  await eventually(() => stage.guest.watched);
}

function keys(viewer: TestViewer): number {
  return viewer.videos.filter(({ key }) => key).length;
}

/** Processes that this one has started. */
function children(): number[] {
  return readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

describe('a picture that moves', () => {
  it('is sent as video, and is exact again when it has come to rest', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    const last = await play(stage, noise, () => viewer.videos.length >= 10);
    expect(viewer.videos[0]?.key).toBe(true);
    expect(viewer.streams[0]).toMatchObject({
      codec: 'h264',
      codedWidthPx: WIDTH,
      codedHeightPx: HEIGHT,
    });
    expect(stage.relay.viewers[0]?.encoding).toBe('video');
    await viewer.untilShows(last.rgb);
    await eventually(() => stage.relay.viewers[0]?.encoding === 'lossless');
  });

  it('leaves exact what does not move beside it', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    const still = noisy(9, WIDTH, HEIGHT);
    await stage.show(still);
    await viewer.untilShows(still.rgb);
    await play(stage, leftNoise, () => viewer.videos.length >= 10, still);
    for (const { bits } of viewer.covers)
      for (let tile = 0; tile < bits.length * 8; tile++)
        if (((bits[tile >> 3] ?? 0) >> (tile & 7)) & 1)
          expect(tile % COLUMNS).toBeLessThan(COLUMNS / 2);
    await viewer.untilShows(still.rgb);
  });

  it('is coded by itself where it is a part of the screen, for viewers that take that', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: { ...VIDEO, videoRegions: true } });
    const other = stage.join({ hello: VIDEO });
    await watched(stage);
    const still = noisy(9, WIDTH, HEIGHT);
    await stage.show(still);
    const region = { x: 0, y: 0, width: WIDTH / 2, height: HEIGHT };
    const isPart = (): boolean => viewer.streams.at(-1)?.region !== undefined;
    await play(stage, leftNoise, isPart, still);
    expect(viewer.streams.at(-1)).toMatchObject({
      region,
      codedWidthPx: region.width,
      codedHeightPx: region.height,
    });
    const { stream } = viewer.streams.at(-1) ?? {};
    expect(viewer.videos.find((video) => video.stream === stream)?.key).toBe(true);
    // A letter typed beside the film is there while the film goes on, and exact.
    const typed = viewer.videos.length + 20;
    await play(
      stage,
      (screen, frame) => {
        leftNoise(screen, frame);
        screen.rgb.fill(frame & 0xff, (WIDTH - 70) * 3, (WIDTH - 60) * 3);
      },
      // On a busy machine its line may count as slow for a while: then it has video of everything.
      () =>
        viewer.videos.length > typed &&
        other.videos.length > 5 &&
        isPart() &&
        viewer.videos.at(-1)?.stream === viewer.streams.at(-1)?.stream,
      still,
    );
    for (const { bits } of viewer.covers.slice(-1))
      for (let tile = 0; tile < bits.length * 8; tile++)
        if (((bits[tile >> 3] ?? 0) >> (tile & 7)) & 1)
          expect(tile % COLUMNS).toBeLessThan(COLUMNS / 2);
    const last = viewer.updates.slice(-40);
    expect(last.some(({ tiles }) => [...tiles].includes(COLUMNS - 2))).toBe(true);
    expect(other.streams.every((each) => each.region === undefined)).toBe(true);
    await viewer.untilShows(still.rgb);
    await other.untilShows(still.rgb);
  });

  it('is sent as JPEG to who has no video, and is exact at rest, too', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: { encodings: ['lossless', 'jpeg'] } });
    await watched(stage);
    const last = await play(stage, noise, () => viewer.updates.some(({ images }) => images > 0));
    await viewer.untilShows(last.rgb);
  });

  it('is exact at rest also where a JPEG of its neighbours has drawn over an exact tile', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: { encodings: ['lossless', 'jpeg'] } });
    await watched(stage);
    const last = await play(
      stage,
      aroundMiddle,
      () => {
        const exact = viewer.updates.findIndex(({ tiles }) => tiles.includes(MIDDLE));
        return exact >= 0 && viewer.updates.slice(exact).some(({ images }) => images > 0);
      },
      noisy(1, WIDTH, HEIGHT),
    );
    await viewer.untilShows(last.rgb);
  });

  it('stays exact for who asks for that', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    const other = stage.join({ hello: VIDEO });
    await watched(stage);
    viewer.send(encodeView({ encoding: 'lossless' }));
    await viewer.settle(PING);
    const last = await play(stage, noise, () => other.videos.length >= 5);
    await viewer.untilShows(last.rgb);
    expect(viewer.videos).toEqual([]);
    await other.untilShows(last.rgb);
  });

  it('goes on in another resolution with a stream of its own', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    await play(stage, noise, () => viewer.videos.length >= 5);
    const before = viewer.streams.length;
    const small = new Screen(321, 201);
    const isNew = (): boolean => viewer.streams.length > before;
    await play(
      stage,
      noise,
      () => isNew() && viewer.videos.at(-1)?.stream === viewer.streams.at(-1)?.stream,
      small,
    );
    expect(viewer.streams.at(-1)).toMatchObject({ codedWidthPx: 322, codedHeightPx: 202 });
    const first = viewer.videos.find(({ stream }) => stream === viewer.streams.at(-1)?.stream);
    expect(first?.key).toBe(true);
    await viewer.untilShows(small.rgb);
  });
});

describe('one stream', () => {
  it('serves several viewers with the same chunks, and lets a late one in with a key picture', async () => {
    const stage = await Stage.open();
    const first = stage.join({ hello: VIDEO });
    await watched(stage);
    const screen = await play(stage, noise, () => first.videos.length >= 5);
    const late = stage.join({ hello: VIDEO });
    await play(stage, noise, () => late.videos.length >= 5, screen);
    expect(late.videos[0]?.key).toBe(true);
    const { serial, data } = late.videos[2] ??
      first.videos[0] ?? { serial: 0, data: new Uint8Array() };
    const same = first.videos.find((video) => video.serial === serial);
    expect(same?.data).toEqual(data);
    await first.untilShows(screen.rgb);
    await late.untilShows(screen.rgb);
  });

  it('makes few key pictures, however many are asked for', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    const screen = await play(stage, noise, () => viewer.videos.length >= 3);
    const before = keys(viewer);
    const startMs = performance.now();
    for (let ask = 0; ask < 1000; ask++)
      viewer.send(encodeNeedKey(viewer.streams.at(-1)?.stream ?? 0));
    const count = viewer.videos.length;
    // The one that is owed comes half a second after the last, which may be many pictures later.
    const isAnswered = (): boolean => viewer.videos.length >= count + 20 && keys(viewer) > before;
    await play(stage, noise, isAnswered, screen);
    const gaps = (performance.now() - startMs) / 500;
    expect(keys(viewer) - before).toBeLessThanOrEqual(Math.ceil(gaps) + 1);
    await viewer.untilShows(screen.rgb);
  });

  it('goes on for the others when one does not acknowledge, and takes that one back later', async () => {
    const stage = await Stage.open();
    const good = stage.join({ hello: VIDEO });
    const bad = stage.join({ hello: VIDEO });
    await watched(stage);
    const screen = await play(
      stage,
      noise,
      () => good.videos.length >= 5 && bad.videos.length >= 5,
    );
    bad.acks = false;
    const count = good.videos.length;
    await play(stage, noise, () => good.videos.length >= count + 30, screen);
    expect(bad.videos.length - 5).toBeLessThan(good.videos.length);
    bad.acks = true;
    bad.ack(bad.updates.length - 1);
    await good.untilShows(screen.rgb);
    await bad.untilShows(screen.rgb);
  });

  it('is announced again to who has lost its picture, with a key picture', async () => {
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    const screen = await play(stage, noise, () => viewer.videos.length >= 3);
    const { length } = viewer.pictures;
    const announced = viewer.streams.length;
    viewer.send(encodeRefresh());
    await viewer.until(() => viewer.pictures.length > length);
    const count = viewer.videos.length;
    await play(stage, noise, () => viewer.videos.length > count, screen);
    expect(viewer.streams.length).toBeGreaterThan(announced);
    expect(viewer.videos[count]?.key).toBe(true);
    await viewer.untilShows(screen.rgb);
  });

  it('survives the death of its encoder: a key picture follows, and nothing else is lost', async () => {
    const before = children();
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    const screen = await play(stage, noise, () => viewer.videos.length >= 5);
    const encoders = children().filter((pid) => !before.includes(pid));
    expect(encoders).not.toEqual([]);
    for (const pid of encoders) process.kill(pid, 'SIGKILL');
    const count = viewer.videos.length;
    const keyCount = keys(viewer);
    await play(
      stage,
      noise,
      () => viewer.videos.length >= count + 5 && keys(viewer) > keyCount,
      screen,
    );
    await viewer.untilShows(screen.rgb);
  });

  it('leaves no process behind', async () => {
    const before = children();
    const stage = await Stage.open();
    const viewer = stage.join({ hello: VIDEO });
    await watched(stage);
    await play(stage, noise, () => viewer.videos.length >= 2);
    await closeStages();
    expect(children().filter((pid) => !before.includes(pid))).toEqual([]);
  });
});

describe('a viewer that lies', () => {
  it('about what it got, how long it took, and what time it is harms nobody', async () => {
    const stage = await Stage.open();
    const liar = stage.join({ hello: VIDEO, acks: false });
    const honest = stage.join({ hello: VIDEO });
    await watched(stage);
    const most = 0xffff_fffe;
    const draw = (screen: Screen, frame: number): void => {
      noise(screen, frame);
      for (let i = 0; i < 10; i++)
        liar.send(
          encodeAck({
            epoch: 1,
            serial: i % 2 === 0 ? most - i : (liar.updates.at(-1)?.serial ?? 0),
            networkUs: most,
            boundUs: 0,
            decodeUs: most,
            presentUs: most,
          }),
        );
    };
    const screen = await play(stage, draw, () => honest.videos.length >= 20);
    await honest.untilShows(screen.rgb);
    const { p50Us = 0 } = stage.relay.latency.summary().decode ?? {};
    expect(p50Us).toBeLessThan(60_000_001);
  });
});
