import type {
  ClipboardKind,
  ClipboardLimits,
  ClipboardOffer,
  ClipboardPolicy,
  ClipboardRequest,
  ClipboardState,
} from '../../protocol/wire/index.ts';
import { contentsFault, type GuestClipboard } from '../hands/index.ts';
import {
  type ClipboardCounts,
  ClipboardSeat,
  type ClipboardSeatOptions,
} from './clipboard-seat.ts';

/** Most bytes that pass when nothing is said. */
export const CLIPBOARD_LIMITS: ClipboardLimits = { text: 16 << 20, png: 32 << 20 };

/** How a desk is made. */
export interface ClipboardDeskOptions {
  readonly guest: GuestClipboard;
  readonly policy: ClipboardPolicy;
  readonly limits: ClipboardLimits;
  /** Calls back whenever the input is somebody else's. The answer ends it. */
  readonly watchHolder: (changed: () => void) => () => void;
  /** How long the guest's clipboard is kept after the last viewer has left. */
  readonly idleGraceMs: number;
  /** Units: milliseconds of any clock that does not jump. */
  readonly nowMs?: () => number;
}

/** What a viewer has offered, and what of it has come. */
interface Given {
  readonly seat: ClipboardSeat;
  readonly offer: ClipboardOffer;
  readonly contents: Map<ClipboardKind, Promise<Uint8Array | undefined>>;
}

/**
 * Brings the clipboards of the guest and of its viewers together, as far as the policy goes.
 *
 * Who has the input has the clipboard: it alone gives to the guest, and is told what the guest has.
 * Contents travel when somebody wants them, and are looked at before they go anywhere.
 */
export class ClipboardDesk {
  readonly counts: ClipboardCounts = {
    toGuest: 0,
    toGuestBytes: 0,
    fromGuest: 0,
    fromGuestBytes: 0,
    ignored: 0,
    refused: 0,
  };
  readonly policy: ClipboardPolicy;
  readonly limits: ClipboardLimits;
  readonly #guest: GuestClipboard;
  readonly #nowMs: () => number;
  readonly #seats = new Set<ClipboardSeat>();
  readonly #ends: readonly (() => void)[];
  #given: Given | undefined;
  #wasHeld = false;
  readonly #idleGraceMs: number;
  #isWanted = false;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(options: ClipboardDeskOptions) {
    this.#guest = options.guest;
    this.policy = options.policy;
    this.limits = options.limits;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#idleGraceMs = options.idleGraceMs;
    this.#ends = [
      options.guest.watch(() => this.#guestChanged()),
      options.watchHolder(() => this.#holderChanged()),
    ];
  }

  /** Whether contents pass at all now. */
  get isAvailable(): boolean {
    return this.#guest.availability.available;
  }

  /** A viewer that may act comes. */
  seat(options: ClipboardSeatOptions): ClipboardSeat {
    const seat = new ClipboardSeat(options, {
      counts: this.counts,
      limits: this.limits,
      nowMs: this.#nowMs,
      state: (of) => this.#stateOf(of),
      give: (of, offer) => this.#give(of, offer),
      read: (of, request) => this.#read(of, request),
      leave: (of) => {
        this.#seats.delete(of);
        if (this.#given?.seat === of) this.#withdraw();
        if (this.#seats.size === 0)
          this.#graceTimer = setTimeout(() => this.#attend(false), this.#idleGraceMs);
      },
    });
    this.#seats.add(seat);
    clearTimeout(this.#graceTimer);
    this.#attend(true);
    return seat;
  }

  /** Takes back what was offered. */
  close(): void {
    this.#withdraw();
    for (const end of this.#ends) end();
    for (const seat of [...this.#seats]) seat.leave();
    clearTimeout(this.#graceTimer);
    this.#attend(false);
  }

  #attend(isWanted: boolean): void {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    this.#guest.attend?.(isWanted);
  }

  #give(seat: ClipboardSeat, offer: ClipboardOffer): void {
    if (this.policy === 'from-guest' || !seat.claim()) {
      this.counts.ignored++;
      return;
    }
    if (offer.kinds.length === 0) {
      if (this.#given?.seat === seat) this.#withdraw();
    } else {
      this.#forget();
      const given: Given = { seat, offer, contents: new Map() };
      this.#given = given;
      this.#guest.offer(offer.kinds, (kind) => this.#provide(given, kind));
      this.#wasHeld = this.#guest.holdsOurs;
    }
    this.#tell();
  }

  /** What was offered is no more: neither here nor in the guest. */
  #withdraw(): void {
    if (this.#given === undefined) return;
    this.#forget();
    this.#guest.offer([], async () => undefined);
    this.#wasHeld = false;
    this.#tell();
  }

  #forget(): void {
    const given = this.#given;
    this.#given = undefined;
    given?.seat.endIncoming();
  }

  async #provide(given: Given, kind: ClipboardKind): Promise<Uint8Array | undefined> {
    const isCurrent = (): boolean => this.#given === given;
    if (!isCurrent() || !given.offer.kinds.includes(kind)) return undefined;
    const known = given.contents.get(kind);
    if (known !== undefined) return await known;
    const coming = given.seat.fetch(given.offer.offer, kind, isCurrent);
    given.contents.set(kind, coming);
    const bytes = await coming;
    if (bytes === undefined) {
      given.contents.delete(kind);
      this.counts.refused++;
      return undefined;
    }
    this.counts.toGuest++;
    this.counts.toGuestBytes += bytes.length;
    return bytes;
  }

  /** Gets what a viewer wants, or a sentence why not. */
  async #read(seat: ClipboardSeat, request: ClipboardRequest): Promise<Uint8Array | string> {
    if (this.policy === 'to-guest') return 'what is copied in the guest stays there';
    if (!seat.holds) return 'somebody else has keyboard and mouse, and with them the clipboard';
    const offered = this.#guest.offered;
    if (offered?.serial !== request.offer) return 'something else was copied in the guest by now';
    if (!offered.kinds.includes(request.kind)) return 'the guest has nothing of this kind';
    const bytes = await this.#guest.read(request.kind);
    if (bytes === undefined) return 'the guest did not give what was copied';
    const limit = this.limits[request.kind];
    if (bytes.length > limit)
      return `what was copied has ${mib(bytes.length)} MiB, and at most ${mib(limit)} pass`;
    const fault = contentsFault(request.kind, bytes);
    return fault === undefined ? bytes : `what the guest gave ${fault}`;
  }

  #guestChanged(): void {
    const { holdsOurs, availability } = this.#guest;
    // Something was copied in the guest. While the guest is away, what was offered waits for it.
    if (this.#wasHeld && !holdsOurs && availability.available) this.#forget();
    if (availability.available) this.#wasHeld = holdsOurs;
    this.#tell();
  }

  #holderChanged(): void {
    if (this.#given?.seat.holds === false) this.#withdraw();
    this.#tell();
  }

  #stateOf(seat: ClipboardSeat): Omit<ClipboardState, 'wanted'> {
    const { policy, limits } = this;
    const { availability, offered, holdsOurs } = this.#guest;
    const active = seat.holds;
    const state = { policy, active, ...availability, limits };
    if (!active) return state;
    const given = this.#given?.seat === seat && holdsOurs ? this.#given.offer.offer : undefined;
    const isTold = policy !== 'to-guest' && offered !== undefined;
    return {
      ...state,
      ...(isTold ? { guest: { offer: offered.serial, kinds: offered.kinds } } : {}),
      ...(given === undefined ? {} : { given }),
    };
  }

  #tell(): void {
    for (const seat of [...this.#seats]) seat.look();
  }
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
