import type { Rect } from '../../protocol/index.ts';

/** What the synthetic guest is doing. */
export type PatternContent = 'demo' | 'desk' | 'scroll' | 'game';

/** Every {@link PatternContent}. */
export const PATTERN_CONTENTS: readonly PatternContent[] = ['demo', 'desk', 'scroll', 'game'];

/** A window: its outline, and the part of it that shows something. */
export interface WindowBox {
  readonly kind: 'document' | 'terminal' | 'player';
  readonly title: string;
  readonly frame: Rect;
  readonly pane: Rect;
}

/** Where everything on the desktop is. */
export interface DesktopLayout {
  readonly widthPx: number;
  readonly heightPx: number;
  /** 1 on a screen of 1600 x 900. */
  readonly scale: number;
  readonly taskbar: Rect;
  readonly windows: readonly WindowBox[];
}

const MIN_SCALE = 0.55;
const MAX_SCALE = 4;
const PLAYER_ASPECT = 16 / 9;

/** Arranges the desktop for a size. Windows that would be too small are left out. */
export function arrangeDesktop(
  widthPx: number,
  heightPx: number,
  content: PatternContent,
): DesktopLayout {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, Math.min(widthPx / 1600, heightPx / 900)));
  const px = (units: number): number => Math.round(units * scale);
  const barHeight = px(46);
  const taskbar = { x: 0, y: heightPx - barHeight, width: widthPx, height: barHeight };
  const gap = px(40);
  const room = {
    x: gap,
    y: gap,
    width: widthPx - 2 * gap,
    height: heightPx - barHeight - 2 * gap,
  };
  const windows =
    content === 'scroll'
      ? [box('terminal', 'follow the log', room, px)]
      : content === 'game'
        ? []
        : tile(room, gap, px);
  return { widthPx, heightPx, scale, taskbar, windows };
}

type Units = (units: number) => number;

/** Height of a title bar, and of the bar of buttons below a film, in units of the scale. */
export const TITLE_UNITS = 36;
/** See {@link TITLE_UNITS}. */
export const CONTROLS_UNITS = 34;

// A document at the left; at the right a film, and a log in what is left below it.
function tile(room: Rect, gap: number, px: Units): WindowBox[] {
  const leftWidth = Math.round(room.width * 0.5);
  const rightWidth = room.width - leftWidth - gap;
  const rightX = room.x + leftWidth + gap;
  const title = px(TITLE_UNITS);
  const controls = px(CONTROLS_UNITS);
  const filmHeight = Math.min(
    Math.round(rightWidth / PLAYER_ASPECT) + title + controls,
    Math.round(room.height * 0.62),
  );
  const windows = [
    box('document', 'letter.md', { ...room, width: leftWidth }, px),
    box(
      'player',
      'evening.mkv',
      { x: rightX, y: room.y, width: rightWidth, height: filmHeight },
      px,
    ),
  ];
  const restHeight = room.height - filmHeight - gap;
  if (restHeight >= px(110))
    windows.push(
      box(
        'terminal',
        'build',
        { x: rightX, y: room.y + filmHeight + gap, width: rightWidth, height: restHeight },
        px,
      ),
    );
  return windows.filter(({ pane }) => pane.width >= 40 && pane.height >= 24);
}

function box(kind: WindowBox['kind'], title: string, frame: Rect, px: Units): WindowBox {
  const top = px(TITLE_UNITS);
  const bottom = kind === 'player' ? px(CONTROLS_UNITS) : px(10);
  const side = kind === 'player' ? 0 : px(10);
  return {
    kind,
    title,
    frame,
    pane: {
      x: frame.x + side,
      y: frame.y + top,
      width: frame.width - 2 * side,
      height: frame.height - top - bottom,
    },
  };
}
