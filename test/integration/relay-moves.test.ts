import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { closeStages, Stage } from '../unit/relay/stage.ts';
import type { TestViewer, TestViewerOptions, Update } from '../unit/relay/test-viewer.ts';
import { Screen } from '../unit/tiles/guest.ts';

afterEach(closeStages);

// 10 x 8 tiles, and a window whose edges lie within some of them.
const WIDTH = 640;
const HEIGHT = 480;
const WINDOW = { x: 37, y: 21, width: 571, height: 430 };
const REFRESH = Uint8Array.of(0x85, 0, 0, 0);

/** A guest that scrolls, and what each of its pictures was. */
class Scrolling {
  readonly stage: Stage;
  readonly screen: Screen;
  /** What was shown, by serial. */
  readonly shown: Uint8Array[] = [];
  readonly faults: string[] = [];

  private constructor(stage: Stage, screen: Screen) {
    this.stage = stage;
    this.screen = screen;
  }

  static async open(): Promise<Scrolling> {
    const screen = new Screen(WIDTH, HEIGHT);
    screen.noise(1);
    return new Scrolling(await Stage.open(), screen);
  }

  /** A viewer each of whose updates must be what was shown at its serial. */
  join(options: TestViewerOptions = {}): TestViewer {
    const drawn = ({ serial }: Update, rgb: Uint8Array): void => {
      const shown = this.shown[serial];
      if (shown === undefined || Buffer.compare(shown, rgb) !== 0)
        this.faults.push(`serial ${serial} is not what was shown`);
    };
    return this.stage.join({ drawn, ...options, hello: { moves: true, ...options.hello } });
  }

  async show(screen: Screen = this.screen): Promise<void> {
    this.shown[Math.max(1, this.shown.length)] = screen.rgb.slice();
    await this.stage.show(screen);
  }

  async scroll(rows: number): Promise<void> {
    this.screen.scroll(WINDOW, rows, this.shown.length);
    await this.show();
  }

  /** Scrolls often enough for it to be noticed. */
  async begin(...viewers: readonly TestViewer[]): Promise<void> {
    await eventually(() => this.stage.guest.watched);
    await this.show();
    for (let i = 0; i < 2; i++) await this.scroll(12);
    for (const viewer of viewers) await viewer.untilShows(this.screen.rgb);
  }
}

/** The update to a serial. */
function updateTo(viewer: TestViewer, serial: number): Update | undefined {
  return viewer.updates.find((update) => update.serial === serial);
}

describe('a window that scrolls', () => {
  it('is sent as a move and the tiles that came in, and is exact', async () => {
    const guest = await Scrolling.open();
    const viewer = guest.join();
    await guest.begin(viewer);
    for (const rows of [12, 64, 1, -12, -64, 100]) {
      await guest.scroll(rows);
      await viewer.untilShows(guest.screen.rgb);
      const update = viewer.updates.at(-1);
      expect(update).toMatchObject({ moves: 1, serial: guest.shown.length - 1 });
      // Rows of ten tiles: those that the new pixels reach.
      expect(update?.tiles.length).toBeLessThanOrEqual(Math.ceil(Math.abs(rows) / 64 + 1) * 10);
    }
    expect(guest.faults).toEqual([]);
  });

  it('is sent as pixels to a viewer that does not say that it takes moves', async () => {
    const guest = await Scrolling.open();
    const viewer = guest.join({ hello: { moves: false } });
    await guest.begin(viewer);
    await guest.scroll(12);
    await viewer.untilShows(guest.screen.rgb);
    expect(viewer.updates.every(({ moves }) => moves === 0)).toBe(true);
    expect(viewer.updates.at(-1)?.tiles.length).toBeGreaterThan(60);
  });

  it('is sent as several moves to a viewer that has missed some', async () => {
    const guest = await Scrolling.open();
    const viewer = guest.join();
    await guest.begin(viewer);
    viewer.acks = false;
    const { length } = viewer.updates;
    for (const rows of [12, 20, -8, 30, 12]) await guest.scroll(rows);
    await viewer.until(() => viewer.updates.length === length + 2);
    viewer.acks = true;
    viewer.ack(length + 1);
    await viewer.untilShows(guest.screen.rgb);
    const late = viewer.updates.slice(length);
    // Five moves in three updates at the most.
    expect(late.length).toBeLessThanOrEqual(3);
    expect(late.reduce((sum, { moves }) => sum + moves, 0)).toBe(5);
    for (const { tiles } of late) expect(tiles.length).toBeLessThan(60);
    expect(guest.faults).toEqual([]);
  });

  it('is exact for viewers that have seen different pictures of it', async () => {
    const guest = await Scrolling.open();
    const quick = guest.join();
    const slow = guest.join();
    await guest.begin(quick, slow);
    slow.acks = false;
    const { length } = slow.updates;
    for (let i = 0; i < 4; i++) {
      await guest.scroll(12);
      await quick.untilShows(guest.screen.rgb);
    }
    await slow.until(() => slow.updates.length === length + 2);
    slow.acks = true;
    slow.ack(length + 1);
    await slow.untilShows(guest.screen.rgb);
    await guest.scroll(12);
    for (const viewer of [quick, slow]) await viewer.untilShows(guest.screen.rgb);
    expect(quick.updates.at(-1)?.moves).toBe(1);
    expect(slow.updates.at(-1)?.moves).toBe(1);
    expect(guest.faults).toEqual([]);
  });

  it('is whole for who joins in the middle, refreshes, or gets another size', async () => {
    const guest = await Scrolling.open();
    const viewer = guest.join();
    await guest.begin(viewer);
    const late = guest.join();
    await late.untilShows(guest.screen.rgb);
    expect(updateTo(late, guest.shown.length - 1)?.moves).toBe(0);
    viewer.send(REFRESH);
    await viewer.until(() => viewer.pictures.length === 2);
    for (const rows of [12, 12]) {
      await guest.scroll(rows);
      for (const one of [viewer, late]) await one.untilShows(guest.screen.rgb);
    }
    expect(late.updates.at(-1)?.moves).toBe(1);
    const other = new Screen(WIDTH + 64, HEIGHT);
    other.noise(3);
    await guest.show(other);
    for (const one of [viewer, late]) await one.untilShows(other.rgb);
    for (let i = 0; i < 3; i++) {
      other.scroll(WINDOW, 12, i);
      await guest.show(other);
      for (const one of [viewer, late]) await one.untilShows(other.rgb);
    }
    expect(viewer.updates.at(-1)?.moves).toBe(1);
    expect(guest.faults).toEqual([]);
  });

  it('is exact whatever else happens, for viewers that acknowledge when they like', async () => {
    const anything = fc.oneof(
      { weight: 5, arbitrary: fc.record({ scroll: fc.integer({ min: -80, max: 80 }) }) },
      { weight: 2, arbitrary: fc.record({ noise: fc.tuple(fc.nat(500), fc.nat(400)) }) },
      { weight: 1, arbitrary: fc.record({ ack: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.constant({ refresh: true }) },
    );
    let moves = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { maxLength: 15 }), async (steps) => {
        const guest = await Scrolling.open();
        const free = guest.join();
        const held = guest.join();
        await guest.begin(free, held);
        // Whatever comes then, it comes to viewers that moves have been made for.
        for (let turn = 0; turn < 2; turn++) {
          await guest.scroll(12);
          for (const viewer of [free, held]) await viewer.untilShows(guest.screen.rgb);
        }
        held.acks = false;
        for (const step of steps) {
          if ('scroll' in step) await guest.scroll(step.scroll);
          else if ('noise' in step) {
            const [x, y] = step.noise;
            guest.screen.noise(guest.shown.length, { x, y, width: 100, height: 70 });
            await guest.show();
          } else if ('ack' in step) held.ack(held.updates.length - 1);
          else free.send(REFRESH);
        }
        held.acks = true;
        held.ack(held.updates.length - 1);
        for (const viewer of [free, held]) {
          await viewer.untilShows(guest.screen.rgb);
          for (const update of viewer.updates) moves += update.moves;
        }
        expect(guest.faults).toEqual([]);
        await closeStages();
      }),
      { numRuns: 6 },
    );
    expect(moves).toBeGreaterThan(8);
  });
});
