import type { InputEvent } from '../../../protocol/wire/index.ts';

/** A finger. */
export interface Finger {
  readonly id: number;
  readonly clientX: number;
  readonly clientY: number;
}

/** How fingers become a pointer. */
export interface TouchOptions {
  /** The place on the guest's screen below a finger. */
  readonly placeOf: (finger: Finger) => { readonly x: number; readonly y: number };
  readonly send: (events: readonly InputEvent[]) => void;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Something was done that a person may feel: a long press. */
  readonly felt: () => void;
}

/** A finger that lies still for so long presses the right button. */
const LONG_PRESS_MS = 500;
/** A finger that has moved less than this lies still. Units: CSS pixels. */
const STILL_PX = 10;
/** Wheel for a pixel of two fingers, in 1/120 of a notch. */
const WHEEL_PER_PX = 3;

type Gesture = 'none' | 'undecided' | 'drag' | 'pressed' | 'scroll';

/**
 * Fingers as a pointer: a tap clicks, a finger that moves drags with the left button, one that lies
 * still clicks with the right one, and two fingers turn the wheel.
 */
export class Touch {
  readonly #options: TouchOptions;
  readonly #fingers = new Map<number, Finger>();
  #gesture: Gesture = 'none';
  #start: Finger | undefined;
  #cancelLong: (() => void) | undefined;
  #wheelX = 0;
  #wheelY = 0;

  constructor(options: TouchOptions) {
    this.#options = options;
  }

  /** A finger touches. */
  down(finger: Finger): void {
    this.#fingers.set(finger.id, finger);
    if (this.#fingers.size === 1) {
      this.#gesture = 'undecided';
      this.#start = finger;
      this.#cancelLong = this.#options.after(LONG_PRESS_MS, () => this.#longPress());
      return;
    }
    this.#stopLong();
    // A second finger makes it a scroll, unless something is being dragged already.
    if (this.#gesture === 'undecided') this.#gesture = 'scroll';
  }

  /** A finger moves. */
  move(finger: Finger): void {
    const before = this.#fingers.get(finger.id);
    if (before === undefined) return;
    this.#fingers.set(finger.id, finger);
    if (this.#gesture === 'scroll') this.#scroll(before, finger);
    else if (this.#gesture === 'drag') this.#go(finger);
    else if (this.#gesture === 'undecided' && this.#hasMoved(finger)) this.#drag(finger);
  }

  /** A finger is lifted. */
  up(id: number): void {
    const finger = this.#fingers.get(id);
    if (finger === undefined) return;
    this.#fingers.delete(id);
    if (this.#gesture === 'undecided' && this.#start !== undefined) this.#click(this.#start, 0);
    if (this.#gesture === 'drag') {
      this.#go(finger);
      this.#options.send([{ kind: 'button', button: 0, down: false }]);
      this.#gesture = 'none';
    }
    if (this.#fingers.size === 0) this.#rest();
  }

  /** The browser takes the fingers away: nothing is clicked. */
  cancel(): void {
    if (this.#gesture === 'drag') this.#options.send([{ kind: 'button', button: 0, down: false }]);
    this.#fingers.clear();
    this.#rest();
  }

  #rest(): void {
    this.#stopLong();
    this.#gesture = 'none';
    this.#start = undefined;
    this.#wheelX = 0;
    this.#wheelY = 0;
  }

  #stopLong(): void {
    this.#cancelLong?.();
    this.#cancelLong = undefined;
  }

  #hasMoved({ clientX, clientY }: Finger): boolean {
    const start = this.#start;
    if (start === undefined) return false;
    return Math.hypot(clientX - start.clientX, clientY - start.clientY) > STILL_PX;
  }

  #go(finger: Finger): void {
    this.#options.send([{ kind: 'position', ...this.#options.placeOf(finger) }]);
  }

  #drag(finger: Finger): void {
    this.#stopLong();
    this.#gesture = 'drag';
    // What is dragged lies where the finger came down, not where it is now.
    this.#go(this.#start ?? finger);
    this.#options.send([{ kind: 'button', button: 0, down: true }]);
    this.#go(finger);
  }

  #longPress(): void {
    if (this.#gesture !== 'undecided' || this.#start === undefined) return;
    this.#gesture = 'pressed';
    this.#click(this.#start, 2);
    this.#options.felt();
  }

  #click(finger: Finger, button: number): void {
    this.#go(finger);
    this.#options.send([
      { kind: 'button', button, down: true },
      { kind: 'button', button, down: false },
    ]);
  }

  #scroll(before: Finger, now: Finger): void {
    // Each of two fingers tells of its half.
    const share = WHEEL_PER_PX / this.#fingers.size;
    this.#wheelX -= (now.clientX - before.clientX) * share;
    this.#wheelY -= (now.clientY - before.clientY) * share;
    const dx = Math.trunc(this.#wheelX);
    const dy = Math.trunc(this.#wheelY);
    if (dx === 0 && dy === 0) return;
    this.#wheelX -= dx;
    this.#wheelY -= dy;
    this.#options.send([{ kind: 'wheel', dx, dy }]);
  }
}
