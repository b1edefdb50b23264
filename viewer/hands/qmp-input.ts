import type { KvmfrError } from '../../protocol/error.ts';
import type { InputEvent, Locks } from '../../protocol/wire/index.ts';
import type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';
import { Notches } from './notches.ts';
import { type Pair, partOf, turnedStep } from './place.ts';
import { QmpLink } from './qmp-link.ts';
import {
  buttonEvent,
  keyEvent,
  placeEvents,
  type QmpEvent,
  type QmpMice,
  readMice,
  readRunning,
  stepEvents,
  wheelEvents,
} from './qmp-wire.ts';

/** How QEMU is reached. */
export interface QmpInputOptions {
  /** Waiting times between attempts, doubled from the first to the longest; 250 ms to 10 s. */
  readonly backoff?: { readonly firstMs: number; readonly longestMs: number };
  /** An answer that takes longer is not waited for; 10 s when left out. */
  readonly limitMs?: number;
  readonly nowMs?: () => number;
}

/** Where a {@link QmpInput} stands, in words for a person. */
export interface QmpState {
  readonly name: 'connecting' | 'connected' | 'waiting' | 'closed';
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  readonly error?: KvmfrError;
}

const BACKOFF = { firstMs: 250, longestMs: 10_000 } as const;
const LIMIT_MS = 10_000;
/** How long what waits may still be sent at the end. */
const FINISH_MS = 500;
/** Commands on their way beyond which places and steps wait, and become one. */
const MAX_MOVES_UNANSWERED = 4;
/** Most counts that wait to be sent. */
const MAX_WAITING_STEP = 0x7fff;
const NO_MICE: QmpMice = { absolute: false, relative: false };

/**
 * Keyboard and pointer of a guest by QEMU's control socket.
 *
 * QEMU lets nothing go when a connection ends, nor takes anything while the machine is paused. So what
 * was held then is let go as soon as it can be.
 *
 * Ownership: the creator closes it; no socket and no timer is left then.
 */
export class QmpInput implements GuestInput, AsyncDisposable {
  readonly path: string;
  readonly #backoff: { readonly firstMs: number; readonly longestMs: number };
  readonly #limitMs: number;
  readonly #across: Notches;
  readonly #down: Notches;
  readonly #watchers = new Set<() => void>();
  /** What lets go of what is held in the guest, by its name. */
  readonly #held = new Map<string, QmpEvent>();
  /** What has to be let go, and could not be yet. */
  readonly #owed = new Map<string, QmpEvent>();
  /** What QEMU was told to let go, and has not said that it did. */
  readonly #unsure = new Map<string, QmpEvent>();
  #link: QmpLink | undefined;
  #state: QmpState;
  #mice = NO_MICE;
  #running = true;
  #place: Pair | undefined;
  #step: Pair = { x: 0, y: 0 };
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** Begins to connect at once. Units: the path of a unix socket. */
  constructor(path: string, options: QmpInputOptions = {}) {
    this.path = path;
    this.#backoff = options.backoff ?? BACKOFF;
    this.#limitMs = options.limitMs ?? LIMIT_MS;
    const nowMs = options.nowMs ?? (() => performance.now());
    this.#across = new Notches(nowMs);
    this.#down = new Notches(nowMs);
    this.#state = {
      name: 'connecting',
      message: `connecting to QEMU's control socket unix:${path}`,
    };
    this.#connect();
  }

  get state(): QmpState {
    return this.#state;
  }

  get abilities(): InputAbilities {
    const { name, message, hint } = this.#state;
    const nothing = { keyboard: false, absolute: false, relative: false };
    if (name !== 'connected')
      return { ...nothing, reason: hint === undefined ? message : `${message}: ${hint}` };
    if (!this.#running) return { ...nothing, reason: 'the virtual machine is paused' };
    const reason = 'the pointer moves by steps: the virtual machine has no tablet';
    return { keyboard: true, ...this.#mice, ...(this.#mice.absolute ? {} : { reason }) };
  }

  /** QMP tells nothing of them. */
  get locks(): Locks | undefined {
    return undefined;
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    switch (event.kind) {
      case 'key':
        this.#press(event.key.code, event.down, (down) => keyEvent(event.key, down));
        return;
      case 'button':
        this.#press(`button ${event.button}`, event.down, (down) =>
          buttonEvent(event.button, down),
        );
        return;
      case 'release':
        this.#releaseAll();
        return;
      default:
        if (this.#goes) this.#point(event, screen);
    }
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Lets everything go that is held, sends it, and ends the connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether what is done now gets to the guest. */
  get #arrives(): boolean {
    return this.#running && this.#state.name === 'connected';
  }

  /** Whether anything may be done but letting go. */
  get #goes(): boolean {
    return this.#arrives && this.#link?.hasRoom === true;
  }

  #press(name: string, down: boolean, event: (down: boolean) => QmpEvent | undefined): void {
    const [press, release] = [event(true), event(false)];
    if (press === undefined || release === undefined) return;
    if (down) {
      this.#flushPointer();
      if (!this.#goes) return;
      this.#owed.delete(name);
      this.#held.set(name, release);
      this.#send([press]);
    } else if (this.#held.delete(name)) {
      this.#flushPointer();
      this.#owed.set(name, release);
      this.#settle();
    }
  }

  #point(
    event: InputEvent & { kind: 'position' | 'motion' | 'wheel' },
    screen: GuestScreen | undefined,
  ): void {
    if (event.kind === 'position') {
      if (screen === undefined || !this.#mice.absolute) return;
      this.#place = partOf(event, screen);
      this.#step = { x: 0, y: 0 };
      this.#pump(MAX_MOVES_UNANSWERED);
    } else if (event.kind === 'motion') {
      const { x, y } = turnedStep(event.dx, event.dy, screen?.rotation ?? 0);
      this.#step = { x: within(this.#step.x + x), y: within(this.#step.y + y) };
      this.#pump(MAX_MOVES_UNANSWERED);
    } else {
      const turns = [
        ...wheelEvents(this.#across.add(event.dx), 'x'),
        ...wheelEvents(this.#down.add(event.dy), 'y'),
      ];
      if (turns.length === 0) return;
      this.#flushPointer();
      this.#send(turns);
    }
  }

  /** A click belongs to the place that was named before it. */
  #flushPointer(): void {
    this.#pump(Number.POSITIVE_INFINITY);
  }

  #pump(maxUnanswered: number): void {
    if (!this.#goes || (this.#link?.unanswered ?? 0) >= maxUnanswered) return;
    const events = [
      ...(this.#place === undefined ? [] : placeEvents(this.#place)),
      ...stepEvents(this.#step),
    ];
    this.#forgetMoves();
    this.#send(events);
  }

  #send(events: readonly QmpEvent[], answered: () => void = () => {}): void {
    if (events.length === 0) return;
    this.#link?.send('input-send-event', { events }, (_, error) => {
      answered();
      // A device has gone, or QEMU knows no such key.
      if (error !== undefined) this.#askMice();
    });
  }

  /** Lets go of what is owed, when it can be. There is always room for it: no more than was held. */
  #settle(): void {
    if (!this.#arrives || this.#owed.size === 0) return;
    const owed = [...this.#owed];
    this.#owed.clear();
    for (const [name, release] of owed) this.#unsure.set(name, release);
    this.#send(
      owed.map(([, release]) => release),
      () => {
        for (const [name, release] of owed)
          if (this.#unsure.get(name) === release) this.#unsure.delete(name);
      },
    );
  }

  #releaseAll(): void {
    this.#across.forget();
    this.#down.forget();
    this.#flushPointer();
    this.#owe();
    this.#settle();
  }

  #owe(): void {
    for (const [name, release] of this.#held) this.#owed.set(name, release);
    this.#held.clear();
  }

  /** What QEMU has not said that it did, it may not have done. */
  #oweAgain(): void {
    for (const [name, release] of this.#unsure) this.#owed.set(name, release);
    this.#unsure.clear();
    this.#owe();
  }

  #forgetMoves(): void {
    this.#place = undefined;
    this.#step = { x: 0, y: 0 };
  }

  #connect(): void {
    const link: QmpLink = new QmpLink(this.path, this.#limitMs, {
      opened: () => this.#opened(link),
      answered: () => {
        this.#settle();
        this.#pump(MAX_MOVES_UNANSWERED);
      },
      event: (name) => this.#happened(name),
      closed: (reason) => this.#lost(reason),
    });
    this.#link = link;
  }

  #opened(link: QmpLink): void {
    link.send('query-status', undefined, (value) => {
      this.#running = readRunning(value);
    });
    link.send('query-mice', undefined, (value) => {
      this.#mice = readMice(value);
      this.#failures = 0;
      this.#setState({
        name: 'connected',
        message: `connected to QEMU's control socket unix:${this.path}`,
      });
      this.#settle();
    });
  }

  #askMice(): void {
    if (this.#link?.hasRoom !== true) return;
    this.#link.send('query-mice', undefined, (value, error) => {
      if (error !== undefined) return;
      this.#mice = readMice(value);
      this.#changed();
    });
  }

  #happened(name: string): void {
    if (name !== 'STOP' && name !== 'RESUME') return;
    this.#running = name === 'RESUME';
    this.#forgetMoves();
    // What comes up while it is paused does not get there.
    if (!this.#running) this.#oweAgain();
    this.#settle();
    this.#changed();
  }

  #lost(reason: KvmfrError): void {
    if (this.#state.name === 'closed') return;
    this.#link = undefined;
    this.#oweAgain();
    this.#forgetMoves();
    const { firstMs, longestMs } = this.#backoff;
    const waitMs = Math.min(longestMs, firstMs * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), waitMs);
    const { message, hint } = reason;
    this.#setState({
      name: 'waiting',
      message,
      ...(hint === undefined ? {} : { hint }),
      error: reason,
    });
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#releaseAll();
    const link = this.#link;
    this.#setState({ name: 'closed', message: 'the way to QEMU was closed' });
    this.#watchers.clear();
    await link?.finish(FINISH_MS);
    this.#link = undefined;
  }

  #setState(state: QmpState): void {
    this.#state = state;
    this.#changed();
  }

  #changed(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}

function within(value: number): number {
  return Math.max(-MAX_WAITING_STEP, Math.min(MAX_WAITING_STEP, value));
}
