import type { SKRSContext2D } from '@napi-rs/canvas';
import { hash } from './random.ts';

interface Glow {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly colour: string;
  readonly strength: number;
}

const GLOWS: readonly Glow[] = [
  { x: 0.12, y: 0.1, radius: 0.75, colour: '32, 74, 135', strength: 0.95 },
  { x: 0.95, y: 0.0, radius: 0.7, colour: '90, 62, 160', strength: 0.9 },
  { x: 0.62, y: 0.55, radius: 0.6, colour: '176, 80, 140', strength: 0.55 },
  { x: 1.0, y: 1.0, radius: 0.75, colour: '240, 138, 93', strength: 0.85 },
  { x: 0.0, y: 1.0, radius: 0.65, colour: '22, 110, 130', strength: 0.8 },
];

const RIBBONS = 7;

/** Paints a soft gradient with ribbons over all of a canvas. */
export function paintWallpaper(
  context: SKRSContext2D,
  widthPx: number,
  heightPx: number,
  seed: number,
): void {
  context.fillStyle = 'rgb(18, 20, 52)';
  context.fillRect(0, 0, widthPx, heightPx);
  const reach = Math.hypot(widthPx, heightPx);
  for (const glow of GLOWS) {
    const x = glow.x * widthPx;
    const y = glow.y * heightPx;
    const gradient = context.createRadialGradient(x, y, 0, x, y, glow.radius * reach);
    gradient.addColorStop(0, `rgba(${glow.colour}, ${glow.strength})`);
    gradient.addColorStop(1, `rgba(${glow.colour}, 0)`);
    context.fillStyle = gradient;
    context.fillRect(0, 0, widthPx, heightPx);
  }
  for (let ribbon = 0; ribbon < RIBBONS; ribbon++)
    paintRibbon(context, widthPx, heightPx, seed, ribbon);
}

function paintRibbon(
  context: SKRSContext2D,
  widthPx: number,
  heightPx: number,
  seed: number,
  ribbon: number,
): void {
  const roll = (index: number): number => hash(seed, ribbon * 16 + index);
  const left = heightPx * (0.25 + 0.13 * ribbon + 0.1 * roll(0));
  const right = heightPx * (0.05 + 0.11 * ribbon + 0.12 * roll(1));
  const bend = heightPx * (0.25 + 0.3 * roll(2));
  const thickness = heightPx * (0.16 + 0.2 * roll(3));
  const gradient = context.createLinearGradient(0, 0, widthPx, heightPx);
  gradient.addColorStop(0, 'rgba(255, 255, 255, 0.0)');
  gradient.addColorStop(0.35 + 0.3 * roll(4), 'rgba(255, 226, 240, 0.075)');
  gradient.addColorStop(1, 'rgba(255, 255, 255, 0.0)');
  context.fillStyle = gradient;
  context.beginPath();
  context.moveTo(0, left);
  context.bezierCurveTo(widthPx * 0.3, left - bend, widthPx * 0.6, right + bend, widthPx, right);
  context.lineTo(widthPx, right + thickness);
  context.bezierCurveTo(
    widthPx * 0.6,
    right + bend + thickness * 1.6,
    widthPx * 0.3,
    left - bend + thickness * 0.6,
    0,
    left + thickness,
  );
  context.closePath();
  context.fill();
}
