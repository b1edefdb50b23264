import type { InputEvent, Locks } from '../../protocol/wire/index.ts';

/** What reaches the guest at present. */
export interface InputAbilities {
  readonly keyboard: boolean;
  /** Places of the pointer. */
  readonly absolute: boolean;
  /** Steps of the pointer. */
  readonly relative: boolean;
  /** Why something of it does not, one sentence for a person. */
  readonly reason?: string;
}

/** The screen that places and steps of the pointer are on. */
export interface GuestScreen {
  /** Before it is turned. Units: pixels. */
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  /** How the guest has turned its desktop. Units: quarter turns clockwise. */
  readonly rotation: number;
}

/**
 * The hands in the guest: a way for keys and pointer to get there, whichever it is.
 *
 * Nothing here throws, and nothing is kept for a guest that does not take it: of places only the
 * newest counts, steps are added up, keys and buttons go at once or not at all.
 */
export interface GuestInput {
  readonly abilities: InputAbilities;
  /** Lights of the guest's keyboard; undefined while nobody has told. */
  readonly locks: Locks | undefined;
  /** Does one thing, on a screen; undefined while no picture has been seen. */
  apply(event: InputEvent, screen?: GuestScreen): void;
  /** A person wants to act: a way that another program has taken is taken back, if it can be. */
  wanted?(): void;
  /** Calls back when abilities or locks are others. The answer ends it. */
  watch(changed: () => void): () => void;
}
