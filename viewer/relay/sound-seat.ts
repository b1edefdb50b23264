import type {
  MicrophoneMessage,
  SoundCodec,
  SoundState,
  SoundWish,
} from '../../protocol/wire/index.ts';

/** Sound that a viewer's socket may still have to write; beyond, it is not sent any. */
export const MAX_UNWRITTEN_MS: number = 200;
const PIECE_MS: { readonly [codec in SoundCodec]: number } = { pcm: 10, opus: 20 };
/** So long after a line was no good it is not trusted: the first time, and twice that each time. */
const FIRST_FAR_MS = 15_000;
const MOST_FAR_MS = 600_000;
/** A line that was good for so long is trusted as at first. */
const FORGIVEN_MS = 120_000;

/** How a viewer comes to the desk. */
export interface SoundSeatOptions {
  /** Whether it may act on the guest, which speaking is. */
  readonly mayAct: boolean;
  /** Whether it has the input now. */
  readonly holdsInput: () => boolean;
  /** Whether its line is so good that sound need not be made small for it. */
  readonly isNear: () => boolean;
  /** Told when {@link SoundSeat.state} is another one. */
  readonly changed: () => void;
  /** Sends a message, and calls back when the socket has written it. */
  readonly send: (message: Uint8Array, written: () => void) => void;
}

/** A viewer at the desk. */
export interface SoundSeat {
  /** What this viewer is to be told. */
  readonly state: SoundState;
  /** It wants to hear the guest, or no more. */
  wish(wish: SoundWish): void;
  /** It wants to be heard, or no more. */
  microphoneWish(on: boolean): void;
  /** It says something. @throws ERR_KVMFR_WIRE when the pieces do not rise */
  say(piece: MicrophoneMessage): void;
  /** Nobody sees the page any more: its microphone goes off. */
  rest(): void;
  /** Something has changed, here or at the input's desk. */
  look(): void;
  leave(): void;
}

/** What a seat asks of its desk. */
interface Desk {
  readonly state: () => SoundState;
  readonly wish: (wish: SoundWish) => void;
  readonly microphoneWish: (on: boolean) => void;
  readonly say: (piece: MicrophoneMessage) => void;
  readonly look: () => void;
  /** The line of a seat has become another one. */
  readonly moved: () => void;
  readonly nowMs: () => number;
  readonly leave: () => void;
  readonly counts: { sent: number; skipped: number };
}

/** A seat as its desk sees it. */
export class DeskSeat implements SoundSeat {
  readonly mayAct: boolean;
  readonly holdsInput: () => boolean;
  /** How it wants to hear the guest; undefined when it does not. */
  codec: SoundCodec | undefined;
  takesOpus = true;
  /** How the pair of pieces comes to it that is played now. */
  way: SoundCodec | undefined;
  /** Number of the last piece that it said. */
  sequence = -1;
  readonly #options: SoundSeatOptions;
  readonly #desk: Desk;
  readonly #written = (): void => {
    this.#unwritten -= 1;
  };
  #unwritten = 0;
  #isNear = false;
  #nearSinceMs = 0;
  #farUntilMs = Number.NEGATIVE_INFINITY;
  #farForMs = FIRST_FAR_MS;
  #told = '';
  #left = false;

  constructor(options: SoundSeatOptions, desk: Desk) {
    this.mayAct = options.mayAct;
    this.holdsInput = options.holdsInput;
    this.#options = options;
    this.#desk = desk;
  }

  get state(): SoundState {
    const state = this.#desk.state();
    this.#told = JSON.stringify(state);
    return state;
  }

  wish(wish: SoundWish): void {
    if (!this.#left) this.#desk.wish(wish);
  }

  /** Whether its line was good when it was looked at. */
  get isNear(): boolean {
    return this.#isNear;
  }

  /** Whether sound is to be coded for it. */
  get wantsOpus(): boolean {
    return this.codec === 'opus' && !this.#isNear;
  }

  /** Looks at its line. One that was found to be no good is not trusted for a while. */
  measure(): void {
    if (this.codec === undefined) return;
    const { isNear } = this.#options;
    const nowMs = this.#desk.nowMs();
    const was = this.#isNear;
    this.#isNear = isNear() && nowMs >= this.#farUntilMs;
    if (was === this.#isNear) return;
    if (!was) this.#nearSinceMs = nowMs;
    else {
      if (nowMs - this.#nearSinceMs >= FORGIVEN_MS) this.#farForMs = FIRST_FAR_MS;
      this.#farUntilMs = nowMs + this.#farForMs;
      this.#farForMs = Math.min(MOST_FAR_MS, 2 * this.#farForMs);
    }
    this.#desk.moved();
    this.look();
  }

  microphoneWish(on: boolean): void {
    if (!this.#left) this.#desk.microphoneWish(on);
  }

  say(piece: MicrophoneMessage): void {
    if (!this.#left) this.#desk.say(piece);
  }

  rest(): void {
    this.microphoneWish(false);
  }

  look(): void {
    if (this.#left) return;
    this.#desk.look();
    if (this.#told !== JSON.stringify(this.#desk.state())) this.#options.changed();
  }

  /** Tells the viewer, whether something has changed or not. */
  answer(): void {
    if (!this.#left) this.#options.changed();
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.codec = undefined;
    this.way = undefined;
    this.#desk.leave();
  }

  /** Sends a piece of sound, unless those before have not been written. */
  play(message: Uint8Array, codec: SoundCodec): void {
    const { counts } = this.#desk;
    if (this.#unwritten >= MAX_UNWRITTEN_MS / PIECE_MS[codec]) {
      counts.skipped += 1;
      return;
    }
    this.#unwritten += 1;
    counts.sent += 1;
    this.#options.send(message, this.#written);
  }
}
