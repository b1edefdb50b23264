import type { InputEvent, Locks } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';
import { partOf, pieceOf } from './place.ts';

/** A way to put the guest's pointer at a place, and nothing else. */
export interface PointerWish {
  /** Whether the guest takes places by it. */
  readonly available: boolean;
  /** Units: pixels of the guest's desktop. Newest wins. */
  moveTo(place: { readonly x: number; readonly y: number }): void;
  /** Calls back once the guest has acted on the newest place, or will not. */
  whenSettled(run: () => void): void;
  /** Calls back when `available` is another. The answer ends it. */
  watch(changed: () => void): () => void;
}

/** What a person does with buttons while a place is on its way; more goes before it. */
const MAX_WAITING = 32;

type ButtonEvent = InputEvent & { readonly kind: 'button' | 'wheel' };

/**
 * A keyboard and pointer that can only be moved by steps, with places that go another way: so that the
 * guest's pointer and the browser's stay one. A click waits until the guest has the place it is for.
 *
 * Ownership: both ways stay their maker's, who closes them after this.
 */
export class PlacedInput implements GuestInput {
  readonly #inner: GuestInput;
  readonly #wish: PointerWish;
  #waiting: { readonly event: ButtonEvent; readonly screen: GuestScreen | undefined }[] = [];

  constructor(inner: GuestInput, wish: PointerWish) {
    this.#inner = inner;
    this.#wish = wish;
  }

  get abilities(): InputAbilities {
    const { abilities } = this.#inner;
    if (!this.#places(abilities)) return abilities;
    const { keyboard, relative } = abilities;
    return { keyboard, relative, absolute: true };
  }

  get locks(): Locks | undefined {
    return this.#inner.locks;
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    switch (event.kind) {
      case 'position':
        if (!this.#places(this.#inner.abilities)) this.#inner.apply(event, screen);
        else if (screen !== undefined) this.#place(event, screen);
        return;
      case 'button':
      case 'wheel':
        this.#click(event, screen);
        return;
      case 'release':
        this.#flush();
        this.#inner.apply(event, screen);
        return;
      default:
        this.#inner.apply(event, screen);
    }
  }

  wanted(): void {
    this.#inner.wanted?.();
  }

  watch(changed: () => void): () => void {
    const ends = [this.#inner.watch(changed), this.#wish.watch(changed)];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Whether places go by the wish: the other way knows steps, and no places. */
  #places(abilities: InputAbilities): boolean {
    return abilities.relative && !abilities.absolute && this.#wish.available;
  }

  #place(place: { readonly x: number; readonly y: number }, screen: GuestScreen): void {
    // What was clicked before it goes before it.
    this.#flush();
    const part = partOf(place, screen);
    const { screenWidthPx, screenHeightPx, rotation } = screen;
    const isUpright = (rotation & 1) === 0;
    this.#wish.moveTo({
      x: pieceOf(part.x, isUpright ? screenWidthPx : screenHeightPx),
      y: pieceOf(part.y, isUpright ? screenHeightPx : screenWidthPx),
    });
  }

  #click(event: ButtonEvent, screen: GuestScreen | undefined): void {
    this.#waiting.push({ event, screen });
    if (this.#waiting.length >= MAX_WAITING) this.#flush();
    else if (this.#waiting.length === 1) this.#wish.whenSettled(() => this.#flush());
  }

  #flush(): void {
    for (const { event, screen } of this.#waiting.splice(0)) this.#inner.apply(event, screen);
  }
}
