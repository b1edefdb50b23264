/** What a panel belongs to. */
export interface PanelOptions {
  /** The button of the toolbar that opens it; Escape brings the focus back to it. */
  readonly button: HTMLButtonElement;
  /** Called before it is shown, to fill it in. */
  readonly opening?: () => void;
  /** What has the focus when it is shown; the focus stays where it is if left out. */
  readonly focus?: HTMLElement;
}

/** The panels below the toolbar, of which one is open at a time. */
export class Panels {
  readonly #bar: HTMLElement;
  readonly #panels = new Map<HTMLElement, PanelOptions>();
  #open: HTMLElement | undefined;

  constructor(bar: HTMLElement) {
    this.#bar = bar;
    document.addEventListener('keydown', (event) => {
      const button = this.#options?.button;
      if (event.key !== 'Escape' || button === undefined) return;
      this.close();
      button.focus();
    });
    document.addEventListener('pointerdown', ({ target }) => {
      if (!(target instanceof Node) || this.#bar.contains(target)) return;
      if (this.#open?.contains(target) === false) this.close();
    });
  }

  /** Whether one is open. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** The button of the one that is open. */
  get owner(): HTMLButtonElement | undefined {
    return this.#options?.button;
  }

  /** Has a panel opened and closed by its button. */
  add(panel: HTMLElement, options: PanelOptions): void {
    this.#panels.set(panel, options);
    options.button.addEventListener('click', () => {
      if (this.#open !== undefined && this.#options?.button === options.button) this.close();
      else this.open(panel);
    });
  }

  /** A further panel of a button, which something else opens. */
  addFurther(panel: HTMLElement, options: PanelOptions): void {
    this.#panels.set(panel, options);
  }

  /** Shows a panel instead of the one that is open. */
  open(panel: HTMLElement): void {
    this.close();
    const options = this.#panels.get(panel);
    if (options === undefined) return;
    options.opening?.();
    this.#open = panel;
    panel.hidden = false;
    options.button.setAttribute('aria-expanded', 'true');
    options.focus?.focus();
  }

  /** Closes whichever is open. */
  close(): void {
    if (this.#open === undefined) return;
    this.#options?.button.setAttribute('aria-expanded', 'false');
    this.#open.hidden = true;
    this.#open = undefined;
  }

  get #options(): PanelOptions | undefined {
    return this.#open === undefined ? undefined : this.#panels.get(this.#open);
  }
}
