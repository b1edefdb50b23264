import type { InputEvent, Locks } from '../../protocol/wire/index.ts';
import { POINTER_BUTTONS } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';

/**
 * Two ways to one keyboard and pointer: the second while the first brings nothing there. Whatever is
 * held when they change goes up by the way by which it went down; a button by the other one, too: a
 * SPICE server that is lost keeps it, and it is the same button that QEMU's control socket presses.
 *
 * Ownership: the two stay their maker's, who closes them after this.
 */
export class EitherInput implements GuestInput {
  readonly #first: GuestInput;
  readonly #second: GuestInput;
  readonly #watchers = new Set<() => void>();
  readonly #unwatch: readonly (() => void)[];
  #used: GuestInput;
  #buttons = 0;

  constructor(first: GuestInput, second: GuestInput) {
    this.#first = first;
    this.#second = second;
    this.#used = this.#chosen;
    this.#unwatch = [first, second].map((way) => way.watch(() => this.#changed()));
  }

  get abilities(): InputAbilities {
    const chosen = this.#chosen;
    // With neither of them a person is told of the one that is missed.
    if (!chosen.abilities.keyboard) return this.#first.abilities;
    return chosen.abilities;
  }

  get locks(): Locks | undefined {
    return this.#chosen.locks;
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    this.#turn();
    this.#used.apply(event, screen);
    if (event.kind === 'release') this.#buttons = 0;
    if (event.kind !== 'button') return;
    const bit = 1 << event.button;
    this.#buttons = event.down ? this.#buttons | bit : this.#buttons & ~bit;
  }

  wanted(): void {
    if (this.#chosen.abilities.keyboard) return;
    this.#first.wanted?.();
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Lets go of everything, and does nothing any more. */
  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
    this.#watchers.clear();
    this.#used.apply({ kind: 'release' });
  }

  get #chosen(): GuestInput {
    return this.#first.abilities.keyboard || !this.#second.abilities.keyboard
      ? this.#first
      : this.#second;
  }

  #turn(): void {
    const chosen = this.#chosen;
    if (chosen === this.#used) return;
    const before = this.#used;
    this.#used = chosen;
    before.apply({ kind: 'release' });
    for (let button = 0; button < POINTER_BUTTONS; button++)
      if ((this.#buttons & (1 << button)) !== 0)
        // One that was not pressed here is not let go here.
        for (const down of [true, false]) chosen.apply({ kind: 'button', button, down });
    this.#buttons = 0;
  }

  #changed(): void {
    this.#turn();
    for (const changed of [...this.#watchers]) changed();
  }
}
