import type { SKRSContext2D } from '@napi-rs/canvas';
import type { Rect } from '../../protocol/index.ts';
import { FONT } from './fonts.ts';
import { CONTROLS_UNITS, type DesktopLayout, TITLE_UNITS, type WindowBox } from './layout.ts';
import { paintWallpaper } from './wallpaper.ts';

/** Colours of the windows' insides, as CSS; widgets paint the same ones. */
export const PAPER = '#fbfaf7';
/** See {@link PAPER}. */
export const TERMINAL_BACK = '#14161f';
/** See {@link PAPER}. */
export const PLAYER_BACK = '#17151f';
/** See {@link PAPER}. */
export const TASKBAR_BACK = '#12132a';

interface Look {
  readonly bar: string;
  readonly body: string;
  readonly title: string;
  readonly edge: string;
}

const LIGHT: Look = { bar: '#ecebe6', body: PAPER, title: '#3b3a36', edge: 'rgba(0, 0, 0, 0.18)' };
const LOOKS: { readonly [K in WindowBox['kind']]: Look } = {
  document: LIGHT,
  terminal: {
    bar: '#1f222e',
    body: TERMINAL_BACK,
    title: '#c8ccd8',
    edge: 'rgba(255, 255, 255, 0.10)',
  },
  player: {
    bar: '#211e2b',
    body: PLAYER_BACK,
    title: '#d6d0e0',
    edge: 'rgba(255, 255, 255, 0.10)',
  },
};

/** Paints everything on the desktop that never changes. */
export function paintDesktop(context: SKRSContext2D, layout: DesktopLayout, seed: number): void {
  paintWallpaper(context, layout.widthPx, layout.heightPx, seed);
  // All shadows first: none may fall on a window, whose inside is repainted without it.
  for (const { frame } of layout.windows) paintShadow(context, frame, layout.scale);
  for (const window of layout.windows) paintWindow(context, window, layout.scale);
  paintTaskbar(context, layout);
}

function paintShadow(context: SKRSContext2D, frame: Rect, scale: number): void {
  context.save();
  context.shadowColor = 'rgba(6, 6, 24, 0.55)';
  context.shadowBlur = 34 * scale;
  context.shadowOffsetY = 12 * scale;
  context.fillStyle = '#000';
  outline(context, frame, scale);
  context.fill();
  context.restore();
}

function outline(context: SKRSContext2D, frame: Rect, scale: number): void {
  context.beginPath();
  context.roundRect(frame.x, frame.y, frame.width, frame.height, 11 * scale);
}

function paintWindow(context: SKRSContext2D, window: WindowBox, scale: number): void {
  const { frame } = window;
  const look = LOOKS[window.kind];
  const bar = Math.round(TITLE_UNITS * scale);
  context.save();
  outline(context, frame, scale);
  context.clip();
  context.fillStyle = look.body;
  context.fillRect(frame.x, frame.y, frame.width, frame.height);
  context.fillStyle = look.bar;
  context.fillRect(frame.x, frame.y, frame.width, bar);
  context.fillStyle = look.edge;
  context.fillRect(frame.x, frame.y + bar - 1, frame.width, 1);
  paintButtons(context, frame, scale);
  context.font = FONT.bold(Math.round(13.5 * scale));
  context.fillStyle = look.title;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  // Beside the buttons, or not at all.
  if (context.measureText(window.title).width + 160 * scale <= frame.width)
    context.fillText(window.title, frame.x + frame.width / 2, frame.y + bar / 2);
  if (window.kind === 'player') paintControls(context, frame, scale);
  context.restore();
  context.save();
  context.lineWidth = 1;
  context.strokeStyle = look.edge;
  outline(
    context,
    { x: frame.x + 0.5, y: frame.y + 0.5, width: frame.width - 1, height: frame.height - 1 },
    scale,
  );
  context.stroke();
  context.restore();
}

function paintButtons(context: SKRSContext2D, frame: Rect, scale: number): void {
  for (const [index, colour] of ['#ee6a5f', '#f5bd4f', '#61c454'].entries()) {
    context.beginPath();
    context.arc(
      frame.x + (20 + index * 21) * scale,
      frame.y + (TITLE_UNITS / 2) * scale,
      6 * scale,
      0,
      2 * Math.PI,
    );
    context.fillStyle = colour;
    context.fill();
  }
}

// Only what does not move: the widget of the film draws its progress.
function paintControls(context: SKRSContext2D, frame: Rect, scale: number): void {
  const middle = frame.y + frame.height - (CONTROLS_UNITS / 2) * scale;
  const x = frame.x + 20 * scale;
  context.fillStyle = '#d6d0e0';
  for (const bar of [0, 7])
    context.fillRect(
      Math.round(x + bar * scale),
      Math.round(middle - 6 * scale),
      Math.max(1, Math.round(3.5 * scale)),
      Math.round(12 * scale),
    );
}

const APPS: readonly (readonly [from: string, to: string])[] = [
  ['#6f8cff', '#3b5bdb'],
  ['#ffd27a', '#f08c00'],
  ['#63e6be', '#0ca678'],
  ['#ff9fb5', '#d6336c'],
];

function paintTaskbar(context: SKRSContext2D, layout: DesktopLayout): void {
  const { taskbar, scale } = layout;
  context.fillStyle = TASKBAR_BACK;
  context.fillRect(taskbar.x, taskbar.y, taskbar.width, taskbar.height);
  context.fillStyle = 'rgba(255, 255, 255, 0.10)';
  context.fillRect(taskbar.x, taskbar.y, taskbar.width, 1);
  const size = Math.round(26 * scale);
  const top = taskbar.y + Math.round((taskbar.height - size) / 2);
  for (const [index, [from, to]] of APPS.entries()) {
    const x = Math.round((16 + index * 42) * scale);
    const gradient = context.createLinearGradient(x, top, x, top + size);
    gradient.addColorStop(0, from);
    gradient.addColorStop(1, to);
    context.fillStyle = gradient;
    context.beginPath();
    context.roundRect(x, top, size, size, 7 * scale);
    context.fill();
    paintSign(context, index, x + size / 2, top + size / 2, scale);
  }
}

function paintSign(context: SKRSContext2D, app: number, x: number, y: number, scale: number): void {
  context.strokeStyle = 'rgba(255, 255, 255, 0.95)';
  context.fillStyle = 'rgba(255, 255, 255, 0.95)';
  context.lineWidth = 2 * scale;
  context.lineCap = 'round';
  context.lineJoin = 'round';
  const line = (...points: readonly (readonly [number, number])[]): void => {
    context.beginPath();
    for (const [dx, dy] of points) context.lineTo(x + dx * scale, y + dy * scale);
    context.stroke();
  };
  switch (app) {
    case 0:
      for (const dx of [-4, 4])
        for (const dy of [-4, 4])
          context.fillRect(x + (dx - 3) * scale, y + (dy - 3) * scale, 6 * scale, 6 * scale);
      break;
    case 1:
      for (const dy of [-4, 0, 4]) line([-6, dy], [dy === 4 ? 1 : 6, dy]);
      break;
    case 2:
      line([-6, -4], [-2, 0], [-6, 4]);
      line([1, 4], [6, 4]);
      break;
    default:
      context.beginPath();
      context.moveTo(x - 4 * scale, y - 6 * scale);
      context.lineTo(x + 7 * scale, y);
      context.lineTo(x - 4 * scale, y + 6 * scale);
      context.closePath();
      context.fill();
  }
}
