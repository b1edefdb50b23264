import { afterEach, describe, expect, it } from 'vitest';
import { LocalReader } from '../../../client/reader/local.ts';
import { SwitchingReader } from '../../../viewer/boot/index.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeGuest, SESSION, shapeOf } from '../relay/fake-guest.ts';
import { closeStages, noisy, PING, Stage } from '../relay/stage.ts';
import type { TestViewer } from '../relay/test-viewer.ts';
import type { Screen } from '../tiles/guest.ts';

afterEach(closeStages);

const GONE = { name: 'stale', message: 'the guest does not answer' } as const;
const THERE = { name: 'showing', message: 'showing a test' } as const;
const WAITING = { name: 'waiting', message: 'no Looking Glass host runs in /r' } as const;
const BY_SPICE = { name: 'showing', source: 'spice', message: 'showing a test by SPICE' } as const;

interface Two {
  readonly stage: Stage;
  readonly main: FakeGuest;
  readonly boot: FakeGuest;
}

/** A relay on a region's guest that is not there yet, and a boot screen. */
async function two(): Promise<Two> {
  const boot = new FakeGuest();
  boot.session = undefined;
  boot.state = BY_SPICE;
  const main = new FakeGuest();
  main.session = undefined;
  main.state = WAITING;
  return { stage: await Stage.open({ source: main, bootScreen: boot }), main, boot };
}

/** A publisher comes; what it shows is sent to each new subscriber. */
function come({ main }: Two, id: number, screen: Screen): void {
  main.session = { ...SESSION, id };
  main.current = () => screen.frame();
  main.tell({ ...THERE });
  main.publish(screen.frame());
}

function shows(viewer: TestViewer, screen: Screen, source: string): Promise<void> {
  return viewer.until(
    ({ rgb, state }) => state?.source === source && Buffer.compare(rgb, screen.rgb) === 0,
  );
}

function bootShows({ boot }: Two, screen: Screen): void {
  boot.current = () => screen.frame();
  if (boot.watched) boot.publish(screen.frame());
}

describe('a boot screen', () => {
  it('gives way to frames of the region, and comes back, again and again', async () => {
    const pair = await two();
    const viewer = pair.stage.join();
    for (let turn = 0; turn < 4; turn++) {
      // Of one size and of others, in both ways.
      const text = noisy(turn, turn % 2 === 0 ? 320 : 720, 200);
      const desk = noisy(100 + turn, 320, turn < 2 ? 200 : 240);
      bootShows(pair, text);
      await shows(viewer, text, 'spice');
      expect(viewer.state).toMatchObject({ state: 'showing', message: BY_SPICE.message });
      expect(viewer.state?.session).toBeUndefined();
      come(pair, turn + 1, desk);
      await shows(viewer, desk, 'lgmp');
      expect(viewer.state?.session?.release).toBe('B7');
      pair.main.tell(turn % 2 === 0 ? { ...GONE } : { ...WAITING });
    }
    const { epoch } = pair.stage.relay.reader.picture;
    const epochs = viewer.pictures.map((picture) => picture.epoch);
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
    expect(epoch).toBeGreaterThanOrEqual(8);
  });

  it('is not left for a publisher that has no frame yet', async () => {
    const pair = await two();
    const viewer = pair.stage.join();
    const text = noisy(1);
    bootShows(pair, text);
    await shows(viewer, text, 'spice');
    pair.main.session = SESSION;
    pair.main.tell({ ...THERE });
    text.noise(2);
    bootShows(pair, text);
    await shows(viewer, text, 'spice');
    await viewer.until(({ state }) => state?.hint?.includes('first frame is waited for') === true);
    const desk = noisy(3);
    pair.main.publish(desk.frame());
    await shows(viewer, desk, 'lgmp');
  });

  it('costs nothing while the region is shown', async () => {
    const pair = await two();
    const viewer = pair.stage.join();
    bootShows(pair, noisy(1));
    await shows(viewer, noisy(1), 'spice');
    come(pair, 1, noisy(2));
    await shows(viewer, noisy(2), 'lgmp');
    await eventually(() => !pair.boot.watched && !pair.boot.pointed);
    expect(pair.main.watched).toBe(true);
    await viewer.close();
    await eventually(() => !pair.main.watched);
  });

  it('has its own pointer, and never that of the other', async () => {
    const pair = await two();
    const viewer = pair.stage.join();
    bootShows(pair, noisy(1));
    await shows(viewer, noisy(1), 'spice');
    await eventually(() => pair.boot.pointed);
    pair.boot.point({ visible: true, x: 5, y: 6, shape: shapeOf(1, 2) });
    await viewer.until(({ cursor }) => cursor?.x === 5);
    come(pair, 1, noisy(2));
    await shows(viewer, noisy(2), 'lgmp');
    await viewer.until(({ cursor }) => cursor?.visible === false);
    await eventually(() => pair.main.pointed && !pair.boot.pointed);
    pair.main.point({ visible: true, x: 7, y: 8, shape: shapeOf(2, 3) });
    await viewer.until(({ cursor }) => cursor?.x === 7);
    expect(viewer.shapes.at(-1)).toMatchObject({ widthPx: 3 });
  });

  it('goes when the same publisher goes on, with what it showed', async () => {
    const pair = await two();
    const viewer = pair.stage.join();
    const desk = noisy(1);
    come(pair, 1, desk);
    await shows(viewer, desk, 'lgmp');
    pair.main.tell({ ...GONE });
    const text = noisy(2);
    bootShows(pair, text);
    await shows(viewer, text, 'spice');
    // No frame comes: nothing has changed in the guest.
    pair.main.tell({ ...THERE });
    await shows(viewer, desk, 'lgmp');
  });

  it('is shown to who looks first, and the state says so before', async () => {
    const pair = await two();
    const text = noisy(1);
    bootShows(pair, text);
    for await (const { source } of pair.stage.relay.reader.states()) if (source === 'spice') break;
    expect(pair.boot.watched).toBe(false);
    const viewer = pair.stage.join();
    await shows(viewer, text, 'spice');
    const response = await fetch(`${pair.stage.door.url}api/session?token=secret`);
    expect(await response.json()).toMatchObject({
      state: 'showing',
      source: 'spice',
      hint: 'No Looking Glass host runs in /r.',
      picture: { widthPx: 320 },
    });
    const metrics = await fetch(`${pair.stage.door.url}metrics?token=secret`);
    expect(await metrics.text()).toContain(
      'kvmfr_source{source="lgmp"} 0\nkvmfr_source{source="spice"} 1\n',
    );
    const png = await fetch(`${pair.stage.door.url}snapshot.png?token=secret`);
    expect(png.headers.get('content-type')).toBe('image/png');
  });

  it('that is not there is told of beside the region', async () => {
    const pair = await two();
    pair.boot.tell({
      name: 'denied',
      source: 'spice',
      message: 'the SPICE server at s wants another password',
      hint: 'Give it.',
    });
    const viewer = pair.stage.join();
    await viewer.until(({ state }) => state?.hint?.includes('password') === true);
    expect(viewer.state).toMatchObject({
      state: 'waiting',
      source: 'lgmp',
      message: WAITING.message,
      hint: 'There is no boot screen by SPICE: the SPICE server at s wants another password. Give it.',
    });
  });

  it('that has gone stays, and is told of with both', async () => {
    const pair = await two();
    const viewer = pair.stage.join();
    const text = noisy(1);
    bootShows(pair, text);
    await shows(viewer, text, 'spice');
    pair.boot.tell({ name: 'stale', source: 'spice', message: 'the SPICE server at s has gone' });
    await viewer.until(({ state }) => state?.state === 'stale');
    expect(viewer.state).toMatchObject({
      source: 'spice',
      message: 'the SPICE server at s has gone',
      hint: 'No Looking Glass host runs in /r.',
    });
    await shows(viewer, text, 'spice');
  });
});

describe('a reader that switches', () => {
  it('says nothing of a publisher that was away for a moment only', async () => {
    const [main, boot] = [new FakeGuest(), new FakeGuest()];
    boot.state = BY_SPICE;
    const reader = new SwitchingReader({
      main: new LocalReader(main),
      boot: new LocalReader(boot),
      graceMs: 600_000,
    });
    const stop = new AbortController();
    const pictures = reader.pictures({ signal: stop.signal });
    main.publish(noisy(1).frame());
    await pictures.next();
    const said: string[] = [];
    void (async () => {
      for await (const { name } of reader.states()) said.push(name);
    })();
    main.tell({ ...GONE });
    await eventually(() => main.state.name === 'stale');
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    main.tell({ ...THERE, message: 'showing it again' });
    await eventually(() => reader.state.message === 'showing it again');
    expect(said.every((name) => name === 'showing')).toBe(true);
    expect(boot.watched).toBe(false);
    await reader.close();
  });

  it('asks whoever comes to the boot screen whether it can be had again', async () => {
    const pair = await two();
    let asked = 0;
    Object.assign(pair.boot, { attend: () => asked++ });
    pair.stage.join();
    await eventually(() => asked === 1);
    const second = pair.stage.join();
    await second.until(({ state }) => state !== undefined);
    await second.settle(PING);
    expect(asked).toBe(2);
  });
});
