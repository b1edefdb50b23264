import type { GuestScreen } from './guest-input.ts';

/** A pair that belongs together: across and down. */
export interface Pair {
  readonly x: number;
  readonly y: number;
}

/**
 * Where the middle of a pixel lies on the desktop, as the guest has turned it.
 *
 * Units: pixels of the screen before it is turned; parts of the desktop's sides, 0 to 1.
 */
export function partOf(place: Pair, screen: GuestScreen): Pair {
  const { screenWidthPx, screenHeightPx, rotation } = screen;
  const u = Math.min(1, (place.x + 0.5) / Math.max(1, screenWidthPx));
  const v = Math.min(1, (place.y + 0.5) / Math.max(1, screenHeightPx));
  switch (rotation & 3) {
    case 1:
      return { x: 1 - v, y: u };
    case 2:
      return { x: 1 - u, y: 1 - v };
    case 3:
      return { x: v, y: 1 - u };
    default:
      return { x: u, y: v };
  }
}

/** A step on the screen before it is turned, as one on the desktop. */
export function turnedStep(dx: number, dy: number, rotation: number): Pair {
  switch (rotation & 3) {
    case 1:
      return { x: 0 - dy, y: dx };
    case 2:
      return { x: 0 - dx, y: 0 - dy };
    case 3:
      return { x: dy, y: 0 - dx };
    default:
      return { x: dx, y: dy };
  }
}

/** The one of so many equal pieces of a side that a part of it falls into. */
export function pieceOf(part: number, pieces: number): number {
  return Math.max(0, Math.min(pieces - 1, Math.floor(part * pieces)));
}
