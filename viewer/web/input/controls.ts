import type { InputEvent, InputState } from '../../../protocol/wire/index.ts';
import { Keyboard, type KeyboardSystem } from './keyboard.ts';
import { Pointer, type PointerStage, placeOf, stepOf } from './pointer.ts';
import { Touch } from './touch.ts';

/** What controls work with. */
export interface ControlsOptions {
  /** Has the focus while keys go to the guest. */
  readonly host: HTMLElement;
  /** Where pointers are listened to: the viewport that holds the picture. */
  readonly viewport: HTMLElement;
  /** Where the picture lies; undefined while there is none. */
  readonly stage: () => PointerStage | undefined;
  /** Units: milliseconds since 1970 by the page's monotonic clock. */
  readonly send: (events: readonly InputEvent[], atMs: number) => void;
  /** The pointer of this side is at a place of the guest's screen. */
  readonly pointed: (place: { readonly x: number; readonly y: number }) => void;
  /** Whether the browser is to do its own with a key, too. Asked before the key is sent. */
  readonly leaves: (event: KeyboardEvent) => boolean;
  /** Something that a person is shown has changed: what is captured. */
  readonly changed: () => void;
}

/** What of the person's input goes to the guest now. */
export interface Captured {
  readonly keyboard: boolean;
  /** The browser's pointer is held, and its steps go to the guest. */
  readonly pointerLocked: boolean;
}

/** How a pointer lock is asked for where browsers take no options. */
type RequestLock = (options?: { readonly unadjustedMovement: boolean }) => unknown;

function systemOf(platform: string): KeyboardSystem {
  if (/mac|iphone|ipad/i.test(platform)) return 'mac';
  return /win/i.test(platform) ? 'windows' : 'other';
}

/**
 * Brings keyboard, mouse and fingers on a view to the guest, while the relay lets this viewer.
 *
 * Keys go to the guest while the view has the focus; the escape (both keys pressed and let go with
 * nothing between) gives them back to the page, and the next press on the picture takes them again.
 */
export class Controls {
  readonly #options: ControlsOptions;
  readonly #keyboard: Keyboard;
  readonly #pointer: Pointer;
  readonly #touch: Touch;
  #state: InputState | undefined;
  #escapeCodes: readonly string[] = ['ControlLeft', 'AltLeft'];
  #sensitivity = 1;
  #relative = false;
  #focused = false;
  #atMs = 0;
  /** Whether this browser tells of a mouse as often as the mouse does, and not once a picture. */
  #hasRaw = false;

  constructor(options: ControlsOptions) {
    this.#options = options;
    const send = (events: readonly InputEvent[]): void => options.send(events, this.#atMs);
    const after = (ms: number, run: () => void): (() => void) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    };
    const controls = this;
    this.#keyboard = new Keyboard({
      system: systemOf(navigator.platform),
      send,
      after,
      get escapeCodes() {
        return controls.#escapeCodes;
      },
      escaped: () => this.#escaped(),
    });
    this.#pointer = new Pointer(send);
    this.#touch = new Touch({
      placeOf: (finger) => this.#placeOf(finger) ?? { x: 0, y: 0 },
      send,
      after: (ms, run) =>
        after(ms, () => {
          this.#atMs = performance.timeOrigin + performance.now();
          run();
        }),
      felt: () => navigator.vibrate?.(15),
    });
  }

  /** What goes to the guest now. */
  get captured(): Captured {
    return { keyboard: this.#focused && this.#takesKeys, pointerLocked: this.#isLocked };
  }

  /** Codes of the keys that give the keyboard back to the page; none: no keys do. */
  set escapeCodes(codes: readonly string[]) {
    this.#escapeCodes = codes;
  }

  /** Counts of the guest's mouse for a count of this one, in relative mode. */
  set sensitivity(factor: number) {
    this.#sensitivity = factor;
  }

  /** Whether a press on the picture holds the pointer, and steps go to the guest instead of places. */
  set relative(on: boolean) {
    this.#relative = on;
    if (!on && this.#isLocked) document.exitPointerLock();
  }

  /** Takes what the relay says; undefined while there is none. */
  allow(state: InputState | undefined): void {
    const had = this.#mayAct;
    this.#state = state;
    if (had && !this.#mayAct) this.#rest();
    if (!this.#mayAct && this.#isLocked) document.exitPointerLock();
    this.#options.viewport.classList.toggle('acts', this.#pointsAbsolutely);
    this.#options.changed();
  }

  /** Presses keys together, in order, and lets them go. */
  chord(codes: readonly string[]): void {
    this.#atMs = performance.timeOrigin + performance.now();
    this.#keyboard.chord(codes);
  }

  /** Begins to listen. The answer ends it, and lets go of everything. */
  start(): () => void {
    const { host, viewport } = this.#options;
    const ended = new AbortController();
    const { signal } = ended;
    const on = <Kind extends keyof HTMLElementEventMap>(
      target: HTMLElement,
      kind: Kind,
      run: (event: HTMLElementEventMap[Kind]) => void,
    ): void => target.addEventListener(kind, run, { signal, passive: false });
    on(host, 'keydown', (event) => this.#key(event));
    on(host, 'keyup', (event) => this.#key(event));
    on(host, 'focus', () => this.#focus(true));
    on(host, 'blur', () => this.#focus(false));
    on(viewport, 'pointerdown', (event) => this.#pointerDown(event));
    on(viewport, 'pointerup', (event) => this.#pointerUp(event));
    on(viewport, 'pointermove', (event) => this.#pointerMoved(event));
    // Of the types that TypeScript knows this event has none yet.
    viewport.addEventListener(
      'pointerrawupdate',
      (event) => {
        if (event instanceof PointerEvent) this.#pointerRaw(event);
      },
      { signal },
    );
    on(viewport, 'pointercancel', (event) => this.#pointerGone(event));
    on(viewport, 'wheel', (event) => this.#wheel(event));
    on(viewport, 'contextmenu', (event) => {
      if (this.#mayAct) event.preventDefault();
    });
    const leave = (): void => this.#rest();
    window.addEventListener('blur', leave, { signal });
    window.addEventListener('pagehide', leave, { signal });
    document.addEventListener('visibilitychange', leave, { signal });
    const locked = (): void => {
      this.#pointer.release();
      this.#options.changed();
    };
    document.addEventListener('pointerlockchange', locked, { signal });
    return () => {
      this.#rest();
      if (this.#isLocked) document.exitPointerLock();
      ended.abort();
    };
  }

  get #mayAct(): boolean {
    return this.#state !== undefined && this.#state.holder !== 'other';
  }

  get #takesKeys(): boolean {
    return this.#mayAct && this.#state?.keyboard === true;
  }

  get #pointsAbsolutely(): boolean {
    return this.#mayAct && this.#state?.absolute === true && !this.#relative;
  }

  get #isLocked(): boolean {
    const root = this.#options.viewport.getRootNode();
    const owner = root instanceof ShadowRoot ? root.pointerLockElement : null;
    return owner === this.#options.viewport;
  }

  #focus(focused: boolean): void {
    this.#focused = focused;
    if (!focused) this.#rest();
    this.#options.changed();
  }

  #rest(): void {
    this.#atMs = performance.timeOrigin + performance.now();
    this.#keyboard.release();
    this.#pointer.release();
    this.#touch.cancel();
  }

  #escaped(): void {
    if (this.#isLocked) document.exitPointerLock();
    this.#options.host.blur();
  }

  #key(event: KeyboardEvent): void {
    if (!this.#takesKeys || event.isComposing) return;
    this.#stamp(event);
    const isLeft = this.#options.leaves(event);
    if (this.#keyboard.handle(event) && !isLeft) event.preventDefault();
  }

  #pointerDown(event: PointerEvent): void {
    if (!this.#mayAct) return;
    this.#stamp(event);
    event.preventDefault();
    // A finger that points must not close the keyboard of a phone, which a field of the page has open.
    if (event.pointerType !== 'touch' || !isTextField(document.activeElement))
      this.#options.host.focus({ preventScroll: true });
    if (event.pointerType === 'touch') {
      this.#options.viewport.setPointerCapture(event.pointerId);
      this.#touch.down(fingerOf(event));
      return;
    }
    if (this.#wantsLock) {
      this.#lock();
      // The press that takes the pointer is no click in the guest.
      if (!this.#isLocked) return;
    } else {
      this.#options.viewport.setPointerCapture(event.pointerId);
      this.#point(event);
    }
    this.#pointer.press(event.button, true);
  }

  #pointerUp(event: PointerEvent): void {
    if (!this.#mayAct) return;
    this.#stamp(event);
    if (event.pointerType === 'touch') {
      this.#touch.up(event.pointerId);
      return;
    }
    event.preventDefault();
    if (!this.#isLocked) this.#point(event);
    this.#pointer.press(event.button, false);
  }

  #pointerMoved(event: PointerEvent): void {
    if (!this.#mayAct) return;
    this.#stamp(event);
    if (event.pointerType === 'touch') {
      this.#touch.move(fingerOf(event));
      return;
    }
    // A second button tells of itself by a move.
    if (event.button >= 0) this.#pointer.press(event.button, isPressed(event));
    if (this.#hasRaw && event.pointerType === 'mouse') return;
    if (this.#isLocked) this.#step(event);
    else this.#point(event);
  }

  /** What the next `pointermove` tells of as well, when the browser draws its next picture. */
  #pointerRaw(event: PointerEvent): void {
    if (!this.#mayAct || event.pointerType !== 'mouse') return;
    this.#hasRaw = true;
    this.#stamp(event);
    if (this.#isLocked) this.#step(event);
    else this.#point(event);
  }

  #pointerGone(event: PointerEvent): void {
    this.#stamp(event);
    if (event.pointerType === 'touch') this.#touch.cancel();
    else this.#pointer.release();
  }

  #wheel(event: WheelEvent): void {
    if (!this.#mayAct) return;
    this.#stamp(event);
    event.preventDefault();
    this.#pointer.turned(event);
  }

  #point(event: PointerEvent): void {
    if (!this.#pointsAbsolutely) return;
    const place = this.#placeOf(event);
    if (place === undefined) return;
    this.#options.pointed(place);
    this.#pointer.at(place);
  }

  #step(event: PointerEvent): void {
    if (this.#state?.relative !== true) return;
    const turns = this.#options.stage()?.turns ?? 0;
    const factor = this.#sensitivity;
    const [dx, dy] = stepOf(event.movementX * factor, event.movementY * factor, turns);
    this.#pointer.moved(dx, dy);
  }

  #placeOf(point: { readonly clientX: number; readonly clientY: number }) {
    const stage = this.#options.stage();
    return stage === undefined ? undefined : placeOf(stage, point);
  }

  /** Whether a press on the picture is to hold the pointer. */
  get #wantsLock(): boolean {
    const state = this.#state;
    return state?.relative === true && (this.#relative || !state.absolute);
  }

  #lock(): void {
    if (this.#isLocked) return;
    const { viewport } = this.#options;
    const request: RequestLock = viewport.requestPointerLock.bind(viewport);
    const asked = request({ unadjustedMovement: true });
    // Where a mouse cannot be had without its acceleration, it is had with it.
    if (asked instanceof Promise) asked.catch(() => request()).catch(() => undefined);
  }

  #stamp(event: Event): void {
    this.#atMs = performance.timeOrigin + event.timeStamp;
  }
}

function isTextField(element: Element | null): boolean {
  return element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
}

function fingerOf({ pointerId: id, clientX, clientY }: PointerEvent) {
  return { id, clientX, clientY };
}

/** Whether the button that a move is about is down: the mask has another order than the numbers. */
function isPressed({ button, buttons }: PointerEvent): boolean {
  const bit = [1, 4, 2, 8, 16][button] ?? 0;
  return (buttons & bit) !== 0;
}
