import type { Picture } from '../../client/tiles/picture.ts';
import { KvmfrError } from '../../protocol/error.ts';
import type { EncodedUpdate, EncoderOptions, EncoderStats } from './encoder.ts';

/** Updates to one serial that are kept: viewers fall into few groups by what they have. */
const KEPT_UPDATES = 8;
/** An update may be used for a viewer that needs less as long as it is not much more than that. */
const SPARE_TILES = 8;

/** An update as a coder hands it over. */
export interface CodedParts {
  readonly parts: readonly Promise<Uint8Array>[];
  /** Whether no other large update should be coded before this one is done. */
  readonly large: boolean;
}

/** Codes some tiles of a picture. The pixels must have been copied when it returns. */
export type Coder = (job: {
  readonly picture: Picture;
  readonly tiles: Uint32Array;
  readonly count: number;
}) => CodedParts;

/** Whether an update of so many tiles is to be refused for now. */
export type IsLarge = (picture: Picture, count: number) => boolean;

/**
 * What all encoders have in common: which tiles to code, one result for all who ask for the same,
 * and no more than one large update at a time.
 *
 * An update to an older serial than the picture's is of no use to anybody who asks now, so what is
 * kept is bounded by the picture's newest serial.
 */
export class SharedUpdates {
  readonly #coder: Coder;
  readonly #isLarge: IsLarge;
  readonly #onIdle: (() => void) | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #kept: EncodedUpdate[] = [];
  #tiles: Uint32Array = new Uint32Array(0);
  #largeRunning = false;
  #closed = false;
  #updates = 0;
  #shared = 0;

  constructor(options: EncoderOptions & { readonly coder: Coder; readonly isLarge: IsLarge }) {
    this.#coder = options.coder;
    this.#isLarge = options.isLarge;
    this.#onIdle = options.onIdle;
  }

  /** Updates coded, and updates that were taken from those kept. */
  get counts(): Pick<EncoderStats, 'updates' | 'shared'> {
    return { updates: this.#updates, shared: this.#shared };
  }

  /** The update from `from` to the picture's serial; undefined while a large one is in the way. */
  take(picture: Picture, from: number): EncodedUpdate | undefined {
    if (this.#closed) throw new KvmfrError('ERR_KVMFR_CLOSED', 'this encoder has been closed');
    const { epoch, serial: to } = picture;
    const newest = this.#kept[0];
    if (newest !== undefined && (newest.epoch !== epoch || newest.to !== to)) this.#kept = [];
    if (this.#tiles.length < picture.grid.tileCount)
      this.#tiles = new Uint32Array(picture.grid.tileCount);
    const count = picture.changedSince(from, this.#tiles);
    const kept = this.#kept.find(
      (update) => update.from <= from && update.tileCount <= count * 1.25 + SPARE_TILES,
    );
    if (kept !== undefined) {
      this.#shared++;
      return kept;
    }
    if (this.#largeRunning && this.#isLarge(picture, count)) return undefined;
    return this.#code(picture, from, count);
  }

  /** Forgets what is kept. */
  rest(): void {
    this.#kept = [];
    this.#tiles = new Uint32Array(0);
  }

  /** Settles when all that runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.rest();
    await Promise.all(this.#running);
  }

  #code(picture: Picture, from: number, count: number): EncodedUpdate {
    const { parts, large } = this.#coder({ picture, tiles: this.#tiles, count });
    const { epoch, serial: to } = picture;
    const update: EncodedUpdate = { epoch, from, to, tileCount: count, parts };
    this.#updates++;
    this.#kept = [update, ...this.#kept.slice(0, KEPT_UPDATES - 1)];
    if (large) this.#largeRunning = true;
    const done = Promise.allSettled(parts).then((results) => {
      this.#running.delete(done);
      // Nobody else is given parts that could not be coded.
      if (results.some((result) => result.status === 'rejected'))
        this.#kept = this.#kept.filter((other) => other !== update);
      if (!large) return;
      this.#largeRunning = false;
      if (!this.#closed) this.#onIdle?.();
    });
    this.#running.add(done);
    return update;
  }
}
