import { KvmfrError } from '../../../../protocol/error.ts';
import { type Rect, unionRect } from '../../../../protocol/rect.ts';
import type { Move, PictureMessage } from '../../../../protocol/wire/index.ts';
import { TileSet } from '../decode/cover.ts';
import type { Grid } from '../decode/plan.ts';
import type { PixelBlock } from '../decode/tiles.ts';
import { PixelCopy } from './pixel-copy.ts';

/** What the surface draws with: the part of a 2D context that a page and a worker share. */
export interface Pen {
  imageSmoothingEnabled: boolean;
  fillStyle: unknown;
  putImageData(image: ImageData, x: number, y: number): void;
  putImageData(
    image: ImageData,
    x: number,
    y: number,
    dirtyX: number,
    dirtyY: number,
    dirtyWidth: number,
    dirtyHeight: number,
  ): void;
  clearRect(x: number, y: number, width: number, height: number): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  drawImage(image: ImageBitmap | VideoFrame, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): ImageData;
  save(): void;
  restore(): void;
  beginPath(): void;
  rect(x: number, y: number, width: number, height: number): void;
  clip(): void;
}

/** A canvas of a page or of a worker. */
export interface SurfaceCanvas {
  width: number;
  height: number;
  getContext(
    id: '2d',
    settings: { readonly alpha: boolean; readonly colorSpace: 'srgb' },
  ): Pen | null;
}

/** A canvas that can be made a file. */
export interface PictureCanvas {
  readonly canvas: SurfaceCanvas;
  /** A PNG file of it, turned by quarters clockwise. */
  png(turns: number): Promise<Blob>;
}

/** All pixels of a picture: R, G, B, A by rows. */
export interface PicturePixels {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** A picture of the video, and where it belongs. */
export type PlacedFrame = Pick<VideoPart, 'frame' | 'region'>;

/** A decoded picture of the video, and which tiles show it. Ownership: of who holds it; closes it. */
export interface VideoPart {
  readonly kind: 'video';
  readonly frame: VideoFrame;
  readonly cover: TileSet;
  /** The part of the picture that the frame shows. */
  readonly region: Rect;
}

/** One thing to do to the surface. Ownership: the surface's from `paint` on; it is let go there. */
export type Part =
  | { readonly kind: 'size'; readonly picture: PictureMessage; readonly grid: Grid }
  | { readonly kind: 'pixels'; readonly blocks: readonly PixelBlock[]; release(): void }
  | { readonly kind: 'bitmap'; readonly rect: Rect; readonly bitmap: ImageBitmap }
  /** Pixels that are elsewhere in the picture now. Nothing of it may be a hole. */
  | { readonly kind: 'moves'; readonly moves: readonly Move[] }
  | VideoPart
  /** The video shows through these tiles: its picture is on the screen, below the canvas. */
  | { readonly kind: 'uncover'; readonly cover: TileSet; readonly region: Rect }
  /** A picture of the video that could not be decoded. */
  | { readonly kind: 'nothing' };

/** Parts of pixels without a move after which the copy of a canvas is let go. */
const COPY_KEPT_PARTS = 240;

/** Lets go of a part that will not be painted. */
export function discard(part: Part): void {
  if (part.kind === 'pixels') part.release();
  else if (part.kind === 'bitmap') part.bitmap.close();
  else if (part.kind === 'video') part.frame.close();
}

/**
 * The visible canvas, without any conversion of its samples. What is painted within one task of the
 * event loop appears at once: the browser shows a canvas between tasks only. It is opaque but for
 * holes, which are whole tiles, and where a `<video>` below is seen.
 */
export class Surface {
  readonly #canvas: SurfaceCanvas;
  readonly #pen: Pen;
  #holes: TileSet | undefined;
  /** What is on the canvas, while something moves in it. */
  #copy: PixelCopy | undefined;
  /** Parts of pixels since something has moved. */
  #unmoved = 0;

  /** @throws ERR_KVMFR_UNSUPPORTED when the browser gives no 2D context */
  constructor(canvas: SurfaceCanvas, settings: { readonly alpha: boolean }) {
    this.#canvas = canvas;
    const pen = canvas.getContext('2d', { alpha: settings.alpha, colorSpace: 'srgb' });
    if (pen === null)
      throw new KvmfrError('ERR_KVMFR_UNSUPPORTED', 'this browser gave no 2D context for a canvas');
    this.#pen = pen;
  }

  /** Units: pixels. */
  get widthPx(): number {
    return this.#canvas.width;
  }

  /** Units: pixels. */
  get heightPx(): number {
    return this.#canvas.height;
  }

  /** Whether a video below is seen anywhere. */
  get hasHoles(): boolean {
    return this.#holes?.isEmpty === false;
  }

  /** Whether nothing of the canvas is seen: it is all holes. */
  get isClear(): boolean {
    return this.#holes?.isFull === true;
  }

  /** Paints one part and lets it go. */
  paint(part: Part): void {
    switch (part.kind) {
      case 'size':
        this.#resize(part.picture.widthPx, part.picture.heightPx);
        this.#holes = new TileSet(part.grid);
        break;
      case 'pixels':
        for (const { rect, rgba } of part.blocks) {
          this.#pen.putImageData(new ImageData(rgba, rect.width, rect.height), rect.x, rect.y);
          this.#holes?.removeRect(rect);
        }
        this.#follow(part.blocks);
        part.release();
        break;
      case 'moves':
        this.#move(part.moves);
        break;
      case 'bitmap':
        this.#copy = undefined;
        this.#pen.drawImage(part.bitmap, part.rect.x, part.rect.y);
        this.#holes?.removeRect(part.rect);
        part.bitmap.close();
        break;
      case 'video':
        this.paintVideo(part, part.cover);
        part.frame.close();
        break;
      case 'uncover':
        this.uncover(part.cover);
        break;
      case 'nothing':
        break;
    }
  }

  /** Makes holes of a set of tiles. */
  uncover(cover: TileSet): void {
    const holes = this.#holes;
    if (holes === undefined || cover.grid !== holes.grid || cover.isWithin(holes)) return;
    this.#copy = undefined;
    for (const { x, y, width, height } of cover.without(holes).blocks)
      this.#pen.clearRect(x, y, width, height);
    holes.add(cover);
  }

  /**
   * Paints over holes what is seen through them: all, or those that a rect touches.
   *
   * Ownership: the frame stays the caller's.
   */
  fillHoles(video: PlacedFrame, touching?: Rect): void {
    const holes = this.#holes;
    if (holes === undefined || holes.isEmpty) return;
    // Painting takes tiles out of the set of holes: this is another one.
    const some =
      touching === undefined ? new TileSet(holes.grid, holes.bits) : holes.touching(touching);
    this.paintVideo(video, some);
  }

  /** Paints all of a frame. Ownership: the frame stays the caller's. */
  paintWhole({ frame, region }: PlacedFrame): void {
    this.#copy = undefined;
    this.#pen.drawImage(frame, region.x, region.y);
  }

  /** Paints all of a picture. */
  paintPixels({ widthPx, heightPx, rgba }: PicturePixels): void {
    this.#copy = undefined;
    this.#pen.putImageData(new ImageData(rgba, widthPx, heightPx), 0, 0);
  }

  /** Paints the video where a set of tiles says. Ownership: the frame stays the caller's. */
  paintVideo({ frame, region }: PlacedFrame, cover: TileSet): void {
    // A frame has even sides, and what it has beyond its region is no picture.
    const shown = cover.inside(region);
    if (shown.isEmpty) return;
    this.#copy = undefined;
    const pen = this.#pen;
    pen.save();
    // One picture through one clip: each call that draws a frame may convert all of it.
    pen.beginPath();
    for (const { x, y, width, height } of shown.blocks) pen.rect(x, y, width, height);
    pen.clip();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(frame, region.x, region.y);
    pen.restore();
    for (const block of shown.blocks) this.#holes?.removeRect(block);
  }

  /** The pixels on the canvas. */
  read(): PicturePixels {
    const { width, height } = this.#canvas;
    const { data } = this.#pen.getImageData(0, 0, width, height);
    return { widthPx: width, heightPx: height, rgba: new Uint8ClampedArray(data) };
  }

  #move(moves: readonly Move[]): void {
    const [first, ...others] = moves;
    if (first === undefined) return;
    const { width, height } = this.#canvas;
    this.#copy ??= new PixelCopy(this.#pen.getImageData(0, 0, width, height));
    this.#unmoved = 0;
    const copy = this.#copy;
    for (const move of moves) copy.move(move);
    let all = first.to;
    for (const { to } of others) all = unionRect(all, to);
    this.#pen.putImageData(copy.image, 0, 0, all.x, all.y, all.width, all.height);
  }

  /** Keeps the copy true, until nothing has moved for a while. */
  #follow(blocks: readonly PixelBlock[]): void {
    if (this.#copy === undefined) return;
    this.#unmoved += 1;
    if (this.#unmoved > COPY_KEPT_PARTS) this.#copy = undefined;
    else for (const block of blocks) this.#copy.put(block);
  }

  #resize(widthPx: number, heightPx: number): void {
    this.#copy = undefined;
    // Setting a size clears the canvas, also when it is the size it has.
    if (this.#canvas.width !== widthPx) this.#canvas.width = widthPx;
    if (this.#canvas.height !== heightPx) this.#canvas.height = heightPx;
    if (this.#canvas.width !== widthPx || this.#canvas.height !== heightPx)
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `this browser cannot draw a picture of ${widthPx} x ${heightPx}`,
      );
    // What has not been drawn yet is black, also on a canvas that could be seen through.
    this.#pen.fillStyle = '#000';
    this.#pen.fillRect(0, 0, widthPx, heightPx);
  }
}
