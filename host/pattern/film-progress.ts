import type { Rect } from '../../protocol/index.ts';
import { paintSprite } from './brush.ts';
import { PLAYER_BACK } from './chrome.ts';
import { FONT } from './fonts.ts';
import type { Surface } from './surface.ts';
import { type Moment, timesUntil, type Widget } from './widget.ts';

const FILM_SECONDS = 240;
const HEAD_START_SECONDS = 83;

/** The bar below a film that shows how far it is, four times a second. */
export class FilmProgress implements Widget {
  readonly #place: Rect;
  readonly #scale: number;
  readonly #paused: boolean;
  #shown = -1;

  constructor(place: Rect, scale: number, paused: boolean) {
    this.#place = place;
    this.#paused = paused;
    this.#scale = scale;
  }

  paint(moment: Moment, surface: Surface, damage: Rect[], whole: boolean): void {
    const quarters = this.#paused ? 0 : timesUntil(moment, 4);
    if (!whole && quarters === this.#shown) return;
    this.#shown = quarters;
    const { x, y, width, height } = this.#place;
    const seconds = (HEAD_START_SECONDS + quarters / 4) % FILM_SECONDS;
    const sprite = paintSprite(width, height, (context) => {
      const line = Math.max(2, Math.round(4 * this.#scale));
      const font = FONT.sans(Math.max(8, Math.round(12 * this.#scale)));
      const text = `${minutes(seconds)} / ${minutes(FILM_SECONDS)}`;
      context.fillStyle = PLAYER_BACK;
      context.fillRect(0, 0, width, height);
      context.font = font;
      context.textBaseline = 'middle';
      context.textAlign = 'right';
      context.fillStyle = '#a9a1ba';
      context.fillText(text, width, height / 2);
      const length = width - context.measureText('0:00 / 0:00').width - 18 * this.#scale;
      if (length < line * 4) return;
      const middle = height / 2;
      const done = Math.max(line, (length * seconds) / FILM_SECONDS);
      context.fillStyle = '#3a3548';
      context.beginPath();
      context.roundRect(0, middle - line / 2, length, line, line / 2);
      context.fill();
      context.fillStyle = '#ff8f6b';
      context.beginPath();
      context.roundRect(0, middle - line / 2, done, line, line / 2);
      context.fill();
      context.beginPath();
      context.arc(Math.max(line * 1.4, done), middle, line * 1.4, 0, 2 * Math.PI);
      context.fill();
    });
    surface.put(sprite, x, y);
    damage.push(this.#place);
  }
}

function minutes(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
