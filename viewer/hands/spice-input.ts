import type { ButtonName, MouseMode, SpiceSession } from '../../client/spice/index.ts';
import type { Key } from '../../protocol/keys.ts';
import type { InputEvent, Locks } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';
import { Notches } from './notches.ts';
import { partOf, pieceOf, turnedStep } from './place.ts';

/** Buttons in the order of the wire. */
const BUTTONS: readonly ButtonName[] = ['left', 'middle', 'right', 'side', 'extra'];
/** What the pointer does while the server changes its mode; more than a person does meanwhile. */
const MAX_WAITING = 64;
/**
 * How often the server is taken back from another viewer in a minute. Where a person does the same
 * there, neither would have it any more.
 */
const MAX_TAKEN_BACK = 3;
const MINUTE_MS = 60_000;

type PointerEvent = Exclude<InputEvent, { kind: 'key' } | { kind: 'release' }>;

interface Waiting {
  readonly event: PointerEvent;
  readonly screen: GuestScreen | undefined;
}

/**
 * Keyboard and pointer of a guest by its SPICE server.
 *
 * Places reach the guest where it has a tablet (or an agent that stands for one) and QEMU has a screen
 * that they are counted on; steps always do. The server has one mode at a time for the two: it is
 * asked for the other one when the first place or step comes, and until it answers what the pointer
 * does waits.
 *
 * Ownership: the session stays its maker's, who closes it after this.
 */
export class SpiceInput implements GuestInput {
  readonly #session: SpiceSession;
  readonly #nowMs: () => number;
  readonly #notches: Notches;
  readonly #ended = new AbortController();
  readonly #watchers = new Set<() => void>();
  #asked: MouseMode | undefined;
  #waiting: Waiting[] = [];
  #screen: SpiceSession['display']['screen'];
  #told = '';
  /** The connection by which the guest was last told of buttons. */
  #buttonsBy: number | undefined;
  /** When the server was taken back. */
  #takenBackMs: number[] = [];

  constructor(session: SpiceSession, options: { readonly nowMs?: () => number } = {}) {
    this.#session = session;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#notches = new Notches(this.#nowMs);
    const { signal } = this.#ended;
    const look = (): void => this.#look();
    void eachOf(session.states({ signal }), () => this.#stateChanged());
    void eachOf(session.infos({ signal }), () => this.#modeChanged());
    void eachOf(session.inputs.lockChanges({ signal }), look);
    void eachOf(session.display.frames({ signal }), () => {
      if (session.display.screen !== this.#screen) this.#look();
    });
  }

  get abilities(): InputAbilities {
    const { state, info, inputs, display } = this.#session;
    if (state.name !== 'connected' || info === undefined || !inputs.isOpen)
      return { keyboard: false, absolute: false, relative: false, reason: this.#absence };
    const hasTablet = info.mouseModes.includes('client');
    const absolute = hasTablet && display.screen !== undefined;
    const relative = info.mouseModes.includes('server');
    const reason = hasTablet
      ? 'QEMU has no screen of its own'
      : 'the virtual machine has no tablet';
    return {
      keyboard: true,
      absolute,
      relative,
      ...(absolute ? {} : { reason: `the pointer moves by steps: ${reason}` }),
    };
  }

  get locks(): Locks | undefined {
    return this.#session.inputs.isOpen ? this.#session.inputs.locks : undefined;
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    const { inputs } = this.#session;
    if (!inputs.isOpen) {
      if ((event.kind === 'key' || event.kind === 'button') && event.down) this.wanted();
      return;
    }
    this.#comeUp();
    if (event.kind === 'key') this.#key(event.key, event.down);
    else if (event.kind === 'release') this.#releaseAll();
    else this.#point({ event, screen });
  }

  /** Takes the server back when another viewer has it, unless that goes to and fro. */
  wanted(): void {
    if (this.#session.state.name !== 'taken' || !this.#mayTakeBack) return;
    this.#takenBackMs.push(this.#nowMs());
    this.#session.reconnect();
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Lets go of everything, and does nothing any more. */
  close(): void {
    this.#ended.abort();
    this.#watchers.clear();
    if (this.#session.inputs.isOpen) this.#releaseAll();
  }

  get #mayTakeBack(): boolean {
    const sinceMs = this.#nowMs() - MINUTE_MS;
    this.#takenBackMs = this.#takenBackMs.filter((atMs) => atMs > sinceMs);
    return this.#takenBackMs.length < MAX_TAKEN_BACK;
  }

  /** Why nothing reaches the guest, and what a person can do. */
  get #absence(): string {
    const { state } = this.#session;
    if (state.name !== 'taken') return reasonOf(state);
    return this.#mayTakeBack
      ? 'another viewer has the SPICE server: click into the picture to take it back'
      : 'two viewers take the SPICE server from each other: close the other one, and click here in a minute';
  }

  /**
   * A server lets keys go when their viewer leaves, and buttons not. It is told of all buttons each
   * time, so the release of one lets go of all. What a lost connection was given last may not have
   * got there, so each new one begins with it.
   */
  #comeUp(): void {
    if (this.#buttonsBy === undefined || this.#buttonsBy === this.#session.connections) return;
    this.#buttonsBy = this.#session.connections;
    this.#session.inputs.release('left');
  }

  #key(key: Key, down: boolean): void {
    const { inputs } = this.#session;
    // Pause too: of the six bytes that a keyboard sends for it QEMU makes two presses and no release.
    if (down) inputs.keyDown(key.set1);
    else inputs.keyUp(key.set1);
  }

  #releaseAll(): void {
    this.#drain();
    this.#notches.forget();
    this.#comeUp();
    this.#session.inputs.releaseAll();
  }

  #point(one: Waiting): void {
    const { event } = one;
    const mode = modeFor(event);
    if (mode === 'client' && !this.abilities.absolute) {
      // The screen may have gone without a word.
      this.#look();
      return;
    }
    if (this.#mayGo(mode)) {
      this.#do(one);
      return;
    }
    // A button that went down in the guest comes up there, whatever the server is waited for.
    if (event.kind === 'button' && !event.down && !this.#isWaiting(event.button)) this.#do(one);
    else this.#wait(one);
  }

  /** Whether a mode is the server's, and asks for it when not. */
  #mayGo(mode: MouseMode | undefined): boolean {
    const { info } = this.#session;
    if (info === undefined) return false;
    if (this.#waiting.length > 0) return false;
    if (mode === undefined || info.mouseMode === mode) return true;
    if (!info.mouseModes.includes(mode)) return true;
    this.#ask(mode);
    return false;
  }

  #ask(mode: MouseMode): void {
    if (this.#asked === mode) return;
    this.#asked = mode;
    this.#session.requestMouseMode(mode);
  }

  #isWaiting(button: number): boolean {
    return this.#waiting.some(({ event }) => event.kind === 'button' && event.button === button);
  }

  #wait(one: Waiting): void {
    const last = this.#waiting.at(-1)?.event;
    const { event } = one;
    if (event.kind === 'position' && last?.kind === 'position') this.#waiting.pop();
    else if (event.kind === 'motion' && last?.kind === 'motion') {
      this.#waiting.pop();
      const sum = { kind: 'motion', dx: last.dx + event.dx, dy: last.dy + event.dy } as const;
      this.#waiting.push({ event: sum, screen: one.screen });
      return;
    }
    this.#waiting.push(one);
    // A server that does not answer gets it as it can.
    if (this.#waiting.length >= MAX_WAITING) this.#drain();
  }

  /** All that waits goes, whatever the mode. */
  #drain(): void {
    for (const one of this.#waiting.splice(0)) this.#do(one);
  }

  #modeChanged(): void {
    this.#asked = undefined;
    const waiting = this.#waiting.splice(0);
    if (this.#session.inputs.isOpen) for (const one of waiting) this.#point(one);
    this.#look();
  }

  #stateChanged(): void {
    if (this.#session.state.name !== 'connected') {
      this.#asked = undefined;
      this.#waiting = [];
      this.#notches.forget();
    } else if (this.#session.inputs.isOpen) this.#comeUp();
    this.#look();
  }

  #do({ event, screen }: Waiting): void {
    const { inputs, display } = this.#session;
    switch (event.kind) {
      case 'button': {
        const name = BUTTONS[event.button];
        if (name === undefined) return;
        if (event.down) {
          inputs.press(name);
          this.#buttonsBy = this.#session.connections;
        } else inputs.release(name);
        return;
      }
      case 'wheel': {
        // The wire counts towards the person, SPICE away from it; sideways it knows nothing.
        const notches = this.#notches.add(-event.dy);
        if (notches !== 0) inputs.wheel(notches);
        return;
      }
      case 'motion': {
        const { x, y } = turnedStep(event.dx, event.dy, screen?.rotation ?? 0);
        inputs.move(x, y);
        return;
      }
      default: {
        const surface = display.screen;
        if (surface === undefined || screen === undefined) return;
        const part = partOf(event, screen);
        inputs.moveTo(pieceOf(part.x, surface.widthPx), pieceOf(part.y, surface.heightPx));
      }
    }
  }

  #look(): void {
    this.#screen = this.#session.display.screen;
    const now = JSON.stringify([this.abilities, this.locks]);
    if (now === this.#told) return;
    this.#told = now;
    for (const changed of [...this.#watchers]) changed();
  }
}

function modeFor(event: PointerEvent): MouseMode | undefined {
  if (event.kind === 'position') return 'client';
  return event.kind === 'motion' ? 'server' : undefined;
}

function reasonOf(state: { readonly message: string; readonly hint?: string }): string {
  return state.hint === undefined ? state.message : `${state.message}: ${state.hint}`;
}

async function eachOf<T>(stream: AsyncIterable<T>, run: () => void): Promise<void> {
  for await (const _ of stream) run();
}
