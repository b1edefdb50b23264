import type { KvmfrError } from '../../../protocol/error.ts';

/** Frames that are coded together: the library knows packets of 20 ms only. */
export const SOUND_BLOCK_FRAMES = 960;

/** Which piece of which stream of sound it is. */
export interface SoundName {
  readonly stream: number;
  readonly sequence: number;
  /** When its first frame was played. Units: milliseconds since 1970. */
  readonly atMs: number;
  readonly last: boolean;
}

/** A piece of sound to code. Shape: 48 kHz, left and right in turn, {@link SOUND_BLOCK_FRAMES} of each. */
export interface SoundBlock extends SoundName {
  readonly samples: Int16Array<ArrayBuffer>;
}

/** A coded piece of sound. */
export interface SoundChunk extends SoundName {
  readonly bytes: Uint8Array;
}

/** Where an encoder stands. */
export type SoundEncoderState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready' }
  /** It does not start again. */
  | { readonly kind: 'failed'; readonly error: KvmfrError };

/** Codes sound, piece by piece in order. */
export interface SoundEncoder extends AsyncDisposable {
  readonly state: SoundEncoderState;
  /** Number of its process; undefined when there is none. */
  readonly pid: number | undefined;
  /** Has a piece coded. The answer is whether it will be: not while it starts, or too many wait. */
  encode(block: SoundBlock): boolean;
  close(): Promise<void>;
}
