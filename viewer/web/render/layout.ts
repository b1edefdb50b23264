/** How the picture fills its place: all of it, pixel by pixel, or no border. */
export type ScaleMode = 'fit' | '1:1' | 'fill';

/** What a layout is made from. */
export interface LayoutInput {
  readonly mode: ScaleMode;
  /** Quarter turns clockwise. */
  readonly turns: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** The place, in pixels of the display. */
  readonly placeWidthPx: number;
  readonly placeHeightPx: number;
  /** Pixels of the display per CSS pixel. */
  readonly devicePixelRatio: number;
}

/** Where the picture goes. Units: CSS pixels, but on whole pixels of the display. */
export interface Layout {
  /** Size of the picture before it is turned. */
  readonly width: number;
  readonly height: number;
  /** The turned picture's place. */
  readonly left: number;
  readonly top: number;
  readonly boxWidth: number;
  readonly boxHeight: number;
  /** CSS transform that turns the picture into its place. */
  readonly transform: string;
  /** Whether a pixel of the guest is a whole number of pixels of the display, so edges stay sharp. */
  readonly crisp: boolean;
  /** Whether the picture is larger than its place. */
  readonly scrolls: boolean;
}

// A ratio just above a whole number is taken down to it: a border nobody sees, for sharp pixels.
const SNAP = 1.02;

function ratio(input: LayoutInput, width: number, height: number): number {
  if (input.mode === '1:1') return 1;
  const across = input.placeWidthPx / width;
  const down = input.placeHeightPx / height;
  if (input.mode === 'fill') return Math.max(across, down);
  const plain = Math.min(across, down);
  const whole = Math.floor(plain);
  return whole >= 1 && plain <= whole * SNAP ? whole : plain;
}

/** Places a picture. */
export function layoutPicture(input: LayoutInput): Layout {
  const turns = ((input.turns % 4) + 4) % 4;
  const sideways = turns % 2 === 1;
  const acrossPx = sideways ? input.heightPx : input.widthPx;
  const downPx = sideways ? input.widthPx : input.heightPx;
  const scale = ratio(input, acrossPx, downPx);
  const boxWidthPx = Math.max(1, Math.round(acrossPx * scale));
  const boxHeightPx = Math.max(1, Math.round(downPx * scale));
  const dpr = input.devicePixelRatio;
  const boxWidth = boxWidthPx / dpr;
  const boxHeight = boxHeightPx / dpr;
  return {
    width: sideways ? boxHeight : boxWidth,
    height: sideways ? boxWidth : boxHeight,
    left: Math.max(0, Math.floor((input.placeWidthPx - boxWidthPx) / 2)) / dpr,
    top: Math.max(0, Math.floor((input.placeHeightPx - boxHeightPx) / 2)) / dpr,
    boxWidth,
    boxHeight,
    transform: turnTransform(turns, boxWidth, boxHeight),
    crisp: Number.isInteger(scale),
    scrolls: boxWidthPx > input.placeWidthPx || boxHeightPx > input.placeHeightPx,
  };
}

// The picture turns around its own left upper corner, and is then moved back into its box.
function turnTransform(turns: number, boxWidth: number, boxHeight: number): string {
  switch (turns) {
    case 1:
      return `translate(${boxWidth}px, 0px) rotate(90deg)`;
    case 2:
      return `translate(${boxWidth}px, ${boxHeight}px) rotate(180deg)`;
    case 3:
      return `translate(0px, ${boxHeight}px) rotate(270deg)`;
    default:
      return 'none';
  }
}
