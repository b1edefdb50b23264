import { type Rect, sameRect } from '../../../protocol/rect.ts';
import { TileSet } from '../../../viewer/web/core/decode/cover.ts';
import { Presenter } from '../../../viewer/web/core/render/presenter.ts';
import { Screen } from '../../../viewer/web/core/render/screen.ts';
import type { Part, Pen, PictureCanvas } from '../../../viewer/web/core/render/surface.ts';
import { TrackSink } from '../../../viewer/web/core/render/track-sink.ts';
import { FakeClock, FakeFrame, FrameBook } from './fakes.ts';

// 3 x 2 tiles of 2 x 2 pixels, cut at the right and at the lower edge.
const GRID = { widthPx: 5, heightPx: 3, tilePx: 2 };
const SIZE = { widthPx: 6, heightPx: 4 };
const PICTURE = {
  epoch: 1,
  widthPx: 5,
  heightPx: 3,
  screenWidthPx: 5,
  screenHeightPx: 3,
  rotation: 0,
};
export const ALL = 0b111111;
export const WHOLE: Rect = { x: 0, y: 0, width: 5, height: 3 };
/** The tiles 1, 2, 4 and 5. */
export const PART: Rect = { x: 2, y: 0, width: 3, height: 3 };
export const PART_TILES = 0b110110;
/** Nothing that belongs where it is seen. */
const WRONG = -2;
export const CLEAR = 0;

/** Pixels as numbers: the red and green of a pixel make one, blue says whether it is video. */
export const exact = (serial: number): number => 0xff01_0000 + serial;
export const video = (timestamp: number): number => 0xff02_0000 + timestamp;
const BLACK = 0xff00_0000;
export const IMAGE = 0xff03_0000;

/** A canvas of numbers. */
export class NumberCanvas implements PictureCanvas {
  width = 0;
  height = 0;
  pixels: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #clip: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  }[] = [];
  readonly canvas: { width: number; height: number; getContext(): Pen } = {
    width: 0,
    height: 0,
    getContext: (): Pen => this.#pen(),
  };

  png(): Promise<Blob> {
    return Promise.resolve(new Blob([this.pixels]));
  }

  #fit(): void {
    const { width, height } = this.canvas;
    if (this.pixels.length !== width * height) this.pixels = new Uint32Array(width * height);
  }

  #fill(
    rect: {
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    },
    value: number,
  ): void {
    this.#fit();
    for (let y = rect.y; y < rect.y + rect.height; y++)
      this.pixels.fill(
        value,
        y * this.canvas.width + rect.x,
        y * this.canvas.width + rect.x + rect.width,
      );
  }

  #pen(): Pen {
    let path: { x: number; y: number; width: number; height: number }[] = [];
    return {
      imageSmoothingEnabled: true,
      fillStyle: '',
      putImageData: (image, x, y) => {
        this.#fit();
        const from = new Uint32Array(
          image.data.buffer,
          image.data.byteOffset,
          image.width * image.height,
        );
        for (let row = 0; row < image.height; row++)
          this.pixels.set(
            from.subarray(row * image.width, (row + 1) * image.width),
            (y + row) * this.canvas.width + x,
          );
      },
      clearRect: (x, y, width, height) => this.#fill({ x, y, width, height }, CLEAR),
      fillRect: (x, y, width, height) => this.#fill({ x, y, width, height }, BLACK),
      drawImage: (image, x, y) => {
        if (!(image instanceof FakeFrame)) {
          this.#fill({ x, y, width: 1, height: 1 }, IMAGE);
          return;
        }
        if (image.isClosed) throw new Error(`picture ${image.timestamp} is drawn after its end`);
        const { width, height } = this.canvas;
        const areas = this.#clip.length > 0 ? this.#clip : [{ x: 0, y: 0, width, height }];
        for (const area of areas) this.#fill(area, video(image.timestamp));
      },
      getImageData: () => {
        this.#fit();
        const data = new Uint8ClampedArray(this.pixels.slice().buffer);
        return new ImageData(data, this.canvas.width, this.canvas.height);
      },
      save: () => undefined,
      restore: () => {
        this.#clip = [];
      },
      beginPath: () => {
        path = [];
      },
      rect: (x, y, width, height) => path.push({ x, y, width, height }),
      clip: () => {
        this.#clip = path;
      },
    };
  }
}

function setOf(bits: number): TileSet {
  return new TileSet(GRID, Uint8Array.of(bits));
}

/** A whole viewer's end: presenter, screen, and a track whose display is the test's. */
export interface ScreenStage {
  readonly clock: FakeClock;
  readonly book: FrameBook;
  readonly presenter: Presenter;
  readonly screen: Screen;
  /** What a display shows below the canvas: what was written last, and what it has got to. */
  readonly track: { writtenUs: number; shownUs: number; writes: number };
  /** What waits for the next refresh of the display. */
  readonly frames: (() => void)[];
  /** Serials, in order. */
  readonly presented: number[];
  readonly failures: unknown[];
  readonly canvas: NumberCanvas;
  submit(serial: number, parts: readonly Part[]): void;
  /** These tiles, exact. */
  tiles(serial: number, bits: number): Part;
  /** A picture of the video in these tiles. */
  picture(timestamp: number, bits: number, rect?: Rect): Part;
  readonly size: Part;
  refresh(): void;
  /** The display has got to what was written last, and the page says so. */
  display(): void;
  /** What a person sees in each tile. */
  seen(): number[];
  dropped(): number;
}

/** Makes one, whose video is drawn by a track or by the canvas. */
export function setUp(sink: 'track' | 'canvas'): ScreenStage {
  const clock = new FakeClock();
  const book = new FrameBook();
  const frames: (() => void)[] = [];
  const presented: number[] = [];
  const failures: unknown[] = [];
  const canvas = new NumberCanvas();
  /** What a display shows below the canvas: what was written last, and what it has got to. */
  const track = { writtenUs: 0, shownUs: 0, writes: 0 };
  /** Where the `<video>` lies, and what its pictures are of. */
  let place: Rect | undefined;
  const regions = new Map<number, Rect>();
  let dropped = 0;
  const writable = new WritableStream<VideoFrame>({
    write(frame) {
      track.writtenUs = frame.timestamp;
      track.writes += 1;
      frame.close();
    },
  });
  const screen = new Screen({
    picture: canvas,
    newCanvas: (widthPx, heightPx) => {
      const other = new NumberCanvas();
      other.canvas.width = widthPx;
      other.canvas.height = heightPx;
      return other;
    },
    track: sink === 'track' ? new TrackSink({ writable }) : undefined,
    placeVideo: (region) => {
      place = region;
    },
  });
  const presenter = new Presenter({
    clock,
    requestFrame: (run) => frames.push(run),
    layers: screen,
    presented: (updates) => presented.push(...updates.map(({ serial }) => serial)),
    dropped: () => {
      dropped += 1;
    },
    failed: (error) => failures.push(error),
  });
  const submit = (serial: number, parts: readonly Part[]) =>
    presenter.submit({ epoch: 1, serial, parts, receivedMs: 0, decodedMs: 0 });
  const tiles = (serial: number, bits: number): Part => ({
    kind: 'pixels',
    blocks: setOf(bits).blocks.map((rect) => ({
      rect,
      rgba: new Uint8ClampedArray(
        new Uint32Array(rect.width * rect.height).fill(exact(serial)).buffer,
      ),
    })),
    release: () => undefined,
  });
  /** As intakes do: the same object for all pictures of a stream. */
  let streamed: Rect = WHOLE;
  const picture = (timestamp: number, bits: number, rect: Rect = WHOLE): Part => {
    if (!sameRect(rect, streamed)) streamed = { ...rect };
    const region = streamed;
    regions.set(timestamp, region);
    return { kind: 'video', frame: book.frame(timestamp, SIZE), cover: setOf(bits), region };
  };
  const size: Part = { kind: 'size', picture: PICTURE, grid: GRID };
  const refresh = () => {
    for (const run of frames.splice(0)) run();
  };
  /** The display has got to what was written last, and the page says so. */
  const display = () => {
    if (track.writtenUs === 0) return;
    track.shownUs = track.writtenUs;
    presenter.onScreen(track.shownUs, clock.now());
  };
  /** What a person sees in each tile. */
  const seen = (): number[] => {
    const all = [...canvas.pixels];
    return [0, 1, 2, 3, 4, 5].map((tile) => {
      const { x, y, width, height } = setOf(1 << tile).blocks[0] ?? {
        x: 0,
        y: 0,
        width: 0,
        height: 0,
      };
      const values = new Set<number>();
      for (let row = y; row < y + height; row++)
        for (let column = x; column < x + width; column++) values.add(all[row * 5 + column] ?? -1);
      if (values.size !== 1) throw new Error(`tile ${tile} is in pieces`);
      const [value = -1] = values;
      if (value !== CLEAR) return value;
      const isBelow = place !== undefined && x >= place.x && y >= place.y;
      // Between two pictures of one size the one before is seen, stretched or not.
      const of = regions.get(track.shownUs);
      const isRight = isBelow && of !== undefined && sameRect(of, place ?? WHOLE);
      return isRight ? video(track.shownUs) : WRONG;
    });
  };
  return {
    clock,
    book,
    presenter,
    screen,
    track,
    frames,
    presented,
    failures,
    canvas,
    submit,
    tiles,
    picture,
    size,
    refresh,
    display,
    seen,
    dropped: () => dropped,
  };
}
