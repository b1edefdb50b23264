import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import type { CursorShapeInput } from '../cursor.ts';
import { readCanvasWithAlpha } from './brush.ts';

/** The shapes that the pointer of the synthetic guest takes. */
export type PointerShapeName = 'arrow' | 'beam' | 'hand' | 'resize';

const SIDE = 32;

/**
 * Makes the shapes in a size. Between them they use all three kinds: arrow and hand are colour, the
 * beam is monochrome and inverts the screen, the arrows for resizing are masked colour.
 *
 * @param scale a whole number: 1 for shapes of 32 pixels
 */
export function makePointerShapes(scale: number): {
  readonly [K in PointerShapeName]: CursorShapeInput;
} {
  return {
    arrow: colourShape(scale, { x: 4, y: 3 }, paintArrow),
    hand: colourShape(scale, { x: 12, y: 4 }, paintHand),
    beam: beamShape(scale),
    resize: resizeShape(scale),
  };
}

function colourShape(
  scale: number,
  hotspot: { readonly x: number; readonly y: number },
  paint: (context: SKRSContext2D) => void,
): CursorShapeInput {
  const side = SIDE * scale;
  const canvas = createCanvas(side, side);
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  context.lineJoin = 'round';
  paint(context);
  return {
    kind: 'color',
    widthPx: side,
    heightPx: side,
    hotspotX: hotspot.x * scale,
    hotspotY: hotspot.y * scale,
    pitchBytes: side * 4,
    bytes: readCanvasWithAlpha(canvas),
  };
}

function paintArrow(context: SKRSContext2D): void {
  context.beginPath();
  for (const [x, y] of [
    [4, 3],
    [4, 23],
    [9, 18.5],
    [12.4, 26],
    [16, 24.4],
    [12.7, 17],
    [19.5, 17],
  ] as const)
    context.lineTo(x, y);
  context.closePath();
  context.lineWidth = 3;
  context.strokeStyle = 'white';
  context.stroke();
  context.fillStyle = '#16161c';
  context.fill();
}

function paintHand(context: SKRSContext2D): void {
  context.beginPath();
  context.roundRect(10.2, 4, 3.8, 15, 1.9);
  context.roundRect(14, 11, 3.6, 9, 1.8);
  context.roundRect(17.6, 12, 3.5, 9, 1.7);
  context.roundRect(21.1, 13.4, 3.2, 8, 1.6);
  context.roundRect(10.2, 15, 14.1, 12, 5);
  context.moveTo(10.6, 21.5);
  context.lineTo(6.4, 16.8);
  context.lineTo(8.6, 15);
  context.lineTo(12, 18);
  context.closePath();
  context.lineWidth = 3;
  context.strokeStyle = '#16161c';
  context.stroke();
  context.fillStyle = 'white';
  context.fill();
  context.strokeStyle = 'rgba(22, 22, 28, 0.55)';
  context.lineWidth = 0.8;
  context.beginPath();
  for (const x of [14, 17.6, 21.1]) {
    context.moveTo(x, 14.5);
    context.lineTo(x, 18.5);
  }
  context.stroke();
}

// AND 1, XOR 0 leaves the screen as it is; AND 1, XOR 1 inverts it.
function beamShape(scale: number): CursorShapeInput {
  const side = SIDE * scale;
  const pitchBytes = side / 8;
  const bytes = new Uint8Array(2 * side * pitchBytes);
  bytes.fill(0xff, 0, side * pitchBytes);
  const invert = (x: number, y: number): void => {
    for (let dy = 0; dy < scale; dy++)
      for (let dx = 0; dx < scale; dx++) {
        const column = x * scale + dx;
        const at = (side + y * scale + dy) * pitchBytes + (column >> 3);
        bytes[at] = (bytes[at] ?? 0) | (0x80 >> (column & 7));
      }
  };
  for (let y = 7; y <= 24; y++) invert(16, y);
  for (const y of [6, 25]) for (const x of [13, 14, 15, 17, 18, 19]) invert(x, y);
  return {
    kind: 'monochrome',
    widthPx: side,
    heightPx: side,
    hotspotX: 16 * scale,
    hotspotY: 16 * scale,
    pitchBytes,
    bytes,
  };
}

// A = 0: the colour replaces the screen. A = 255: it is XOR-ed with it, so black is transparent.
function resizeShape(scale: number): CursorShapeInput {
  const side = SIDE * scale;
  const bytes = new Uint8Array(side * side * 4);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const at = (y * side + x) * 4;
      const part = resizePart(Math.floor(x / scale), Math.floor(y / scale));
      const grey = part === 'white' || part === 'inverted' ? 255 : 0;
      bytes.fill(grey, at, at + 3);
      bytes[at + 3] = part === 'clear' || part === 'inverted' ? 255 : 0;
    }
  return {
    kind: 'masked-color',
    widthPx: side,
    heightPx: side,
    hotspotX: 16 * scale,
    hotspotY: 16 * scale,
    pitchBytes: side * 4,
    bytes,
  };
}

function resizePart(x: number, y: number): 'clear' | 'black' | 'white' | 'inverted' {
  // Two lines that invert what is below them, between two arrows.
  if ((x === 15 || x === 17) && y >= 9 && y <= 23) return 'inverted';
  const isArrow = (px: number, py: number): boolean => {
    const fromTip = px < 16 ? px - 5 : 27 - px;
    const spread = Math.abs(py - 16);
    return fromTip >= 0 && (fromTip <= 5 ? spread <= fromTip : fromTip <= 8 && spread <= 1);
  };
  if (isArrow(x, y)) return 'black';
  for (let dy = -1; dy <= 1; dy++)
    for (let dx = -1; dx <= 1; dx++) if (isArrow(x + dx, y + dy)) return 'white';
  return 'clear';
}
