import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import { createHost, type Host, type HostOptions } from '../../host/index.ts';
import {
  createViewer,
  type Listening,
  listen,
  type Viewer,
  type ViewerOptions,
} from '../../viewer/relay/index.ts';
import { eventually } from '../support/eventually.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { FORMATS, type FrameOptions, Screen } from '../unit/tiles/guest.ts';

// From a publisher's memory to what a viewer has drawn: nothing in between is a stand-in.

let folder = '';
let region = '';
const relays: { readonly relay: Viewer; readonly door: Listening }[] = [];
const viewers: TestViewer[] = [];
const hosts: Host[] = [];

beforeEach(async () => {
  folder = await mkdtemp('/dev/shm/kvmfr-relay-test-');
  region = join(folder, 'region');
});

afterEach(async () => {
  for (const viewer of viewers.splice(0)) viewer.socket.terminate();
  for (const { relay, door } of relays.splice(0)) {
    await relay.close();
    await door.close();
  }
  for (const host of hosts.splice(0)) await host.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: HostOptions = {}): Promise<Host> {
  const host = await createHost(region, { regionMib: 16, ...options });
  hosts.push(host);
  return host;
}

async function watch(options: Partial<ViewerOptions> = {}): Promise<TestViewer> {
  const relay = createViewer({ source: region, token: false, ...options });
  const door = await listen(relay, { host: '127.0.0.1', port: 0 });
  relays.push({ relay, door });
  const viewer = new TestViewer(`${door.url.replace('http', 'ws')}ws`);
  viewers.push(viewer);
  return viewer;
}

/** Publishes a screen as soon as a slot is free. */
async function publish(host: Host, screen: Screen, options: FrameOptions = {}): Promise<void> {
  const { pixels, format, pitchBytes, widthPx, heightPx, rotation } = screen.frame(options);
  const { damage } = options;
  const frame = { pixels, format, pitchBytes, widthPx, heightPx, rotation };
  await eventually(() => host.publish(damage === undefined ? frame : { ...frame, damage }));
}

function noisy(seed: number, widthPx = 640, heightPx = 360): Screen {
  const screen = new Screen(widthPx, heightPx);
  screen.noise(seed);
  return screen;
}

describe('from a publisher to a viewer', () => {
  it.each(FORMATS)(
    'a frame in %s arrives exactly, and so does what changes after it',
    async (format) => {
      const host = await start();
      const viewer = await watch();
      const screen = noisy(1);
      const paddingBytes = 96;
      await publish(host, screen, { format, paddingBytes });
      await viewer.untilShows(screen.rgb);
      const damage = [
        { x: 5, y: 5, width: 100, height: 3 },
        { x: 600, y: 350, width: 40, height: 10 },
      ];
      for (const rect of damage) screen.fill(rect, [200, 100, 50]);
      await publish(host, screen, { format, paddingBytes, damage });
      await viewer.untilShows(screen.rgb);
      expect(viewer.updates.at(-1)?.tiles).toEqual([0, 1, 59]);
      expect(viewer.state).toMatchObject({ state: 'showing', session: { release: 'B7' } });
    },
  );

  it('works for B6 as well', async () => {
    const host = await start({ wire: 'B6' });
    const viewer = await watch();
    const screen = noisy(4);
    await publish(host, screen);
    await viewer.untilShows(screen.rgb);
    expect(viewer.state?.session).toMatchObject({
      release: 'B6',
      lgmpVersion: 5,
      kvmfrVersion: 19,
    });
  });

  it('a stream of small changes ends in the exact picture', async () => {
    const host = await start();
    const viewer = await watch();
    const screen = noisy(1);
    await publish(host, screen);
    await viewer.untilShows(screen.rgb);
    for (let i = 0; i < 200; i++) {
      const rect = {
        x: (i * 37) % 600,
        y: (i * 53) % 340,
        width: 1 + (i % 40),
        height: 1 + (i % 20),
      };
      screen.fill(rect, [i & 255, 255 - (i & 255), (i * 7) & 255]);
      await publish(host, screen, { damage: [rect] });
    }
    await viewer.untilShows(screen.rgb);
  });

  it('rows that the region has no room for are black, and the viewer learns the size it takes', async () => {
    const host = await start({ regionMib: 4 });
    const viewer = await watch();
    const screen = noisy(1, 1280, 720);
    await publish(host, screen);
    await viewer.until(() => viewer.state?.state === 'too-small' && viewer.updates.length > 0);
    expect(viewer.state?.needMib).toBeGreaterThan(4);
    const last = screen.rgb.findLastIndex((value, at) => value !== 0 && viewer.rgb[at] === value);
    const rows = Math.ceil((last + 1) / (1280 * 3));
    expect(rows).toBeGreaterThan(50);
    expect(rows).toBeLessThan(720);
    const expected = screen.rgb.slice().fill(0, rows * 1280 * 3);
    expect(Buffer.compare(viewer.rgb, expected)).toBe(0);
  });

  it('the pointer arrives with its shape', async () => {
    const host = await start();
    const viewer = await watch();
    await publish(host, noisy(1));
    const bytes = Uint8Array.from({ length: 4 * 4 * 4 }, (_, i) => (i % 4 === 3 ? 255 : i));
    host.setCursor({
      position: { x: -3, y: 40 },
      visible: true,
      shape: {
        kind: 'color',
        widthPx: 4,
        heightPx: 4,
        hotspotX: 1,
        hotspotY: 2,
        pitchBytes: 16,
        bytes,
      },
    });
    await viewer.until(() => viewer.cursor?.visible === true && viewer.shapes.length > 0);
    expect(viewer.cursor).toMatchObject({ x: -3, y: 40 });
    const shape = viewer.shapes.at(-1);
    expect(shape).toMatchObject({ widthPx: 4, heightPx: 4, hotspotX: 1, hotspotY: 2 });
    // The publisher sends B, G, R, A; viewers get R, G, B, A.
    expect([...(shape?.rgba.subarray(0, 8) ?? [])]).toEqual([2, 1, 0, 255, 6, 5, 4, 255]);
  });

  it('a snapshot is the picture, too', async () => {
    const host = await start();
    const viewer = await watch();
    const screen = noisy(9);
    await publish(host, screen);
    await viewer.untilShows(screen.rgb);
    const answer = await fetch(`${relays[0]?.door.url}snapshot.png`);
    const pixels = await sharp(await answer.arrayBuffer())
      .raw()
      .toBuffer();
    expect(Buffer.compare(pixels, screen.rgb)).toBe(0);
  });
});

describe('a viewer stays while the guest', () => {
  it('has not started yet, ends, and starts again in another resolution', async () => {
    const viewer = await watch();
    await viewer.until(() => viewer.state?.state === 'waiting');
    const first = await start();
    const screen = noisy(1);
    await publish(first, screen);
    await viewer.untilShows(screen.rgb);
    await first.close();
    await viewer.until(() => viewer.state?.state === 'stale');
    expect(Buffer.compare(viewer.rgb, screen.rgb)).toBe(0);
    const second = await start({ hostVersion: 'the second' });
    const other = noisy(2, 800, 200);
    await publish(second, other);
    await viewer.untilShows(other.rgb);
    await viewer.until(() => viewer.state?.session?.hostVersion === 'the second');
    expect(viewer.state?.state).toBe('showing');
    expect(viewer.pictures.map(({ widthPx }) => widthPx)).toEqual([640, 800]);
    expect(viewer.closeCode).toBeUndefined();
  });

  it('changes its resolution and back', async () => {
    const host = await start();
    const viewer = await watch();
    for (const [seed, width, height] of [
      [1, 640, 360],
      [2, 320, 200],
      [3, 640, 360],
    ] as const) {
      const screen = noisy(seed, width, height);
      await publish(host, screen);
      await viewer.untilShows(screen.rgb);
    }
    expect(viewer.pictures.map(({ epoch, widthPx }) => [epoch, widthPx])).toEqual([
      [1, 640],
      [2, 320],
      [3, 640],
    ]);
  });

  it('stops in the middle of a frame: what was there stays, and the next frame is whole', async () => {
    const host = await start();
    const viewer = await watch();
    const screen = noisy(1);
    await publish(host, screen);
    await viewer.untilShows(screen.rgb);
    const before = screen.rgb.slice();
    screen.noise(2);
    const { pixels, format, pitchBytes, widthPx, heightPx } = screen.frame();
    const open = host.openFrame({ pixels, format, pitchBytes, widthPx, heightPx });
    expect(open).toBeDefined();
    const metrics = async (): Promise<string> =>
      await (await fetch(`${relays[0]?.door.url}metrics`)).text();
    while (!/^kvmfr_frames_given_up_total [1-9]/m.test(await metrics()));
    expect(Buffer.compare(viewer.rgb, before)).toBe(0);
    screen.noise(3);
    await publish(host, screen, { damage: [{ x: 0, y: 0, width: 1, height: 1 }] });
    await viewer.untilShows(screen.rgb);
  });
});

describe('two relays on one region', () => {
  it('both show it, and one goes on when the other closes', async () => {
    const host = await start();
    const [one, two] = [await watch(), await watch()];
    const screen = noisy(1);
    await publish(host, screen);
    await one.untilShows(screen.rgb);
    await two.untilShows(screen.rgb);
    await relays[0]?.relay.close();
    screen.noise(2);
    await publish(host, screen);
    await two.untilShows(screen.rgb);
  });
});

describe('a relay', () => {
  it('takes its place in the guest’s queues when a viewer comes, and gives it back when the last goes', async () => {
    const host = await start();
    const viewer = await watch({ idleGraceMs: 0 });
    const screen = noisy(1);
    await publish(host, screen);
    await viewer.untilShows(screen.rgb);
    await using other = await connect(region);
    const taken = (): boolean[] => other.queues().map((queue) => queue.subscribers !== 0);
    expect(taken()).toEqual([true, true]);
    await viewer.close();
    await eventually(() => !taken().includes(true));
  });
});
