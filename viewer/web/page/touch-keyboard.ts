import type { KvmfrView } from '../index.ts';
import { editBetween } from './edit.ts';

/** A text field is only asked to open a keyboard while there is something to delete in it. */
const FILLER = '_'.repeat(64);
const MAX_CHARS = 256;
/** Keys that a keyboard has besides characters; the field's own are told by its text. */
const KEYS: ReadonlySet<string> = new Set([
  ...['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'],
  ...['Home', 'End', 'PageUp', 'PageDown', 'Tab', 'Escape', 'Delete'],
]);

/** Where a touch keyboard is, and what it tells. */
export interface TouchKeyboardOptions {
  readonly field: HTMLTextAreaElement;
  readonly button: HTMLButtonElement;
  /** Some characters have no key. */
  readonly missed: (missing: readonly string[]) => void;
}

/**
 * The keyboard of a phone, for the guest.
 *
 * Such keyboards tell of text and not of keys: they write words, then others instead of them. So a
 * field out of sight has the focus, and what changes in it is done in the guest.
 */
export class TouchKeyboard {
  readonly #view: KvmfrView;
  readonly #options: TouchKeyboardOptions;
  #text = FILLER;
  #before: Promise<unknown> = Promise.resolve();

  constructor(view: KvmfrView, options: TouchKeyboardOptions) {
    this.#view = view;
    this.#options = options;
    const { field, button } = options;
    // A press would take the focus from the field, and so close what it is to toggle.
    button.addEventListener('mousedown', (event) => event.preventDefault());
    button.addEventListener('click', () => {
      if (this.isOpen) field.blur();
      else this.#open();
    });
    field.addEventListener('focus', () => button.setAttribute('aria-pressed', 'true'));
    field.addEventListener('blur', () => button.setAttribute('aria-pressed', 'false'));
    field.addEventListener('input', (event) => {
      this.#changed(event instanceof InputEvent && event.isComposing);
    });
    field.addEventListener('compositionend', () => this.#changed(false));
    field.addEventListener('keydown', (event) => {
      if (!KEYS.has(event.key) || event.isComposing) return;
      event.preventDefault();
      // Escape closes panels of the page, but is the guest's here.
      event.stopPropagation();
      this.#then(() => view.sendKeys([event.key]));
    });
  }

  /** Whether it is open, as far as browsers tell. */
  get isOpen(): boolean {
    return document.activeElement === this.#options.field;
  }

  #open(): void {
    this.#reset();
    this.#options.field.focus({ preventScroll: true });
  }

  #reset(): void {
    const { field } = this.#options;
    this.#text = FILLER;
    field.value = FILLER;
    field.setSelectionRange(FILLER.length, FILLER.length);
  }

  #changed(composing: boolean): void {
    const { value } = this.#options.field;
    const { deleted, inserted } = editBetween(this.#text, value);
    this.#text = value;
    // Another value in the middle of a word would end the word.
    if (!composing && (value.length < FILLER.length / 2 || value.length > MAX_CHARS)) this.#reset();
    if (deleted === 0 && inserted === '') return;
    this.#then(async () => {
      for (let count = 0; count < deleted; count++) this.#view.sendKeys(['Backspace']);
      const missing = await this.#view.typeText(inserted);
      if (missing.length > 0) this.#options.missed(missing);
    });
  }

  /** What was typed first arrives first. */
  #then(run: () => unknown): void {
    this.#before = this.#before.then(run);
  }
}
