import type { PictureView } from '../../client/tiles/view.ts';
import type { MoveLog, MovePlan } from './move-log.ts';
import type { Screen } from './screen.ts';

/** Tiles that moves must save: a browser takes as long for one as for a few dozen tiles. */
const LEAST_SAVED = 24;

/**
 * The picture that a screen shows exactly, but for some tiles: what moves can begin from. A screen on
 * which video is seen anywhere has none.
 */
export class MoveBase {
  /** Serial of that picture; 0 when there is none. */
  #serial = 0;
  /** A bit for each tile that the screen lacks of it. */
  #lacks: Uint32Array<ArrayBuffer> = new Uint32Array(0);

  /** Serial of the picture that moves can begin from; 0 when there is none. */
  get serial(): number {
    return this.#serial;
  }

  /** The screen shows something else now, from which nothing can be moved. */
  clear(): void {
    this.#serial = 0;
  }

  /** Takes note of what a screen shows of the newest picture. */
  settle(picture: PictureView, screen: Screen): void {
    this.#serial = 0;
    if (screen.hasVideo) return;
    const words = Math.ceil(picture.grid.tileCount / 32);
    if (this.#lacks.length !== words) this.#lacks = new Uint32Array(words);
    screen.lacking(picture, this.#lacks);
    this.#serial = picture.serial;
  }

  /** How moves bring the screen to the newest picture, when that saves much of so many tiles. */
  plan(picture: PictureView, moves: MoveLog, owed: number): MovePlan | undefined {
    if (this.#serial === 0 || owed < LEAST_SAVED) return undefined;
    const way = { from: this.#serial, to: picture.serial };
    const plan = moves.plan(picture.grid, way, this.#lacks);
    return plan === undefined || plan.restTiles + LEAST_SAVED > owed ? undefined : plan;
  }
}
