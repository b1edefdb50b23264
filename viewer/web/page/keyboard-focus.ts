import type { KvmfrView } from '../index.ts';

/** Whether what is done on a view reaches the guest now. */
export function mayAct(view: KvmfrView): boolean {
  return view.input !== undefined && view.input.holder !== 'other';
}

/**
 * Gives the view the focus, so that one can type without a click first: when the page loads, and
 * when the input comes back after it was away. Who has pressed the escape is left alone.
 */
export class KeyboardFocus {
  readonly #view: KvmfrView;
  #wanted = true;
  #had = false;

  constructor(view: KvmfrView) {
    this.#view = view;
  }

  /** Looks at what has changed. The answer is whether the keyboard was just given back by a person. */
  update(): boolean {
    const has = this.#view.captured.keyboard;
    const gone = this.#had && !has && mayAct(this.#view) && document.hasFocus();
    this.#had = has;
    if (has) this.#wanted = true;
    else if (gone) this.#wanted = false;
    else if (this.#wanted && mayAct(this.#view) && document.activeElement === document.body)
      this.take();
    return gone;
  }

  /** Gives the keyboard to the guest, after a menu. */
  take(): void {
    if (mayAct(this.#view)) this.#view.focus({ preventScroll: true });
  }
}
