import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHost, type Host } from '../../host/index.ts';
import { encodeInput, type InputEvent } from '../../protocol/wire/index.ts';
import {
  createViewer,
  listen,
  SpiceInput,
  SpiceSource,
  type Viewer,
} from '../../viewer/relay/index.ts';
import { eventually } from '../support/eventually.ts';
import { SpiceScreen, setCursor } from '../unit/boot/spice-screen.ts';
import { FakeGuest, SESSION } from '../unit/relay/fake-guest.ts';
import { closeStages, Stage } from '../unit/relay/stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { fields } from '../unit/spice/fake-server.ts';
import { Screen } from '../unit/tiles/guest.ts';

// A region read in a thread of its own, a publisher in it, and a SPICE server beside it.

const MOUSE_MODE = 105;
const MOUSE_POSITION = 112;

let folder = '';
let region = '';
const ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp('/dev/shm/kvmfr-boot-test-');
  region = join(folder, 'region');
});

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await rm(folder, { recursive: true, force: true });
});

interface Watched {
  readonly spice: SpiceScreen;
  readonly relay: Viewer;
  readonly viewer: TestViewer;
}

async function watch(): Promise<Watched> {
  const spice = await SpiceScreen.open();
  ends.push(() => spice[Symbol.asyncDispose]());
  const bootScreen = new SpiceSource(spice.session);
  const input = new SpiceInput(spice.session);
  const relay = createViewer({ source: region, bootScreen, input, token: false, idleGraceMs: 0 });
  ends.push(async () => input.close());
  const door = await listen(relay, { host: '127.0.0.1', port: 0 });
  ends.push(async () => {
    await relay.close();
    await door.close();
  });
  const viewer = new TestViewer(`${door.url.replace('http', 'ws')}ws`);
  ends.push(async () => viewer.socket.terminate());
  return { spice, relay, viewer };
}

async function start(housekeepingMs?: number): Promise<Host> {
  const host = await createHost(region, {
    regionMib: 16,
    ...(housekeepingMs === undefined ? {} : { housekeepingMs }),
  });
  ends.push(() => host.close());
  return host;
}

async function publish(host: Host, screen: Screen): Promise<void> {
  const { pixels, format, pitchBytes, widthPx, heightPx, rotation } = screen.frame();
  await eventually(() => host.publish({ pixels, format, pitchBytes, widthPx, heightPx, rotation }));
}

function noisy(seed: number, widthPx = 640, heightPx = 360): Screen {
  const screen = new Screen(widthPx, heightPx);
  screen.noise(seed);
  return screen;
}

async function shows({ viewer }: Watched, screen: Screen, source: string): Promise<void> {
  await viewer.until(
    ({ rgb, state }) => state?.source === source && Buffer.compare(rgb, screen.rgb) === 0,
  );
}

describe('the boot screen of a guest', () => {
  it('is seen until a publisher runs, and whenever it has ended', async () => {
    const all = await watch();
    const text = noisy(1, 720, 400);
    all.spice.show(text);
    await shows(all, text, 'spice');
    expect(all.viewer.state?.state).toBe('showing');
    expect(all.viewer.state?.hint).toContain(region);
    for (let turn = 0; turn < 3; turn++) {
      const host = await start();
      const desk = noisy(10 + turn);
      await publish(host, desk);
      await shows(all, desk, 'lgmp');
      // What the server draws meanwhile is not sent.
      text.noise(20 + turn);
      all.spice.show(text);
      desk.noise(30 + turn);
      await publish(host, desk);
      await shows(all, desk, 'lgmp');
      await host.close();
      await shows(all, text, 'spice');
    }
  });

  it('comes when the heart of a publisher stops, and goes when it beats again', async () => {
    const all = await watch();
    const text = noisy(1, 720, 400);
    all.spice.show(text);
    await shows(all, text, 'spice');
    const host = await start(0);
    const beating = { timer: setInterval(() => host.housekeep(), 5) };
    ends.push(async () => clearInterval(beating.timer));
    const desk = noisy(2);
    await publish(host, desk);
    await shows(all, desk, 'lgmp');
    clearInterval(beating.timer);
    await shows(all, text, 'spice');
    beating.timer = setInterval(() => host.housekeep(), 5);
    await shows(all, desk, 'lgmp');
    expect(all.viewer.state?.session?.release).toBe('B7');
  });

  it('has its pointer, which goes with it', async () => {
    const all = await watch();
    const text = noisy(1, 720, 400);
    all.spice.show(text);
    await shows(all, text, 'spice');
    setCursor(await all.spice.server.channel(4), { x: 31, y: 41 }, [1, 2, 3, 255]);
    await all.viewer.until(({ cursor }) => cursor?.visible === true);
    expect(all.viewer.cursor).toMatchObject({ x: 30, y: 40 });
    const host = await start();
    const desk = noisy(2);
    await publish(host, desk);
    await shows(all, desk, 'lgmp');
    await all.viewer.until(({ cursor }) => cursor?.visible === false);
  });
});

describe('the pointer of a viewer', () => {
  it('is put to the pixel that it is on, whichever screen is shown', async () => {
    const all = await watch();
    const { server } = all.spice;
    const text = noisy(1, 720, 400);
    all.spice.show(text);
    await shows(all, text, 'spice');
    const [main, inputs] = [await server.channel(1), await server.channel(3)];
    // The machine has a tablet.
    main.send(MOUSE_MODE, fields([2, 3], [2, 2]));
    await all.viewer.until(({ inputs: told }) => told.at(-1)?.absolute === true);
    const places = async (x: number, y: number): Promise<readonly number[]> => {
      const event: InputEvent = { kind: 'position', x, y };
      all.viewer.send(encodeInput({ atMs: undefined, events: [event] }));
      const { body } = await inputs.take(MOUSE_POSITION);
      return [body.readUInt32LE(0), body.readUInt32LE(4)];
    };
    expect(await places(719, 0)).toEqual([719, 0]);
    expect(await places(101, 399)).toEqual([101, 399]);
    const host = await start();
    const desk = noisy(2, 1440, 800);
    await publish(host, desk);
    await shows(all, desk, 'lgmp');
    // Half as many pixels are there in both directions.
    expect(await places(1439, 799)).toEqual([719, 399]);
    expect(await places(202, 101)).toEqual([101, 50]);
    await host.close();
    await shows(all, text, 'spice');
    expect(await places(202, 101)).toEqual([202, 101]);
  });
});

describe('a boot screen that moves, and a guest that does', () => {
  afterEach(closeStages);

  it('travel as video, each by a stream of its own, and are exact at rest', async () => {
    const [main, boot] = [new FakeGuest(), new FakeGuest()];
    main.session = undefined;
    main.state = { name: 'waiting', message: 'no host' };
    boot.session = undefined;
    boot.state = { name: 'showing', source: 'spice', message: 'by SPICE' };
    const stage = await Stage.open({ source: main, bootScreen: boot });
    const codecs = { encodings: ['lossless', 'video'], codecs: ['h264'] } as const;
    const viewer = stage.join({ hello: codecs });
    /** Plays noise until some video has come, and looks at what is left of it. */
    const film = async (guest: FakeGuest, source: string, seed: number): Promise<void> => {
      const { length } = viewer.videos;
      const screen = noisy(seed);
      for (let frame = 0; viewer.videos.length < length + 5; frame++) {
        if (viewer.closeCode !== undefined) throw new Error('the viewer has gone');
        screen.noise(seed + frame);
        guest.publish(screen.frame());
        await new Promise<void>((resolve) => setTimeout(resolve, 10));
      }
      await viewer.until(
        ({ rgb, state }) => state?.source === source && Buffer.compare(rgb, screen.rgb) === 0,
      );
    };
    await film(boot, 'spice', 1000);
    main.session = SESSION;
    main.tell({ name: 'showing', message: 'a guest' });
    await film(main, 'lgmp', 2000);
    main.tell({ name: 'stale', message: 'gone' });
    await film(boot, 'spice', 3000);
    // Each stream belongs to the picture that it shows: the viewer has looked at every message.
    expect(new Set(viewer.streams.map(({ epoch }) => epoch)).size).toBeGreaterThanOrEqual(3);
  });
});
