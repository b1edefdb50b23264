import type { ClipboardKind } from '../../protocol/wire/index.ts';

/** Whether contents go between the guest and us now. */
export interface ClipboardAvailability {
  readonly available: boolean;
  /** Why not, one sentence for a person. */
  readonly reason?: string;
}

/** What the guest has in its clipboard. */
export interface GuestOffer {
  /** Another one for each time that something was copied in the guest. From 1. */
  readonly serial: number;
  /** At least one. */
  readonly kinds: readonly ClipboardKind[];
}

/**
 * Gives the contents that were offered, once the guest wants them; undefined when there are none any
 * more, or the kind was not offered.
 */
export type ProvideContents = (kind: ClipboardKind) => Promise<Uint8Array | undefined>;

/**
 * The clipboard of a guest, by whichever way.
 *
 * Contents are UTF-8 text whose lines end in LF, whatever the guest's own do, and PNG files. They
 * travel when they are wanted and not before. Nothing here throws or rejects. There is one owner at a
 * time: what the guest copies ends our offer, and our offer ends the guest's; what we gave is
 * never told as an offer of the guest.
 */
export interface GuestClipboard {
  readonly availability: ClipboardAvailability;
  /** What the guest has to give; undefined when nothing, or nothing but what we offered. */
  readonly offered: GuestOffer | undefined;
  /** Whether the guest has been told what we offered last, and nothing else was copied since. */
  readonly holdsOurs: boolean;
  /**
   * Gets what the guest offers; undefined when it has none of this kind any more, gives none in
   * time, or what it gives is not of that kind.
   *
   * Ownership: the caller's.
   */
  read(kind: ClipboardKind): Promise<Uint8Array | undefined>;
  /**
   * Says that we have something, instead of what was offered before; no kinds: that we have nothing.
   * It holds until the guest copies something, also over a loss of the connection.
   */
  offer(kinds: readonly ClipboardKind[], provide: ProvideContents): void;
  /**
   * Somebody who may use it is there from now on, or nobody any more. A clipboard that others want as
   * well is claimed only meanwhile; where this is left out it is there for us at any time.
   */
  attend?(isWanted: boolean): void;
  /** Calls back when availability, {@link offered} or {@link holdsOurs} is another. The answer ends it. */
  watch(changed: () => void): () => void;
}
