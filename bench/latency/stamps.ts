import { Mapping } from '../../native/index.ts';

/** Stamps that are kept: a frame is read long before as many others have been published. */
const SLOTS = 1024;
/** Bytes of the file that stamps are kept in. */
export const STAMPS_BYTES: number = SLOTS * 8;

/**
 * When each frame was published, in a file beside the region: nothing in the region or in the frames
 * is other than in real use.
 *
 * Units: nanoseconds of the monotonic clock, which all processes of the machine share.
 */
export class Stamps {
  readonly #mapping: Mapping;
  readonly #ns: BigUint64Array;

  constructor(path: string) {
    this.#mapping = Mapping.open(path);
    this.#ns = new BigUint64Array(this.#mapping.buffer);
  }

  /** Notes when the frame with this serial was about to be published. */
  set(serial: number, ns: bigint): void {
    this.#ns[serial % SLOTS] = ns;
  }

  /** When the frame with this serial was about to be published. */
  get(serial: number): bigint {
    return this.#ns[serial % SLOTS] ?? 0n;
  }

  /** When the newest frame was published that was published by a moment. */
  newestBefore(ns: bigint): bigint {
    let newest = 0n;
    for (const stamp of this.#ns) if (stamp <= ns && stamp > newest) newest = stamp;
    return newest;
  }

  /** Unmaps the file. */
  close(): void {
    this.#mapping.close();
  }
}
