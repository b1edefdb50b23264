import { monotonicMs } from '../clock.ts';
import { producerSpanMs } from '../frame.ts';
import { type ClientState, stateOfError } from '../state.ts';
import type { Picture } from '../tiles/picture.ts';
import type { PictureOutcome } from '../tiles/picture-frame.ts';
import { keepUp, pause } from './keep-up.ts';
import type { PictureUpdate } from './reader.ts';
import type { GuestFrame, GuestSource } from './source.ts';

/** What a loop is made with. */
export interface PictureLoopOptions {
  readonly source: Pick<GuestSource, 'session' | 'frames'>;
  readonly picture: Picture;
  readonly log: (line: string) => void;
  /** A frame has been through the picture. */
  readonly updated: (update: PictureUpdate) => void;
  /** Frames cannot be shown, and why; or they can again. */
  readonly refused: (refusal: ClientState | undefined) => void;
  /** The frames have ended by themselves: the source has closed. */
  readonly ended: () => void;
}

/** Takes the frames of a guest into a picture, one after the other, from start to stop. */
export class PictureLoop {
  readonly #options: PictureLoopOptions;
  readonly #outcomes: { [outcome in PictureOutcome]: number } = {
    changed: 0,
    same: 0,
    'given-up': 0,
  };
  #session: GuestSource['session'];
  #refusal: ClientState | undefined;
  #running: AbortController | undefined;
  #done: Promise<void> = Promise.resolve();
  /** Between two frames at least. */
  #gapMs = 0;

  constructor(options: PictureLoopOptions) {
    this.#options = options;
  }

  /** What became of the frames. */
  get outcomes(): { readonly [outcome in PictureOutcome]: number } {
    return this.#outcomes;
  }

  /** Bounds the frames taken in a second, from the next one on. */
  set maxFps(maxFps: number | undefined) {
    this.#gapMs = maxFps === undefined ? 0 : 1000 / maxFps;
  }

  /** Subscribes, unless it has. */
  start(): void {
    if (this.#running !== undefined) return;
    const running = new AbortController();
    const { signal } = running;
    const before = this.#done;
    this.#running = running;
    this.#done = (async () => {
      // Two loops on one picture would be one too many.
      await before;
      const { log } = this.#options;
      await keepUp({ what: 'frames', signal, follow: () => this.#follow(signal), log });
      if (!signal.aborted) this.#options.ended();
    })();
  }

  /** Unsubscribes; settles when the guest's queue has been let go. */
  async stop(): Promise<void> {
    this.#running?.abort();
    this.#running = undefined;
    await this.#done;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let dueMs = 0;
    for await (const frame of this.#options.source.frames({ signal, partial: true })) {
      const takenMs = performance.now();
      await this.#take(frame);
      if (signal.aborted) break;
      const gapMs = this.#gapMs;
      if (gapMs === 0) continue;
      // Counted from when the frame was due, so that timers that are a little late do not add up.
      dueMs = (takenMs - dueMs < gapMs ? dueMs : takenMs) + gapMs;
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await pause(leftMs, signal);
    }
  }

  async #take(frame: GuestFrame): Promise<void> {
    const seenMs = monotonicMs();
    const { picture, source } = this.#options;
    const { session } = source;
    if (session !== undefined && session !== this.#session) {
      picture.startOver();
      this.#session = session;
    }
    let outcome: PictureOutcome = 'given-up';
    let refusal: ClientState | undefined;
    let producerMs: number | undefined;
    let deadline: GuestFrame['deadline'];
    try {
      outcome = await picture.update(frame);
      deadline = frame.deadline;
      const { timing } = frame;
      if (timing !== undefined) producerMs = producerSpanMs(timing);
    } catch (error) {
      refusal = stateOfError(error);
    } finally {
      frame.release();
    }
    this.#outcomes[outcome]++;
    this.#refuse(refusal);
    const { epoch, serial, arrivedMs } = picture;
    const appliedMs = monotonicMs();
    const times = { producerMs, beforeMs: frame.beforeMs, seenMs, arrivedMs, appliedMs };
    this.#options.updated({ outcome, epoch, serial, times, deadline });
  }

  #refuse(refusal: ClientState | undefined): void {
    if (refusal?.message === this.#refusal?.message) return;
    this.#refusal = refusal;
    if (refusal !== undefined) this.#options.log(`frames: ${refusal.message}`);
    this.#options.refused(refusal);
  }
}
