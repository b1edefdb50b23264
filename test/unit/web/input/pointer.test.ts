import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InputEvent } from '../../../../protocol/wire/index.ts';
import {
  Pointer,
  type PointerStage,
  placeOf,
  stepOf,
} from '../../../../viewer/web/input/pointer.ts';
import {
  type Layout,
  type LayoutInput,
  layoutPicture,
  type ScaleMode,
} from '../../../../viewer/web/render/layout.ts';

const SCREEN = { screenWidthPx: 40, screenHeightPx: 30, devicePixelRatio: 1 };

/** Where the transform of a layout puts a point of the unturned picture. Units: CSS pixels of the page. */
function drawn(layout: Layout, turns: number, left: number, top: number) {
  const [dx = 0, dy = 0] = [...layout.transform.matchAll(/([\d.e+-]+)px/g)].map(([, px]) =>
    Number(px),
  );
  const cos = [1, 0, -1, 0][turns] ?? 1;
  const sin = [0, 1, 0, -1][turns] ?? 0;
  return {
    clientX: layout.left + dx + cos * left - sin * top,
    clientY: layout.top + dy + sin * left + cos * top,
  };
}

function stageOf(layout: Layout, input: LayoutInput): PointerStage {
  return {
    box: {
      ...{ left: layout.left, top: layout.top },
      ...{ width: layout.boxWidth, height: layout.boxHeight },
    },
    turns: input.turns,
    screenWidthPx: input.widthPx,
    screenHeightPx: input.heightPx,
    devicePixelRatio: input.devicePixelRatio,
  };
}

const side = fc.integer({ min: 1, max: 4000 });
const layoutInput: fc.Arbitrary<LayoutInput> = fc.record({
  mode: fc.constantFrom<ScaleMode>('fit', '1:1', 'fill'),
  turns: fc.nat(3),
  widthPx: side,
  heightPx: side,
  placeWidthPx: side,
  placeHeightPx: side,
  devicePixelRatio: fc.constantFrom(1, 1.25, 1.5, 2, 3),
});
const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('a place on the screen', () => {
  it.each([
    [0, 0, 0],
    [1, 0, 29],
    [2, 39, 29],
    [3, 39, 0],
  ])('is found from the left upper corner of a view turned by %d quarters', (turns, x, y) => {
    const size = turns % 2 === 0 ? { width: 40, height: 30 } : { width: 30, height: 40 };
    const stage: PointerStage = { box: { left: 100, top: 50, ...size }, turns, ...SCREEN };
    expect(placeOf(stage, { clientX: 100, clientY: 50 })).toEqual({ x, y });
    // The pixel of the display beside it is the next one, and not the same.
    const next = placeOf(stage, { clientX: 101, clientY: 51 });
    expect([Math.abs(next.x - x), Math.abs(next.y - y)]).toEqual([1, 1]);
  });

  it('is the nearest one for a pointer beside the picture', () => {
    const box = { left: 100, top: 50, width: 400, height: 300 };
    const stage: PointerStage = { box, turns: 0, ...SCREEN };
    expect(placeOf(stage, { clientX: -1e6, clientY: 1e6 })).toEqual({ x: 0, y: 29 });
    expect(placeOf(stage, { clientX: 500, clientY: 350 })).toEqual({ x: 39, y: 29 });
  });

  it('is the pixel that is drawn below any pixel of the display, at every scale and rotation', () => {
    fc.assert(
      fc.property(layoutInput, part, part, (input, across, down) => {
        const layout = layoutPicture(input);
        const dpr = input.devicePixelRatio;
        const atX = Math.floor(across * Math.round(layout.boxWidth * dpr));
        const atY = Math.floor(down * Math.round(layout.boxHeight * dpr));
        const { x, y } = placeOf(stageOf(layout, input), {
          clientX: layout.left + atX / dpr,
          clientY: layout.top + atY / dpr,
        });
        // Two corners of what is drawn of that pixel, and the middle of the display's one between them.
        const column = layout.width / input.widthPx;
        const row = layout.height / input.heightPx;
        const from = drawn(layout, input.turns, x * column, y * row);
        const to = drawn(layout, input.turns, (x + 1) * column, (y + 1) * row);
        const middleX = layout.left + (atX + 0.5) / dpr;
        const middleY = layout.top + (atY + 0.5) / dpr;
        const slack = 1e-6;
        expect(middleX).toBeGreaterThanOrEqual(Math.min(from.clientX, to.clientX) - slack);
        expect(middleX).toBeLessThanOrEqual(Math.max(from.clientX, to.clientX) + slack);
        expect(middleY).toBeGreaterThanOrEqual(Math.min(from.clientY, to.clientY) - slack);
        expect(middleY).toBeLessThanOrEqual(Math.max(from.clientY, to.clientY) + slack);
      }),
    );
  });

  it('is exact for a pen and a magnified page, whose pixels are parts of the display ones', () => {
    fc.assert(
      fc.property(layoutInput, part, part, (input, across, down) => {
        const layout = layoutPicture(input);
        const x = Math.floor(across * input.widthPx);
        const y = Math.floor(down * input.heightPx);
        const left = ((x + 0.5) / input.widthPx) * layout.width;
        const top = ((y + 0.5) / input.heightPx) * layout.height;
        const point = drawn(layout, input.turns, left, top);
        for (const at of [point.clientX, point.clientY]) {
          const px = at * input.devicePixelRatio;
          fc.pre(Math.abs(px - Math.round(px)) > 0.02);
        }
        expect(placeOf(stageOf(layout, input), point)).toEqual({ x, y });
      }),
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
