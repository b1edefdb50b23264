import {
  type ClipboardData,
  type ClipboardKind,
  type ClipboardLimits,
  type ClipboardOffer,
  type ClipboardRequest,
  type ClipboardState,
  MAX_CLIPBOARD_CONTENTS_BYTES,
} from '../../protocol/wire/index.ts';
import { IncomingContents, OutgoingContents } from './clipboard-transfers.ts';
import type { Seat } from './input-desk.ts';

/** What goes at once: any text that a person has read. */
const BURST_BYTES = 256 * 1024;
/** Between two pieces of what is larger: 10 MB take four seconds, and leave the processors to keys. */
const PIECE_MS = 12;
/** Times that a viewer may begin to get contents, in a second. */
const MAX_STARTS_PER_TICK = 20;

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

/** What a seat asks of its desk. */
export interface ClipboardSeatDesk {
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
  readonly #desk: ClipboardSeatDesk;
  #incoming: IncomingContents | undefined;
  #outgoing: OutgoingContents | undefined;
  #pause: NodeJS.Timeout | undefined;
  #fetched = 0;
  #lastTransfer = 0;
  #starts = 0;
  #told = '';
  #left = false;

  constructor(options: ClipboardSeatOptions, desk: ClipboardSeatDesk) {
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
