import {
  type Codec,
  type Encoding,
  encodeViewerHello,
  TILE_CODING_NAMES,
  WIRE_VERSION,
} from '../../../protocol/wire/index.ts';
import type { Clock } from './clock.ts';

/** What a greeting works with. */
export interface GreetingOptions {
  readonly clock: Clock;
  readonly canInflate: boolean;
  /** Asks the browser which video codecs it decodes. */
  readonly codecs: () => Promise<readonly Codec[]>;
  /** Told what the browser answered, and what is left when a codec has failed. */
  readonly learnt: (codecs: readonly Codec[]) => void;
}

/** A browser that takes longer to say which codecs it has is taken to have none. */
const PATIENCE_MS = 500;

/** The viewer's hello: it waits until the browser has told which codecs it has. */
export class Greeting {
  readonly #options: GreetingOptions;
  #codecs: readonly Codec[] | undefined;

  constructor(options: GreetingOptions) {
    this.#options = options;
    const forget = options.clock.after(PATIENCE_MS, () => this.#learn([]));
    options.codecs().then(
      (codecs) => {
        forget();
        this.#learn(codecs);
      },
      () => this.#learn([]),
    );
  }

  /** The codec is there by the browser's own word, but cannot decode: do without from now on. */
  drop(codec: Codec): void {
    if (this.#codecs === undefined) return;
    this.#codecs = this.#codecs.filter((name) => name !== codec);
    this.#options.learnt(this.#codecs);
  }

  /** Whether this browser decodes one of these codecs. */
  hasOneOf(codecs: readonly Codec[]): boolean {
    return this.#codecs?.some((codec) => codecs.includes(codec)) === true;
  }

  /** The message; undefined until it is known what to say. */
  message(view: {
    readonly visible: boolean;
    readonly refreshHz: number | undefined;
  }): Uint8Array<ArrayBuffer> | undefined {
    const codecs = this.#codecs;
    if (codecs === undefined) return undefined;
    const encodings: Encoding[] = this.#options.canInflate ? ['lossless'] : [];
    if (codecs.length > 0) encodings.push('video');
    encodings.push('jpeg');
    const { visible, refreshHz } = view;
    return encodeViewerHello({
      wire: WIRE_VERSION,
      encodings,
      codecs,
      tileCodings: TILE_CODING_NAMES,
      moves: true,
      videoRegions: true,
      visible,
      ...(refreshHz === undefined ? {} : { refreshHz }),
    });
  }

  #learn(codecs: readonly Codec[]): void {
    if (this.#codecs !== undefined) return;
    this.#codecs = codecs;
    this.#options.learnt(codecs);
  }
}
