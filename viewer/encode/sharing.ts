import type { PictureView } from '../../client/tiles/view.ts';
import { KvmfrError } from '../../protocol/error.ts';
import type { EncodedUpdate, EncoderOptions, EncoderStats } from './encoder.ts';

/** Updates that are kept: viewers fall into few groups by what they have. */
const KEPT_UPDATES = 8;
/** An update may be used for a viewer that needs less as long as it is not much more than that. */
const SPARE_TILES = 8;

/** Updates of more tiles than this are let go with their serial: they hold memory. */
const SMALL_TILES = 64;

/** An update as a coder hands it over. */
export interface CodedParts {
  readonly parts: readonly Promise<Uint8Array>[];
  /** All tiles that they draw, in rising order: those that were asked for, and maybe more. */
  readonly tiles: Uint32Array;
  /** Whether no other large update should be coded before this one is done. */
  readonly large: boolean;
  /** Whether the tiles arrive exact to the bit. */
  readonly exact: boolean;
}

/** Codes some tiles of a picture. The pixels must have been copied when it returns. */
export type Coder = (job: {
  readonly picture: PictureView;
  readonly tiles: Uint32Array;
  readonly count: number;
}) => CodedParts;

/** Whether an update of so many tiles is to be refused for now. */
export type IsLarge = (picture: PictureView, count: number) => boolean;

/**
 * What all encoders have in common: which tiles to code, one result for all who ask for the same,
 * and no more than one large update at a time.
 *
 * What is kept is of use as long as none of the tiles asked for has changed since.
 */
export class SharedUpdates {
  readonly #coder: Coder;
  readonly #isLarge: IsLarge;
  readonly #onIdle: (() => void) | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #kept: EncodedUpdate[] = [];
  #tiles: Uint32Array = new Uint32Array(0);
  #torn: Uint32Array<ArrayBuffer> = new Uint32Array(0);
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
  take(picture: PictureView, from: number): EncodedUpdate | undefined {
    if (this.#tiles.length < picture.grid.tileCount)
      this.#tiles = new Uint32Array(picture.grid.tileCount);
    return this.takeTiles(picture, this.#tiles, picture.changedSince(from, this.#tiles));
  }

  /**
   * The update with the first `count` of these tiles; undefined while a large one is in the way.
   * `newest`: it is to lead to the picture's serial, whatever it has in it.
   */
  takeTiles(
    picture: PictureView,
    tiles: Uint32Array,
    count: number,
    newest: boolean = false,
  ): EncodedUpdate | undefined {
    if (this.#closed) throw new KvmfrError('ERR_KVMFR_CLOSED', 'this encoder has been closed');
    const { epoch } = picture;
    this.#kept = this.#kept.filter(
      (update) =>
        update.epoch === epoch && (update.to === picture.serial || update.tileCount <= SMALL_TILES),
    );
    const kept = this.#kept.find(
      (update) =>
        update.tileCount >= count &&
        (!newest || update.to === picture.serial) &&
        update.tileCount <= count * 1.25 + SPARE_TILES &&
        serves(update, picture, tiles, count),
    );
    if (kept !== undefined) {
      this.#shared++;
      return kept;
    }
    if (this.#largeRunning && this.#isLarge(picture, count)) return undefined;
    return this.#code(picture, tiles.slice(0, count));
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

  #code(picture: PictureView, wanted: Uint32Array): EncodedUpdate {
    const { epoch, serial: to } = picture;
    const read = picture.beginRead();
    const coded = this.#coder({ picture, tiles: wanted, count: wanted.length });
    const { parts, large, exact, tiles } = coded;
    const count = tiles.length;
    if (this.#torn.length < count) this.#torn = new Uint32Array(count);
    const torn = this.#torn.slice(0, read.end(tiles, count, this.#torn));
    const update: EncodedUpdate = { epoch, to, tiles, tileCount: count, exact, torn, parts };
    this.#updates++;
    // What is torn is sent to who asked for it, as what moves may be, and to nobody else.
    if (torn.length === 0) this.#kept = [update, ...this.#kept.slice(0, KEPT_UPDATES - 1)];
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

/** Whether an update has all of these tiles, and all that it has as they are now. Both lists rise. */
function serves(
  update: EncodedUpdate,
  picture: PictureView,
  tiles: Uint32Array,
  count: number,
): boolean {
  const { tileSerials } = picture;
  // An update without tiles only tells that there is a newer serial.
  if (count === 0) return update.to === picture.serial;
  let wanted = 0;
  for (const tile of update.tiles) {
    // Older pixels would take back what a viewer may have been shown another way.
    if ((tileSerials[tile] ?? 0) > update.to) return false;
    if (wanted < count && tiles[wanted] === tile) wanted++;
  }
  return wanted === count;
}
