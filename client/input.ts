import { setTimeout as sleep } from 'node:timers/promises';
import { KvmfrError } from '../protocol/error.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import {
  INPUT_ABSOLUTE_MAX,
  INPUT_CAPABILITIES,
  INPUT_KEYS,
  INPUT_LEDS,
  INPUT_ROLL_OVER,
  INPUT_STEPS,
  INPUT_USAGE_MAX,
  InputStatus,
  type RawInputStatus,
  readInputStatus,
} from '../protocol/kvmfr/input.ts';
import { StreamEnd } from '../protocol/lgmp/stream-end.ts';
import { type InputOwner, InputSender, type InputSenderCounters } from './input-sender.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';
import { StatusQueue } from './status-queue.ts';
import type { StreamHost } from './subscription.ts';

/** How the input is used. */
export interface InputOptions {
  readonly signal?: AbortSignal;
}

/** What is known of the guest's input. */
export interface InputState {
  /** Whether reports reach the guest, as far as nobody else has it. */
  readonly available: boolean;
  /** Whether it takes places besides steps. */
  readonly absolute: boolean;
  readonly owner: InputOwner;
  /** Lights of the guest's keyboard; undefined while it has not told. */
  readonly leds:
    | { readonly numLock: boolean; readonly capsLock: boolean; readonly scrollLock: boolean }
    | undefined;
}

/** All that a pointer holds and does. Buttons: bit 0 left, 1 right, 2 middle, then the further ones. */
export interface PointerReport {
  readonly buttons: number;
  /** Notches away from the person. */
  readonly wheel?: number;
}

const NONE: InputState = { available: false, absolute: false, owner: 'nobody', leds: undefined };
/** How long a release may take to be read when we go. */
const GOODBYE_MS = 50;
/** Pieces of a step that is larger than a report can say. */
const MAX_PIECES = 16;
/** Messages that are read in one turn. */
const MAX_DRAIN = 16;

/**
 * The keyboard and pointer of a guest, by its region (KVMFR 34 where FEATURES has input).
 *
 * One client of a guest owns them at a time. They are claimed with the first report, and given back
 * after 400 ms in which nothing is held; reports while another client has them come to nothing.
 *
 * Ownership: a subscriber of the input queue until {@link close}, which lets go of everything.
 */
export class GuestInputLine implements AsyncDisposable {
  readonly #line: StatusQueue;
  readonly #sender: InputSender = new InputSender();
  readonly #watchers: Set<() => void> = new Set();
  #status: RawInputStatus | undefined;
  #timer: NodeJS.Timeout | undefined;
  #state: InputState = NONE;

  constructor(host: StreamHost, options: InputOptions = {}) {
    const { signal } = options;
    const queue = { queueId: QUEUE_IDS.input, maxDrain: MAX_DRAIN, signal };
    this.#line = new StatusQueue(host, queue, {
      begin: () => this.#begin(),
      apply: (session, from) => this.#apply(session, from),
      pump: () => this.#pump(),
      leave: () => this.#leave(),
    });
  }

  /** What is known now. */
  get state(): InputState {
    return this.#state;
  }

  /** What was sent, and what was not. */
  get counters(): Readonly<InputSenderCounters> & { readonly refused: number } {
    return { ...this.#sender.counters, refused: this.#line.refused };
  }

  get closed(): boolean {
    return this.#line.closed;
  }

  /** Calls back when the state is another one. The answer ends it. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /**
   * Holds these keys and no others. More than six are all reported as held too many.
   *
   * Units: modifiers bits 0 to 7 for the usages E0 to E7; usages of HID's page 7, 4 to 0xDF.
   *
   * @throws ERR_KVMFR_ARGUMENT for what is no key
   */
  keyboard(report: { readonly modifiers: number; readonly keys: readonly number[] }): void {
    const { modifiers } = report;
    const keys = [...new Set(report.keys)];
    whole('modifiers', modifiers, 0, 0xff);
    for (const key of keys) whole('a key', key, 4, INPUT_USAGE_MAX);
    const shown =
      keys.length > INPUT_KEYS ? Array.from({ length: INPUT_KEYS }, () => INPUT_ROLL_OVER) : keys;
    this.#sender.report({ kind: 'keyboard', modifiers, keys: shown }, performance.now());
    this.#pump();
  }

  /**
   * Moves the pointer by a step.
   *
   * Units: counts.
   *
   * @throws ERR_KVMFR_ARGUMENT for what is no whole number
   */
  move(report: PointerReport & { readonly deltaX: number; readonly deltaY: number }): void {
    const { buttons, wheel = 0 } = report;
    whole('buttons', buttons, 0, 0xffff_ffff);
    for (const value of [report.deltaX, report.deltaY, wheel])
      whole('a step', value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    let rest = { x: report.deltaX, y: report.deltaY, wheel };
    for (let piece = 0; piece < MAX_PIECES; piece++) {
      const deltaX = clip(rest.x, INPUT_STEPS.max);
      const deltaY = clip(rest.y, INPUT_STEPS.max);
      const turn = clip(rest.wheel, INPUT_STEPS.wheel);
      const step = { kind: 'relative', buttons, deltaX, deltaY, wheel: turn } as const;
      this.#sender.report(step, performance.now());
      rest = { x: rest.x - deltaX, y: rest.y - deltaY, wheel: rest.wheel - turn };
      if (rest.x === 0 && rest.y === 0 && rest.wheel === 0) break;
    }
    this.#pump();
  }

  /**
   * Puts the pointer at a place.
   *
   * Units: 0 to 32767 over the guest's screen.
   *
   * @throws ERR_KVMFR_ARGUMENT for what is no whole number
   */
  moveTo(report: PointerReport & { readonly x: number; readonly y: number }): void {
    const { buttons, x, y, wheel = 0 } = report;
    whole('buttons', buttons, 0, 0xffff_ffff);
    whole('a place', x, 0, INPUT_ABSOLUTE_MAX);
    whole('a place', y, 0, INPUT_ABSOLUTE_MAX);
    whole('the wheel', wheel, -INPUT_STEPS.wheel, INPUT_STEPS.wheel);
    this.#sender.report({ kind: 'absolute', buttons, x, y, wheel }, performance.now());
    this.#pump();
  }

  /** All keys and buttons go up. */
  releaseAll(): void {
    this.#sender.releaseAll(performance.now());
    this.#pump();
  }

  /** Lets go of everything and gives the subscriber slot back. */
  async close(): Promise<void> {
    if (!this.closed) await this.#sayGoodbye();
    await this.#line.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(): void {
    this.#status = undefined;
    this.#sender.setStream(undefined);
    this.#sender.setStatus(undefined);
  }

  #apply(session: Session, queue: Queue): void {
    const { udata: serial, offset: at, bytes } = queue.message;
    if (!this.#line.isNewer(serial)) return;
    const copy = session.region.copyOut(at, Math.min(bytes, InputStatus.$sizeBytes));
    const block = { from: session.payloadFloor, to: session.region.byteLength };
    // Copied; now make sure that it was still lent to us while we copied.
    if (!queue.lent) return;
    const status = readInputStatus(copy, block);
    this.#line.keep(serial);
    this.#status = status;
    this.#attach(session, queue, status);
    this.#sender.setStatus(status);
    this.#tell();
  }

  /** Finds our stream among those of the status, and begins to use it when it is a new one. */
  #attach(session: Session, queue: Queue, status: RawInputStatus): void {
    const { clientId } = queue;
    const ours = status.endpoints.find((endpoint) => endpoint.boundClientId === clientId);
    const present = this.#sender.stream;
    if (ours === undefined) {
      this.#sender.setStream(undefined);
      return;
    }
    const isSame =
      present?.clientId === clientId &&
      present.epoch === ours.bindingGeneration &&
      present.stream.at === ours.stream.at;
    if (isSame) return;
    const { region, info, lgmp } = session;
    const sessionIdAt = lgmp.header.sessionID;
    const place = { region, stream: ours.stream, sessionIdAt, sessionId: info.id };
    const end = StreamEnd.activate(place, clientId);
    const isBound = end instanceof StreamEnd && end.epoch === ours.bindingGeneration;
    this.#sender.setStream(isBound ? end : undefined);
  }

  #pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.closed) return;
    const { session } = this.#line;
    if (session !== undefined && !this.#line.isLive(session)) {
      this.#sender.setStream(undefined);
      this.#sender.setStatus(undefined);
    }
    const delayMs = this.#sender.pump(performance.now());
    if (delayMs !== undefined) this.#timer = setTimeout(() => this.#pump(), delayMs);
    this.#tell();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { session } = this.#line;
    if (session?.present() === true) this.#sender.letGo(performance.now());
    this.#sender.setStream(undefined);
    this.#sender.setStatus(undefined);
    this.#tell();
    this.#watchers.clear();
  }

  /** Gives the input back, and waits a moment for the guest to see it. */
  async #sayGoodbye(): Promise<void> {
    const { stream } = this.#sender;
    const { session } = this.#line;
    if (stream === undefined || session === undefined || !this.#line.isLive(session)) return;
    if (!this.#sender.letGo(performance.now())) return;
    const untilMs = performance.now() + GOODBYE_MS;
    while (performance.now() < untilMs && this.#line.isLive(session) && (stream.used ?? 0) > 0)
      await sleep(1);
  }

  #tell(): void {
    const state = this.#now();
    if (sameState(state, this.#state)) return;
    this.#state = state;
    for (const changed of [...this.#watchers]) changed();
  }

  #now(): InputState {
    const { stream, owner } = this.#sender;
    const status = this.#status;
    if (stream === undefined || status?.available !== true) return NONE;
    const { leds, capabilities } = status;
    const absolute = (capabilities & INPUT_CAPABILITIES.mouseAbsolute) !== 0;
    const lights =
      leds === undefined
        ? undefined
        : {
            numLock: (leds & INPUT_LEDS.numLock) !== 0,
            capsLock: (leds & INPUT_LEDS.capsLock) !== 0,
            scrollLock: (leds & INPUT_LEDS.scrollLock) !== 0,
          };
    return { available: true, absolute, owner, leds: lights };
  }
}

function sameState(a: InputState, b: InputState): boolean {
  return (
    a.available === b.available &&
    a.absolute === b.absolute &&
    a.owner === b.owner &&
    a.leds?.numLock === b.leds?.numLock &&
    a.leds?.capsLock === b.leds?.capsLock &&
    a.leds?.scrollLock === b.leds?.scrollLock
  );
}

function clip(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}

function whole(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `${what} must be a whole number from ${min} to ${max}, but is ${value}`,
    );
}
