import type { SharedPlanes } from '../../../client/tiles/shared-planes.ts';
import type { Codec } from '../../../protocol/wire/index.ts';

/** What the process of an encoder is told. */
export type VideoCommand =
  | {
      readonly do: 'start';
      /** The WebCodecs implementation to load: a package, or the URL of a module. */
      readonly library: string;
      readonly codec: Codec;
    }
  | VideoJob;

/** One picture to code, and how: the process makes a new codec when this differs from the last. */
export interface VideoJob {
  readonly do: 'encode';
  readonly id: number;
  readonly planes: SharedPlanes;
  readonly keyFrame: boolean;
  readonly codec: Codec;
  readonly bitrateKbits: number;
  readonly framesPerSecond: number;
}

/** What the process says. */
export type VideoReply =
  | { readonly kind: 'ready' }
  /** The library does not load, or has no such codec: another try would end the same way. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | CodedReply
  | { readonly kind: 'missed'; readonly id: number }
  /** The library threw or reported an error: the process is of no use any more. */
  | { readonly kind: 'fault'; readonly reason: string };

/** A coded picture as it travels. */
export interface CodedReply {
  readonly kind: 'coded';
  readonly id: number;
  readonly keyFrame: boolean;
  readonly bytes: Uint8Array;
  readonly codecString: string;
  readonly startedNs: number;
  readonly copiedNs: number;
  readonly doneNs: number;
}
