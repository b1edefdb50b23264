import { expect, it } from 'vitest';
import type { InputEvent } from '../../../protocol/wire/index.ts';
import { PlacedInput, type PointerWish } from '../../../viewer/hands/index.ts';
import { WrittenInput } from '../../support/written-input.ts';

const STEPS = { keyboard: true, absolute: false, relative: true, reason: 'no tablet' };
const SCREEN = { screenWidthPx: 100, screenHeightPx: 50, rotation: 0 };
const CLICK: InputEvent = { kind: 'button', button: 0, down: true };

/** Places that are written down, and settle when told to. */
class WrittenWish implements PointerWish {
  available = true;
  readonly places: string[] = [];
  isBusy = false;
  #waiting: (() => void)[] = [];

  moveTo({ x, y }: { readonly x: number; readonly y: number }): void {
    this.places.push(`${x},${y}`);
    this.isBusy = true;
  }

  whenSettled(run: () => void): void {
    if (this.isBusy) this.#waiting.push(run);
    else run();
  }

  watch(): () => void {
    return () => undefined;
  }

  settle(): void {
    this.isBusy = false;
    for (const run of this.#waiting.splice(0)) run();
  }
}

function placed(): { input: PlacedInput; inner: WrittenInput; wish: WrittenWish } {
  const [inner, wish] = [new WrittenInput(), new WrittenWish()];
  inner.turn(STEPS);
  return { input: new PlacedInput(inner, wish), inner, wish };
}

it('takes places where the other way knows steps, and only then', () => {
  const { input, inner, wish } = placed();
  expect(input.abilities).toEqual({ keyboard: true, absolute: true, relative: true });
  wish.available = false;
  expect(input.abilities).toEqual(STEPS);
  wish.available = true;
  const own = { keyboard: true, absolute: true, relative: true };
  inner.turn(own);
  input.apply({ kind: 'position', x: 3, y: 4 }, SCREEN);
  expect([inner.got, wish.places]).toEqual([['at 3,4'], []]);
  inner.turn({ keyboard: false, absolute: false, relative: false, reason: 'away' });
  expect(input.abilities).toMatchObject({ absolute: false, reason: 'away' });
});

it.each([
  [0, '10,40'],
  [1, '9,10'],
  [2, '89,9'],
  [3, '40,89'],
])('means the pixel of the desktop, turned by %i quarters', (rotation, place) => {
  const { input, inner, wish } = placed();
  input.apply({ kind: 'position', x: 10, y: 40 }, { ...SCREEN, rotation });
  expect([inner.got, wish.places]).toEqual([[], [place]]);
});

it('lets a click wait for its place, and keys for nothing', () => {
  const { input, inner, wish } = placed();
  input.apply(CLICK, SCREEN);
  expect(inner.got).toEqual(['button 0+']);
  input.apply({ kind: 'position', x: 1, y: 1 }, SCREEN);
  input.apply({ kind: 'button', button: 0, down: false }, SCREEN);
  input.apply({ kind: 'motion', dx: 2, dy: 3 }, SCREEN);
  expect(inner.got).toEqual(['button 0+', 'motion 2,3']);
  wish.settle();
  expect(inner.got).toEqual(['button 0+', 'motion 2,3', 'button 0-']);
});

it('keeps clicks in their order, and none back from a release', () => {
  const { input, inner } = placed();
  input.apply({ kind: 'position', x: 1, y: 1 }, SCREEN);
  input.apply(CLICK, SCREEN);
  input.apply({ kind: 'position', x: 2, y: 2 }, SCREEN);
  expect(inner.got).toEqual(['button 0+']);
  input.apply({ kind: 'button', button: 0, down: false }, SCREEN);
  input.apply({ kind: 'release' });
  expect(inner.got).toEqual(['button 0+', 'button 0-', 'release']);
});

it('keeps no more than a few', () => {
  const { input, inner } = placed();
  input.apply({ kind: 'position', x: 1, y: 1 }, SCREEN);
  for (let i = 0; i < 40; i++) input.apply({ ...CLICK, down: i % 2 === 0 }, SCREEN);
  expect(inner.got).toHaveLength(32);
});
