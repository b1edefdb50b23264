import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { PictureMemory } from '../../../client/tiles/memory.ts';
import { Picture } from '../../../client/tiles/picture.ts';
import { SharedPictureView } from '../../../client/tiles/shared-view.ts';
import { newStep, type PictureStep } from '../../../client/tiles/steps.ts';
import type { PictureView } from '../../../client/tiles/view.ts';
import { tileRect } from '../../../protocol/wire/index.ts';
import { FORMATS, Screen } from './guest.ts';

const WINDOW = { x: 20, y: 30, width: 411, height: 300 };

const closing: (() => unknown)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function stepTo(picture: PictureView, serial: number): PictureStep | undefined {
  const step = newStep();
  return picture.readStep(serial, step) ? step : undefined;
}

function restOf(step: PictureStep | undefined): number[] {
  const tiles: number[] = [];
  for (let tile = 0; tile < (step?.rest.length ?? 0) * 32; tile++)
    if (((step?.rest[tile >> 5] ?? 0) >>> (tile & 31)) & 1) tiles.push(tile);
  return tiles;
}

/** Tiles that differ from what a step's move makes of a screen. */
function wrongTiles(picture: PictureView, before: Uint8Array, step: PictureStep): number[] {
  const { grid, pixels, pitchBytes } = picture;
  const moved = before.slice();
  const { x, y, width, height, fromX, fromY } = step.move ?? {
    ...{ x: 0, y: 0, width: 0, height: 0, fromX: 0, fromY: 0 },
  };
  for (let row = 0; row < height; row++) {
    const from = ((fromY + row) * grid.widthPx + fromX) * 3;
    moved.set(before.subarray(from, from + width * 3), ((y + row) * grid.widthPx + x) * 3);
  }
  const wrong: number[] = [];
  for (let tile = 0; tile < grid.tileCount; tile++) {
    const rect = tileRect(tile, grid);
    let same = true;
    for (let row = rect.y; row < rect.y + rect.height; row++)
      for (let column = rect.x; column < rect.x + rect.width; column++)
        for (let channel = 0; channel < 3; channel++)
          same &&=
            pixels[row * pitchBytes + column * 4 + 2 - channel] ===
            moved[(row * grid.widthPx + column) * 3 + channel];
    if (!same) wrong.push(tile);
  }
  return wrong;
}

describe('the steps of a picture', () => {
  it.each(FORMATS)(
    'tell of a scrolled %s window what moved, and exactly what else',
    async (format) => {
      const screen = new Screen(450, 350);
      screen.noise(1);
      const picture = new Picture();
      closing.push(() => picture.close());
      await picture.update(screen.frame({ format }));
      expect(stepTo(picture, picture.serial)).toBeUndefined();
      for (const [at, rows] of [12, 7, -40, 100].entries()) {
        const before = screen.rgb.slice();
        const base = picture.serial;
        screen.scroll(WINDOW, rows, at);
        await turn();
        await picture.update(screen.frame({ format, damage: [WINDOW] }));
        const step = stepTo(picture, picture.serial);
        // The first shows that it is worth while to look.
        if (at === 0) expect(step?.move).toBeUndefined();
        else
          expect(step).toMatchObject({
            base,
            move: {
              ...{ x: 20, width: 411, height: 300 - Math.abs(rows) },
              ...{ y: rows > 0 ? 30 : 30 - rows, fromY: rows > 0 ? 30 + rows : 30 },
            },
          });
        if (step !== undefined) expect(restOf(step)).toEqual(wrongTiles(picture, before, step));
      }
    },
  );

  it('tell the same to another thread, and nothing of another size', async () => {
    const screen = new Screen(450, 350);
    screen.noise(1);
    const picture = new Picture({ memory: new PictureMemory({ shared: true }) });
    const view = new SharedPictureView();
    closing.push(
      () => view.close(),
      () => picture.close(),
    );
    await picture.update(screen.frame());
    const { epoch, geometry, grid, place: memory } = picture;
    if (geometry === undefined || memory === undefined) throw new Error('there is no picture yet');
    view.adopt({ memory, epoch, geometry, tilePx: grid.tilePx, planes: false });
    for (let i = 0; i < 40; i++) {
      screen.scroll(WINDOW, 3, i);
      await picture.update(screen.frame());
    }
    const { serial } = picture;
    expect(stepTo(view, serial)?.move).toMatchObject({ fromY: 33, y: 30 });
    expect(stepTo(view, serial)).toEqual(stepTo(picture, serial));
    // As many as are kept, and no more.
    expect(stepTo(view, serial - 31)).toBeDefined();
    expect(stepTo(view, serial - 32)).toBeUndefined();
    expect(stepTo(view, serial + 1)).toBeUndefined();
    await picture.update(new Screen(440, 350).frame());
    expect(stepTo(view, serial)).toBeUndefined();
    view.close();
    expect(stepTo(view, serial)).toBeUndefined();
  });

  it('lead from whole update to whole update, over frames that were given up', async () => {
    const screen = new Screen(450, 350);
    screen.noise(1);
    const picture = new Picture();
    await picture.update(screen.frame());
    for (let i = 0; i < 2; i++) {
      screen.scroll(WINDOW, 9, i);
      await picture.update(screen.frame());
    }
    const base = picture.serial;
    const before = screen.rgb.slice();
    screen.noise(5, { x: 0, y: 0, width: 450, height: 100 });
    const torn = screen.frame({ arrivedRows: 130 });
    const update = picture.update(torn);
    await turn();
    torn.giveUp();
    expect(await update).toBe('given-up');
    screen.rgb.set(before);
    screen.scroll(WINDOW, 9, 7);
    expect(await picture.update(screen.frame())).toBe('changed');
    const step = stepTo(picture, picture.serial);
    expect(step).toMatchObject({ base, move: { fromY: 39, y: 30 } });
    if (step === undefined) throw new Error('there is no step');
    const rest = restOf(step);
    for (const tile of wrongTiles(picture, before, step)) expect(rest).toContain(tile);
  });

  it('are found again after much that was new each time', async () => {
    const screen = new Screen(450, 350);
    const picture = new Picture();
    closing.push(() => picture.close());
    for (let i = 0; i < 80; i++) {
      screen.noise(i);
      await picture.update(screen.frame());
      expect(stepTo(picture, picture.serial)?.move).toBeUndefined();
    }
    let found = -1;
    for (let i = 0; i < 70 && found < 0; i++) {
      screen.scroll(WINDOW, 9, i);
      await picture.update(screen.frame());
      if (stepTo(picture, picture.serial)?.move !== undefined) found = i;
    }
    expect(found).toBeGreaterThan(0);
  });

  it('are exact whatever happens in between', async () => {
    const change = fc.oneof(
      fc.record({ rows: fc.integer({ min: -70, max: 70 }) }),
      fc.record({ x: fc.nat(400), y: fc.nat(300) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        const screen = new Screen(450, 350);
        screen.noise(1);
        const picture = new Picture();
        await picture.update(screen.frame());
        for (const [at, one] of changes.entries()) {
          const before = screen.rgb.slice();
          if ('rows' in one) screen.scroll(WINDOW, one.rows, at);
          else screen.noise(at, { x: one.x, y: one.y, width: 50, height: 50 });
          const outcome = await picture.update(screen.frame());
          // Nobody needs a step to where they are.
          expect(outcome).toBe(screen.rgb.every((v, i) => v === before[i]) ? 'same' : 'changed');
          if (outcome === 'same') continue;
          const step = stepTo(picture, picture.serial);
          if (step === undefined) throw new Error('there is no step');
          expect(restOf(step)).toEqual(wrongTiles(picture, before, step));
        }
        picture.close();
      }),
      { numRuns: 10 },
    );
  });
});
