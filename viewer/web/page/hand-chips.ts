import type { KvmfrView } from '../index.ts';

/** The relay forgets a wish after so long. */
const ASK_MS = 20_000;
const FIRST_MS = 6000;
const LATER_MS = 2200;
const MAX_NAME = 60;

/** Where chips are, and what they need to know. */
export interface HandChipsOptions {
  readonly capture: HTMLElement;
  readonly holder: HTMLElement;
  readonly asker: HTMLElement;
  /** What a person calls the keys that give the keyboard back. */
  readonly escapeName: () => string;
  /** Whether there may be a keyboard that one types on, and so something to say about it. */
  readonly hasKeyboard: () => boolean;
  /** The input has come to this viewer from another one. */
  readonly received: () => void;
}

/** Says where keyboard and pointer go, and who has them; hands them over between viewers. */
export class HandChips {
  readonly #view: KvmfrView;
  readonly #options: HandChipsOptions;
  #told = { keyboard: false, pointer: false };
  #held = '';
  #captureTimer: ReturnType<typeof setTimeout> | undefined;
  #askTimer: ReturnType<typeof setTimeout> | undefined;
  #asked = false;
  /** Whose wish was set aside, until it is over. */
  #dismissed: string | undefined;
  #wasOther = false;

  constructor(view: KvmfrView, options: HandChipsOptions) {
    this.#view = view;
    this.#options = options;
    on(options.holder, 'ask', () => this.#ask());
    on(options.asker, 'give', () => view.giveInput());
    on(options.asker, 'dismiss', () => {
      this.#dismissed = view.input?.askedBy;
      this.update();
    });
  }

  /** Looks at what has changed. */
  update(): void {
    this.#updateCapture();
    this.#updateHolder();
    this.#updateAsker();
  }

  #updateCapture(): void {
    const { keyboard, pointerLocked } = this.#view.captured;
    const { capture, escapeName, hasKeyboard } = this.#options;
    const held = pointerLocked ? 'pointer' : keyboard && hasKeyboard() ? 'keyboard' : '';
    if (held === this.#held) return;
    this.#held = held;
    clearTimeout(this.#captureTimer);
    capture.classList.toggle('shown', held !== '');
    if (held === '') return;
    const first = !this.#told[held];
    this.#told = { ...this.#told, [held]: true };
    const back = escapeName();
    capture.textContent =
      held === 'pointer'
        ? `The guest holds the pointer · ${back} lets it go`
        : `Keyboard goes to the guest · ${back} gives it back`;
    const fade = () => capture.classList.remove('shown');
    this.#captureTimer = setTimeout(fade, first ? FIRST_MS : LATER_MS);
  }

  #updateHolder(): void {
    const { input } = this.#view;
    const { holder, received } = this.#options;
    const isOther = input?.holder === 'other';
    holder.hidden = !isOther;
    if (!isOther) {
      if (this.#wasOther && input?.holder === 'you') received();
      this.#wasOther = false;
      this.#forgetAsking();
      return;
    }
    this.#wasOther = true;
    text(holder, `${named(input.holderName)} has keyboard and mouse`);
    const button = holder.querySelector('button');
    if (button === null) return;
    button.disabled = this.#asked && !input.free;
    button.textContent = input.free ? 'Take it' : this.#asked ? 'Asked' : 'Ask for it';
  }

  #updateAsker(): void {
    const askedBy = this.#view.input?.askedBy;
    if (askedBy === undefined) this.#dismissed = undefined;
    const { asker } = this.#options;
    asker.hidden = askedBy === undefined || askedBy === this.#dismissed;
    if (askedBy !== undefined) text(asker, `${named(askedBy)} asks for keyboard and mouse`);
  }

  #ask(): void {
    this.#asked = true;
    clearTimeout(this.#askTimer);
    this.#askTimer = setTimeout(() => {
      this.#asked = false;
      this.update();
    }, ASK_MS);
    this.#view.takeInput();
    this.update();
  }

  #forgetAsking(): void {
    this.#asked = false;
    clearTimeout(this.#askTimer);
  }
}

/** Who it is, in words that a stranger's name cannot stretch. */
function named(name: string | undefined): string {
  const known = name?.trim() ?? '';
  return known === '' ? 'Another viewer' : `The viewer at ${known.slice(0, MAX_NAME)}`;
}

// What stays the same is not said again by a screen reader.
function text(chip: HTMLElement, words: string): void {
  const span = chip.querySelector('span');
  if (span !== null && span.textContent !== words) span.textContent = words;
}

function on(chip: HTMLElement, name: string, run: () => void): void {
  chip.querySelector(`[data-do="${name}"]`)?.addEventListener('click', run);
}
