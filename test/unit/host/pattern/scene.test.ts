import { describe, expect, it } from 'vitest';
import { PATTERN_CONTENTS, type PatternContent } from '../../../../host/index.ts';
import { PatternScene } from '../../../../host/pattern/scene.ts';
import type { Rect } from '../../../../protocol/index.ts';

const CLOCK_MS = Date.UTC(2026, 10, 20, 13, 37, 42, 123);

// The first pixel that differs although no rect holds it.
function lie(
  before: Uint32Array,
  after: Uint32Array,
  widthPx: number,
  damage: readonly Rect[],
): string | undefined {
  for (let i = 0; i < after.length; i++) {
    if (before[i] === after[i]) continue;
    const x = i % widthPx;
    const y = Math.floor(i / widthPx);
    const told = damage.some(
      (rect) => x >= rect.x && y >= rect.y && x < rect.x + rect.width && y < rect.y + rect.height,
    );
    if (!told) return `pixel ${x},${y} changed without a word`;
  }
  return undefined;
}

function words(scene: PatternScene): Uint32Array {
  return new Uint32Array(scene.pixels.buffer);
}

function differing(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
}

const CASES: readonly (readonly [PatternContent, number, number])[] = [
  ['demo', 800, 600],
  ['desk', 641, 479],
  ['scroll', 640, 480],
  ['game', 321, 201],
];

describe.each(CASES)('the pattern of %s at %i x %i', (content, widthPx, heightPx) => {
  it('tells the truth about its damage over 200 frames', () => {
    const scene = new PatternScene({ widthPx, heightPx, content });
    scene.draw(0, CLOCK_MS);
    const before = words(scene).slice();
    let changed = 0;
    for (let frame = 1; frame <= 200; frame++) {
      const damage = scene.draw(frame, CLOCK_MS + Math.floor((frame * 1000) / 60));
      const after = words(scene);
      expect(lie(before, after, widthPx, damage)).toBeUndefined();
      expect(damage.length).toBeLessThanOrEqual(64);
      for (const rect of damage) {
        expect(rect.x).toBeGreaterThanOrEqual(0);
        expect(rect.y).toBeGreaterThanOrEqual(0);
        expect(rect.x + rect.width).toBeLessThanOrEqual(widthPx);
        expect(rect.y + rect.height).toBeLessThanOrEqual(heightPx);
      }
      if (Buffer.compare(Buffer.from(before.buffer), Buffer.from(after.buffer)) !== 0) changed++;
      before.set(after);
    }
    // The clock shows milliseconds: every frame differs from the one before.
    expect(changed).toBe(200);
  });

  it('depends on seed, frame and clock alone, not on what was drawn before', () => {
    const walked = new PatternScene({ widthPx, heightPx, content });
    // The game keeps nothing from frame to frame, and takes a while to make.
    const frames =
      content === 'game'
        ? [0, 1, 4001]
        : [0, 1, 2, 3, 7, 8, 30, 31, 90, 91, 400, 401, 402, 1600, 1601, 4000, 4001];
    for (const frame of frames) {
      const clockMs = CLOCK_MS + frame * 17;
      walked.draw(frame, clockMs);
      const fresh = new PatternScene({ widthPx, heightPx, content });
      fresh.draw(frame, clockMs);
      expect(differing(walked.pixels, fresh.pixels)).toBe(0);
    }
  });

  it('is another picture with another seed', () => {
    const scenes = [1, 2].map((seed) => {
      const scene = new PatternScene({ widthPx, heightPx, content, seed });
      scene.draw(5, CLOCK_MS);
      return scene.pixels;
    });
    expect(differing(scenes[0] ?? new Uint8Array(), scenes[1] ?? new Uint8Array())).toBeGreaterThan(
      widthPx * heightPx * 0.05,
    );
  });

  it('is opaque everywhere', () => {
    const scene = new PatternScene({ widthPx, heightPx, content });
    scene.draw(3, CLOCK_MS);
    expect(words(scene).every((word) => word >>> 24 === 255)).toBe(true);
  });
});

describe('the pattern', () => {
  it('changes little at the desk, and everything in the game', () => {
    const share = (content: PatternContent): number => {
      const scene = new PatternScene({ widthPx: 800, heightPx: 600, content });
      let area = 0;
      for (let frame = 0; frame <= 120; frame++) {
        const damage = scene.draw(frame, CLOCK_MS + frame * 17);
        if (frame > 0) for (const rect of damage) area += rect.width * rect.height;
      }
      return area / 120 / (800 * 600);
    };
    expect(share('desk')).toBeLessThan(0.03);
    expect(share('demo')).toBeLessThan(0.25);
    expect(share('scroll')).toBeGreaterThan(0.6);
    expect(share('game')).toBe(1);
  });

  it('scrolls by 12 pixels per frame at 60 Hz', () => {
    const scene = new PatternScene({ widthPx: 640, heightPx: 480, content: 'scroll' });
    scene.draw(10, CLOCK_MS);
    const before = words(scene).slice();
    scene.draw(11, CLOCK_MS);
    const after = words(scene);
    const pane = scene.layout.windows[0]?.pane ?? { x: 0, y: 0, width: 0, height: 0 };
    for (let y = pane.y; y < pane.y + pane.height - 12; y++) {
      const at = y * 640 + pane.x;
      const moved = before.subarray(at + 12 * 640, at + 12 * 640 + pane.width);
      expect(Buffer.compare(bytesOf(after.subarray(at, at + pane.width)), bytesOf(moved))).toBe(0);
    }
  });

  it.each(PATTERN_CONTENTS)('of %s can be drawn at any size, also odd ones', (content) => {
    for (const [widthPx, heightPx] of [
      [320, 200],
      [321, 203],
      [400, 1000],
      [1201, 213],
    ] as const) {
      const scene = new PatternScene({ widthPx, heightPx, content });
      scene.draw(0, CLOCK_MS);
      const before = words(scene).slice();
      const damage = scene.draw(77, CLOCK_MS + 1000);
      expect(lie(before, words(scene), widthPx, damage)).toBeUndefined();
    }
  });

  it.each([
    [319, 200],
    [320, 199],
    [320.5, 200],
    [100_000, 200],
  ])('refuses the size %d x %d', (widthPx, heightPx) => {
    expect(() => new PatternScene({ widthPx, heightPx })).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });
});

function bytesOf(pixels: Uint32Array): Uint8Array {
  return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
}

it('shows a line in the task bar, within the rects it tells of, and leaves no trace of it', () => {
  const scene = new PatternScene({ widthPx: 1280, heightPx: 720, content: 'desk' });
  scene.draw(0, 0);
  const before = Uint8Array.from(scene.pixels);
  scene.note('hello');
  const damage = scene.draw(0, 0);
  expect(damage).toHaveLength(1);
  const [rect] = damage;
  if (rect === undefined) throw new Error('something must have changed');
  let changed = 0;
  for (let at = 0; at < before.length; at += 4) {
    if (scene.pixels[at] === before[at]) continue;
    changed++;
    const [x, y] = [(at / 4) % 1280, Math.floor(at / 4 / 1280)];
    expect(x >= rect.x && x < rect.x + rect.width).toBe(true);
    expect(y >= rect.y && y < rect.y + rect.height).toBe(true);
  }
  expect(changed).toBeGreaterThan(50);
  scene.note('');
  scene.draw(0, 0);
  expect(Buffer.compare(scene.pixels, before)).toBe(0);
});
