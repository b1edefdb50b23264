import type { Codec, Encoding } from '../../protocol/wire/index.ts';

/**
 * Why the picture cannot travel in some way: the relay does not offer it; the page came over plain
 * http from another machine, where browsers keep their video decoder to themselves; the browser has
 * no such decoder; or it has none for what the relay codes in.
 */
export type EncodingObstacle = 'not-offered' | 'insecure' | 'no-decoder' | 'no-codec';

/** What is known of both sides; undefined as long as it is not. */
export interface BothSides {
  /** What the relay offers, and the codecs it codes video in. */
  readonly offered:
    | { readonly encodings: readonly Encoding[]; readonly codecs: readonly Codec[] }
    | undefined;
  /** Video codecs that this browser decodes. */
  readonly codecs: readonly Codec[] | undefined;
  readonly isSecure: boolean;
}

/** Why the picture cannot travel this way; undefined when it can, or when nobody knows yet. */
export function encodingObstacle(
  encoding: Encoding,
  { offered, codecs, isSecure }: BothSides,
): EncodingObstacle | undefined {
  if (offered === undefined) return undefined;
  if (!offered.encodings.includes(encoding)) return 'not-offered';
  if (encoding !== 'video' || codecs === undefined) return undefined;
  if (codecs.some((codec) => offered.codecs.includes(codec))) return undefined;
  if (codecs.length > 0) return 'no-codec';
  return isSecure ? 'no-decoder' : 'insecure';
}
