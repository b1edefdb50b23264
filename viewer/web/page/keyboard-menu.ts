import type { KvmfrView } from '../index.ts';
import { mayAct } from './keyboard-focus.ts';

/** Keys that browsers and systems keep for themselves, by what is written on the button. */
const CHORDS: readonly (readonly [name: string, ...codes: string[]])[] = [
  ['Ctrl + Alt + Del', 'ControlLeft', 'AltLeft', 'Delete'],
  ['Alt + Tab', 'AltLeft', 'Tab'],
  ['Alt + F4', 'AltLeft', 'F4'],
  ['Ctrl + Esc', 'ControlLeft', 'Escape'],
  ['Super', 'MetaLeft'],
  ['Print Screen', 'PrintScreen'],
];
const CONSOLES = 12;

const LIGHTS = [
  ['caps', 'Caps'],
  ['num', 'Num'],
  ['scroll', 'Scroll'],
] as const;

/** Where a keyboard menu is, and what it tells. */
export interface KeyboardMenuOptions {
  readonly panel: HTMLElement;
  /** Keys were sent. */
  readonly sent: () => void;
}

/** Sends what cannot be typed in a browser, and shows the lights of the guest's keyboard. */
export class KeyboardMenu {
  readonly #view: KvmfrView;
  readonly #keys: HTMLFieldSetElement;
  readonly #reason: HTMLElement;
  readonly #lights: HTMLElement;

  constructor(view: KvmfrView, { panel, sent }: KeyboardMenuOptions) {
    this.#view = view;
    this.#keys = part(panel, 'fieldset', HTMLFieldSetElement);
    this.#reason = part(panel, '.reason', HTMLElement);
    this.#lights = part(panel, '.lights', HTMLElement);
    const press = (codes: readonly string[]) => () => {
      view.sendKeys(codes);
      sent();
    };
    part(panel, '.chords', HTMLElement).append(
      ...CHORDS.map(([name, ...codes]) => button(name, press(codes))),
    );
    part(panel, '.consoles', HTMLElement).append(
      ...Array.from({ length: CONSOLES }, (_, at) => {
        const key = `F${at + 1}`;
        const one = button(key, press(['ControlLeft', 'AltLeft', key]));
        one.setAttribute('aria-label', `Ctrl + Alt + ${key}`);
        return one;
      }),
    );
  }

  /** Shows what the guest takes, and its lights. */
  update(): void {
    const { input } = this.#view;
    if (input === undefined) return;
    this.#keys.disabled = !(mayAct(this.#view) && input.keyboard);
    this.#reason.textContent = reasonFor(this.#view);
    const { locks } = input;
    this.#lights.hidden = locks === undefined;
    if (locks === undefined) return;
    this.#lights.replaceChildren(
      ...LIGHTS.map(([lock, name]) => {
        const light = document.createElement('li');
        light.textContent = name;
        light.dataset['on'] = String(locks[lock]);
        light.setAttribute('aria-label', `${name} Lock ${locks[lock] ? 'on' : 'off'}`);
        return light;
      }),
    );
  }
}

/** Why no keys can be sent; empty when they can. */
function reasonFor(view: KvmfrView): string {
  const { input } = view;
  if (!mayAct(view)) return 'Another viewer has keyboard and mouse.';
  if (input?.keyboard === true) return '';
  return input?.reason ?? 'The guest takes no keys now.';
}

function button(name: string, run: () => void): HTMLButtonElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = name;
  made.addEventListener('click', run);
  return made;
}

function part<Kind extends HTMLElement>(
  panel: HTMLElement,
  selector: string,
  kind: new () => Kind,
): Kind {
  const found = panel.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`the page's panel has no ${selector}`);
  return found;
}
