import type { CursorPosition, CursorShape } from './core/messages.ts';

/** How pixels of the guest's screen become CSS pixels of the unturned picture. */
export interface CursorScale {
  readonly x: number;
  readonly y: number;
}

/** Longer than the way to the guest and back. */
const LEAD_MS = 300;

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
  /** Where this side's pointer is, and until when that counts. */
  #lead: { readonly x: number; readonly y: number; readonly untilMs: number } | undefined;

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

  /**
   * This side's pointer is somewhere: the guest's is drawn there at once, and what the guest says of
   * it, which is of the past, counts again a little later.
   */
  lead(place: { readonly x: number; readonly y: number }): void {
    this.#lead = { ...place, untilMs: performance.now() + LEAD_MS };
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
    const lead = this.#lead;
    const isLed = lead !== undefined && performance.now() < lead.untilMs;
    const { visible, shapeId } = this.#position;
    const { x, y } = isLed ? this.#corner(lead) : this.#position;
    // A position may name a shape that is still under way; the one at hand would be wrong.
    const shown = visible && this.#shape?.shapeId === shapeId && shapeId !== 0;
    this.canvas.hidden = !shown;
    if (!shown) return;
    const left = x * this.#scale.x;
    const top = y * this.#scale.y;
    this.canvas.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** Where the shape's left upper corner is when its hot spot is at a place. */
  #corner(place: { readonly x: number; readonly y: number }) {
    const { hotspotX = 0, hotspotY = 0 } = this.#shape ?? {};
    return { x: place.x - hotspotX, y: place.y - hotspotY };
  }
}
