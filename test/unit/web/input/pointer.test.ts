import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InputEvent } from '../../../../protocol/wire/index.ts';
import {
  Pointer,
  type PointerStage,
  placeOf,
  stepOf,
} from '../../../../viewer/web/input/pointer.ts';
import { layoutPicture, type ScaleMode } from '../../../../viewer/web/render/layout.ts';

const BOX = { left: 100, top: 50, width: 400, height: 300 };
const SCREEN = { screenWidthPx: 1600, screenHeightPx: 1200 };

describe('a place on the screen', () => {
  it.each([
    [0, 0, 0],
    [1, 0, 1199],
    [2, 1599, 1199],
    [3, 1599, 0],
  ])('is found from the left upper corner of a view turned by %d quarters', (turns, x, y) => {
    const stage: PointerStage = { box: BOX, turns, ...SCREEN };
    expect(placeOf(stage, { clientX: 100, clientY: 50 })).toEqual({ x, y });
  });

  it('is the nearest one for a pointer beside the picture', () => {
    const stage: PointerStage = { box: BOX, turns: 0, ...SCREEN };
    expect(placeOf(stage, { clientX: -1e6, clientY: 1e6 })).toEqual({ x: 0, y: 1199 });
    expect(placeOf(stage, { clientX: 500, clientY: 350 })).toEqual({ x: 1599, y: 1199 });
  });

  it('is exactly the pixel below the pointer, at every scale and rotation', () => {
    fc.assert(
      fc.property(
        fc.record({
          mode: fc.constantFrom<ScaleMode>('fit', '1:1', 'fill'),
          turns: fc.nat(3),
          widthPx: fc.integer({ min: 1, max: 4000 }),
          heightPx: fc.integer({ min: 1, max: 4000 }),
          placeWidthPx: fc.integer({ min: 1, max: 3000 }),
          placeHeightPx: fc.integer({ min: 1, max: 3000 }),
          devicePixelRatio: fc.constantFrom(1, 1.25, 2, 3),
        }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (input, part, otherPart) => {
          const layout = layoutPicture(input);
          const { turns, widthPx: screenWidthPx, heightPx: screenHeightPx } = input;
          const x = Math.floor(part * screenWidthPx);
          const y = Math.floor(otherPart * screenHeightPx);
          // The middle of that pixel, by the transform that the picture is drawn with.
          const left = ((x + 0.5) / screenWidthPx) * layout.width;
          const top = ((y + 0.5) / screenHeightPx) * layout.height;
          const [dx = 0, dy = 0] = [...layout.transform.matchAll(/([\d.e+-]+)px/g)].map(([, px]) =>
            Number(px),
          );
          const cos = [1, 0, -1, 0][turns] ?? 1;
          const sin = [0, 1, 0, -1][turns] ?? 0;
          const clientX = layout.left + dx + cos * left - sin * top;
          const clientY = layout.top + dy + sin * left + cos * top;
          const box = {
            ...{ left: layout.left, top: layout.top },
            ...{ width: layout.boxWidth, height: layout.boxHeight },
          };
          const stage = { box, turns, screenWidthPx, screenHeightPx };
          expect(placeOf(stage, { clientX, clientY })).toEqual({ x, y });
        },
      ),
    );
  });

  it('takes steps in the direction that is seen', () => {
    expect(stepOf(3, 5, 0)).toEqual([3, 5]);
    expect(stepOf(3, 5, 1)).toEqual([5, -3]);
    expect(stepOf(3, 5, 2)).toEqual([-3, -5]);
    expect(stepOf(3, 5, 3)).toEqual([-5, 3]);
  });
});

describe('a pointer', () => {
  let sent: InputEvent[];
  let pointer: Pointer;
  beforeEach(() => {
    sent = [];
    pointer = new Pointer((events) => sent.push(...events));
  });

  it('tells each place once', () => {
    pointer.at({ x: 1, y: 2 });
    pointer.at({ x: 1, y: 2 });
    pointer.at({ x: 1, y: 3 });
    expect(sent).toEqual([
      { kind: 'position', x: 1, y: 2 },
      { kind: 'position', x: 1, y: 3 },
    ]);
  });

  it('loses nothing of steps and turns that are less than a count', () => {
    for (let step = 0; step < 10; step++) pointer.moved(0.25, -0.5);
    const sum = sent.reduce((all, event) => (event.kind === 'motion' ? all + event.dy : all), 0);
    expect(sum).toBe(-5);
    sent = [];
    // Forty pixels of a touch pad in steps of one, and three lines of a wheel.
    for (let step = 0; step < 40; step++) pointer.turned({ deltaX: 0, deltaY: 1, deltaMode: 0 });
    pointer.turned({ deltaX: 0, deltaY: -3, deltaMode: 1 });
    pointer.turned({ deltaX: 1, deltaY: 0, deltaMode: 2 });
    const wheel = sent.reduce((all, event) => (event.kind === 'wheel' ? all + event.dy : all), 0);
    expect(wheel).toBe(48 - 120);
    expect(sent.at(-1)).toEqual({ kind: 'wheel', dx: 120, dy: 0 });
  });

  it('presses buttons once, and lets go what it holds', () => {
    pointer.press(0, true);
    pointer.press(0, true);
    pointer.press(4, true);
    pointer.press(3, false);
    pointer.press(7, true);
    expect(pointer.holdsAny).toBe(true);
    pointer.release();
    pointer.release();
    expect(
      sent.map((event) => (event.kind === 'button' ? [event.button, event.down] : [])),
    ).toEqual([
      [0, true],
      [4, true],
      [0, false],
      [4, false],
    ]);
  });
});
