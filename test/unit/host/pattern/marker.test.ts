import { describe, expect, it } from 'vitest';
import { PATTERN_CONTENTS, readMarker } from '../../../../host/index.ts';
import { PatternScene } from '../../../../host/pattern/scene.ts';

const CLOCK_MS = Date.UTC(2026, 10, 20, 13, 37, 42, 123);
const SIZE = { widthPx: 640, heightPx: 360 };

function markOf(scene: PatternScene): ReturnType<typeof readMarker> {
  return readMarker({ pixels: scene.pixels, pitchBytes: scene.widthPx * 4 });
}

/** The brightness of a cell's four corners and its middle, when they are the same. */
function cell(scene: PatternScene, index: number): number {
  const found = new Set<number>();
  for (const [x, y] of [
    [0, 0],
    [3, 0],
    [0, 3],
    [3, 3],
    [2, 2],
  ] as const) {
    const at = (y * scene.widthPx + index * 4 + x) * 4;
    for (let channel = 0; channel < 3; channel++) found.add(scene.pixels[at + channel] ?? -1);
  }
  return found.size === 1 ? ([...found][0] ?? -1) : -1;
}

describe('the marker of the pattern', () => {
  it('is black and white cells: frame, x, y, a bit that makes their ones odd, frame', () => {
    const scene = new PatternScene(SIZE);
    scene.mark({ x: 5, y: 4097 });
    scene.draw(0, CLOCK_MS);
    const cells = Array.from({ length: 32 }, (_, index) => cell(scene, index) / 255).join('');
    //                   frame    5               4097         odd  frame
    expect(cells).toBe(`${'101'}${'0000000000101'}${'1000000000001'}${'1'}${'01'}`);
    expect(cell(scene, 32)).not.toBe(255);
  });

  it.each(PATTERN_CONTENTS)('says in %s what was asked for, and leaves no trace', (content) => {
    const scene = new PatternScene({ ...SIZE, content });
    const plain = new PatternScene({ ...SIZE, content });
    const step = (frame: number, position: { x: number; y: number } | undefined): number => {
      scene.mark(position);
      const damage = scene.draw(frame, CLOCK_MS);
      plain.draw(frame, CLOCK_MS);
      expect(markOf(scene)).toEqual(position);
      return damage.filter(({ x, y, height }) => x === 0 && y === 0 && height === 4).length;
    };
    const told = content === 'game' ? 0 : 1;
    expect(step(0, undefined)).toBe(0);
    expect(step(1, { x: 0, y: 0 })).toBe(told);
    const position = { x: 8191, y: 1 };
    expect(step(2, position)).toBe(told);
    expect(step(3, position)).toBe(0);
    expect(Buffer.compare(scene.pixels, plain.pixels)).not.toBe(0);
    expect(step(4, undefined)).toBe(told);
    expect(Buffer.compare(scene.pixels, plain.pixels)).toBe(0);
  });

  it('is not found where a cell is grey, coloured, or says something else', () => {
    const scene = new PatternScene(SIZE);
    scene.mark({ x: 300, y: 200 });
    scene.draw(0, CLOCK_MS);
    const pitchBytes = SIZE.widthPx * 4;
    const whole = scene.pixels.slice();
    expect(readMarker({ pixels: whole, pitchBytes })).toEqual({ x: 300, y: 200 });
    for (let index = 0; index < 32; index++) {
      const at = 2 * pitchBytes + (index * 4 + 2) * 4;
      const change = (bytes: readonly number[]): Uint8Array => {
        const pixels = whole.slice();
        pixels.set(bytes, at);
        return pixels;
      };
      const other = 255 - (whole[at] ?? 0);
      expect(readMarker({ pixels: change([other, other, other]), pitchBytes })).toBeUndefined();
      expect(readMarker({ pixels: change([128, 128, 128]), pitchBytes })).toBeUndefined();
      expect(readMarker({ pixels: change([255, 0, 255]), pitchBytes })).toBeUndefined();
    }
    expect(readMarker({ pixels: new Uint8Array(100), pitchBytes })).toBeUndefined();
  });
});
