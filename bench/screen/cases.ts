import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../client/index.ts';
import { createHost } from '../../host/index.ts';
import { XConnection } from '../../host/x11/connection.ts';
import { XDesk } from '../../host/x11/desk.ts';
import { parseDisplay } from '../../host/x11/display.ts';
import { XSurface } from '../../host/x11/surface.ts';
import { pair, request } from '../../host/x11/wire.ts';
import type { Rect } from '../../protocol/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { median, spreadText } from '../support/stats.ts';
import { BenchXServer } from './x-server.ts';

const WIDTH = 1920;
const HEIGHT = 1080;
const WHOLE: Rect = { x: 0, y: 0, width: WIDTH, height: HEIGHT };
const SMALL: Rect = { x: 800, y: 500, width: 256, height: 64 };

/** Draws boxes on a screen, each in another colour. */
class Painter implements Disposable {
  readonly connection: XConnection;
  readonly #gc: number;
  #color = 0;

  constructor(connection: XConnection) {
    this.connection = connection;
    this.#gc = connection.newId();
    connection.send(request(55, 0, this.#gc, this.root, 0));
  }

  get root(): number {
    return this.connection.setup.screens[0]?.root ?? 0;
  }

  /** Settled when the server has drawn it. */
  async fill({ x, y, width, height }: Rect): Promise<void> {
    this.#color = (this.#color + 0x10305) & 0xffffff;
    this.connection.send(request(56, 0, this.#gc, 0x4, this.#color));
    const box = [pair(x, y), pair(width, height)] as const;
    await this.connection.check(request(70, 0, this.root, this.#gc, ...box));
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

/** Units: milliseconds. */
async function timed(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function runPublish(options: RunOptions): Promise<readonly Row[]> {
  const turns = options.quick ? 30 : 200;
  using scratch = new Scratch();
  await using server = await BenchXServer.start(`${WIDTH}x${HEIGHT}x24`);
  const name = parseDisplay(server.name);
  using painter = new Painter(await XConnection.open(name));
  const desk = await XDesk.open(name);
  const host = await createHost(scratch.path('region'), { regionMib: 32, housekeepingMs: 0 });
  const shm = await painter.connection.extension('MIT-SHM');
  const size = { widthPx: WIDTH, heightPx: HEIGHT };
  const alone = await XSurface.open(painter.connection, painter.root, size, shm);
  const [from, to] = [
    new Uint8Array(WIDTH * HEIGHT * 4).fill(1),
    new Uint8Array(WIDTH * HEIGHT * 4),
  ];
  const times = { whole: [], small: [], server: [], copy: [] } as {
    readonly [name in 'whole' | 'small' | 'server' | 'copy']: number[];
  };
  const publish = async (): Promise<void> => {
    const picture = await desk.screen.capture();
    if (picture === undefined) throw new Error('something must have changed');
    const { pixels, widthPx, heightPx, damage } = picture;
    host.publish({ pixels, format: 'BGRA', widthPx, heightPx, damage });
  };
  for (let turn = -5; turn < turns; turn++) {
    await painter.fill(WHOLE);
    const whole = await timed(publish);
    // Both places for frames have caught up with all of it before the one that counts.
    let small = 0;
    for (let change = 0; change < 3; change++) {
      await painter.fill(SMALL);
      small = await timed(publish);
    }
    const own = await timed(() => alone.read([WHOLE]));
    const copy = await timed(() => to.set(from));
    // The first ones touch their memory for the first time.
    if (turn < 0) continue;
    times.whole.push(whole);
    times.small.push(small);
    times.server.push(own);
    times.copy.push(copy);
  }
  await host.close();
  desk.close();
  alone.close();
  const [whole, small, own, copy] = [times.whole, times.small, times.server, times.copy].map(
    median,
  );
  const beyond = ((whole ?? 0) - (own ?? 0)) / (copy ?? 1);
  return [
    row({
      name: 'screen of X at 1080p, all of it changed: publishing beyond what the server takes',
      unit: 'copies',
      value: beyond,
      atMost: 1.5,
      samples: turns,
      note: `${whole?.toFixed(2)} ms in all, the server ${own?.toFixed(2)} ms, a copy of the frame ${copy?.toFixed(2)} ms`,
    }),
    row({
      name: 'screen of X at 1080p, 256x64 of it changed',
      unit: 'ms',
      value: small ?? Number.NaN,
      samples: turns,
      note: `${spreadText(times.small, 2)}; ${((whole ?? 0) / (small ?? 1)).toFixed(0)} times cheaper than all of it`,
    }),
  ];
}

async function runIdle(options: RunOptions): Promise<readonly Row[]> {
  const seconds = options.quick ? 5 : 20;
  using scratch = new Scratch();
  await using server = await BenchXServer.start(`${WIDTH}x${HEIGHT}x24`);
  const path = scratch.path('region');
  await using publisher = Child.start('screen/publisher.js', [path, server.name]);
  const share = async (): Promise<number> => {
    await sleep(2000);
    const began = performance.now();
    const before = numberOf(await publisher.ask('cost'), 'cpuMs');
    await sleep(seconds * 1000);
    const after = numberOf(await publisher.ask('cost'), 'cpuMs');
    return ((after - before) / (performance.now() - began)) * 100;
  };
  await publisher.ask('cost');
  const alone = await share();
  await using client = new Client(path);
  await client.attached();
  const reading = (async () => {
    for await (const _ of client.frames());
  })();
  const watched = await share();
  await client.close();
  await reading;
  return [
    row({
      name: 'publisher of an X screen, nobody watches',
      unit: '% of a core',
      value: alone,
      atMost: 0.5,
      samples: 1,
      note: `over ${seconds} s, heartbeat included`,
    }),
    row({
      name: 'publisher of an X screen, watched, nothing changes',
      unit: '% of a core',
      value: watched,
      samples: 1,
      note: `over ${seconds} s`,
    }),
  ];
}

/** What it costs to publish the screen of an X server. */
export const SCREEN_CASES: readonly BenchCase[] = [
  { name: 'screen of X', run: runPublish },
  { name: 'publisher of an X screen', run: runIdle },
];
