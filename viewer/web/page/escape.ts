import type { KvmfrView } from '../index.ts';
import { remember, remembered } from './settings.ts';

/** Keys that give the keyboard back, as the view's attribute has them, and as a person calls them. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['ControlLeft AltLeft', 'Ctrl + Alt'],
  ['ControlRight', 'Right Ctrl'],
  ['ShiftLeft ShiftRight', 'Both Shift keys'],
  ['ScrollLock', 'Scroll Lock'],
]);
const USUAL = 'ControlLeft AltLeft';

/** The choice of keys that give the keyboard back to the page. */
export class EscapeChoice {
  readonly #view: KvmfrView;
  readonly #select: HTMLSelectElement;

  constructor(view: KvmfrView, select: HTMLSelectElement) {
    this.#view = view;
    this.#select = select;
    for (const [codes, name] of ESCAPES) select.add(new Option(name, codes));
    select.addEventListener('change', () => {
      this.#set(select.value);
      remember('escape', select.value);
    });
    this.#set(remembered('escape') ?? USUAL);
  }

  /** What a person calls the keys. */
  get name(): string {
    return ESCAPES.get(this.#select.value) ?? '';
  }

  #set(codes: string): void {
    this.#select.value = ESCAPES.has(codes) ? codes : USUAL;
    this.#view.setAttribute('escape', this.#select.value);
  }
}
