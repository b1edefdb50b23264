import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import type { Rect } from '../../protocol/index.ts';
import { readCanvasWithAlpha } from './brush.ts';
import { mix, rgb, type Surface } from './surface.ts';

const ASPECT = 0.56;

/** A car seen from behind, with soft edges. */
export class Car {
  readonly #widthPx: number;
  readonly #heightPx: number;
  readonly #colours: Uint32Array<ArrayBuffer>;
  readonly #alpha: Uint8Array<ArrayBuffer>;

  constructor(widthPx: number) {
    this.#widthPx = widthPx;
    this.#heightPx = Math.round(widthPx * ASPECT);
    const canvas = createCanvas(this.#widthPx, this.#heightPx);
    const context = canvas.getContext('2d');
    context.scale(widthPx / 100, widthPx / 100);
    paintCar(context);
    const bgra = readCanvasWithAlpha(canvas);
    this.#colours = new Uint32Array(bgra.length / 4);
    this.#alpha = new Uint8Array(bgra.length / 4);
    for (let i = 0; i < this.#alpha.length; i++) {
      this.#colours[i] = rgb(bgra[i * 4 + 2] ?? 0, bgra[i * 4 + 1] ?? 0, bgra[i * 4] ?? 0);
      this.#alpha[i] = bgra[i * 4 + 3] ?? 0;
    }
  }

  /** Paints it at the lower edge; it leans into bends and shakes a little. */
  paint(
    surface: Surface,
    place: Rect,
    drive: { readonly bend: number; readonly seconds: number },
  ): void {
    const unit = this.#widthPx / 100;
    const lean = Math.max(-1, Math.min(1, drive.bend * 3)) * unit * 30;
    const shake = Math.round(Math.sin(drive.seconds * 37) * unit * 0.5);
    const left = place.x + Math.round((place.width - this.#widthPx) / 2 + lean);
    const top = place.y + place.height - this.#heightPx - Math.round(unit * 14) + shake;
    for (let y = 0; y < this.#heightPx; y++) {
      let from = y * this.#widthPx;
      let at = (top + y) * surface.widthPx + left;
      for (let x = 0; x < this.#widthPx; x++, from++, at++) {
        const alpha = this.#alpha[from] ?? 0;
        if (alpha === 0) continue;
        const colour = this.#colours[from] ?? 0;
        surface.words[at] = alpha === 255 ? colour : mix(surface.words[at] ?? 0, colour, alpha);
      }
    }
  }
}

// In units of a hundredth of its width.
function paintCar(context: SKRSContext2D): void {
  const box = (
    colour: string,
    x: number,
    y: number,
    width: number,
    height: number,
    radius: number,
  ): void => {
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(x, y, width, height, radius);
    context.fill();
  };
  const shadow = context.createRadialGradient(50, 52, 4, 50, 52, 50);
  shadow.addColorStop(0, 'rgba(0, 0, 0, 0.6)');
  shadow.addColorStop(1, 'rgba(0, 0, 0, 0)');
  context.save();
  context.translate(0, 45);
  context.scale(1, 0.14);
  context.fillStyle = shadow;
  context.fillRect(0, 0, 100, 104);
  context.restore();
  for (const x of [9, 74]) box('#15151b', x, 30, 17, 22, 4);
  box('#b3202c', 8, 19, 84, 25, 8);
  box('#d92f3c', 8, 19, 84, 12, 7);
  context.fillStyle = '#a31b26';
  context.beginPath();
  context.moveTo(22, 20);
  context.lineTo(31, 4);
  context.quadraticCurveTo(50, 0, 69, 4);
  context.lineTo(78, 20);
  context.closePath();
  context.fill();
  context.fillStyle = '#26303f';
  context.beginPath();
  context.moveTo(28, 19);
  context.lineTo(34, 7);
  context.quadraticCurveTo(50, 4, 66, 7);
  context.lineTo(72, 19);
  context.closePath();
  context.fill();
  box('#7d1119', 14, 36, 72, 9, 3);
  for (const x of [13, 69]) box('#ffd9a0', x, 25, 18, 6, 3);
  for (const x of [15, 71]) box('#ff5a3c', x, 26, 14, 4, 2);
  box('#f3f0e6', 40, 30, 20, 7, 1.5);
  box('#2b2b33', 43, 32.4, 14, 2.2, 1);
  box('#c72835', 5, 12, 90, 4, 2);
  for (const x of [14, 82]) box('#8f1620', x, 15, 4, 6, 1);
}
