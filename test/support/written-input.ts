import type { InputEvent, Locks } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen, InputAbilities } from '../../viewer/hands/guest-input.ts';

/** A guest's keyboard and pointer that write down what they are told. */
export class WrittenInput implements GuestInput {
  abilities: InputAbilities = { keyboard: true, absolute: true, relative: true };
  locks: Locks | undefined;
  readonly events: InputEvent[] = [];
  /** The screens that they were on. */
  readonly screens: (GuestScreen | undefined)[] = [];
  readonly keys: Set<string> = new Set();
  readonly buttons: Set<number> = new Set();
  #changed: () => void = () => undefined;

  /** What came, as words. */
  get got(): readonly string[] {
    return this.events.map(nameOf);
  }

  /** Whether anything is held. */
  get holdsAny(): boolean {
    return this.keys.size + this.buttons.size > 0;
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    this.screens.push(screen);
    if (event.kind === 'key') {
      if (event.down) this.keys.add(event.key.code);
      else this.keys.delete(event.key.code);
    } else if (event.kind === 'button') {
      if (event.down) this.buttons.add(event.button);
      else this.buttons.delete(event.button);
    }
    this.events.push(event);
  }

  watch(changed: () => void): () => void {
    this.#changed = changed;
    return () => {
      this.#changed = () => undefined;
    };
  }

  /** The guest takes something else from now on. */
  turn(abilities: InputAbilities, locks?: Locks): void {
    this.abilities = abilities;
    this.locks = locks;
    this.#changed();
  }

  /** Forgets what came. */
  clear(): void {
    this.events.length = 0;
    this.screens.length = 0;
  }
}

function nameOf(event: InputEvent): string {
  switch (event.kind) {
    case 'key':
      return `${event.key.code}${event.down ? '+' : '-'}`;
    case 'button':
      return `button ${event.button}${event.down ? '+' : '-'}`;
    case 'position':
      return `at ${event.x},${event.y}`;
    case 'release':
      return 'release';
    default:
      return `${event.kind} ${event.dx},${event.dy}`;
  }
}
