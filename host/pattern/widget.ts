import type { Rect } from '../../protocol/index.ts';
import type { Surface } from './surface.ts';

/** What a picture of the synthetic guest depends on, besides its seed and size. */
export interface Moment {
  readonly frame: number;
  readonly fps: number;
  /** The wall clock of the guest, as milliseconds since 1970 in its own time zone. */
  readonly clockMs: number;
}

/**
 * A part of the desktop that changes. What it shows depends on the moment alone, never on what it
 * showed before.
 */
export interface Widget {
  /**
   * Draws the moment. `whole`: the surface holds nothing of this widget yet. Otherwise it holds the
   * moment of the last call, and only differences are drawn.
   *
   * @param damage gets every rect in which a pixel may have changed
   */
  paint(moment: Moment, surface: Surface, damage: Rect[], whole: boolean): void;
}

/** How often something that happens `perSecond` times has happened until a moment. */
export function timesUntil(moment: Moment, perSecond: number): number {
  return Math.floor((moment.frame * perSecond) / moment.fps);
}
