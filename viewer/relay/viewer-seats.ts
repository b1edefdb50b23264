import { KvmfrError } from '../../protocol/error.ts';
import {
  actsOnGuest,
  decodeClipboardData,
  decodeClipboardOffer,
  decodeClipboardRequest,
  decodeInput,
  decodeInputWish,
  decodeMicrophone,
  decodeMicrophoneWish,
  decodeSoundWish,
  type Envelope,
  encodeClipboardState,
  encodeInputState,
  encodeSoundState,
  WIRE_TYPES,
  wireError,
} from '../../protocol/wire/index.ts';
import type { ClipboardDesk } from './clipboard-desk.ts';
import type { ClipboardSeat } from './clipboard-seat.ts';
import { HeldWatch } from './held-watch.ts';
import type { InputDesk, Seat } from './input-desk.ts';
import type { SoundDesk, SoundSeat } from './sound-desk.ts';

/** The desks that a viewer can have a place at. */
export interface Desks {
  /** Hands out the guest's keyboard and pointer; undefined when there are none. */
  readonly desk: InputDesk | undefined;
  /** Brings clipboards together; undefined when they stay apart. */
  readonly clipboard: ClipboardDesk | undefined;
  /** Brings the guest's sound; undefined when there is none. */
  readonly soundDesk: SoundDesk | undefined;
}

/** What a viewer comes to the desks with. */
export interface ViewerSeatsOptions extends Desks {
  /** Whether what it sends may act on the guest; others only look. */
  readonly mayAct: boolean;
  /** What others may call it. */
  readonly name: string;
  /** When something of it was heard last. Units: `performance.now()`. */
  readonly heardMs: () => number;
  /** Asks it for a sign of life. */
  readonly ask: () => void;
  /** Whether its line is so good that sound need not be made small for it. */
  readonly isNear: () => boolean;
  /** Told when {@link ViewerSeats.tell} has something to tell. */
  readonly changed: () => void;
  /** Told when {@link ViewerSeats.nextContents} may give something. */
  readonly ready: () => void;
  /** Sends a message, and calls back when the socket has written it. */
  readonly send: (message: Uint8Array, written?: () => void) => void;
}

/** One viewer's places at the desks: its hands, its clipboard, and what it hears and says. */
export class ViewerSeats {
  readonly #options: ViewerSeatsOptions;
  /** Its place at the desk, if it may act and there is one. */
  #input: Seat | undefined;
  #inputDue = false;
  #clipboard: ClipboardSeat | undefined;
  #clipboardDue = false;
  #sound: SoundSeat | undefined;
  #soundDue = false;
  readonly #held: HeldWatch;

  constructor(options: ViewerSeatsOptions) {
    this.#options = options;
    this.#held = new HeldWatch({
      holds: () => this.#input?.holds === true,
      heardMs: options.heardMs,
      ask: options.ask,
      letGo: () => this.#input?.rest(),
      nowMs: () => performance.now(),
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    });
  }

  /** Takes the places that there are for this viewer. */
  sitDown(): void {
    const { desk, clipboard, soundDesk, mayAct, name, isNear, changed, ready, send } =
      this.#options;
    this.#soundDue = true;
    this.#sound = soundDesk?.seat({
      mayAct,
      holdsInput: () => this.#input?.hasInput === true,
      isNear,
      changed: () => {
        this.#soundDue = true;
        changed();
      },
      send,
    });
    if (desk === undefined || !mayAct) return;
    this.#inputDue = true;
    this.#input = desk.seat({
      name,
      changed: () => {
        this.#inputDue = true;
        this.#sound?.look();
        changed();
      },
    });
    if (clipboard === undefined) return;
    this.#clipboardDue = true;
    this.#clipboard = clipboard.seat({
      input: this.#input,
      changed: () => {
        this.#clipboardDue = true;
        changed();
      },
      ready,
    });
  }

  /**
   * Takes a message, if it is one for a desk.
   *
   * @returns whether it was
   * @throws ERR_KVMFR_DENIED when it acts on the guest and the viewer may only look, before it is read
   * @throws ERR_KVMFR_WIRE
   */
  receive(envelope: Envelope): boolean {
    switch (envelope.type) {
      case WIRE_TYPES.input:
        this.#needInput(envelope).receive(decodeInput(envelope));
        this.#held.look();
        return true;
      case WIRE_TYPES.inputWish:
        this.#needInput(envelope).wish(decodeInputWish(envelope));
        return true;
      case WIRE_TYPES.clipboardOffer:
        this.#needClipboard(envelope).offer(decodeClipboardOffer(envelope));
        return true;
      case WIRE_TYPES.clipboardRequest:
        this.#needClipboard(envelope).request(decodeClipboardRequest(envelope));
        return true;
      case WIRE_TYPES.viewerClipboardData:
        this.#needClipboard(envelope).take(decodeClipboardData(envelope));
        return true;
      case WIRE_TYPES.soundWish:
        this.#needSound(envelope).wish(decodeSoundWish(envelope));
        return true;
      case WIRE_TYPES.microphoneWish:
        this.#needInput(envelope);
        this.#needSound(envelope).microphoneWish(decodeMicrophoneWish(envelope));
        return true;
      case WIRE_TYPES.microphone:
        this.#needInput(envelope);
        this.#needSound(envelope).say(decodeMicrophone(envelope));
        return true;
      default:
        if (actsOnGuest(envelope.type)) this.#needInput(envelope);
        return false;
    }
  }

  /** Sends what has changed of how it stands at the desks. */
  tell(): void {
    const { send } = this.#options;
    if (this.#inputDue && this.#input !== undefined) {
      this.#inputDue = false;
      send(encodeInputState(this.#input.state));
    }
    if (this.#clipboardDue && this.#clipboard !== undefined) {
      this.#clipboardDue = false;
      send(encodeClipboardState(this.#clipboard.state));
    }
    if (this.#soundDue && this.#sound !== undefined) {
      this.#soundDue = false;
      send(encodeSoundState(this.#sound.state));
    }
  }

  /** A piece of a clipboard on its way to this viewer: written, it asks for the next. */
  nextContents(): Uint8Array | undefined {
    return this.#clipboard?.next();
  }

  /** Nobody looks any more: what is held is let go, and its microphone is off. */
  rest(): void {
    this.#input?.rest();
    this.#sound?.rest();
  }

  /** About a second has passed. */
  tick(): void {
    this.#input?.look();
    this.#clipboard?.tick();
  }

  /** The viewer has gone. */
  leave(): void {
    this.#clipboard?.leave();
    this.#clipboard = undefined;
    this.#held.stop();
    this.#sound?.leave();
    this.#sound = undefined;
    this.#input?.leave();
    this.#input = undefined;
  }

  /** Its place at the desk. @throws ERR_KVMFR_DENIED when it may only look */
  #needInput({ type }: Envelope): Seat {
    if (!this.#options.mayAct)
      throw new KvmfrError('ERR_KVMFR_DENIED', 'this viewer may look, and do nothing else');
    if (this.#input === undefined)
      throw wireError(`nothing takes messages of type ${type}: this guest has no input`);
    return this.#input;
  }

  /** Its place at the desk of the clipboard. @throws ERR_KVMFR_DENIED, ERR_KVMFR_WIRE */
  #needClipboard(envelope: Envelope): ClipboardSeat {
    this.#needInput(envelope);
    if (this.#clipboard === undefined)
      throw wireError(
        `nothing takes messages of type ${envelope.type}: clipboards stay apart here`,
      );
    return this.#clipboard;
  }

  #needSound({ type }: Envelope): SoundSeat {
    if (this.#sound === undefined)
      throw wireError(`nothing takes messages of type ${type}: this guest has no sound`);
    return this.#sound;
  }
}
