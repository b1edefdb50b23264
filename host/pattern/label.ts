import type { Rect } from '../../protocol/index.ts';
import { paintSprite } from './brush.ts';
import type { Sprite, Surface } from './surface.ts';
import type { Moment, Widget } from './widget.ts';

/** A line of text that changes, on a background that does not. */
export class Label implements Widget {
  readonly #place: Rect;
  readonly #background: string;
  readonly #font: string;
  readonly #colour: string;
  readonly #align: 'left' | 'right' | 'center';
  readonly #text: (moment: Moment) => string;
  #shown = '';

  constructor(
    place: Rect,
    look: {
      readonly background: string;
      readonly font: string;
      readonly colour: string;
      readonly align: 'left' | 'right' | 'center';
    },
    text: (moment: Moment) => string,
  ) {
    this.#place = place;
    this.#background = look.background;
    this.#font = look.font;
    this.#colour = look.colour;
    this.#align = look.align;
    this.#text = text;
  }

  paint(moment: Moment, surface: Surface, damage: Rect[], whole: boolean): void {
    const text = this.#text(moment);
    if (!whole && text === this.#shown) return;
    this.#shown = text;
    surface.put(this.#draw(text), this.#place.x, this.#place.y);
    damage.push(this.#place);
  }

  #draw(text: string): Sprite {
    const { width, height } = this.#place;
    return paintSprite(width, height, (context) => {
      context.fillStyle = this.#background;
      context.fillRect(0, 0, width, height);
      context.font = this.#font;
      context.fillStyle = this.#colour;
      context.textAlign = this.#align;
      context.textBaseline = 'middle';
      const x = this.#align === 'left' ? 0 : this.#align === 'right' ? width : width / 2;
      context.fillText(text, x, height / 2);
    });
  }
}

/** `14:03:59.042` */
export function clockText(clockMs: number): string {
  return new Date(clockMs).toISOString().slice(11, 23);
}

/** `Fri 20 Nov` */
export function dateText(clockMs: number): string {
  const [day, date, month] = new Date(clockMs).toUTCString().replace(',', '').split(' ');
  return `${day} ${date} ${month}`;
}
