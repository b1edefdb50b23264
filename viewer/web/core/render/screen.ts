import type { Rect } from '../../../../protocol/rect.ts';
import { type Part, type PictureCanvas, type PicturePixels, Surface } from './surface.ts';
import type { TrackSink } from './track-sink.ts';

/** What a screen is made of. */
export interface ScreenOptions {
  /** Ownership: the screen's. */
  readonly picture: PictureCanvas;
  /** Plays the video below the canvas; undefined where the canvas has to draw it. */
  readonly track: TrackSink | undefined;
  /** Makes a canvas that is not shown. Units: pixels. */
  readonly newCanvas: (widthPx: number, heightPx: number) => PictureCanvas;
}

/**
 * The picture as it is shown: the canvas with what is exact, and the video, which a `<video>` below
 * plays through holes in the canvas, or which the canvas draws itself.
 */
export class Screen {
  readonly #options: ScreenOptions;
  readonly #surface: Surface;

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
  show(frame: VideoFrame, isFirst: boolean): number | undefined {
    const track = this.#track;
    if (track === undefined) return undefined;
    // The picture before is seen through its holes until the canvas has its new size.
    if (isFirst) this.#freeze();
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
    if (part.kind !== 'uncover') this.#surface.paint(part);
    else if (onScreen && track?.isLost === false) this.#surface.uncover(part.cover);
    else if (track?.last !== undefined) this.#surface.paintVideo(track.last, part.cover);
  }

  /** The pixels that are seen. */
  read(): PicturePixels {
    const pixels = this.#surface.read();
    const last = this.#options.track?.last;
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
    const { track } = this.#options;
    if (track?.last !== undefined) this.#surface.fillHoles(track.last, touching);
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
