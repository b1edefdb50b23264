import { PAGE_KEYBOARD } from '../../protocol/keys.ts';
import type { InputEvent, Locks } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';
import { Notches } from './notches.ts';
import { partOf, pieceOf, turnedStep } from './place.ts';

/** What {@link LgmpInput} needs of `client.input()`. */
export interface InputLine {
  readonly state: {
    readonly available: boolean;
    readonly absolute: boolean;
    readonly owner: 'nobody' | 'us' | 'other';
    readonly leds:
      | { readonly numLock: boolean; readonly capsLock: boolean; readonly scrollLock: boolean }
      | undefined;
  };
  watch(changed: () => void): () => void;
  keyboard(report: { readonly modifiers: number; readonly keys: readonly number[] }): void;
  move(report: {
    readonly buttons: number;
    readonly deltaX: number;
    readonly deltaY: number;
    readonly wheel?: number;
  }): void;
  moveTo(report: { readonly buttons: number; readonly x: number; readonly y: number }): void;
  releaseAll(): void;
}

/** Bits of HID for the buttons of the wire: left, middle, right, back, forward. */
const BUTTON_BITS: readonly number[] = [1, 4, 2, 8, 16];
const FIRST_MODIFIER = 0xe0;
const LAST_MODIFIER = 0xe7;
const PLACES = 32768;

/**
 * Keyboard and pointer of a guest by its region: keys and buttons are put together to the full states
 * that go there. Media keys it does not know.
 *
 * Ownership: the line stays its maker's, who closes it after this.
 */
export class LgmpInput implements GuestInput {
  readonly #line: InputLine;
  readonly #notches: Notches;
  readonly #keys: Set<number> = new Set();
  #modifiers = 0;
  #buttons = 0;

  constructor(line: InputLine, options: { readonly nowMs?: () => number } = {}) {
    this.#line = line;
    this.#notches = new Notches(options.nowMs ?? (() => performance.now()));
  }

  get abilities(): InputAbilities {
    const { available, absolute, owner } = this.#line.state;
    const nothing = { keyboard: false, absolute: false, relative: false };
    if (!available) return { ...nothing, reason: 'the guest takes no input by its region' };
    if (owner === 'other')
      return { ...nothing, reason: 'another program has the keyboard and mouse of the guest' };
    return { keyboard: true, absolute, relative: true };
  }

  get locks(): Locks | undefined {
    const { available, leds } = this.#line.state;
    if (!available || leds === undefined) return undefined;
    return { caps: leds.capsLock, num: leds.numLock, scroll: leds.scrollLock };
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    switch (event.kind) {
      case 'key':
        if (event.key.page === PAGE_KEYBOARD) this.#press(event.key.usage, event.down);
        return;
      case 'button': {
        const bit = BUTTON_BITS[event.button] ?? 0;
        this.#buttons = event.down ? this.#buttons | bit : this.#buttons & ~bit;
        this.#move({ x: 0, y: 0 });
        return;
      }
      case 'motion':
        this.#move(turnedStep(event.dx, event.dy, screen?.rotation ?? 0));
        return;
      case 'wheel': {
        // The wire counts towards the person, HID away from it; sideways this knows nothing.
        const wheel = this.#notches.add(-event.dy);
        if (wheel !== 0) this.#move({ x: 0, y: 0 }, wheel);
        return;
      }
      case 'position': {
        if (screen === undefined || !this.#line.state.absolute) return;
        const part = partOf(event, screen);
        const [x, y] = [pieceOf(part.x, PLACES), pieceOf(part.y, PLACES)];
        this.#line.moveTo({ buttons: this.#buttons, x, y });
        return;
      }
      default:
        this.#releaseAll();
    }
  }

  watch(changed: () => void): () => void {
    return this.#line.watch(changed);
  }

  /** Lets go of everything. */
  close(): void {
    this.#releaseAll();
  }

  #press(usage: number, down: boolean): void {
    if (usage >= FIRST_MODIFIER && usage <= LAST_MODIFIER) {
      const bit = 1 << (usage - FIRST_MODIFIER);
      this.#modifiers = down ? this.#modifiers | bit : this.#modifiers & ~bit;
    } else if (usage < 4 || usage > LAST_MODIFIER) return;
    else if (down) this.#keys.add(usage);
    else this.#keys.delete(usage);
    this.#line.keyboard({ modifiers: this.#modifiers, keys: [...this.#keys] });
  }

  #move(step: { readonly x: number; readonly y: number }, wheel = 0): void {
    this.#line.move({ buttons: this.#buttons, deltaX: step.x, deltaY: step.y, wheel });
  }

  #releaseAll(): void {
    this.#keys.clear();
    this.#modifiers = 0;
    this.#buttons = 0;
    this.#notches.forget();
    this.#line.releaseAll();
  }
}
