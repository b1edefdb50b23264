import {
  type ClipboardData,
  type ClipboardKind,
  type ClipboardLimits,
  type ClipboardOffer,
  type ClipboardPolicy,
  type ClipboardRequest,
  type ClipboardState,
  MAX_CLIPBOARD_CONTENTS_BYTES,
} from '../../protocol/wire/index.ts';
import { contentsFault, type GuestClipboard } from '../hands/index.ts';
import { IncomingContents, OutgoingContents } from './clipboard-transfers.ts';
import type { Seat } from './input-desk.ts';

/** Most bytes that pass when nothing is said. */
export const CLIPBOARD_LIMITS: ClipboardLimits = { text: 16 << 20, png: 32 << 20 };
/** What goes at once: any text that a person has read. */
const BURST_BYTES = 256 * 1024;
/** Between two pieces of what is larger: 10 MB take four seconds, and leave the processors to keys. */
const PIECE_MS = 12;
/** Times that a viewer may begin to get contents, in a second. */
const MAX_STARTS_PER_TICK = 20;

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

/** What has passed since the desk was made; nothing of what it was. */
export interface ClipboardCounts {
  /** Contents that went into the guest's clipboard. */
  toGuest: number;
  toGuestBytes: number;
  /** Contents that went on their way to viewers. */
  fromGuest: number;
  fromGuestBytes: number;
  /** What came from viewers that may not, or too late. */
  ignored: number;
  /** Contents that were asked for and did not come, or were not let pass. */
  refused: number;
}

/** How a viewer comes to the desk. */
export interface ClipboardSeatOptions {
  /** Its place at the desk of the input. */
  readonly input: Pick<Seat, 'hasInput' | 'claim'>;
  /** Told when {@link ClipboardSeat.state} is another. */
  readonly changed: () => void;
  /** Told when {@link ClipboardSeat.next} may give something. */
  readonly ready: () => void;
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

/** What a seat asks of its desk. */
interface Desk {
  readonly counts: ClipboardCounts;
  readonly limits: ClipboardLimits;
  readonly nowMs: () => number;
  readonly state: (seat: ClipboardSeat) => Omit<ClipboardState, 'wanted'>;
  readonly give: (seat: ClipboardSeat, offer: ClipboardOffer) => void;
  readonly read: (seat: ClipboardSeat, request: ClipboardRequest) => Promise<Uint8Array | string>;
  readonly leave: (seat: ClipboardSeat) => void;
}

/** A viewer at the desk: what it is told, and one transfer each way. */
export class ClipboardSeat {
  readonly #options: ClipboardSeatOptions;
  readonly #desk: Desk;
  #incoming: IncomingContents | undefined;
  #outgoing: OutgoingContents | undefined;
  #pause: NodeJS.Timeout | undefined;
  #fetched = 0;
  #lastTransfer = 0;
  #starts = 0;
  #told = '';
  #left = false;

  constructor(options: ClipboardSeatOptions, desk: Desk) {
    this.#options = options;
    this.#desk = desk;
  }

  /** Whether this viewer has the input. */
  get holds(): boolean {
    return !this.#left && this.#options.input.hasInput;
  }

  /** What this viewer is to be told. */
  get state(): ClipboardState {
    const state = this.#stateNow;
    this.#told = JSON.stringify(state);
    return state;
  }

  /** Takes the input when nobody has it. The answer is whether this viewer has it. */
  claim(): boolean {
    return !this.#left && this.#options.input.claim();
  }

  /** The viewer has something, or nothing any more. */
  offer(offer: ClipboardOffer): void {
    if (!this.#left) this.#desk.give(this, offer);
  }

  /** The viewer wants contents, or more of them. */
  request(request: ClipboardRequest): void {
    if (this.#left) return;
    const { transfer, upTo } = request;
    const outgoing = this.#outgoing;
    if (transfer === outgoing?.transfer) {
      if (upTo === 0) this.#outgoing = undefined;
      else outgoing.allow(upTo);
      this.#options.ready();
      return;
    }
    // What is said of a transfer that has ended comes late.
    if (transfer <= this.#lastTransfer || upTo === 0) return;
    this.#lastTransfer = transfer;
    const begun = new OutgoingContents(transfer, upTo);
    this.#outgoing = begun;
    void this.#fill(begun, request);
  }

  /** Takes a piece of what this viewer has. @throws ERR_KVMFR_WIRE */
  take(data: ClipboardData): void {
    const incoming = this.#incoming;
    if (incoming === undefined || incoming.wanted.transfer !== data.transfer) {
      this.#desk.counts.ignored++;
      return;
    }
    let isOver = true;
    try {
      isOver = incoming.take(data);
    } finally {
      if (isOver) this.endIncoming();
    }
  }

  /** The next message of contents; undefined when there is none to be sent now. */
  next(): Uint8Array | undefined {
    const outgoing = this.#outgoing;
    if (outgoing === undefined || this.#pause !== undefined) return undefined;
    const piece = outgoing.next();
    if (piece !== undefined && outgoing.sent > BURST_BYTES)
      this.#pause = setTimeout(() => {
        this.#pause = undefined;
        this.#options.ready();
      }, PIECE_MS);
    return piece;
  }

  /** Gets contents of what this viewer has; undefined when they do not come. */
  async fetch(
    offer: number,
    kind: ClipboardKind,
    isCurrent: () => boolean,
  ): Promise<Uint8Array | undefined> {
    // One transfer at a time; there are two kinds, so that one may wait.
    while (this.#incoming !== undefined) await this.#incoming.whole;
    if (this.#left || !isCurrent()) return undefined;
    const incoming = new IncomingContents({
      request: { transfer: ++this.#fetched, offer, kind },
      limitBytes: Math.min(this.#desk.limits[kind], MAX_CLIPBOARD_CONTENTS_BYTES),
      nowMs: this.#desk.nowMs,
      changed: () => this.look(),
    });
    this.#incoming = incoming;
    this.look();
    return await incoming.whole;
  }

  /** What is on its way from this viewer is not wanted any more, or is there. */
  endIncoming(): void {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    incoming?.end();
    this.look();
  }

  /** Something has changed: tells the viewer when it is to be told something else. */
  look(): void {
    if (this.#left) return;
    if (!this.holds) this.#outgoing?.refuse('somebody else has keyboard and mouse now');
    if (this.#told !== JSON.stringify(this.#stateNow)) this.#options.changed();
    if (this.#outgoing !== undefined) this.#options.ready();
  }

  /** A second has passed. */
  tick(): void {
    this.#starts = 0;
    if (this.#incoming?.isSilent() === true) this.endIncoming();
  }

  /** The viewer has gone. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#outgoing = undefined;
    clearTimeout(this.#pause);
    this.#desk.leave(this);
    this.endIncoming();
  }

  get #stateNow(): ClipboardState {
    const wanted = this.#incoming?.wanted;
    return { ...this.#desk.state(this), ...(wanted === undefined ? {} : { wanted }) };
  }

  async #fill(outgoing: OutgoingContents, request: ClipboardRequest): Promise<void> {
    const { counts } = this.#desk;
    this.#starts++;
    const found =
      this.#starts > MAX_STARTS_PER_TICK
        ? 'this was asked for too often'
        : await this.#desk.read(this, request);
    if (this.#outgoing !== outgoing) return;
    if (typeof found === 'string' || !this.holds) {
      counts.refused++;
      outgoing.refuse(
        typeof found === 'string' ? found : 'somebody else has keyboard and mouse now',
      );
    } else {
      counts.fromGuest++;
      counts.fromGuestBytes += found.length;
      outgoing.fill(found);
    }
    this.#options.ready();
  }
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
