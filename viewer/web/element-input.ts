import { KvmfrError } from '../../protocol/error.ts';
import { keyOfCode } from '../../protocol/keys.ts';
import type { InputState } from '../../protocol/wire/index.ts';
import type { Clipboards } from './clipboard/clipboards.ts';
import type { ElementView } from './element-view.ts';
import { type Captured, Controls } from './input/controls.ts';
import type { PointerStage } from './input/pointer.ts';
import { Typist } from './input/typist.ts';

/** Attributes of a view that keyboard and pointer are set up by. */
export const INPUT_ATTRIBUTES: readonly string[] = [
  'pointer',
  'sensitivity',
  'escape',
  'view-only',
];

/** What the input of a view works with. */
export interface ElementInputOptions {
  /** The view, with its attributes. */
  readonly host: HTMLElement;
  readonly view: ElementView;
  /** Where the picture lies; undefined while there is none. */
  readonly stage: () => PointerStage | undefined;
  /** What is done passes by there: what is pasted goes before the key that pastes it. */
  readonly clipboards: Clipboards;
}

/** Keyboard, pointer and fingers of a view, and who may use them. */
export class ElementInput {
  readonly #options: ElementInputOptions;
  readonly #controls: Controls;
  readonly #typist: Typist;
  #state: InputState | undefined;
  #viewOnly: boolean | undefined;

  constructor(options: ElementInputOptions) {
    const { host, view, stage, clipboards } = options;
    this.#options = options;
    this.#controls = new Controls({
      host,
      viewport: view.viewport,
      stage,
      send: (events, atMs) => clipboards.pass(events, atMs),
      leaves: (event) => clipboards.leaves(event),
      pointed: (place) => view.cursor.lead(place),
      changed: () => this.#changed(),
    });
    this.#typist = new Typist((codes) => this.#controls.chord(codes));
  }

  /** Who may act on the guest, and how; undefined when this viewer never may, or nobody can. */
  get state(): InputState | undefined {
    return this.#state;
  }

  /** Whether the relay lets this viewer only look; undefined before it has said so. */
  get viewOnly(): boolean | undefined {
    return this.#viewOnly;
  }

  /** What of keyboard and pointer goes to the guest now. */
  get captured(): Captured {
    return this.#controls.captured;
  }

  /** Takes what the relay says of who may act. */
  tell(state: InputState | undefined): void {
    this.#state = state;
    this.setUp();
  }

  /** Takes whether the relay lets this viewer only look. */
  tellViewOnly(viewOnly: boolean): void {
    this.#viewOnly = viewOnly;
    this.#changed();
  }

  /** Begins to listen. The answer ends it, and lets go of everything. */
  start(): () => void {
    this.setUp();
    const stop = this.#controls.start();
    return () => {
      stop();
      this.#typist.stop();
    };
  }

  /** Does what the view's attributes say. */
  setUp(): void {
    const { host } = this.#options;
    const controls = this.#controls;
    controls.escapeCodes = (host.getAttribute('escape') ?? 'ControlLeft AltLeft')
      .split(/\s+/)
      .filter((code) => keyOfCode(code) !== undefined);
    const factor = Number(host.getAttribute('sensitivity') ?? 1);
    controls.sensitivity = factor > 0 && factor <= 100 ? factor : 1;
    controls.relative = host.getAttribute('pointer') === 'relative';
    const state = host.hasAttribute('view-only') ? undefined : this.#state;
    // Who can act must be reachable by the keyboard, and who cannot is no stop on the way.
    if (state === undefined) host.removeAttribute('tabindex');
    else if (!host.hasAttribute('tabindex')) host.tabIndex = 0;
    // Whoever is told of it may give the view the focus at once.
    controls.allow(state);
  }

  /** Presses keys together, in order, and lets them go. @throws ERR_KVMFR_ARGUMENT */
  sendKeys(codes: readonly string[]): void {
    const unknown = codes.find((code) => keyOfCode(code) === undefined);
    if (unknown !== undefined)
      throw new KvmfrError('ERR_KVMFR_ARGUMENT', `there must be a key ${unknown}, but is none`);
    this.#controls.chord(codes);
  }

  /** Types text. Settles with the characters that have no key. */
  typeText(text: string): Promise<readonly string[]> {
    return this.#typist.type(text);
  }

  #changed(): void {
    this.#options.host.dispatchEvent(new CustomEvent('inputchange'));
  }
}
