import type { Rect } from '../../protocol/index.ts';
import { measure, paintSprite } from './brush.ts';
import { TERMINAL_BACK } from './chrome.ts';
import { FONT } from './fonts.ts';
import { hash, pick } from './random.ts';
import type { Sprite, Surface } from './surface.ts';
import { LOG_WORDS, type Span } from './texts.ts';
import { type Moment, timesUntil, type Widget } from './widget.ts';

/** How a log moves: by whole lines, or smoothly by pixels. Units: per second. */
export type LogSpeed = { readonly lines: number } | { readonly pixels: number };

const TONES: { readonly [K in Span['tone']]: string } = {
  plain: '#d5d9e5',
  dim: '#6f778c',
  good: '#7bd88f',
  warm: '#ffcf7a',
  cool: '#7cc4ff',
  bad: '#ff8b8b',
};

/** A terminal in which the lines of a log go by. */
export class TerminalPane implements Widget {
  readonly #pane: Rect;
  readonly #speed: LogSpeed;
  readonly #seed: number;
  readonly #font: string;
  readonly #letterWidth: number;
  readonly #lineHeight: number;
  readonly #sprites: (Sprite | undefined)[];
  readonly #spriteLines: number[];
  /** Rows of the endless log above the pane; -1 before the first picture. */
  #top = -1;

  constructor(pane: Rect, scale: number, seed: number, speed: LogSpeed) {
    this.#pane = pane;
    this.#speed = speed;
    this.#seed = seed;
    const sizePx = Math.max(8, Math.round(14 * scale));
    this.#font = FONT.mono(sizePx);
    this.#letterWidth = measure(this.#font, 'M');
    this.#lineHeight = Math.round(sizePx * 1.5);
    const kept = Math.ceil(pane.height / this.#lineHeight) + 2;
    this.#sprites = new Array<Sprite | undefined>(kept);
    this.#spriteLines = new Array<number>(kept).fill(-1);
  }

  paint(moment: Moment, surface: Surface, damage: Rect[], whole: boolean): void {
    const top = this.#topOf(moment);
    const moved = top - this.#top;
    if (!whole && moved === 0) return;
    const { x, y, width, height } = this.#pane;
    const first = whole || moved < 0 || moved >= height ? 0 : height - moved;
    if (first > 0) surface.scrollUp(this.#pane, moved);
    this.#top = top;
    for (let row = first; row < height; ) {
      const line = Math.floor((top + row) / this.#lineHeight);
      const inLine = top + row - line * this.#lineHeight;
      const rows = Math.min(this.#lineHeight - inLine, height - row);
      surface.blit(this.#sprite(line), { x: 0, y: inLine, width, height: rows }, { x, y: y + row });
      row += rows;
    }
    damage.push(this.#pane);
  }

  #topOf(moment: Moment): number {
    // The log began long before the first picture. Lines are cut at the top, not at the bottom.
    const past = 1000 * this.#lineHeight - (this.#pane.height % this.#lineHeight);
    return 'lines' in this.#speed
      ? past + timesUntil(moment, this.#speed.lines) * this.#lineHeight
      : past + timesUntil(moment, this.#speed.pixels);
  }

  #sprite(line: number): Sprite {
    const at = line % this.#sprites.length;
    const kept = this.#sprites[at];
    if (kept !== undefined && this.#spriteLines[at] === line) return kept;
    const sprite = this.#draw(logLine(this.#seed, line));
    this.#sprites[at] = sprite;
    this.#spriteLines[at] = line;
    return sprite;
  }

  #draw(spans: readonly Span[]): Sprite {
    const { width } = this.#pane;
    return paintSprite(width, this.#lineHeight, (context) => {
      context.fillStyle = TERMINAL_BACK;
      context.fillRect(0, 0, width, this.#lineHeight);
      context.font = this.#font;
      context.textBaseline = 'middle';
      let column = 1;
      for (const { text, tone } of spans) {
        context.fillStyle = TONES[tone];
        context.fillText(text, column * this.#letterWidth, this.#lineHeight / 2);
        column += text.length;
      }
    });
  }
}

/** A line of the log, by its number. */
export function logLine(seed: number, line: number): readonly Span[] {
  const roll = (index: number): number => hash(seed + 77, line * 8 + index);
  const seconds = line * 0.37 + roll(0) * 0.3;
  const stamp = new Date(Math.floor(seconds * 1000)).toISOString().slice(11, 23);
  const part = pick(LOG_WORDS.parts, seed, line * 8 + 1);
  const file = pick(LOG_WORDS.files, seed, line * 8 + 3);
  const head: Span[] = [
    { text: `${stamp} `, tone: 'dim' },
    { text: part.padEnd(9), tone: 'cool' },
  ];
  const kind = roll(4);
  if (line % 24 === 0)
    return [
      { text: '$ ', tone: 'good' },
      { text: `npm run ${pick(LOG_WORDS.verbs, seed, line)} -- --watch ${part}`, tone: 'plain' },
    ];
  const tail: Span = {
    text: `   ${Math.floor(roll(2) * 0xffffffff)
      .toString(16)
      .padStart(
        8,
        '0',
      )}  tile ${line % 61},${line % 37}  64 x 64  queue ${line % 3}  slot ${line % 2}  serial ${line * 3}`,
    tone: 'dim',
  };
  if (kind < 0.62)
    return [
      ...head,
      { text: `${pick(LOG_WORDS.verbs, seed, line * 8 + 2).padEnd(8)}`, tone: 'plain' },
      { text: `${file} `, tone: 'warm' },
      { text: `${Math.floor(roll(5) * 940 + 12)} us `, tone: 'plain' },
      { text: 'ok', tone: 'good' },
      tail,
    ];
  if (kind < 0.9) {
    const done = Math.floor(roll(6) * 20);
    return [
      ...head,
      { text: '[', tone: 'dim' },
      { text: '#'.repeat(done), tone: 'good' },
      { text: '.'.repeat(20 - done), tone: 'dim' },
      { text: '] ', tone: 'dim' },
      {
        text: `${String(done * 5).padStart(3)} % of ${Math.floor(roll(7) * 900 + 40)} tiles`,
        tone: 'plain',
      },
      tail,
    ];
  }
  return [
    ...head,
    { text: 'note: ', tone: 'bad' },
    {
      text: `${file} changed, ${Math.floor(roll(5) * 30 + 1)} rects, serial ${line * 3}`,
      tone: 'plain',
    },
  ];
}
