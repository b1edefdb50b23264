import type { SoundBlock, SoundChunk } from './encoder.ts';

/** What the process of an encoder is told. */
export type SoundCommand =
  | {
      readonly do: 'start';
      /** The WebCodecs implementation to load: a package, or the URL of a module. */
      readonly library: string;
      readonly bitrateKbits: number;
    }
  | { readonly do: 'encode'; readonly block: SoundBlock };

/** What the process says. */
export type SoundReply =
  | { readonly kind: 'ready' }
  /** The library does not load, or has no Opus: another try would end the same way. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'coded'; readonly chunk: SoundChunk }
  /** The library threw or reported an error: the process is of no use any more. */
  | { readonly kind: 'fault'; readonly reason: string };
