import type { CursorPosition, CursorShape } from './core/messages.ts';

/** How pixels of the guest's screen become CSS pixels of the unturned picture. */
export interface CursorScale {
  readonly x: number;
  readonly y: number;
}

/**
 * The guest's pointer, on a layer of its own above the picture, so that it moves without waiting
 * for a frame. The layer lies in the box that turns and clips the picture.
 */
export class CursorLayer {
  readonly canvas: HTMLCanvasElement;
  readonly #pen: CanvasRenderingContext2D | null;
  #position: CursorPosition = { visible: false, x: 0, y: 0, shapeId: 0 };
  #shape: Omit<CursorShape, 'rgba'> | undefined;
  #scale: CursorScale = { x: 1, y: 1 };

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    this.#pen = canvas.getContext('2d', { colorSpace: 'srgb' });
    canvas.hidden = true;
  }

  /** Moves, shows or hides the pointer. */
  move(position: CursorPosition): void {
    this.#position = position;
    this.#place();
  }

  /** Gives the pointer another shape. */
  reshape(shape: CursorShape): void {
    const { widthPx, heightPx, rgba, ...rest } = shape;
    this.#shape = { ...rest, widthPx, heightPx };
    this.canvas.width = widthPx;
    this.canvas.height = heightPx;
    this.#pen?.putImageData(new ImageData(rgba, widthPx, heightPx), 0, 0);
    this.#resize();
    this.#place();
  }

  /** The picture is drawn at another size. */
  rescale(scale: CursorScale): void {
    this.#scale = scale;
    this.#resize();
    this.#place();
  }

  #resize(): void {
    if (this.#shape === undefined) return;
    const { style } = this.canvas;
    style.width = `${this.#shape.widthPx * this.#scale.x}px`;
    style.height = `${this.#shape.heightPx * this.#scale.y}px`;
  }

  #place(): void {
    const { visible, x, y, shapeId } = this.#position;
    // A position may name a shape that is still under way; the one at hand would be wrong.
    const shown = visible && this.#shape?.shapeId === shapeId && shapeId !== 0;
    this.canvas.hidden = !shown;
    if (!shown) return;
    const left = x * this.#scale.x;
    const top = y * this.#scale.y;
    this.canvas.style.transform = `translate(${left}px, ${top}px)`;
  }
}
