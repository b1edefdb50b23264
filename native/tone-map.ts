import { KvmfrError } from '../protocol/error.ts';
import { addon } from './load.ts';

/** How the numbers of HDR pixels say light: by the PQ curve, linearly, or as scRGB. */
export type ToneMapTransfer = 'pq' | 'linear' | 'scrgb';

/** The numbers of a tone map; a `ToneMap` of protocol/kvmfr/hdr.ts has them, and their meaning. */
export interface ToneMapNumbers {
  readonly transfer: ToneMapTransfer;
  /** Light of a decoded 1.0. Units: multiples of SDR white, above 0, at most 1000. */
  readonly gain: number;
  /** Light of the brightest component to be expected. Units: multiples of SDR white, 1 to 1000. */
  readonly peak: number;
}

/** A tone map as the kernels take it. Made once, used for every frame, not to be written. */
export interface ToneMapTable {
  readonly transfer: ToneMapTransfer;
  readonly words: Uint32Array;
}

/** Words of a table; `src/hdr.h` says what is in them. */
const TABLE_WORDS = 4 + 1024;
const TRANSFERS: Readonly<Record<ToneMapTransfer, number>> = { pq: 0, linear: 1, scrgb: 2 };

/**
 * Prepares a tone map for the kernels: a tenth of a millisecond, so not once per frame.
 *
 * @throws ERR_KVMFR_ARGUMENT
 */
export function createToneMap(numbers: ToneMapNumbers): ToneMapTable {
  const { transfer, gain, peak } = numbers;
  const number = TRANSFERS[transfer];
  const words = new Uint32Array(TABLE_WORDS);
  if (typeof number !== 'number' || addon().fillToneMap(words, number, gain, peak) < 0) {
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `expected a tone map with the transfer ${Object.keys(TRANSFERS).join(', ')}, a gain above 0 and a peak of 1 or more, both at most 1000, got ${String(transfer)}, ${String(gain)} and ${String(peak)}`,
    );
  }
  return { transfer, words };
}

/** Whether something is a table that the kernels can read. */
export function isToneMapTable(value: unknown): value is ToneMapTable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'words' in value &&
    value.words instanceof Uint32Array &&
    value.words.length >= TABLE_WORDS
  );
}
