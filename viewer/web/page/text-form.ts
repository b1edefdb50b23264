import type { KvmfrView } from '../index.ts';

/** Where a form for text is, and what it tells. */
export interface TextFormOptions {
  readonly form: HTMLFormElement;
  readonly field: HTMLTextAreaElement;
  readonly note: HTMLElement;
  /** All of it was typed. */
  readonly done: () => void;
}

/** Characters that have no key, as a sentence. */
export function missingText(missing: readonly string[]): string {
  return `Left out, for want of a key: ${missing.join(' ')}`;
}

/** Types a text in the guest, key by key. */
export class TextForm {
  readonly #view: KvmfrView;
  readonly #options: TextFormOptions;
  #typing = false;

  constructor(view: KvmfrView, options: TextFormOptions) {
    this.#view = view;
    this.#options = options;
    const { form, field } = options;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#type();
    });
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#type();
    });
  }

  #type(): void {
    const { field, note } = this.#options;
    if (this.#typing || field.value === '') return;
    this.#busy(true);
    note.textContent = 'Typing…';
    this.#view
      .typeText(field.value)
      .then((missing) => this.#typed(missing))
      .finally(() => this.#busy(false));
  }

  #typed(missing: readonly string[]): void {
    const { field, note, done } = this.#options;
    if (missing.length > 0) {
      note.textContent = missingText(missing);
      return;
    }
    note.textContent = '';
    field.value = '';
    done();
  }

  #busy(busy: boolean): void {
    this.#typing = busy;
    for (const button of this.#options.form.querySelectorAll('button')) button.disabled = busy;
  }
}
