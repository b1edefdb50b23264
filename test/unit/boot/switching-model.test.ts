import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LocalReader } from '../../../client/reader/local.ts';
import { SwitchingReader } from '../../../viewer/boot/index.ts';
import { fuzzed, fuzzTimeoutMs } from '../../fuzz/runs.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeGuest, SESSION } from '../relay/fake-guest.ts';
import { noisy } from '../relay/stage.ts';
import type { Screen } from '../tiles/guest.ts';

/** What can happen to the two; the numbers are seeds and sizes of what they show. */
type Step =
  | { readonly do: 'publish' | 'draw'; readonly seed: number; readonly size: 0 | 1 }
  | { readonly do: 'come' | 'return' | 'go' | 'hide' | 'appear' | 'look' | 'rest' }
  | { readonly do: 'turn'; readonly count: number };

const seeds = fc.integer({ min: 0, max: 5 });
const sizes = fc.constantFrom<0 | 1>(0, 1);
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish'), seed: seeds, size: sizes }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('draw'), seed: seeds, size: sizes }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('come', 'return', 'go', 'hide', 'appear', 'look', 'rest'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('turn'), count: fc.integer({ min: 1, max: 4 }) }),
  },
) as fc.Arbitrary<Step>;

function screenOf(seed: number, size: 0 | 1): Screen {
  return size === 0 ? noisy(seed, 130, 70) : noisy(seed, 64, 200);
}

/** Two guests, and somebody who has of the picture what updates have brought. */
class World {
  readonly main = new FakeGuest();
  readonly boot = new FakeGuest();
  readonly reader: SwitchingReader;
  readonly told: number[] = [];
  /** What each shows now. */
  desk: Screen | undefined;
  text: Screen | undefined;
  #copy = new Uint8Array(0);
  #seen = { epoch: 0, serial: 0 };
  #looking: AbortController | undefined;
  #sessions = 0;

  constructor() {
    this.main.state = { name: 'waiting', message: 'nothing' };
    this.main.session = undefined;
    this.boot.session = undefined;
    this.boot.state = { name: 'showing', source: 'spice', message: 'by SPICE' };
    this.reader = new SwitchingReader({
      main: new LocalReader(this.main),
      boot: new LocalReader(this.boot),
      graceMs: 0,
      firstFrameMs: 600_000,
    });
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        this.publish(screenOf(step.seed, step.size));
        break;
      case 'draw':
        this.draw(screenOf(step.seed, step.size));
        break;
      case 'come':
        this.come();
        break;
      case 'return':
        if (this.main.session !== undefined)
          this.main.tell({ name: 'showing', message: `guest ${this.#sessions}` });
        break;
      case 'go':
        this.main.tell({ name: 'stale', message: 'gone' });
        break;
      case 'hide':
        this.boot.tell({ name: 'stale', source: 'spice', message: 'no server' });
        break;
      case 'appear':
        this.boot.tell({ name: 'showing', source: 'spice', message: 'by SPICE' });
        break;
      case 'look':
        this.look();
        break;
      case 'rest':
        this.#looking?.abort();
        this.#looking = undefined;
        break;
      case 'turn':
        for (let i = 0; i < step.count; i++) await turn();
    }
  }

  /** Another publisher; nothing of the one before is sent any more. */
  come(): void {
    this.#sessions++;
    this.main.session = { ...SESSION, id: this.#sessions };
    this.main.current = undefined;
    this.desk = undefined;
    this.main.tell({ name: 'showing', message: `guest ${this.#sessions}` });
  }

  publish(screen: Screen): void {
    // Who is not there sends nothing.
    if (this.main.state.name !== 'showing') return;
    this.desk = screen;
    this.main.current = () => screen.frame();
    if (this.main.watched) this.main.publish(screen.frame());
  }

  draw(screen: Screen): void {
    this.text = screen;
    this.boot.current = () => screen.frame();
    if (this.boot.watched) this.boot.publish(screen.frame());
  }

  look(): void {
    if (this.#looking !== undefined) return;
    this.#looking = new AbortController();
    const { signal } = this.#looking;
    void (async () => {
      for await (const { epoch } of this.reader.pictures({ signal })) {
        this.told.push(epoch);
        this.#take();
      }
    })();
  }

  /** What somebody sees who copies the tiles that are newer than what he has. */
  #take(): void {
    const { picture } = this.reader;
    const { grid, pixels, pitchBytes, epoch } = picture;
    if (epoch !== this.#seen.epoch) {
      this.#copy = new Uint8Array(pixels.byteLength);
      this.#seen = { epoch, serial: 0 };
    }
    const tiles = new Uint32Array(grid.tileCount);
    const count = picture.changedSince(this.#seen.serial, tiles);
    for (const tile of tiles.subarray(0, count)) {
      const x = (tile % grid.columns) * grid.tilePx;
      const top = Math.floor(tile / grid.columns) * grid.tilePx;
      const width = Math.min(grid.tilePx, grid.widthPx - x);
      for (let y = top; y < Math.min(top + grid.tilePx, grid.heightPx); y++) {
        const at = y * pitchBytes + x * 4;
        this.#copy.set(pixels.subarray(at, at + width * 4), at);
      }
    }
    this.#seen = { epoch, serial: picture.serial };
  }

  sees(screen: Screen): boolean {
    const { geometry } = this.reader.picture;
    if (geometry?.widthPx !== screen.widthPx || geometry.heightPx !== screen.heightPx) return false;
    for (let pixel = 0; pixel < screen.widthPx * screen.heightPx; pixel++)
      for (let channel = 0; channel < 3; channel++)
        if (this.#copy[pixel * 4 + channel] !== screen.rgb[pixel * 3 + 2 - channel]) return false;
    return true;
  }

  async close(): Promise<void> {
    await this.reader.close();
    await Promise.all([this.main.close(), this.boot.close()]);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function play(all: readonly Step[], end: (world: World) => Promise<void>): Promise<void> {
  const world = new World();
  try {
    for (const step of all) await world.run(step);
    world.look();
    await end(world);
    // Nobody is told of an epoch of the past.
    const epochs = world.told.filter((epoch) => epoch > 0);
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
  } finally {
    await world.close();
  }
}

it(
  'whatever has happened, a publisher that comes is seen, and the boot screen after it',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (all) => {
        await play(all, async (world) => {
          world.come();
          const desk = noisy(77, 130, 70);
          world.publish(desk);
          await eventually(() => world.sees(desk) && world.reader.state.source === undefined);
          await eventually(() => !world.boot.watched);
          await world.run({ do: 'appear' });
          await world.run({ do: 'go' });
          const text = noisy(78, 130, 70);
          world.draw(text);
          await eventually(() => world.sees(text) && world.reader.state.source === 'spice');
          expect(world.reader.session).toBeUndefined();
        });
      }),
      fuzzed(60),
    );
  },
  fuzzTimeoutMs(),
);

it(
  'whatever has happened, a publisher that goes on is seen with what it shows',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (all) => {
        await play(all, async (world) => {
          world.come();
          const desk = noisy(77, 130, 70);
          world.publish(desk);
          await eventually(() => world.sees(desk));
          await world.run({ do: 'go' });
          await world.run({ do: 'appear' });
          const text = noisy(78, 64, 200);
          world.draw(text);
          await eventually(() => world.sees(text));
          await world.run({ do: 'return' });
          await eventually(() => world.sees(desk) && world.reader.state.source === undefined);
        });
      }),
      fuzzed(40),
    );
  },
  fuzzTimeoutMs(),
);
