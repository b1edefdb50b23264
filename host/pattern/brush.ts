import { type Canvas, createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { registerFonts } from './fonts.ts';
import { OPAQUE, type Sprite } from './surface.ts';

const MAX_KEPT = 32;
const kept: Map<number, Canvas> = new Map();

/**
 * Draws a sprite with a canvas. Every pixel has to be painted: the canvas still shows what was drawn
 * with it before.
 */
export function paintSprite(
  widthPx: number,
  heightPx: number,
  draw: (context: SKRSContext2D) => void,
): Sprite {
  registerFonts();
  const canvas = canvasOf(widthPx, heightPx);
  const context = canvas.getContext('2d');
  context.save();
  draw(context);
  context.restore();
  return readCanvas(canvas);
}

/** The pixels of a canvas as an opaque sprite. */
export function readCanvas(canvas: Canvas): Sprite {
  const bytes = canvas.data();
  const rgba = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const words = new Uint32Array(rgba.length);
  for (let i = 0; i < rgba.length; i++) {
    const word = rgba[i] ?? 0;
    words[i] = OPAQUE | ((word & 0xff) << 16) | (word & 0xff00) | ((word >>> 16) & 0xff);
  }
  return { widthPx: canvas.width, heightPx: canvas.height, words };
}

/** The pixels of a canvas as B, G, R, A bytes with straight alpha. */
export function readCanvasWithAlpha(canvas: Canvas): Uint8Array<ArrayBuffer> {
  const { width, height } = canvas;
  const rgba = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const bgra = new Uint8Array(rgba.length);
  for (let i = 0; i < rgba.length; i += 4) {
    bgra[i] = rgba[i + 2] ?? 0;
    bgra[i + 1] = rgba[i + 1] ?? 0;
    bgra[i + 2] = rgba[i] ?? 0;
    bgra[i + 3] = rgba[i + 3] ?? 0;
  }
  return bgra;
}

// The same few sizes are painted over and over, a line of text at a time.
function canvasOf(widthPx: number, heightPx: number): Canvas {
  const key = widthPx * 65536 + heightPx;
  let canvas = kept.get(key);
  if (canvas === undefined) {
    if (kept.size === MAX_KEPT) kept.clear();
    canvas = createCanvas(widthPx, heightPx);
    // Large ones are drawn once, and would keep their memory.
    if (widthPx * heightPx < 1 << 18) kept.set(key, canvas);
  }
  return canvas;
}

/** Width of a text. Units: pixels. */
export function measure(font: string, text: string): number {
  registerFonts();
  const context = canvasOf(16, 16).getContext('2d');
  context.font = font;
  return context.measureText(text).width;
}
