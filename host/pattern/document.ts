import type { Rect } from '../../protocol/index.ts';
import { measure, paintSprite } from './brush.ts';
import { PAPER } from './chrome.ts';
import { FONT } from './fonts.ts';
import type { Sprite, Surface } from './surface.ts';
import { LETTER, type Paragraph } from './texts.ts';
import { type Moment, timesUntil, type Widget } from './widget.ts';

interface Line {
  readonly style: Paragraph['style'];
  readonly text: string;
  /** Letters of the whole text before this line. */
  readonly startsAt: number;
}

interface Typed {
  /** Line and letter that the caret stands behind. */
  readonly line: number;
  readonly letter: number;
  readonly firstLine: number;
  readonly caret: boolean;
}

const LETTERS_PER_SECOND = 13;
// The page does not begin empty, and rests at its end.
const HEAD_START = 0.42;
const REST_LETTERS = 80;

/** A page that types itself, letter by letter, and starts over. */
export class DocumentPage implements Widget {
  readonly #pane: Rect;
  readonly #sizePx: number;
  readonly #lineHeight: number;
  readonly #margin: number;
  readonly #lines: readonly Line[];
  readonly #letters: number;
  readonly #rows: number;
  readonly #sprites: Map<number, Sprite> = new Map();
  #shown: Typed | undefined;

  constructor(pane: Rect, scale: number) {
    this.#pane = pane;
    this.#sizePx = Math.max(9, Math.round(18 * scale));
    this.#lineHeight = Math.round(this.#sizePx * 1.6);
    this.#margin = Math.round(Math.min(30 * scale, pane.width / 16));
    this.#lines = wrap(pane.width - 2 * this.#margin, (style) => this.#font(style));
    const last = this.#lines.at(-1);
    this.#letters = last === undefined ? 0 : last.startsAt + last.text.length;
    this.#rows = Math.max(1, Math.floor((pane.height - this.#margin) / this.#lineHeight));
  }

  paint(moment: Moment, surface: Surface, damage: Rect[], whole: boolean): void {
    const now = this.#typed(moment);
    const before = this.#shown;
    this.#shown = now;
    if (whole || before === undefined || !this.#follows(before, now)) {
      this.#paintAll(now, surface);
      damage.push(this.#pane);
      return;
    }
    if (before.line === now.line && before.letter === now.letter && before.caret === now.caret)
      return;
    for (let line = before.line; line <= now.line; line++) {
      const from = line === before.line ? before.letter : 0;
      this.#paintPart(now, line, from, surface, damage);
    }
  }

  // Whether letters were added at the end, and nothing else happened.
  #follows(before: Typed, now: Typed): boolean {
    return (
      now.firstLine === before.firstLine &&
      (now.line > before.line || (now.line === before.line && now.letter >= before.letter))
    );
  }

  #typed(moment: Moment): Typed {
    const cycle = this.#letters + REST_LETTERS;
    const headStart = Math.floor(this.#letters * HEAD_START);
    const position = (headStart + timesUntil(moment, LETTERS_PER_SECOND)) % cycle;
    const letters = Math.min(position, this.#letters);
    let line = 0;
    while ((this.#lines[line + 1]?.startsAt ?? Number.POSITIVE_INFINITY) <= letters) line++;
    const resting = position > this.#letters;
    return {
      line,
      letter: letters - (this.#lines[line]?.startsAt ?? 0),
      firstLine: Math.max(0, line - this.#rows + 1),
      caret: !resting || timesUntil(moment, 2) % 2 === 0,
    };
  }

  #paintAll(now: Typed, surface: Surface): void {
    const { x, y, width, height } = this.#pane;
    surface.put(this.#blank(width, height), x, y);
    for (let line = now.firstLine; line <= now.line; line++) {
      const sprite = line === now.line ? this.#current(now) : this.#whole(line);
      surface.blit(sprite, this.#lineRect(sprite), { x, y: this.#lineTop(now, line) });
    }
  }

  // From a little before the letter that was last: some glyphs reach back.
  #paintPart(now: Typed, line: number, from: number, surface: Surface, damage: Rect[]): void {
    const sprite = line === now.line ? this.#current(now) : this.#whole(line);
    const text = this.#lines[line]?.text ?? '';
    const font = this.#font(this.#lines[line]?.style ?? 'body');
    const before = measure(font, text.slice(0, from));
    const after = measure(font, text.slice(0, line === now.line ? now.letter : text.length));
    const left = Math.max(0, Math.floor(this.#margin + before - this.#sizePx));
    const right = Math.min(sprite.widthPx, Math.ceil(this.#margin + after + this.#sizePx));
    const part = { x: left, y: 0, width: right - left, height: this.#lineRect(sprite).height };
    const at = { x: this.#pane.x + left, y: this.#lineTop(now, line) };
    surface.blit(sprite, part, at);
    damage.push({ ...at, width: part.width, height: part.height });
  }

  #lineTop(now: Typed, line: number): number {
    return this.#pane.y + this.#margin + (line - now.firstLine) * this.#lineHeight;
  }

  #lineRect(sprite: Sprite): Rect {
    const height = Math.min(this.#lineHeight, this.#pane.height - this.#margin);
    return { x: 0, y: 0, width: sprite.widthPx, height };
  }

  #whole(line: number): Sprite {
    let sprite = this.#sprites.get(line);
    if (sprite === undefined) {
      sprite = this.#draw(line, this.#lines[line]?.text ?? '', false);
      this.#sprites.set(line, sprite);
    }
    return sprite;
  }

  #current(now: Typed): Sprite {
    const text = this.#lines[now.line]?.text.slice(0, now.letter) ?? '';
    return this.#draw(now.line, text, now.caret);
  }

  #draw(line: number, text: string, caret: boolean): Sprite {
    const style = this.#lines[line]?.style ?? 'body';
    const { width } = this.#pane;
    return paintSprite(width, this.#lineHeight, (context) => {
      context.fillStyle = PAPER;
      context.fillRect(0, 0, width, this.#lineHeight);
      context.font = this.#font(style);
      context.textBaseline = 'middle';
      context.fillStyle = style === 'heading' ? '#22307a' : '#1f1e1b';
      context.fillText(text, this.#margin, this.#lineHeight / 2);
      if (!caret) return;
      const x = Math.round(this.#margin + context.measureText(text).width) + 1;
      const thick = Math.max(1, Math.round(this.#sizePx / 9));
      context.fillStyle = '#d9480f';
      context.fillRect(x, Math.round(this.#lineHeight * 0.16), thick, this.#lineHeight * 0.68);
    });
  }

  #blank(width: number, height: number): Sprite {
    return paintSprite(width, height, (context) => {
      context.fillStyle = PAPER;
      context.fillRect(0, 0, width, height);
    });
  }

  #font(style: Paragraph['style']): string {
    return style === 'heading'
      ? FONT.bold(Math.round(this.#sizePx * 1.12))
      : FONT.sans(this.#sizePx);
  }
}

function wrap(widthPx: number, font: (style: Paragraph['style']) => string): Line[] {
  const lines: Line[] = [];
  let startsAt = 0;
  const add = (style: Paragraph['style'], text: string): void => {
    lines.push({ style, text, startsAt });
    startsAt += text.length;
  };
  for (const [index, { style, text }] of LETTER.entries()) {
    if (index > 0) add('body', ' ');
    let line = '';
    for (const word of text.split(' ')) {
      const longer = line === '' ? word : `${line} ${word}`;
      if (line !== '' && measure(font(style), longer) > widthPx) {
        add(style, `${line} `);
        line = word;
      } else line = longer;
    }
    add(style, line);
  }
  return lines;
}
