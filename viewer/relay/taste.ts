import type {
  Codec,
  Encoding,
  Hello,
  TileCodingName,
  ViewerHello,
} from '../../protocol/wire/index.ts';
import type { Coding } from './coding.ts';

/** What a viewer can decode. */
export interface FeedAbilities {
  /** The one it likes best first. */
  readonly encodings: readonly Encoding[];
  readonly codec: Codec | undefined;
  readonly tileCoding: TileCodingName | undefined;
  /** Whether it takes video of a part of the picture. */
  readonly videoRegions: boolean;
  readonly moves: boolean;
}

/** How a viewer wants to be served: one encoding and nothing else, or whatever is best. */
export type Wish = Encoding | 'auto';

/** How changes travel to a viewer now. */
export type Way = 'lossless' | 'video' | 'jpeg';

/** How long video is preferred after a line was found congested. */
const NARROW_MS = 3000;

const NOTHING: FeedAbilities = {
  encodings: [],
  codec: undefined,
  tileCoding: undefined,
  videoRegions: false,
  moves: false,
};

/** What a relay offers that a viewer takes; undefined when that is nothing. */
export function agreedAbilities(
  offered: Pick<Hello, 'encodings' | 'codecs'>,
  hello: ViewerHello,
): FeedAbilities | undefined {
  const common = hello.encodings.filter((encoding) => offered.encodings.includes(encoding));
  const codec = hello.codecs.find((name) => offered.codecs.includes(name));
  const encodings = common.filter((encoding) => encoding !== 'video' || codec !== undefined);
  if (encodings.length === 0) return undefined;
  return {
    encodings,
    codec,
    tileCoding: hello.tileCodings?.[0],
    videoRegions: hello.videoRegions === true && encodings.includes('lossless'),
    moves: hello.moves === true,
  };
}

/** What a viewer can decode, what it wishes, and which way follows from that now. */
export class Taste {
  readonly #coding: Pick<Coding, 'canCode' | 'content'>;
  #takes: FeedAbilities = NOTHING;
  #narrowUntilMs = 0;
  wish: Wish = 'auto';

  constructor(coding: Pick<Coding, 'canCode' | 'content'>) {
    this.#coding = coding;
  }

  /** What the viewer can decode. */
  accept(takes: FeedAbilities): void {
    // What is around a video is sent exactly: who cannot have that has no use for a part.
    const videoRegions = takes.videoRegions && takes.encodings.includes('lossless');
    this.#takes = { ...takes, videoRegions };
  }

  get codec(): Codec | undefined {
    return this.#takes.codec;
  }

  get tileCoding(): TileCodingName | undefined {
    return this.#takes.tileCoding;
  }

  get takesMoves(): boolean {
    return this.#takes.moves;
  }

  /** Whether it is given exactly whatever is at rest. */
  get repairs(): boolean {
    return this.wish === 'auto' && this.#takes.encodings.includes('lossless');
  }

  /** Whether it is better served by video of a part than of all. A narrow line is not. */
  get takesPart(): boolean {
    return this.#takes.videoRegions && this.wish === 'auto' && !this.#isNarrow;
  }

  /** Its line was found too narrow for exact tiles. */
  foundNarrow(nowMs: number): void {
    this.#narrowUntilMs = nowMs + NARROW_MS;
  }

  /** How changes travel now. */
  get way(): Way {
    const { encodings, moves } = this.#takes;
    const { wish } = this;
    const moving = wish === 'auto' && (this.#coding.content(moves) === 'moving' || this.#isNarrow);
    if (wish === 'video' || moving) {
      if (this.#canVideo) return 'video';
      if (encodings.includes('jpeg')) return 'jpeg';
    }
    if (wish === 'lossless' || wish === 'jpeg') return wish;
    // Of what serves a picture that hardly moves, what the viewer likes best.
    return encodings.find((encoding) => encoding !== 'video') ?? 'video';
  }

  get #canVideo(): boolean {
    const { codec, encodings, videoRegions } = this.#takes;
    if (codec === undefined || !encodings.includes('video')) return false;
    return this.#coding.canCode(codec, videoRegions);
  }

  get #isNarrow(): boolean {
    return performance.now() < this.#narrowUntilMs;
  }
}
