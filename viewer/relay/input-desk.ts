import { channel } from 'node:diagnostics_channel';
import type { InputEvent, InputMessage, InputState, InputWish } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen } from '../hands/index.ts';

/** Told of every {@link AppliedInput} while somebody listens. */
const appliedInputs = channel('kvmfr:relay:input');

/** Whoever has done nothing for so long may be relieved of the input. */
export const IDLE_MS: number = 10_000;
/** The same for who holds a key or a button: somebody drags something, or aims, but not for ever. */
export const HELD_IDLE_MS: number = 300_000;
/** A wish for the input is told to who has it for so long. */
export const ASK_MS: number = 20_000;
/** Presses a second that a person, a macro, and a paste together do not reach. */
export const MAX_PRESSES_PER_SECOND: number = 400;

/** How a desk is made. */
export interface InputDeskOptions {
  readonly guest: GuestInput;
  /** The screen that viewers see; undefined while there is none. */
  readonly screen?: () => GuestScreen | undefined;
  /** Units: milliseconds of any clock that does not jump. */
  readonly nowMs?: () => number;
}

/** How a viewer comes to the desk. */
export interface SeatOptions {
  /** What others may call it. */
  readonly name: string;
  /** Told when {@link Seat.state} is another one. */
  readonly changed: () => void;
}

/** What the channel `kvmfr:relay:input` is told: what a person has done is on its way into the guest. */
export interface AppliedInput {
  /** When the first of it was done, by this clock as the viewer knows it; undefined when it does not. */
  readonly doneMs: number | undefined;
  /** When all of it had been given to the guest's input. Units: milliseconds since 1970. */
  readonly appliedMs: number;
  readonly events: readonly InputEvent[];
}

/** What has come to the desk since it was made. */
export interface InputCounts {
  /** Events that went to the guest. */
  applied: number;
  /** Events of viewers that did not have the input. */
  ignored: number;
  /** Presses beyond what people do. */
  dropped: number;
}

/** A viewer at the desk. */
export interface Seat {
  /** Whether this viewer has the input. */
  readonly hasInput: boolean;
  /** Takes the input when nobody has it. The answer is whether this viewer has it. */
  claim(): boolean;
  /** What this viewer is to be told. */
  readonly state: InputState;
  /** Whether this viewer holds a key or a button of the guest. */
  readonly holds: boolean;
  /** Does what a viewer has done, when it has the input or nobody has. */
  receive(message: InputMessage): void;
  wish(wish: InputWish): void;
  /** Lets go of all that is held: nobody looks at the keyboard any more. */
  rest(): void;
  /** Time has passed: tells the viewer when it is to be told something else. */
  look(): void;
  leave(): void;
}

/**
 * Hands the guest's keyboard and pointer to one viewer at a time.
 *
 * Who acts first has it, for as long as it does something. Another one may take it when nobody has
 * it, or who has it has done nothing for ten seconds (five minutes, while it holds something); before that it can ask, which is told to who
 * has it. Whenever it changes hands, or its holder goes, everything that is held is let go: the
 * guest never sees a key of somebody who is not there.
 */
export class InputDesk {
  readonly counts: InputCounts = { applied: 0, ignored: 0, dropped: 0 };
  readonly #guest: GuestInput;
  readonly #screen: () => GuestScreen | undefined;
  readonly #nowMs: () => number;
  readonly #seats = new Set<DeskSeat>();
  readonly #unwatch: () => void;
  readonly #holderWatchers = new Set<() => void>();
  readonly #keys = new Map<string, InputEvent & { readonly kind: 'key' }>();
  #buttons = 0;
  #holder: DeskSeat | undefined;
  #actedMs = 0;
  #asked: { readonly seat: DeskSeat; readonly untilMs: number } | undefined;
  #second = { startMs: 0, presses: 0 };

  constructor(options: InputDeskOptions) {
    this.#guest = options.guest;
    this.#screen = options.screen ?? (() => undefined);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#unwatch = options.guest.watch(() => this.#tell());
  }

  /** Whether anything is held in the guest. */
  get holdsAny(): boolean {
    return this.#keys.size > 0 || this.#buttons !== 0;
  }

  /** A viewer that may act comes. */
  seat(options: SeatOptions): Seat {
    const seat = new DeskSeat(options, {
      state: (of) => this.#stateOf(of),
      hasInput: (of) => of === this.#holder,
      claim: (of) => this.#claim(of),
      holds: (of) => of === this.#holder && this.holdsAny,
      receive: (of, message) => this.#receive(of, message),
      wish: (of, wish) => (wish === 'take' ? this.#take(of) : this.#give(of)),
      rest: (of) => {
        if (of === this.#holder) this.#letGo();
      },
      leave: (of) => this.#leave(of),
    });
    this.#seats.add(seat);
    return seat;
  }

  /** Calls back whenever the input is somebody else's. The answer ends it. */
  watchHolder(changed: () => void): () => void {
    this.#holderWatchers.add(changed);
    return () => this.#holderWatchers.delete(changed);
  }

  /** Lets go of everything. */
  close(): void {
    this.#letGo();
    this.#unwatch();
    this.#seats.clear();
    this.#holder = undefined;
  }

  #claim(seat: DeskSeat): boolean {
    if (this.#holder === undefined) this.#hand(seat);
    return this.#holder === seat;
  }

  #receive(seat: DeskSeat, { atMs, events }: InputMessage): void {
    if (!this.#claim(seat)) {
      this.counts.ignored += events.length;
      return;
    }
    this.#actedMs = this.#nowMs();
    for (const event of events) this.#do(event);
    if (appliedInputs.hasSubscribers) {
      const appliedMs = performance.timeOrigin + performance.now();
      const told: AppliedInput = { doneMs: atMs, appliedMs, events };
      appliedInputs.publish(told);
    }
  }

  #do(event: InputEvent): void {
    if (event.kind === 'release') {
      this.#letGo();
      return;
    }
    if (!this.#note(event)) return;
    this.counts.applied++;
    this.#guest.apply(event, this.#screen());
  }

  /** Keeps account of what is held. The answer is whether the guest is to be told. */
  #note(event: InputEvent): boolean {
    if (event.kind === 'key') {
      const { code } = event.key;
      if (!event.down) return this.#keys.delete(code);
      if (!this.#allowsPress()) return false;
      this.#keys.set(code, event);
      return true;
    }
    if (event.kind === 'button') {
      const bit = 1 << event.button;
      const isHeld = (this.#buttons & bit) !== 0;
      // A button that is not down cannot go up, and one that is cannot go down.
      if (isHeld === event.down) return false;
      if (event.down && !this.#allowsPress()) return false;
      this.#buttons ^= bit;
    }
    return true;
  }

  #allowsPress(): boolean {
    const nowMs = this.#nowMs();
    if (nowMs - this.#second.startMs >= 1000) this.#second = { startMs: nowMs, presses: 0 };
    this.#second.presses++;
    if (this.#second.presses <= MAX_PRESSES_PER_SECOND) return true;
    this.counts.dropped++;
    return false;
  }

  /** All that is held goes up. */
  #letGo(): void {
    for (const { key } of this.#keys.values()) this.#guest.apply({ kind: 'key', key, down: false });
    this.#keys.clear();
    for (let button = 0; 1 << button <= this.#buttons; button++)
      if ((this.#buttons & (1 << button)) !== 0)
        this.#guest.apply({ kind: 'button', button, down: false });
    this.#buttons = 0;
  }

  #take(seat: DeskSeat): void {
    this.#guest.wanted?.();
    if (this.#holder === seat) return;
    if (this.#isFree) {
      this.#hand(seat);
      return;
    }
    this.#asked = { seat, untilMs: this.#nowMs() + ASK_MS };
    this.#tell();
  }

  /** Gives the input back, to who asked for it if anybody did. */
  #give(seat: DeskSeat): void {
    if (this.#holder === seat) this.#hand(this.#asking);
  }

  #leave(seat: DeskSeat): void {
    this.#seats.delete(seat);
    if (this.#asked?.seat === seat) this.#asked = undefined;
    if (this.#holder === seat) this.#hand(this.#asking);
    else this.#tell();
  }

  #hand(seat: DeskSeat | undefined): void {
    this.#letGo();
    this.#holder = seat;
    this.#actedMs = this.#nowMs();
    if (this.#asked?.seat === seat) this.#asked = undefined;
    this.#tell();
    for (const changed of [...this.#holderWatchers]) changed();
  }

  /** Who asks for the input, unless that was long ago. */
  get #asking(): DeskSeat | undefined {
    const asked = this.#asked;
    return asked !== undefined && this.#nowMs() <= asked.untilMs ? asked.seat : undefined;
  }

  get #isFree(): boolean {
    if (this.#holder === undefined) return true;
    return this.#nowMs() - this.#actedMs >= (this.holdsAny ? HELD_IDLE_MS : IDLE_MS);
  }

  #stateOf(seat: DeskSeat): InputState {
    const { keyboard, absolute, relative, reason } = this.#guest.abilities;
    const { locks } = this.#guest;
    const holder = this.#holder;
    const asked = holder === seat ? this.#asking?.name : undefined;
    return {
      keyboard,
      absolute,
      relative,
      holder: holder === undefined ? 'nobody' : holder === seat ? 'you' : 'other',
      free: this.#isFree,
      ...(holder === undefined || holder === seat ? {} : { holderName: holder.name }),
      ...(asked === undefined ? {} : { askedBy: asked }),
      ...(locks === undefined ? {} : { locks }),
      ...(reason === undefined ? {} : { reason }),
    };
  }

  #tell(): void {
    for (const seat of this.#seats) seat.look();
  }
}

/** What a seat asks of its desk. */
interface Desk {
  readonly state: (seat: DeskSeat) => InputState;
  readonly holds: (seat: DeskSeat) => boolean;
  readonly hasInput: (seat: DeskSeat) => boolean;
  readonly claim: (seat: DeskSeat) => boolean;
  readonly receive: (seat: DeskSeat, message: InputMessage) => void;
  readonly wish: (seat: DeskSeat, wish: InputWish) => void;
  readonly rest: (seat: DeskSeat) => void;
  readonly leave: (seat: DeskSeat) => void;
}

class DeskSeat implements Seat {
  readonly name: string;
  readonly #desk: Desk;
  readonly #changed: () => void;
  #told: string;
  #left = false;

  constructor(options: SeatOptions, desk: Desk) {
    this.name = options.name;
    this.#changed = options.changed;
    this.#desk = desk;
    this.#told = '';
  }

  get state(): InputState {
    const state = this.#desk.state(this);
    this.#told = JSON.stringify(state);
    return state;
  }

  get holds(): boolean {
    return this.#desk.holds(this);
  }

  get hasInput(): boolean {
    return this.#desk.hasInput(this);
  }

  claim(): boolean {
    return !this.#left && this.#desk.claim(this);
  }

  receive(message: InputMessage): void {
    if (!this.#left) this.#desk.receive(this, message);
  }

  wish(wish: InputWish): void {
    if (!this.#left) this.#desk.wish(this, wish);
  }

  rest(): void {
    this.#desk.rest(this);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#desk.leave(this);
  }

  look(): void {
    if (this.#told !== JSON.stringify(this.#desk.state(this))) this.#changed();
  }
}
