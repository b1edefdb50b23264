import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import type { Rect } from '../../protocol/index.ts';
import { readCanvas } from './brush.ts';
import { Car } from './game-car.ts';
import { hash } from './random.ts';
import { mix, newSprite, rgb, type Sprite, type Surface } from './surface.ts';
import type { Moment, Widget } from './widget.ts';

// A power of two: coordinates wrap by a mask.
const MAP_BITS = 11;
const MAP_PX = 1 << MAP_BITS;
// Smaller copies of the map for what is far away: less flicker, and fewer misses of the cache.
const MAP_LEVELS = 5;
const SKY_TURN_PX = 4096;
const HORIZON = 0.46;
const LAP_SECONDS = 30;
const EYE_HEIGHT = 26;
const HAZE = rgb(255, 176, 132);

/** A race over a plain towards the mountains: every pixel of the screen changes with every frame. */
export class Game implements Widget {
  readonly #place: Rect;
  readonly #maps: readonly Sprite[];
  readonly #sky: Sprite;
  readonly #horizon: number;
  readonly #car: Car;

  constructor(place: Rect, seed: number) {
    this.#place = place;
    this.#horizon = Math.max(1, Math.floor(place.height * HORIZON));
    this.#maps = halvings(paintMap(seed));
    this.#car = new Car(Math.round(place.width * 0.17));
    this.#sky = paintPanorama(seed, this.#horizon);
  }

  paint(moment: Moment, surface: Surface, damage: Rect[], _whole: boolean): void {
    const turn = (moment.frame / moment.fps / LAP_SECONDS) % 1;
    const here = track(turn);
    const ahead = track(turn + 0.012);
    const heading = Math.atan2(ahead.y - here.y, ahead.x - here.x);
    this.#paintSky(surface, heading);
    this.#paintPlain(surface, here, heading);
    const bend = wrapAngle(
      Math.atan2(track(turn + 0.03).y - ahead.y, track(turn + 0.03).x - ahead.x) - heading,
    );
    this.#car.paint(surface, this.#place, { bend, seconds: moment.frame / moment.fps });
    damage.push(this.#place);
  }

  #paintSky(surface: Surface, heading: number): void {
    const { x, y, width } = this.#place;
    const shift = Math.floor((heading / (2 * Math.PI)) * SKY_TURN_PX + 2 * SKY_TURN_PX);
    for (let done = 0; done < width; ) {
      const from = (shift + done) % SKY_TURN_PX;
      const part = Math.min(width - done, SKY_TURN_PX - from);
      surface.blit(
        this.#sky,
        { x: from, y: 0, width: part, height: this.#horizon },
        { x: x + done, y },
      );
      done += part;
    }
  }

  // Each row of the screen is a straight line on the map; it is followed with fixed-point steps.
  #paintPlain(
    surface: Surface,
    eye: { readonly x: number; readonly y: number },
    heading: number,
  ): void {
    const { x, y, width, height } = this.#place;
    const screen = surface.words;
    const forwardX = Math.cos(heading);
    const forwardY = Math.sin(heading);
    const focal = width * 0.55;
    for (let row = this.#horizon; row < height; row++) {
      const distance = (EYE_HEIGHT * focal) / (row - this.#horizon + 1);
      const perPixel = distance / focal;
      const left = (-width / 2) * perPixel;
      let u = Math.floor((eye.x + forwardX * distance - forwardY * left) * 65536) | 0;
      let v = Math.floor((eye.y + forwardY * distance + forwardX * left) * 65536) | 0;
      const stepU = Math.round(-forwardY * perPixel * 65536) | 0;
      const stepV = Math.round(forwardX * perPixel * 65536) | 0;
      const level = Math.max(0, Math.min(MAP_LEVELS - 1, Math.floor(Math.log2(perPixel))));
      const map = this.#maps[level]?.words ?? screen;
      const bits = MAP_BITS - level;
      const mask = (1 << bits) - 1;
      const shift = 16 + level;
      const haze = Math.min(256, Math.floor(256 * (1 - Math.exp(-distance / 700))));
      const keep = 256 - haze;
      const hazeOdd = Math.imul(HAZE & 0xff00ff, haze);
      const hazeEven = ((HAZE >>> 8) & 0xff) * haze;
      let at = (y + row) * surface.widthPx + x;
      for (const end = at + width; at < end; at++) {
        const word = map[(((v >> shift) & mask) << bits) | ((u >> shift) & mask)] ?? 0;
        const odd = ((Math.imul(word & 0xff00ff, keep) + hazeOdd) >>> 8) & 0xff00ff;
        const even = (((word >>> 8) & 0xff) * keep + hazeEven) & 0xff00;
        screen[at] = 0xff000000 | odd | even;
        u = (u + stepU) | 0;
        v = (v + stepV) | 0;
      }
    }
  }
}

function wrapAngle(angle: number): number {
  return Math.atan2(Math.sin(angle), Math.cos(angle));
}

/** The middle of the road. It closes after one turn. */
function track(turn: number): { readonly x: number; readonly y: number } {
  const angle = turn * 2 * Math.PI;
  const radius = MAP_PX * (0.31 + 0.07 * Math.sin(3 * angle) + 0.035 * Math.sin(5 * angle + 1));
  return {
    x: MAP_PX / 2 + radius * Math.cos(angle),
    y: MAP_PX / 2 + radius * Math.sin(angle),
  };
}

function paintMap(seed: number): Sprite {
  const canvas = createCanvas(MAP_PX, MAP_PX);
  const context = canvas.getContext('2d');
  context.fillStyle = '#4f7a43';
  context.fillRect(0, 0, MAP_PX, MAP_PX);
  for (let patch = 0; patch < 500; patch++) {
    const radius = 20 + 90 * hash(seed, patch * 3);
    context.fillStyle = patch % 2 === 0 ? 'rgba(112, 150, 72, 0.35)' : 'rgba(52, 98, 66, 0.35)';
    context.beginPath();
    context.arc(
      MAP_PX * hash(seed, patch * 3 + 1),
      MAP_PX * hash(seed, patch * 3 + 2),
      radius,
      0,
      2 * Math.PI,
    );
    context.fill();
  }
  const road = (widthPx: number, colour: string, dash: readonly number[]): void => {
    context.beginPath();
    for (let step = 0; step <= 720; step++) {
      const { x, y } = track(step / 720);
      context.lineTo(x, y);
    }
    context.closePath();
    context.lineWidth = widthPx;
    context.strokeStyle = colour;
    context.setLineDash([...dash]);
    context.stroke();
  };
  road(62, '#c9b58a', []);
  road(52, '#f4f1ea', []);
  road(52, '#d8433f', [16, 16]);
  road(44, '#53535f', []);
  road(1.6, '#f6e9b8', [18, 22]);
  const map = readCanvas(canvas);
  // Grain, so that no two tiles of the screen are alike and nothing compresses too well.
  for (let i = 0; i < map.words.length; i++) {
    const part = Math.floor(hash(seed + 5, i) * 44);
    map.words[i] = mix(map.words[i] ?? 0, part % 2 === 0 ? rgb(0, 0, 0) : rgb(255, 255, 240), part);
  }
  return map;
}

function halvings(map: Sprite): Sprite[] {
  const levels = [map];
  for (let level = 1; level < MAP_LEVELS; level++) levels.push(half(levels[level - 1] ?? map));
  return levels;
}

function half(map: Sprite): Sprite {
  const small = newSprite(map.widthPx >> 1, map.heightPx >> 1);
  for (let y = 0, to = 0; y < small.heightPx; y++)
    for (let x = 0; x < small.widthPx; x++, to++) {
      const at = 2 * y * map.widthPx + 2 * x;
      const upper = mix(map.words[at] ?? 0, map.words[at + 1] ?? 0, 128);
      const below = at + map.widthPx;
      const lower = mix(map.words[below] ?? 0, map.words[below + 1] ?? 0, 128);
      small.words[to] = mix(upper, lower, 128);
    }
  return small;
}

function paintPanorama(seed: number, heightPx: number): Sprite {
  const canvas = createCanvas(SKY_TURN_PX, heightPx);
  const context = canvas.getContext('2d');
  const sky = context.createLinearGradient(0, 0, 0, heightPx);
  sky.addColorStop(0, '#3f6fb5');
  sky.addColorStop(0.55, '#9fb7d8');
  sky.addColorStop(1, '#ffc79a');
  context.fillStyle = sky;
  context.fillRect(0, 0, SKY_TURN_PX, heightPx);
  for (let cloud = 0; cloud < 46; cloud++) paintCloud(context, seed, cloud, heightPx);
  for (const [layer, colour] of ['#b48aa0', '#8b6b90', '#5d5078'].entries())
    paintRange(context, seed + layer, heightPx, colour, 0.34 - layer * 0.09);
  return readCanvas(canvas);
}

function paintCloud(context: SKRSContext2D, seed: number, cloud: number, heightPx: number): void {
  const roll = (index: number): number => hash(seed + 9, cloud * 32 + index);
  const middle = SKY_TURN_PX * roll(0);
  const y = heightPx * (0.06 + 0.5 * roll(1));
  const length = heightPx * (0.12 + 0.3 * roll(2));
  for (let puff = 0; puff < 9; puff++) {
    const x = middle + length * (roll(3 + puff) - 0.5) * 2.2;
    const radius = length * (0.25 + 0.3 * roll(13 + puff));
    for (const turn of [-SKY_TURN_PX, 0, SKY_TURN_PX]) {
      context.save();
      context.translate(x + turn, y + radius * 0.2 * roll(23 + puff));
      context.scale(1, 0.32);
      const soft = context.createRadialGradient(0, 0, 0, 0, 0, radius);
      soft.addColorStop(0, 'rgba(255, 248, 242, 0.42)');
      soft.addColorStop(1, 'rgba(255, 240, 230, 0)');
      context.fillStyle = soft;
      context.fillRect(-radius, -radius, 2 * radius, 2 * radius);
      context.restore();
    }
  }
}

function paintRange(
  context: SKRSContext2D,
  seed: number,
  heightPx: number,
  colour: string,
  share: number,
): void {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(0, heightPx);
  for (let x = 0; x <= SKY_TURN_PX; x += 4) {
    let height = 0.5;
    for (let wave = 1; wave <= 6; wave++) {
      const turns = Math.round(3 * 1.8 ** wave);
      const phase = hash(seed, wave + 60) * 2 * Math.PI;
      height += (0.42 / wave) * Math.sin((2 * Math.PI * turns * x) / SKY_TURN_PX + phase);
    }
    context.lineTo(x, heightPx * (1 - share * Math.max(0.1, height * 0.8)));
  }
  context.lineTo(SKY_TURN_PX, heightPx);
  context.closePath();
  context.fill();
}
