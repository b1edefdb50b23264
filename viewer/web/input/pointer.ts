import type { InputEvent } from '../../../protocol/wire/index.ts';

/** Where the picture lies on the page. */
export interface PointerStage {
  /** The turned picture's box. Units: CSS pixels of the page. */
  readonly box: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  /** Quarter turns clockwise. */
  readonly turns: number;
  /** Size of the guest's screen before it is turned. Units: pixels of the guest. */
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  /** Pixels of the display per CSS pixel. */
  readonly devicePixelRatio: number;
}

/** How near to a pixel of the display counts as on it. Units: pixels of the display. */
const ON_PIXEL = 0.01;

/** A place on the guest's screen under a point of the page; the nearest one for points beside it. */
export function placeOf(
  stage: PointerStage,
  point: { readonly clientX: number; readonly clientY: number },
): { readonly x: number; readonly y: number } {
  const { box, screenWidthPx, screenHeightPx } = stage;
  const across = (seenAt(point.clientX, stage) - box.left) / box.width;
  const down = (seenAt(point.clientY, stage) - box.top) / box.height;
  const [u, v] = unturned(across, down, stage.turns);
  return { x: within(u, screenWidthPx), y: within(v, screenHeightPx) };
}

/**
 * A mouse tells of whole pixels of the display, by their left upper corner. What is seen there lies in
 * the middle: in a view that is turned, the corner belongs to the pixel beside it.
 */
function seenAt(at: number, { devicePixelRatio }: PointerStage): number {
  const px = at * devicePixelRatio;
  const whole = Math.round(px);
  return Math.abs(px - whole) < ON_PIXEL ? (whole + 0.5) / devicePixelRatio : at;
}

/** The pixel that a part of a side falls into. */
function within(part: number, sidePx: number): number {
  return Math.max(0, Math.min(sidePx - 1, Math.floor(part * sidePx)));
}

function unturned(u: number, v: number, turns: number): readonly [number, number] {
  switch (((turns % 4) + 4) % 4) {
    case 1:
      return [v, 1 - u];
    case 2:
      return [1 - u, 1 - v];
    case 3:
      return [1 - v, u];
    default:
      return [u, v];
  }
}

/** A step on the page as a step on the guest's unturned screen. */
export function stepOf(dx: number, dy: number, turns: number): readonly [number, number] {
  switch (((turns % 4) + 4) % 4) {
    case 1:
      return [dy, -dx];
    case 2:
      return [-dx, -dy];
    case 3:
      return [-dy, dx];
    default:
      return [dx, dy];
  }
}

/** What is needed of a `WheelEvent`. */
export interface WheelTurn {
  readonly deltaX: number;
  readonly deltaY: number;
  /** 0 pixels, 1 lines, 2 pages. */
  readonly deltaMode: number;
}

/** 1/120 of a notch in a unit of each mode: 100 pixels, or 3 lines, are a notch. */
const PER_UNIT = [1.2, 40, 120] as const;

/**
 * What a pointer does besides keys, made ready to be sent: steps of less than one count are kept
 * until there is a whole one.
 */
export class Pointer {
  readonly #send: (events: readonly InputEvent[]) => void;
  #buttons = 0;
  #restX = 0;
  #restY = 0;
  #wheelX = 0;
  #wheelY = 0;
  #lastX = -1;
  #lastY = -1;

  constructor(send: (events: readonly InputEvent[]) => void) {
    this.#send = send;
  }

  /** Whether a button is held. */
  get holdsAny(): boolean {
    return this.#buttons !== 0;
  }

  /** The pointer is somewhere. */
  at(place: { readonly x: number; readonly y: number }): void {
    if (place.x === this.#lastX && place.y === this.#lastY) return;
    this.#lastX = place.x;
    this.#lastY = place.y;
    this.#send([{ kind: 'position', ...place }]);
  }

  /** The pointer was moved while it is held by the page. Units: counts, also parts of one. */
  moved(dx: number, dy: number): void {
    this.#restX += dx;
    this.#restY += dy;
    const wholeX = Math.trunc(this.#restX);
    const wholeY = Math.trunc(this.#restY);
    if (wholeX === 0 && wholeY === 0) return;
    this.#restX -= wholeX;
    this.#restY -= wholeY;
    this.#send([{ kind: 'motion', dx: wholeX, dy: wholeY }]);
  }

  /** A button goes down or up: 0 left, 1 middle, 2 right, 3 back, 4 forward. */
  press(button: number, down: boolean): void {
    if (button < 0 || button > 4) return;
    const bit = 1 << button;
    if (((this.#buttons & bit) !== 0) === down) return;
    this.#buttons ^= bit;
    this.#send([{ kind: 'button', button, down }]);
  }

  /** Wheels that turn in small parts of a notch send them on as they are. */
  turned({ deltaX, deltaY, deltaMode }: WheelTurn): void {
    const unit = PER_UNIT[deltaMode] ?? PER_UNIT[0];
    this.#wheelX += deltaX * unit;
    this.#wheelY += deltaY * unit;
    const dx = Math.trunc(this.#wheelX);
    const dy = Math.trunc(this.#wheelY);
    if (dx === 0 && dy === 0) return;
    this.#wheelX -= dx;
    this.#wheelY -= dy;
    this.#send([{ kind: 'wheel', dx, dy }]);
  }

  /** Lets all buttons go, and forgets what was left of steps. */
  release(): void {
    const buttons = this.#buttons;
    this.#buttons = 0;
    this.#restX = 0;
    this.#restY = 0;
    this.#wheelX = 0;
    this.#wheelY = 0;
    this.#lastX = -1;
    this.#lastY = -1;
    for (let button = 0; 1 << button <= buttons; button++)
      if ((buttons & (1 << button)) !== 0) this.#send([{ kind: 'button', button, down: false }]);
  }
}
