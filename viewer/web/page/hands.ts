import type { KvmfrView } from '../index.ts';
import { EscapeChoice } from './escape.ts';
import { find } from './find.ts';
import { HandChips } from './hand-chips.ts';
import { KeyboardFocus, mayAct } from './keyboard-focus.ts';
import { KeyboardLock } from './keyboard-lock.ts';
import { KeyboardMenu } from './keyboard-menu.ts';
import type { Panels } from './panels.ts';
import { PointerMenu } from './pointer-menu.ts';
import { missingText, TextForm } from './text-form.ts';
import { TouchKeyboard } from './touch-keyboard.ts';

const LONG_SAY_MS = 6000;

/** What the controls of keyboard and pointer work with. */
export interface HandsOptions {
  readonly bar: HTMLElement;
  readonly panels: Panels;
  readonly say: (text: string, forMs?: number) => void;
  /** A person has given the keyboard back to the page. */
  readonly escaped: () => void;
}

/** All of the page that is about acting on the guest; out of sight where one can only look. */
export class Hands {
  readonly #view: KvmfrView;
  readonly #options: HandsOptions;
  readonly #handle = find('#handle', HTMLElement);
  readonly #keyboardButton = find('#keyboard', HTMLButtonElement);
  readonly #touchButton = find('#touch-keyboard', HTMLButtonElement);
  readonly #mouseButton = find('#mouse', HTMLButtonElement);
  readonly #hasTouch = matchMedia('(any-pointer: coarse)');
  readonly #hasMouse = matchMedia('(any-pointer: fine)');
  readonly #focus: KeyboardFocus;
  readonly #lock = new KeyboardLock();
  readonly #escape: EscapeChoice;
  readonly #keyboardMenu: KeyboardMenu;
  readonly #pointerMenu: PointerMenu;
  readonly #chips: HandChips;

  constructor(view: KvmfrView, options: HandsOptions) {
    this.#view = view;
    this.#options = options;
    this.#focus = new KeyboardFocus(view);
    this.#escape = new EscapeChoice(view, find('#escape', HTMLSelectElement));
    this.#keyboardMenu = this.#newKeyboardMenu();
    this.#pointerMenu = this.#newPointerMenu();
    this.#chips = new HandChips(view, {
      capture: find('#capture', HTMLElement),
      holder: find('#holder', HTMLElement),
      asker: find('#asker', HTMLElement),
      escapeName: () => this.#escape.name,
      hasKeyboard: () => this.#hasMouse.matches,
      received: () => {
        options.say('Keyboard and mouse are yours');
        this.#focus.take();
      },
    });
    this.#addTyping();
    new TouchKeyboard(view, {
      field: find('#touch-field', HTMLTextAreaElement),
      button: this.#touchButton,
      missed: (missing) => options.say(missingText(missing)),
    });
    options.bar.addEventListener('click', (event) => this.#pressed(event));
    for (const media of [this.#hasTouch, this.#hasMouse])
      media.addEventListener('change', () => this.update());
  }

  /** Looks at what has changed. */
  update(): void {
    const { input } = this.#view;
    const hasInput = input !== undefined;
    this.#keyboardButton.hidden = !hasInput;
    this.#touchButton.hidden = !(hasInput && this.#hasTouch.matches);
    this.#mouseButton.hidden = !(hasInput && this.#hasMouse.matches);
    this.#handle.hidden = !mayAct(this.#view);
    if (!hasInput && this.#options.panels.owner?.matches('#keyboard, #mouse') === true)
      this.#options.panels.close();
    this.#keyboardMenu.update();
    this.#pointerMenu.update();
    this.#chips.update();
    const { keyboard } = this.#view.captured;
    this.#keyboardButton.dataset['captured'] = String(keyboard);
    const isFull = document.fullscreenElement !== null;
    this.#lock.wanted = isFull && mayAct(this.#view) && input?.keyboard === true;
    if (this.#focus.update()) this.#options.escaped();
  }

  #newKeyboardMenu(): KeyboardMenu {
    const panel = find('#keys', HTMLElement);
    const { panels } = this.#options;
    panels.add(panel, { button: this.#keyboardButton });
    return new KeyboardMenu(this.#view, {
      panel,
      sent: () => {
        panels.close();
        this.#focus.take();
      },
    });
  }

  #newPointerMenu(): PointerMenu {
    const panel = find('#pointing', HTMLElement);
    this.#options.panels.add(panel, { button: this.#mouseButton });
    return new PointerMenu(this.#view, {
      panel,
      slider: find('#sensitivity', HTMLInputElement),
      factor: find('#factor', HTMLOutputElement),
      stepsChosen: () =>
        this.#options.say(
          `Click the picture to hold the pointer. ${this.#escape.name} lets it go.`,
          LONG_SAY_MS,
        ),
    });
  }

  #addTyping(): void {
    const panel = find('#typing', HTMLElement);
    const field = find('#typing-text', HTMLTextAreaElement);
    const { panels } = this.#options;
    panels.addFurther(panel, { button: this.#keyboardButton, focus: field });
    find('#type-text', HTMLButtonElement).addEventListener('click', () => panels.open(panel));
    new TextForm(this.#view, {
      form: find('#typing-form', HTMLFormElement),
      field,
      note: find('#typing-note', HTMLElement),
      done: () => {
        panels.close();
        this.#focus.take();
      },
    });
  }

  // A mouse on the toolbar is no wish to go on by keyboard there: the guest gets it back.
  #pressed({ detail }: MouseEvent): void {
    if (detail === 0 || this.#options.panels.isOpen) return;
    const focused = document.activeElement;
    if (focused === document.body || this.#options.bar.contains(focused)) this.#focus.take();
  }
}
