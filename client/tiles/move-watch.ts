import {
  copyChangedTiles,
  type FoundMove,
  findMove,
  type PictureStates,
} from '../../native/index.ts';

/** Tiles that must change at once before a move is looked for: fewer cost less than a move. */
const LARGE_TILES = 24;
/** Large updates that are let pass after a few in which nothing had moved, at most. */
const MAX_PASSED = 63;
/** Failures that are remembered when something small has changed. */
const FEW_FAILURES = 2;
/** Updates without a large one after which the copy is let go. */
const IDLE_UPDATES = 300;

/** A picture as a watch needs to see it, and the serial of its last whole update. */
export type WatchedPicture = Omit<PictureStates, 'base' | 'copy'>;

/**
 * Notices when what a picture shows has merely moved. It keeps a copy of the picture as it was, brings
 * it up to date after an update, and compares the two after the next large one.
 *
 * Where things change and do not move it looks more and more seldom, and keeps no copy meanwhile.
 */
export class MoveWatch {
  #copy: Uint8Array<ArrayBuffer> | undefined;
  /** Serial of the update that the copy shows; 0 when it is to be made anew. */
  #copySerial = 0;
  #isWanted = false;
  #failures = 0;
  #toPass = 0;
  #idle = 0;

  /** Forgets the picture: another one begins. */
  reset(): void {
    this.#copy = undefined;
    this.#copySerial = 0;
    this.#isWanted = false;
    this.#failures = 0;
    this.#toPass = 0;
    this.#idle = 0;
  }

  /**
   * Looks for what has moved in an update.
   *
   * @param update `changed`: its tiles, about; `base`: serial of the picture before it
   * @param rest takes a bit for each tile that the move does not explain
   */
  find(
    picture: WatchedPicture,
    update: { readonly changed: number; readonly base: number },
    rest: Uint32Array,
  ): FoundMove | undefined {
    if (update.changed < LARGE_TILES) {
      this.#failures = Math.min(this.#failures, FEW_FAILURES);
      this.#idle++;
      if (this.#idle > IDLE_UPDATES) this.#forget();
      return undefined;
    }
    this.#idle = 0;
    if (this.#toPass > 0) {
      this.#toPass--;
      this.#isWanted = this.#toPass === 0;
      return undefined;
    }
    this.#isWanted = true;
    const copy = this.#copy;
    if (copy === undefined || this.#copySerial !== update.base) return undefined;
    const found = findMove({ ...picture, base: update.base, copy }, rest);
    if (found === undefined) {
      this.#failures++;
      this.#toPass = Math.min(MAX_PASSED, 2 ** this.#failures - 1);
      this.#forget();
    } else this.#failures = 0;
    return found;
  }

  /** Brings the copy up to the picture, which shows `serial` and nothing newer. */
  follow(picture: WatchedPicture, serial: number): void {
    if (!this.#isWanted || this.#copySerial === serial) return;
    const { byteLength } = picture.picture;
    if (this.#copy?.byteLength !== byteLength) {
      this.#copy = new Uint8Array(byteLength);
      this.#copySerial = 0;
    }
    copyChangedTiles({ ...picture, base: this.#copySerial, copy: this.#copy });
    this.#copySerial = serial;
  }

  #forget(): void {
    this.#isWanted = false;
    this.#copySerial = 0;
    if (this.#idle > IDLE_UPDATES) this.#copy = undefined;
  }
}
