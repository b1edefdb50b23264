import { KvmfrError } from '../../../../protocol/error.ts';
import type { Rect } from '../../../../protocol/rect.ts';
import type { PictureMessage } from '../../../../protocol/wire/index.ts';
import type { PixelBlock } from '../decode/tiles.ts';

/** What the surface draws with: the part of a 2D context that a page and a worker share. */
export interface Pen {
  putImageData(image: ImageData, x: number, y: number): void;
  drawImage(image: ImageBitmap, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): ImageData;
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

/** All pixels of a picture: R, G, B, A by rows. */
export interface PicturePixels {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** One thing to do to the surface. Ownership: the surface's from `paint` on; it is let go there. */
export type Part =
  | { readonly kind: 'size'; readonly picture: PictureMessage }
  | { readonly kind: 'pixels'; readonly blocks: readonly PixelBlock[]; release(): void }
  | { readonly kind: 'bitmap'; readonly rect: Rect; readonly bitmap: ImageBitmap };

/** Lets go of a part that will not be painted. */
export function discard(part: Part): void {
  if (part.kind === 'pixels') part.release();
  else if (part.kind === 'bitmap') part.bitmap.close();
}

/**
 * The visible canvas, opaque and without any conversion of its samples. What is painted within one
 * task of the event loop appears at once: the browser shows a canvas between tasks only.
 */
export class Surface {
  readonly #canvas: SurfaceCanvas;
  readonly #pen: Pen;

  /** @throws ERR_KVMFR_UNSUPPORTED when the browser gives no 2D context */
  constructor(canvas: SurfaceCanvas) {
    this.#canvas = canvas;
    const pen = canvas.getContext('2d', { alpha: false, colorSpace: 'srgb' });
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

  /** Paints one part and lets it go. */
  paint(part: Part): void {
    switch (part.kind) {
      case 'size':
        this.#resize(part.picture.widthPx, part.picture.heightPx);
        break;
      case 'pixels':
        for (const { rect, rgba } of part.blocks)
          this.#pen.putImageData(new ImageData(rgba, rect.width, rect.height), rect.x, rect.y);
        part.release();
        break;
      case 'bitmap':
        this.#pen.drawImage(part.bitmap, part.rect.x, part.rect.y);
        part.bitmap.close();
        break;
    }
  }

  /** The pixels on the canvas. */
  read(): PicturePixels {
    const { width, height } = this.#canvas;
    const { data } = this.#pen.getImageData(0, 0, width, height);
    return { widthPx: width, heightPx: height, rgba: new Uint8ClampedArray(data) };
  }

  #resize(widthPx: number, heightPx: number): void {
    // Setting a size clears the canvas, also when it is the size it has.
    if (this.#canvas.width !== widthPx) this.#canvas.width = widthPx;
    if (this.#canvas.height !== heightPx) this.#canvas.height = heightPx;
    if (this.#canvas.width !== widthPx || this.#canvas.height !== heightPx)
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `this browser cannot draw a picture of ${widthPx} x ${heightPx}`,
      );
  }
}
