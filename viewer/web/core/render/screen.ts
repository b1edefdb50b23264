import { type Rect, sameRect } from '../../../../protocol/rect.ts';
import type { TileSet } from '../decode/cover.ts';
import {
  type Part,
  type PictureCanvas,
  type PicturePixels,
  type PlacedFrame,
  Surface,
} from './surface.ts';
import type { TrackSink } from './track-sink.ts';

/** What a screen is made of. */
export interface ScreenOptions {
  /** Ownership: the screen's. */
  readonly picture: PictureCanvas;
  /** Plays the video below the canvas; undefined where the canvas has to draw it. */
  readonly track: TrackSink | undefined;
  /** Makes a canvas that is not shown. Units: pixels. */
  readonly newCanvas: (widthPx: number, heightPx: number) => PictureCanvas;
  /** The `<video>` below the canvas is to lie below this part of it from now on. */
  readonly placeVideo: (region: Rect) => void;
}

/**
 * The picture as it is shown: the canvas with what is exact, and the video, which a `<video>` below
 * plays through holes in the canvas, or which the canvas draws itself.
 */
export class Screen {
  readonly #options: ScreenOptions;
  readonly #surface: Surface;
  /** What the track's pictures show. */
  #region: Rect = { x: 0, y: 0, width: 0, height: 0 };
  /** The last picture of the region before, while an update of it may still wait. */
  #before: PlacedFrame | undefined;

  /** @throws ERR_KVMFR_UNSUPPORTED when the browser gives no 2D context */
  constructor(options: ScreenOptions) {
    this.#options = options;
    this.#surface = new Surface(options.picture.canvas, { alpha: options.track !== undefined });
  }

  /** Who draws the video now. */
  get sink(): 'track' | 'canvas' {
    return this.#track === undefined ? 'canvas' : 'track';
  }

  get #track(): TrackSink | undefined {
    return this.#options.track?.isLost === false ? this.#options.track : undefined;
  }

  /** Whether the video is all that is seen, so that the canvas need not be drawn. */
  get isClear(): boolean {
    return this.#surface.isClear;
  }

  /**
   * Sends a picture of the video on its way below the canvas. The answer is its timestamp, by which
   * the page tells that it is on the screen; undefined when the canvas has to draw it.
   *
   * Ownership: taken unless undefined is answered.
   */
  show({ frame, region }: PlacedFrame, isFirst: boolean): number | undefined {
    const track = this.#track;
    if (track === undefined) return undefined;
    const isElsewhere = !sameRect(region, this.#region);
    // The picture before is seen through its holes until the canvas has its new size, or the video
    // its new place.
    if (isFirst || isElsewhere) this.#freeze();
    if (isElsewhere) {
      this.#keepBefore();
      this.#options.placeVideo(region);
    }
    this.#region = region;
    return track.show(frame);
  }

  /** A picture that was sent on its way has been seen on the screen. */
  seen(): void {
    this.#track?.seen();
  }

  /** A refresh has passed without the picture that is waited for; whether it will never come. */
  waited(): boolean {
    this.#track?.waited();
    return this.#track === undefined;
  }

  /** Can be seen again: what was written meanwhile may have been thrown away. */
  wake(): void {
    this.#track?.again();
  }

  /** Another stream of video begins. */
  restart(): void {
    this.#options.track?.retry();
  }

  /**
   * Does one thing to the picture, and lets go of it. Where `onScreen` is false, the canvas shows
   * what the track does not show yet. @throws ERR_KVMFR_UNSUPPORTED
   */
  paint(part: Part, onScreen: boolean): void {
    const { track } = this.#options;
    if (track?.isLost === true) this.#freeze();
    // Unlike tiles an image may end within a tile, and the rest of a hole would stay one.
    if (part.kind === 'bitmap') this.#freeze(part.rect);
    // Holes do not move: the video below stays where it is.
    if (part.kind === 'moves') this.#freeze();
    if (part.kind !== 'uncover') {
      this.#surface.paint(part);
      return;
    }
    // Each stream has an object of its own: a place that was left and is taken again is another one.
    const isHere = part.region === this.#region;
    if (isHere && onScreen && track?.isLost === false) this.#surface.uncover(part.cover);
    else this.#paintVideo(part.cover, isHere ? this.#last : this.#before);
    if (isHere) this.#forgetBefore();
  }

  /** The pixels that are seen. */
  read(): PicturePixels {
    const pixels = this.#surface.read();
    const last = this.#last;
    if (last === undefined || !this.#surface.hasHoles) return pixels;
    const { widthPx, heightPx } = pixels;
    const below = new Surface(this.#options.newCanvas(widthPx, heightPx).canvas, { alpha: false });
    below.paintWhole(last);
    fillTransparent(pixels.rgba, below.read().rgba);
    return pixels;
  }

  /** A PNG file of what is seen, turned by quarters clockwise. */
  png(turns: number): Promise<Blob> {
    if (!this.#surface.hasHoles) return this.#options.picture.png(turns);
    const pixels = this.read();
    const whole = this.#options.newCanvas(pixels.widthPx, pixels.heightPx);
    new Surface(whole.canvas, { alpha: false }).paintPixels(pixels);
    return whole.png(turns);
  }

  /** Fills holes with what is seen through them: all, or those that a rect touches. */
  #freeze(touching?: Rect): void {
    if (this.#last !== undefined) this.#surface.fillHoles(this.#last, touching);
  }

  #paintVideo(cover: TileSet, video: PlacedFrame | undefined): void {
    if (video !== undefined) this.#surface.paintVideo(video, cover);
  }

  /** Updates that wait for a picture of the region that was left are painted from its last one. */
  #keepBefore(): void {
    this.#forgetBefore();
    const last = this.#last;
    if (last !== undefined) this.#before = { frame: last.frame.clone(), region: last.region };
  }

  #forgetBefore(): void {
    this.#before?.frame.close();
    this.#before = undefined;
  }

  get #last(): PlacedFrame | undefined {
    const frame = this.#options.track?.last;
    return frame === undefined ? undefined : { frame, region: this.#region };
  }
}

/** Puts pixels below those that are transparent. Shape: both R, G, B, A of the same size. */
function fillTransparent(
  above: Uint8ClampedArray<ArrayBuffer>,
  below: Uint8ClampedArray<ArrayBuffer>,
): void {
  const to = new Uint32Array(above.buffer);
  const from = new Uint32Array(below.buffer);
  for (let at = 0; at < to.length; at++) {
    const pixel = to[at] ?? 0;
    if (pixel >>> 24 === 0) to[at] = from[at] ?? 0;
  }
}
