import type { ViewStatus } from '../index.ts';

/** Long enough to be read beside what it is about. */
const FIRST_MS = 6000;
const LATER_MS = 3000;

/** What a person is told of where the picture comes from; empty where nobody would ask. */
export function sourceText({ source, hint, state }: ViewStatus): string {
  if (source !== 'spice') return '';
  // Only beside a region there is something to say about a screen that is shown.
  const isBoot = state === 'showing' && hint !== undefined && hint !== '';
  return isBoot ? 'Boot screen by SPICE' : 'Screen by SPICE';
}

/** Says where the picture comes from when that changes, for a while. */
export class SourceChip {
  readonly #chip: HTMLElement;
  #told = '';
  #wasTold = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(chip: HTMLElement) {
    this.#chip = chip;
  }

  /** Looks at what is shown now. */
  update(status: ViewStatus): void {
    if (status.state !== 'showing') return;
    const text = sourceText(status);
    if (text === this.#told) return;
    const isBack = text === '';
    this.#told = text;
    this.#chip.textContent = isBack ? 'Screen by Looking Glass' : text;
    this.#chip.classList.add('shown');
    clearTimeout(this.#timer);
    const fade = () => this.#chip.classList.remove('shown');
    this.#timer = setTimeout(fade, this.#wasTold ? LATER_MS : FIRST_MS);
    this.#wasTold = true;
  }
}
