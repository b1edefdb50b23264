import type { TimesMessage } from '../../../../protocol/wire/index.ts';
import type { Clock } from '../clock.ts';
import { discard, type Part, type VideoPart } from './surface.ts';

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

/** What the presenter works with. */
export interface PresenterOptions {
  readonly clock: Clock;
  /** Asks for a call right before the display is next refreshed. */
  readonly requestFrame: (run: () => void) => void;
  readonly paint: (part: Part) => void;
  /** Called once all parts of these updates are on the canvas: one frame. */
  readonly presented: (updates: readonly ReadyUpdate[], presentedMs: number) => void;
  /** Called when a picture of the video was overtaken by a newer one. */
  readonly dropped: () => void;
  /** Called when painting failed. */
  readonly failed: (error: unknown) => void;
}

// A hidden page gets no frames, and the word that it is hidden may come late: never wait longer.
const FRAME_PATIENCE_MS = 200;

/**
 * Puts updates on the canvas in step with the display, each as a whole. Updates that became ready
 * since the last refresh go out together: no more than one frame ever waits, and of the pictures of
 * the video no more than the newest.
 */
export class Presenter {
  readonly #options: PresenterOptions;
  #ready: ReadyUpdate[] = [];
  #visible = true;
  #scheduled = false;
  #cancelPatience: (() => void) | undefined;

  constructor(options: PresenterOptions) {
    this.#options = options;
  }

  /** Whether the page can be seen. While it cannot, updates are painted as they come. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (!visible) this.flush();
  }

  /** Takes an update. Ownership: its parts are the presenter's from here on. */
  submit(update: ReadyUpdate): void {
    const video = update.parts.findLast((part) => part.kind === 'video');
    if (video !== undefined) this.#overtake(video);
    this.#ready.push(update);
    if (!this.#visible) this.flush();
    else this.#schedule();
  }

  /** Paints at once what is waiting for the display. */
  flush(): void {
    this.#present();
  }

  // A picture that a newer one overtakes is let go at once. Tiles that only the older one showed
  // are painted from the newer one, in the older one's place.
  #overtake(newer: VideoPart): void {
    this.#ready = this.#ready.map((update) => {
      if (!update.parts.some((part) => part.kind === 'video')) return update;
      return { ...update, parts: update.parts.map((part) => this.#overtaken(part, newer)) };
    });
  }

  #overtaken(part: Part, newer: VideoPart): Part {
    if (part.kind !== 'video') return part;
    part.frame.close();
    this.#options.dropped();
    return part.cover.isWithin(newer.cover) || part.cover.grid !== newer.cover.grid
      ? { kind: 'nothing' }
      : { kind: 'video', frame: newer.frame.clone(), cover: part.cover.without(newer.cover) };
  }

  #schedule(): void {
    if (this.#cancelPatience === undefined)
      this.#cancelPatience = this.#options.clock.after(FRAME_PATIENCE_MS, () => this.#present());
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.requestFrame(() => {
      this.#scheduled = false;
      this.#present();
    });
  }

  #present(): void {
    this.#cancelPatience?.();
    this.#cancelPatience = undefined;
    const { paint, presented, failed, clock } = this.#options;
    const updates = this.#ready;
    if (updates.length === 0) return;
    this.#ready = [];
    const parts = updates.flatMap((update) => update.parts);
    try {
      for (let part = parts.shift(); part !== undefined; part = parts.shift()) paint(part);
    } catch (error) {
      for (const part of parts) discard(part);
      failed(error);
      return;
    }
    presented(updates, clock.now());
  }
}
