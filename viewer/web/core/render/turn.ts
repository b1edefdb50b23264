/** A canvas by its size. Units: pixels. */
export interface CanvasSize {
  readonly width: number;
  readonly height: number;
}

/** How a canvas is drawn turned. */
export interface Turn extends CanvasSize {
  /** For `setTransform` of a pen on a canvas of the new size. */
  readonly matrix: readonly [a: number, b: number, c: number, d: number, e: number, f: number];
}

/** Turns a canvas by quarters clockwise, pixel on pixel; undefined when there is nothing to turn. */
export function turnOf({ width, height }: CanvasSize, turns: number): Turn | undefined {
  switch (turns % 4) {
    case 1:
      return { width: height, height: width, matrix: [0, 1, -1, 0, height, 0] };
    case 2:
      return { width, height, matrix: [-1, 0, 0, -1, width, height] };
    case 3:
      return { width: height, height: width, matrix: [0, -1, 1, 0, 0, width] };
    default:
      return undefined;
  }
}
