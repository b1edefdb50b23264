import { sameRect } from '../../../../protocol/rect.ts';
import type { TimesMessage } from '../../../../protocol/wire/index.ts';
import type { Clock } from '../clock.ts';
import { discard, type Part, type PlacedFrame, type VideoPart } from './surface.ts';

/** An update whose parts are all decoded. Units: milliseconds of the clock. */
export interface ReadyUpdate {
  readonly epoch: number;
  readonly serial: number;
  readonly parts: readonly Part[];
  /** When its last message was complete. */
  readonly receivedMs: number;
  readonly decodedMs: number;
  /** What its frame had been through before; undefined when the relay did not tell. */
  readonly times?: TimesMessage | undefined;
}

/** An update that can be seen. Units: milliseconds of the clock. */
export interface PresentedUpdate extends ReadyUpdate {
  readonly presentedMs: number;
}

/** What is painted on: the canvas, and the video below it. */
export interface Layers {
  /**
   * Does one thing to the canvas. `onScreen`: whether the picture of the video that belongs to it is
   * on the screen, so that holes may be made. Ownership: of the part from here on.
   */
  paint(part: Part, onScreen: boolean): void;
  /**
   * Sends a picture of the video on its way below the canvas; `isFirst` of another picture size. The
   * answer is its timestamp; undefined when the canvas has to draw it, and it stays the caller's.
   */
  show(video: PlacedFrame, isFirst: boolean): number | undefined;
  /** A picture that was sent on its way has been seen on the screen. */
  seen(): void;
  /** A refresh has passed without the picture that is waited for; whether it will never come. */
  waited(): boolean;
  /** Can be seen again. */
  wake(): void;
}

/** What the presenter works with. */
export interface PresenterOptions {
  readonly clock: Clock;
  /** Asks for a call right before the display is next refreshed. */
  readonly requestFrame: (run: () => void) => void;
  readonly layers: Layers;
  /** Called once all parts of these updates can be seen: one frame. */
  readonly presented: (updates: readonly PresentedUpdate[]) => void;
  /** Called when a picture of the video was overtaken by a newer one. */
  readonly dropped: () => void;
  /** Called when painting failed. */
  readonly failed: (error: unknown) => void;
}

interface Waiting {
  readonly update: ReadyUpdate;
  /** Timestamp of the picture of the video that has to be on the screen before the rest of it. */
  readonly gateUs: number | undefined;
}

// A hidden page gets no frames, and the word that it is hidden may come late: never wait longer.
const FRAME_PATIENCE_MS = 200;

/**
 * Puts updates on the screen in step with the display, in order and each as a whole. Updates that
 * became ready since the last refresh go out together: no more than one frame ever waits, and of the
 * pictures of the video no more than the newest.
 *
 * Where the video is played below the canvas its pictures go there at once, and what the canvas has
 * to change for an update waits until its picture is on the screen.
 */
export class Presenter {
  readonly #options: PresenterOptions;
  #ready: Waiting[] = [];
  #visible = true;
  #scheduled = false;
  #onScreenUs = Number.NEGATIVE_INFINITY;
  #cancelPatience: (() => void) | undefined;

  constructor(options: PresenterOptions) {
    this.#options = options;
  }

  /** Whether the page can be seen. While it cannot, updates are painted as they come. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (visible) this.#options.layers.wake();
    else this.flush();
  }

  /** Takes an update. Ownership: its parts are the presenter's from here on. */
  submit(update: ReadyUpdate): void {
    const waiting = this.#prepare(update);
    this.#ready.push(waiting);
    if (!this.#visible) this.flush();
    else this.#schedule();
  }

  /** A picture of the video is on the screen. Units: microseconds; milliseconds of the clock. */
  onScreen(timestampUs: number, atMs: number): void {
    this.#onScreenUs = Math.max(this.#onScreenUs, timestampUs);
    this.#options.layers.seen();
    this.#present(this.#passable(), Math.min(atMs, this.#options.clock.now()));
  }

  /** Paints at once what is waiting for the display. */
  flush(): void {
    this.#present(this.#ready.length, this.#options.clock.now());
  }

  #prepare(update: ReadyUpdate): Waiting {
    let gateUs: number | undefined;
    let isFirst = false;
    const parts = update.parts.map((part): Part => {
      if (part.kind === 'size') isFirst = true;
      if (part.kind !== 'video') return part;
      const shownUs = this.#options.layers.show(part, isFirst);
      if (shownUs === undefined) {
        this.#overtake(part);
        return part;
      }
      gateUs = shownUs;
      return { kind: 'uncover', cover: part.cover, region: part.region };
    });
    return { update: { ...update, parts }, gateUs };
  }

  // A picture that a newer one overtakes is let go at once. Tiles that only the older one showed
  // are painted from the newer one, in the older one's place.
  #overtake(newer: VideoPart): void {
    this.#ready = this.#ready.map((waiting) => {
      const { parts } = waiting.update;
      if (!parts.some((part) => part.kind === 'video')) return waiting;
      const left = parts.map((part) => this.#overtaken(part, newer));
      return { ...waiting, update: { ...waiting.update, parts: left } };
    });
  }

  #overtaken(part: Part, newer: VideoPart): Part {
    if (part.kind !== 'video') return part;
    // Of another part of the same picture: the newer one may show nothing of it.
    const isSame = part.cover.grid === newer.cover.grid;
    if (isSame && !sameRect(part.region, newer.region)) return part;
    part.frame.close();
    this.#options.dropped();
    return !isSame || part.cover.isWithin(newer.cover)
      ? { kind: 'nothing' }
      : { ...newer, frame: newer.frame.clone(), cover: part.cover.without(newer.cover) };
  }

  #schedule(): void {
    if (this.#cancelPatience === undefined)
      this.#cancelPatience = this.#options.clock.after(FRAME_PATIENCE_MS, () => this.flush());
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.requestFrame(() => {
      this.#scheduled = false;
      this.#refreshed();
    });
  }

  #refreshed(): void {
    this.#present(this.#passable(), this.#options.clock.now());
    if (this.#ready.length === 0) return;
    if (this.#options.layers.waited()) this.flush();
    else this.#schedule();
  }

  /** How many updates can be seen as a whole now, from the oldest on. */
  #passable(): number {
    const at = this.#ready.findIndex(
      ({ gateUs }) => gateUs !== undefined && gateUs > this.#onScreenUs,
    );
    return at < 0 ? this.#ready.length : at;
  }

  #present(count: number, presentedMs: number): void {
    if (count === 0) return;
    const { layers, presented, failed, dropped } = this.#options;
    const waiting = this.#ready.splice(0, count);
    this.#cancelPatience?.();
    this.#cancelPatience = undefined;
    if (this.#ready.length > 0) this.#schedule();
    const todo = waiting.flatMap(({ update, gateUs }) => {
      const onScreen = gateUs === undefined || gateUs <= this.#onScreenUs;
      return update.parts.map((part) => ({ part, onScreen }));
    });
    try {
      for (let next = todo.shift(); next !== undefined; next = todo.shift())
        layers.paint(next.part, next.onScreen);
    } catch (error) {
      for (const { part } of todo) discard(part);
      failed(error);
      return;
    }
    for (const { gateUs } of waiting)
      if (gateUs !== undefined && gateUs < this.#onScreenUs) dropped();
    presented(waiting.map(({ update }) => ({ ...update, presentedMs })));
  }
}
