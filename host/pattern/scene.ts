import {
  type CursorPosition,
  KvmfrError,
  MAX_DIMENSION_PX,
  type Rect,
} from '../../protocol/index.ts';
import { paintSprite } from './brush.ts';
import { paintDesktop, TASKBAR_BACK } from './chrome.ts';
import { DocumentPage } from './document.ts';
import { Film } from './film.ts';
import { FilmProgress } from './film-progress.ts';
import { FONT } from './fonts.ts';
import { Game } from './game.ts';
import { clockText, dateText, Label } from './label.ts';
import { arrangeDesktop, type DesktopLayout, type PatternContent } from './layout.ts';
import { Marker } from './marker.ts';
import { Surface } from './surface.ts';
import { TerminalPane } from './terminal.ts';
import type { Moment, Widget } from './widget.ts';

/** How to make a {@link PatternScene}. */
export interface PatternOptions {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly content?: PatternContent | undefined;
  /** Frames per second at which things move; 60 when left out. */
  readonly fps?: number | undefined;
  readonly seed?: number | undefined;
}

const MIN_WIDTH_PX = 320;
const MIN_HEIGHT_PX = 200;
const MIN_NOTE_UNITS = 120;
const MAX_SIDE_PX = Math.min(MAX_DIMENSION_PX, 8192);

/**
 * The animated desktop of the synthetic guest.
 *
 * The same options, frame number and clock give the same pixels, whatever was drawn before; drawing
 * one frame after the other costs only what differs.
 */
export class PatternScene {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  readonly content: PatternContent;
  readonly layout: DesktopLayout;
  readonly #surface: Surface;
  readonly #seed: number;
  readonly #widgets: readonly Widget[];
  readonly #marker: Marker = new Marker();
  readonly #damage: Rect[] = [];
  #note = '';
  #fresh = true;

  /** @throws ERR_KVMFR_ARGUMENT for a size that cannot be drawn */
  constructor(options: PatternOptions) {
    const { widthPx, heightPx, content = 'demo', fps = 60, seed = 1 } = options;
    checkSide('width', widthPx, MIN_WIDTH_PX);
    checkSide('height', heightPx, MIN_HEIGHT_PX);
    if (!(fps > 0) || fps > 1000)
      throw new KvmfrError('ERR_KVMFR_ARGUMENT', `fps must be above 0, to 1000, but is ${fps}`);
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.content = content;
    this.fps = fps;
    this.#seed = seed;
    this.layout = arrangeDesktop(widthPx, heightPx, content);
    this.#surface = new Surface(widthPx, heightPx);
    this.#widgets = this.#makeWidgets();
  }

  /** Says in a {@link Marker} from the next frame on which position was asked for; undefined: no more. */
  mark(position: CursorPosition | undefined): void {
    this.#marker.position = position;
  }

  /** Shows a line in the task bar from the next frame on, where there is room for it. */
  note(text: string): void {
    this.#note = text;
  }

  /** The picture: rows of widthPx pixels B, G, R, A. The next {@link draw} changes it. */
  get pixels(): Uint8Array<ArrayBuffer> {
    return this.#surface.bytes;
  }

  /**
   * Draws a frame over the one before; its number may lie between two.
   *
   * @returns the rects outside of which no pixel changed since the last call; everything at the first
   */
  draw(frame: number, clockMs: number): readonly Rect[] {
    const moment: Moment = { frame, fps: this.fps, clockMs };
    const whole = this.#fresh;
    if (whole) this.#drawStatic();
    this.#fresh = false;
    this.#damage.length = 0;
    // The game paints over everything below it, every time.
    const repaint = whole || this.content === 'game';
    for (const widget of this.#widgets) widget.paint(moment, this.#surface, this.#damage, repaint);
    this.#marker.paint(moment, this.#surface, this.#damage, repaint);
    if (!repaint) return this.#damage;
    return [{ x: 0, y: 0, width: this.widthPx, height: this.heightPx }];
  }

  #drawStatic(): void {
    const { widthPx, heightPx } = this;
    // The game paints every pixel itself.
    if (this.content === 'game') return;
    const desktop = paintSprite(widthPx, heightPx, (context) =>
      paintDesktop(context, this.layout, this.#seed),
    );
    this.#surface.put(desktop, 0, 0);
  }

  #makeWidgets(): Widget[] {
    const { layout } = this;
    const { scale } = layout;
    const widgets: Widget[] = [];
    if (this.content === 'game')
      widgets.push(
        new Game({ x: 0, y: 0, width: this.widthPx, height: this.heightPx }, this.#seed),
      );
    for (const { kind, frame, pane } of layout.windows) {
      if (kind === 'document') widgets.push(new DocumentPage(pane, scale));
      if (kind === 'terminal')
        widgets.push(
          new TerminalPane(
            pane,
            scale,
            this.#seed,
            this.content === 'scroll'
              ? { pixels: 720 }
              : { lines: this.content === 'desk' ? 0.5 : 5 },
          ),
        );
      // A desk at rest has its film paused.
      if (kind === 'player') {
        widgets.push(new Film(pane, this.#seed, this.content === 'desk'));
        widgets.push(
          new FilmProgress(
            {
              x: frame.x + Math.round(44 * scale),
              y: pane.y + pane.height + 2,
              width: frame.width - Math.round(62 * scale),
              height: frame.y + frame.height - pane.y - pane.height - 6,
            },
            scale,
            this.content === 'desk',
          ),
        );
      }
    }
    widgets.push(...(this.content === 'game' ? [this.#gameLabel()] : this.#barLabels()));
    return widgets;
  }

  #gameLabel(): Widget {
    const px = (units: number): number => Math.round(units * this.layout.scale);
    const width = px(330);
    const height = px(40);
    const place = { x: this.widthPx - width, y: this.heightPx - height, width, height };
    return new Label(
      place,
      { background: TASKBAR_BACK, align: 'center', font: FONT.mono(px(17)), colour: '#ffffff' },
      ({ frame, clockMs }) => `${frameText(frame)}  ${clockText(clockMs)}`,
    );
  }

  // At the right end of the task bar: clock, date, and the number of the frame.
  #barLabels(): Widget[] {
    const { taskbar, scale } = this.layout;
    const px = (units: number): number => Math.round(units * scale);
    const height = px(34);
    const y = taskbar.y + Math.round((taskbar.height - height) / 2);
    const gap = px(14);
    let right = this.widthPx - gap;
    const place = (units: number): Rect => {
      const width = px(units);
      right -= width;
      const rect = { x: right, y, width, height };
      right -= gap;
      return rect;
    };
    const clock = place(132);
    const date = place(92);
    const counter = place(130);
    const look = { background: TASKBAR_BACK, align: 'right' } as const;
    const labels: Widget[] = [
      new Label(clock, { ...look, font: FONT.mono(px(17)), colour: '#ffffff' }, ({ clockMs }) =>
        clockText(clockMs),
      ),
    ];
    if (counter.x > px(16 + 4 * 42))
      labels.push(
        new Label(date, { ...look, font: FONT.sans(px(14)), colour: '#c3c6d8' }, ({ clockMs }) =>
          dateText(clockMs),
        ),
        new Label(counter, { ...look, font: FONT.mono(px(13)), colour: '#8f93ad' }, ({ frame }) =>
          frameText(frame),
        ),
      );
    // Between the programs and the counter.
    const from = px(24 + 4 * 42);
    const width = counter.x - gap - from;
    if (width >= px(MIN_NOTE_UNITS))
      labels.push(
        new Label(
          { x: from, y, width, height },
          { ...look, align: 'left', font: FONT.mono(px(16)), colour: '#ffd27a' },
          () => this.#note,
        ),
      );
    return labels;
  }
}

function frameText(frame: number): string {
  return `frame ${String(Math.floor(frame)).padStart(6, '0')}`;
}

function checkSide(name: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min || value > MAX_SIDE_PX)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `the ${name} of the pattern must be ${min} to ${MAX_SIDE_PX} pixels, but is ${value}`,
    );
}
