import type { KvmfrView } from '../index.ts';
import { remember, remembered } from './settings.ts';

/** Where a pointer menu is, and what it tells. */
export interface PointerMenuOptions {
  readonly panel: HTMLElement;
  readonly slider: HTMLInputElement;
  readonly factor: HTMLOutputElement;
  /** Steps were chosen: the next press on the picture holds the pointer. */
  readonly stepsChosen: () => void;
}

/** The choice between places and steps, and how far a step goes. The slider counts powers of two. */
export class PointerMenu {
  readonly #view: KvmfrView;
  readonly #options: PointerMenuOptions;

  constructor(view: KvmfrView, options: PointerMenuOptions) {
    this.#view = view;
    this.#options = options;
    const { panel, slider, stepsChosen } = options;
    panel.addEventListener('change', ({ target }) => {
      if (!(target instanceof HTMLInputElement) || target.name !== 'pointer') return;
      view.setAttribute('pointer', target.value);
      remember('pointer', target.value);
      if (target.value === 'relative') stepsChosen();
    });
    slider.addEventListener('input', () => {
      remember('sensitivity', slider.value);
      this.#setFactor();
    });
    view.setAttribute('pointer', remembered('pointer') === 'relative' ? 'relative' : 'auto');
    slider.value = remembered('sensitivity') ?? '0';
    this.#setFactor();
  }

  /** Shows what the guest takes. */
  update(): void {
    const { input } = this.#view;
    if (input === undefined) return;
    const wantsSteps = this.#view.getAttribute('pointer') === 'relative';
    const steps = input.relative && (wantsSteps || !input.absolute);
    for (const choice of this.#options.panel.querySelectorAll<HTMLInputElement>(
      'input[name="pointer"]',
    )) {
      const isSteps = choice.value === 'relative';
      choice.disabled = !(isSteps ? input.relative : input.absolute);
      choice.checked = isSteps === steps;
    }
    this.#options.slider.disabled = !steps;
  }

  #setFactor(): void {
    const { slider, factor } = this.#options;
    const times = 2 ** Number(slider.value);
    this.#view.setAttribute('sensitivity', String(times));
    factor.textContent = `${Number(times.toFixed(2))}×`;
    slider.setAttribute('aria-valuetext', `${factor.textContent}`);
  }
}
