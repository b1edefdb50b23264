import type { Coding } from './coding.ts';
import type { Taste } from './taste.ts';
import type { LaneMember, VideoLane } from './video-lane.ts';

/** Times a viewer may fall out of the stream in a while before it is given a slower one. */
const MAX_FALLS = 2;
const FALLS_KEPT_MS = 10_000;
/** How long a viewer that has kept up stays in the slower stream. */
const SLOW_LANE_MS = 15_000;

/** What a stay works with. */
export interface LaneStayOptions {
  readonly member: LaneMember;
  readonly coding: Pick<Coding, 'lane'>;
  /** Called when the viewer is in no lane any more, or about to be in another. */
  readonly left: () => void;
}

/** Which lane of video a viewer is in, and how well it keeps up there. */
export class LaneStay {
  readonly #options: LaneStayOptions;
  #lane: VideoLane | undefined;
  #falls = 0;
  #fallsSinceMs = 0;
  #slowUntilMs = 0;

  constructor(options: LaneStayOptions) {
    this.#options = options;
  }

  /** Goes into the lane that suits best now. */
  join({ codec, takesPart }: Pick<Taste, 'codec' | 'takesPart'>): void {
    if (codec === undefined) return;
    const tier = performance.now() < this.#slowUntilMs ? 'slow' : 'full';
    const part = takesPart && tier === 'full';
    const lane = this.#options.coding.lane({ codec, tier, part });
    if (lane === this.#lane) return;
    this.leave();
    this.#lane = lane;
    lane?.join(this.#options.member);
  }

  leave(): void {
    this.#lane?.leave(this.#options.member);
    this.#lane = undefined;
    this.#options.left();
  }

  /** Codes the next picture, if it is time. */
  pump(): void {
    this.#lane?.pump();
  }

  needKey(): void {
    this.#lane?.needKey(this.#options.member);
  }

  /** The viewer did not keep up with its lane: after a few times it is given a slower one. */
  fell(): void {
    const nowMs = performance.now();
    if (this.#falls === 0) this.#fallsSinceMs = nowMs;
    this.#falls++;
    if (this.#falls > MAX_FALLS) this.slowDown();
  }

  /** The slower lane suits best for a while. */
  slowDown(): void {
    this.#slowUntilMs = performance.now() + SLOW_LANE_MS;
  }

  /** About a second has passed. */
  tick(nowMs: number): void {
    if (nowMs - this.#fallsSinceMs > FALLS_KEPT_MS) this.#falls = 0;
  }
}
