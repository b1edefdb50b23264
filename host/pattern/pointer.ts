import type { CursorPosition, Rect } from '../../protocol/index.ts';
import { CONTROLS_UNITS, type DesktopLayout, TITLE_UNITS } from './layout.ts';
import type { PointerShapeName } from './pointer-shapes.ts';
import { hash } from './random.ts';
import type { Moment } from './widget.ts';

/** Where the tip of the pointer is, and what it looks like there. */
export interface PointerState extends CursorPosition {
  readonly shape: PointerShapeName;
}

const SECONDS_PER_LEG = 2.2;
const MOVING_PART = 0.62;

/** A pointer that wanders over the desktop from one thing to the next. */
export class PointerPath {
  readonly #layout: DesktopLayout;
  readonly #seed: number;
  readonly #stops: readonly CursorPosition[];

  constructor(layout: DesktopLayout, seed: number) {
    this.#layout = layout;
    this.#seed = seed;
    this.#stops = stopsOf(layout);
  }

  at(moment: Moment): PointerState {
    const legs = moment.frame / moment.fps / SECONDS_PER_LEG;
    const leg = Math.floor(legs);
    const part = Math.min(1, (legs - leg) / MOVING_PART);
    const eased = part * part * (3 - 2 * part);
    const from = this.#stop(leg);
    const to = this.#stop(leg + 1);
    // A slight bow, as a wrist makes it.
    const bow = Math.sin(Math.PI * eased) * 0.12 * (hash(this.#seed, leg + 900) - 0.5);
    const x = Math.round(from.x + (to.x - from.x) * eased - (to.y - from.y) * bow);
    const y = Math.round(from.y + (to.y - from.y) * eased + (to.x - from.x) * bow);
    const tip = {
      x: Math.min(this.#layout.widthPx - 1, Math.max(0, x)),
      y: Math.min(this.#layout.heightPx - 1, Math.max(0, y)),
    };
    return { ...tip, shape: this.shapeAt(tip) };
  }

  /** What the pointer looks like at a place. */
  shapeAt(tip: CursorPosition): PointerShapeName {
    const { windows, scale, taskbar } = this.#layout;
    const grip = Math.max(3, 7 * scale);
    if (holds(taskbar, tip)) return tip.x < 180 * scale ? 'hand' : 'arrow';
    for (const { kind, frame, pane } of windows) {
      const inHeight = tip.y > frame.y && tip.y < frame.y + frame.height;
      const atEdge = Math.min(Math.abs(tip.x - frame.x), Math.abs(tip.x - frame.x - frame.width));
      if (inHeight && atEdge <= grip) return 'resize';
      if (!holds(frame, tip)) continue;
      if (kind === 'player') return tip.y >= pane.y + pane.height ? 'hand' : 'arrow';
      if (tip.y < frame.y + TITLE_UNITS * scale)
        return tip.x < frame.x + 72 * scale ? 'hand' : 'arrow';
      return kind === 'document' ? 'beam' : 'arrow';
    }
    return 'arrow';
  }

  #stop(leg: number): CursorPosition {
    const stop = this.#stops[leg % this.#stops.length];
    return stop ?? { x: 0, y: 0 };
  }
}

function holds(rect: Rect, point: CursorPosition): boolean {
  return (
    point.x >= rect.x &&
    point.y >= rect.y &&
    point.x < rect.x + rect.width &&
    point.y < rect.y + rect.height
  );
}

function stopsOf(layout: DesktopLayout): CursorPosition[] {
  const { widthPx, heightPx, scale, taskbar, windows } = layout;
  const stops: CursorPosition[] = [{ x: widthPx * 0.46, y: heightPx * 0.42 }];
  for (const { kind, frame, pane } of windows) {
    const part = (x: number, y: number): CursorPosition => ({
      x: pane.x + pane.width * x,
      y: pane.y + pane.height * y,
    });
    if (kind === 'document')
      stops.push(part(0.3, 0.16), part(0.72, 0.3), { x: frame.x + frame.width, y: part(0, 0.6).y });
    if (kind === 'player')
      stops.push(part(0.5, 0.4), {
        x: frame.x + 22 * scale,
        y: frame.y + frame.height - (CONTROLS_UNITS / 2) * scale,
      });
    if (kind === 'terminal')
      stops.push(part(0.2, 0.5), part(0.8, 0.8), { x: frame.x, y: part(0, 0.4).y });
  }
  for (const app of [0, 2])
    stops.push({ x: (29 + app * 42) * scale, y: taskbar.y + taskbar.height / 2 });
  return stops;
}
