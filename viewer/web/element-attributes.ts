import type { EncodingChoice } from './core/messages.ts';
import { INPUT_ATTRIBUTES } from './element-input.ts';
import { SOUND_ATTRIBUTES } from './element-sound.ts';
import type { ScaleMode } from './render/layout.ts';

// Where there is no page, as in Node, the class can be imported but not used.
const ElementBase: typeof HTMLElement = Reflect.get(globalThis, 'HTMLElement') ?? class {};

/** What can be said to a view in its tag, as properties. */
export class ElementAttributes extends ElementBase {
  /** Attributes whose changes take effect at once. */
  static readonly observedAttributes: readonly string[] = [
    'src',
    'token',
    'scale',
    'encoding',
    'rotation',
    ...INPUT_ATTRIBUTES,
    ...SOUND_ATTRIBUTES,
  ];

  /** Address of the relay's socket as given; empty when it is `ws` beside the page. */
  get src(): string {
    return this.getAttribute('src') ?? '';
  }
  set src(value: string) {
    this.setAttribute('src', value);
  }

  /** Token for the relay; empty when a cookie carries it. */
  get token(): string {
    return this.getAttribute('token') ?? '';
  }
  set token(value: string) {
    this.setAttribute('token', value);
  }

  /** How the picture fills the element. */
  get scale(): ScaleMode {
    const value = this.getAttribute('scale');
    return value === '1:1' || value === 'fill' ? value : 'fit';
  }
  set scale(value: ScaleMode) {
    this.setAttribute('scale', value);
  }

  /** How the picture should travel. */
  get encoding(): EncodingChoice {
    const value = this.getAttribute('encoding');
    return value === 'lossless' || value === 'video' || value === 'jpeg' ? value : 'auto';
  }
  set encoding(value: EncodingChoice) {
    this.setAttribute('encoding', value);
  }

  /** How the view turns the picture, besides the guest. Units: degrees clockwise. */
  get rotation(): number {
    const degrees = Number(this.getAttribute('rotation'));
    return Number.isInteger(degrees / 90) ? ((degrees % 360) + 360) % 360 : 0;
  }
  set rotation(value: number) {
    this.setAttribute('rotation', String(value));
  }

  /** Whether this view plays nothing of the guest. */
  get muted(): boolean {
    return this.hasAttribute('muted');
  }
  set muted(muted: boolean) {
    this.toggleAttribute('muted', muted);
  }
}

/** The address of a view's socket with its token; undefined when `src` is none. */
export function socketAddress(view: Pick<ElementAttributes, 'src' | 'token'>): string | undefined {
  const given = view.src === '' ? 'ws' : view.src;
  let url: URL;
  try {
    url = new URL(given, document.baseURI);
  } catch {
    return undefined;
  }
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return undefined;
  url.hash = '';
  if (view.token !== '') url.searchParams.set('token', view.token);
  return url.href;
}
