import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Rect } from '../../../protocol/rect.ts';
import {
  encodeMoves,
  encodePicture,
  encodeTiles,
  type Move,
} from '../../../protocol/wire/index.ts';
import { type Part, type Pen, Surface } from '../../../viewer/web/core/render/surface.ts';
import { FakeImageData, settle } from './fakes.ts';
import { bytes, sentJson, setUp } from './test-engine.ts';

const WIDTH = 23;
const HEIGHT = 17;
const GRID = { widthPx: WIDTH, heightPx: HEIGHT, tilePx: 8 };

beforeEach(() => {
  vi.stubGlobal('ImageData', FakeImageData);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A canvas of numbers, of which one may ask how often all of it was read. */
class Canvas {
  width = WIDTH;
  height = HEIGHT;
  pixels = new Uint32Array(WIDTH * HEIGHT);
  reads = 0;

  getContext(): Pen {
    const canvas = this;
    const unused = (): never => {
      throw new Error('not drawn here');
    };
    return {
      imageSmoothingEnabled: true,
      fillStyle: '',
      putImageData(image: ImageData, x: number, y: number, ...dirty: number[]) {
        const [left = 0, top = 0, width = image.width, height = image.height] = dirty;
        const from = new Uint32Array(image.data.buffer, image.data.byteOffset);
        for (let row = top; row < top + height; row++)
          for (let column = left; column < left + width; column++)
            canvas.pixels[(y + row) * WIDTH + x + column] = from[row * image.width + column] ?? 0;
      },
      fillRect: () => canvas.pixels.fill(0xff000000),
      drawImage: (_, x, y) => {
        canvas.pixels[y * WIDTH + x] = 0xff777777;
      },
      getImageData: () => {
        canvas.reads += 1;
        return new ImageData(
          new Uint8ClampedArray(canvas.pixels.slice().buffer),
          canvas.width,
          canvas.height,
        );
      },
      clearRect: unused,
      save: unused,
      restore: unused,
      beginPath: unused,
      rect: unused,
      clip: unused,
    };
  }
}

const PICTURE = {
  epoch: 1,
  widthPx: WIDTH,
  heightPx: HEIGHT,
  screenWidthPx: WIDTH,
  screenHeightPx: HEIGHT,
  rotation: 0,
};
const SIZE: Part = { kind: 'size', picture: PICTURE, grid: GRID };

function pixels(rect: Rect, colour: number): Part {
  const words = new Uint32Array(rect.width * rect.height).map((_, i) => 0xff000000 + colour + i);
  return {
    kind: 'pixels',
    blocks: [{ rect, rgba: new Uint8ClampedArray(words.buffer) }],
    release: () => words.fill(0),
  };
}

function bitmap(x: number, y: number): Part {
  const image = { width: 1, height: 1, close: () => undefined };
  return { kind: 'bitmap', rect: { x, y, width: 1, height: 1 }, bitmap: image };
}

/** What a part makes of a picture, pixel by pixel. */
function apply(model: Uint32Array, part: Part): void {
  if (part.kind === 'bitmap') model[part.rect.y * WIDTH + part.rect.x] = 0xff777777;
  if (part.kind === 'pixels')
    for (const { rect, rgba } of part.blocks) {
      const words = new Uint32Array(rgba.buffer);
      for (let i = 0; i < words.length; i++)
        model[(rect.y + Math.floor(i / rect.width)) * WIDTH + rect.x + (i % rect.width)] =
          words[i] ?? 0;
    }
  if (part.kind === 'moves')
    for (const { to, fromX, fromY } of part.moves) {
      const before = model.slice();
      for (let y = 0; y < to.height; y++)
        for (let x = 0; x < to.width; x++)
          model[(to.y + y) * WIDTH + to.x + x] = before[(fromY + y) * WIDTH + fromX + x] ?? 0;
    }
}

const span = (end: number): fc.Arbitrary<{ at: number; from: number; size: number }> =>
  fc
    .integer({ min: 1, max: end })
    .chain((size) =>
      fc.record({ at: fc.nat(end - size), from: fc.nat(end - size), size: fc.constant(size) }),
    );
const move: fc.Arbitrary<Move> = fc.tuple(span(WIDTH), span(HEIGHT)).map(([x, y]) => ({
  to: { x: x.at, y: y.at, width: x.size, height: y.size },
  fromX: x.from,
  fromY: y.from,
}));
const step: fc.Arbitrary<() => Part> = fc.oneof(
  fc
    .array(move, { minLength: 1, maxLength: 3 })
    .map((moves) => (): Part => ({ kind: 'moves', moves })),
  fc.tuple(move, fc.nat(0xffff)).map(
    ([{ to }, colour]) =>
      () =>
        pixels(to, colour * 256),
  ),
  fc.tuple(fc.nat(WIDTH - 1), fc.nat(HEIGHT - 1)).map(
    ([x, y]) =>
      () =>
        bitmap(x, y),
  ),
);

describe('moves on a surface', () => {
  it('show what was elsewhere, whatever was drawn before and in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const canvas = new Canvas();
        const surface = new Surface(canvas, { alpha: false });
        const model = new Uint32Array(WIDTH * HEIGHT).fill(0xff000000);
        surface.paint(SIZE);
        for (const make of [
          () => pixels({ x: 0, y: 0, width: WIDTH, height: HEIGHT }, 1),
          ...steps,
        ]) {
          apply(model, make());
          surface.paint(make());
          expect(canvas.pixels).toEqual(model);
        }
      }),
    );
  });

  it('read the canvas once, and again only after something else has drawn on it', () => {
    const canvas = new Canvas();
    const surface = new Surface(canvas, { alpha: false });
    const moves: Part = {
      kind: 'moves',
      moves: [{ to: { x: 0, y: 0, width: 5, height: 5 }, fromX: 1, fromY: 3 }],
    };
    surface.paint(SIZE);
    for (let i = 0; i < 5; i++) {
      surface.paint(moves);
      surface.paint(pixels({ x: 0, y: 4, width: 5, height: 1 }, i));
    }
    expect(canvas.reads).toBe(1);
    surface.paint(bitmap(3, 3));
    surface.paint(moves);
    expect(canvas.reads).toBe(2);
    for (let i = 0; i < 300; i++) surface.paint(pixels({ x: 0, y: 4, width: 5, height: 1 }, i));
    surface.paint(moves);
    expect(canvas.reads).toBe(3);
  });
});

describe('an engine', () => {
  const text = Buffer.from('{"wire":1,"tilePx":8,"viewOnly":true,"encodings":["lossless"]}');
  const hello = bytes(`01000000${text.toString('hex')}`);
  const to = { x: 0, y: 0, width: 9, height: 4 };
  const moves = [{ to, fromX: 0, fromY: 2 }];

  function tilesOf(serial: number, tiles: Uint32Array): Uint8Array {
    const rawBytes = tiles.length * 192;
    const pixels = new Uint8Array(rawBytes).fill(serial);
    return encodeTiles({ epoch: 1, serial, coding: 0, last: true, rawBytes, tiles, pixels });
  }

  it('says that it takes moves, and makes those of an update before it draws its tiles', async () => {
    const { connect, network, receive, refresh, reports, drawn } = setUp({
      isReadable: true,
    });
    await settle();
    connect();
    expect(sentJson(network.last.sent[0])).toMatchObject({ moves: true });
    receive(hello, encodePicture(PICTURE), tilesOf(1, Uint32Array.of(0)));
    receive(encodeMoves({ epoch: 1, serial: 2, moves }), tilesOf(2, Uint32Array.of(1)));
    // Of a picture that is no more.
    receive(encodeMoves({ epoch: 7, serial: 3, moves }));
    receive(encodeMoves({ epoch: 1, serial: 3, moves }), tilesOf(3, new Uint32Array(0)));
    await settle();
    refresh();
    expect(drawn).toEqual([
      '8x8 at 0,0: 1,1,1,255',
      'moved to 9x4 at 0,0',
      '8x8 at 8,0: 2,2,2,255',
      'moved to 9x4 at 0,0',
    ]);
    expect(reports).toContainEqual({ kind: 'presented', epoch: 1, serial: 3 });
  });

  it('ends a connection whose moves leave the picture', () => {
    const { connect, receive, reports } = setUp();
    connect();
    const far = [{ to, fromX: 0, fromY: HEIGHT - 3 }];
    receive(hello, encodePicture(PICTURE), encodeMoves({ epoch: 1, serial: 2, moves: far }));
    expect(reports).toContainEqual(
      expect.objectContaining({ kind: 'error', code: 'ERR_KVMFR_WIRE' }),
    );
  });
});
