import type { Rect } from '../../protocol/index.ts';
import { paintSprite } from './brush.ts';
import { hash } from './random.ts';
import { mix, newSprite, rgb, type Sprite, type Surface } from './surface.ts';
import { type Moment, timesUntil, type Widget } from './widget.ts';

interface Ridge {
  /** Rows from the horizon upwards, for every column of one turn. */
  readonly heights: Float32Array<ArrayBuffer>;
  readonly pixelsPerSecond: number;
  readonly peak: number;
  readonly foot: number;
}

const HORIZON = 0.64;
const PICTURES_PER_SECOND = 30;

/** A film: the sun goes down behind mountains that pass by, above a lake that moves. */
export class Film implements Widget {
  readonly #place: Rect;
  readonly #paused: boolean;
  readonly #sky: Sprite;
  readonly #picture: Sprite;
  readonly #horizon: number;
  readonly #ridges: readonly Ridge[];
  readonly #tops: Float32Array<ArrayBuffer>;
  #shown = -1;

  constructor(place: Rect, seed: number, paused: boolean) {
    this.#place = place;
    this.#paused = paused;
    const { width, height } = place;
    this.#horizon = Math.max(1, Math.floor(height * HORIZON));
    this.#sky = paintSky(width, this.#horizon);
    this.#picture = newSprite(width, height);
    this.#tops = new Float32Array(width);
    const speed = width / 60;
    this.#ridges = [
      ridge(seed + 1, width * 3, height * 0.34, {
        speed: speed * 0.6,
        peak: rgb(150, 84, 130),
        foot: rgb(226, 132, 118),
      }),
      ridge(seed + 2, width * 3, height * 0.22, {
        speed: speed * 1.5,
        peak: rgb(78, 48, 104),
        foot: rgb(136, 76, 112),
      }),
      ridge(seed + 3, width * 3, height * 0.11, {
        speed: speed * 3.5,
        peak: rgb(27, 20, 54),
        foot: rgb(44, 30, 66),
      }),
    ];
  }

  paint(moment: Moment, surface: Surface, damage: Rect[], whole: boolean): void {
    const number = this.#paused ? 0 : timesUntil(moment, PICTURES_PER_SECOND);
    if (!whole && number === this.#shown) return;
    this.#shown = number;
    const seconds = number / PICTURES_PER_SECOND;
    this.#picture.words.set(this.#sky.words);
    for (const one of this.#ridges) this.#paintRidge(one, seconds);
    this.#paintLake(seconds);
    surface.put(this.#picture, this.#place.x, this.#place.y);
    damage.push(this.#place);
  }

  #paintRidge(ridge: Ridge, seconds: number): void {
    const { words, widthPx } = this.#picture;
    const { heights, peak, foot } = ridge;
    const tops = this.#tops;
    const shift = seconds * ridge.pixelsPerSecond;
    const whole = Math.floor(shift);
    const part = shift - whole;
    let highest = this.#horizon;
    for (let x = 0; x < widthPx; x++) {
      const a = heights[(whole + x) % heights.length] ?? 0;
      const b = heights[(whole + x + 1) % heights.length] ?? 0;
      const top = this.#horizon - (a + (b - a) * part);
      tops[x] = top;
      if (top < highest) highest = top;
    }
    const from = Math.max(0, Math.floor(highest));
    for (let y = from; y < this.#horizon; y++) {
      const colour = mix(peak, foot, Math.floor((256 * (y - from)) / (this.#horizon - from)));
      for (let x = 0, at = y * widthPx; x < widthPx; x++, at++) {
        const covered = y + 1 - (tops[x] ?? 0);
        if (covered >= 1) words[at] = colour;
        else if (covered > 0) words[at] = mix(words[at] ?? 0, colour, Math.floor(covered * 256));
      }
    }
  }

  // The picture above, upside down, with waves that grow towards the viewer.
  #paintLake(seconds: number): void {
    const { words, widthPx, heightPx } = this.#picture;
    const depth = heightPx - this.#horizon;
    const water = rgb(86, 46, 100);
    for (let y = this.#horizon; y < heightPx; y++) {
      const near = (y - this.#horizon) / depth;
      const lift = Math.sin(near * 46 - seconds * 2.6) * near * 5;
      const mirrored = this.#horizon - 1 - Math.floor((y - this.#horizon) * 1.35 + lift);
      const from = Math.min(this.#horizon - 1, Math.max(0, mirrored)) * widthPx;
      const sway = Math.round(
        Math.sin(near * 70 + seconds * 3.1) * (1 + near * 7) +
          Math.sin(near * 23 - seconds * 1.7) * near * 6,
      );
      const tint = Math.floor(24 + near * 96);
      for (let x = 0, at = y * widthPx; x < widthPx; x++, at++) {
        const seen = x + sway < 0 ? 0 : x + sway >= widthPx ? widthPx - 1 : x + sway;
        words[at] = mix(words[from + seen] ?? 0, water, tint);
      }
    }
  }
}

function ridge(
  seed: number,
  columns: number,
  rows: number,
  look: { readonly speed: number; readonly peak: number; readonly foot: number },
): Ridge {
  const heights = new Float32Array(columns);
  // Waves that fit a whole number of times, so that one turn follows the other without a seam.
  for (let wave = 0; wave < 7; wave++) {
    const turns = Math.round(2 + 1.9 ** wave * (1 + hash(seed, wave)));
    const phase = hash(seed, wave + 32) * 2 * Math.PI;
    const strength = rows * 0.34 * 0.62 ** wave;
    for (let x = 0; x < columns; x++)
      heights[x] =
        (heights[x] ?? 0) + strength * Math.sin((2 * Math.PI * turns * x) / columns + phase);
  }
  for (let x = 0; x < columns; x++)
    heights[x] = Math.max(rows * 0.08, rows * 0.5 + (heights[x] ?? 0));
  return { heights, pixelsPerSecond: look.speed, peak: look.peak, foot: look.foot };
}

function paintSky(width: number, height: number): Sprite {
  return paintSprite(width, height, (context) => {
    const sky = context.createLinearGradient(0, 0, 0, height);
    sky.addColorStop(0, '#2a2a66');
    sky.addColorStop(0.4, '#7a4a94');
    sky.addColorStop(0.72, '#e0727e');
    sky.addColorStop(1, '#ffc38a');
    context.fillStyle = sky;
    context.fillRect(0, 0, width, height);
    const x = width * 0.66;
    const y = height * 0.56;
    const radius = height * 0.17;
    const glow = context.createRadialGradient(x, y, 0, x, y, radius * 3.6);
    glow.addColorStop(0, 'rgba(255, 244, 214, 0.95)');
    glow.addColorStop(0.25, 'rgba(255, 214, 150, 0.55)');
    glow.addColorStop(1, 'rgba(255, 170, 120, 0)');
    context.fillStyle = glow;
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#fff3d6';
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  });
}
