import { Client, type GuestPointerLine } from '../client/index.ts';
import { FEATURES } from '../protocol/kvmfr/session.ts';
import type { PointerWish } from '../viewer/hands/index.ts';
import type { GuestSight, RegionPlace } from './region-hands.ts';

/** Between two looks at what the guest takes. It changes when another publisher comes. */
const LOOK_MS = 250;

/**
 * Places of a guest's pointer by its region (SETCURSORPOS), beside another way for all else. The region
 * is opened with the first place.
 */
export class RegionPointer implements PointerWish, AsyncDisposable {
  readonly #place: RegionPlace;
  readonly #watchers: Set<() => void> = new Set();
  #available = false;
  #timer: NodeJS.Timeout | undefined;
  #open: { readonly client: Client; readonly line: GuestPointerLine } | undefined;

  constructor(place: RegionPlace) {
    this.#place = place;
  }

  get available(): boolean {
    return this.#available;
  }

  /** Looks at what the guest takes, from now on. */
  follow(guest: GuestSight): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#look(guest), LOOK_MS);
    this.#timer.unref();
    this.#look(guest);
  }

  moveTo(place: { readonly x: number; readonly y: number }): void {
    if (!this.#available) return;
    if (this.#open === undefined) {
      const { path, assume } = this.#place;
      const client = new Client(path, { assume });
      this.#open = { client, line: client.pointer() };
    }
    this.#open.line.moveTo(place);
  }

  whenSettled(run: () => void): void {
    if (this.#open === undefined) run();
    else this.#open.line.whenSettled(run);
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#watchers.clear();
    this.#available = false;
    await this.#open?.line.close();
    await this.#open?.client.close();
  }

  #look({ session, state }: GuestSight): void {
    const isTaken = ((session?.features ?? 0) & FEATURES.setCursorPos) !== 0;
    const available = isTaken && state.name === 'showing';
    if (available === this.#available) return;
    this.#available = available;
    for (const changed of [...this.#watchers]) changed();
  }
}
