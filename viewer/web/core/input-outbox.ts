import { encodeInput, type InputEvent, MAX_INPUT_EVENTS } from '../../../protocol/wire/index.ts';

/** What an outbox works with. */
export interface InputOutboxOptions {
  readonly send: (message: Uint8Array<ArrayBuffer>) => void;
  /** Bytes that the socket has not handed to the network yet. */
  readonly buffered: () => number;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Units: milliseconds of a clock that does not jump. */
  readonly nowMs: () => number;
  /** A time of this side's clock by the relay's; undefined while that is not known. */
  readonly relayMs: (atMs: number) => number | undefined;
}

/** What may lie before the network and more be added: a line that carries this is in time. */
const MAX_BUFFERED_BYTES = 2048;
const LOOK_AGAIN_MS = 4;
/** From one message with nothing but moves to the next: a mouse may tell of itself 8000 times a second. */
const MOVE_GAP_MS = 1;

/**
 * What a person does, on its way to the relay: at once while the line takes it. What has to wait is
 * made less: of places the newest counts, steps are added up. Keys and buttons keep their order, and
 * when too many of them wait all is let go instead: a key that comes late is worse than none.
 */
export class InputOutbox {
  readonly #options: InputOutboxOptions;
  #waiting: InputEvent[] = [];
  #atMs = 0;
  #cancel: (() => void) | undefined;
  /** Whether it is only waited because moves came so soon after each other. */
  #isGap = false;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(options: InputOutboxOptions) {
    this.#options = options;
  }

  /** Events that wait for the line. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes what was done. Units: milliseconds of this side's clock. */
  add(events: readonly InputEvent[], atMs: number): void {
    if (this.#waiting.length === 0) this.#atMs = atMs;
    for (const event of events) this.#merge(event);
    if (this.#waiting.length > MAX_INPUT_EVENTS) this.#waiting = [{ kind: 'release' }];
    this.#flush();
  }

  /** Forgets what waits: there is nobody to send it to. */
  clear(): void {
    this.#waiting = [];
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #merge(event: InputEvent): void {
    const last = this.#waiting.at(-1);
    if (event.kind === 'position' && last?.kind === 'position') {
      this.#waiting[this.#waiting.length - 1] = event;
    } else if (
      (event.kind === 'motion' || event.kind === 'wheel') &&
      last !== undefined &&
      last.kind === event.kind
    ) {
      const sum = { dx: last.dx + event.dx, dy: last.dy + event.dy };
      this.#waiting[this.#waiting.length - 1] = { kind: event.kind, ...sum };
    } else {
      this.#waiting.push(event);
    }
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    const { send, buffered, nowMs, relayMs } = this.#options;
    const isMoves = this.#waiting.every(isMove);
    if (this.#cancel !== undefined) {
      if (!this.#isGap || isMoves) return;
      this.#cancel();
      this.#cancel = undefined;
    }
    const atMs = nowMs();
    if (buffered() > MAX_BUFFERED_BYTES) {
      this.#wait(LOOK_AGAIN_MS, false);
      return;
    }
    if (isMoves && atMs - this.#sentMs < MOVE_GAP_MS) {
      this.#wait(MOVE_GAP_MS, true);
      return;
    }
    const events = this.#waiting;
    this.#waiting = [];
    this.#sentMs = atMs;
    send(encodeInput({ atMs: relayMs(this.#atMs), events }));
  }

  #wait(ms: number, isGap: boolean): void {
    this.#isGap = isGap;
    this.#cancel = this.#options.after(ms, () => {
      this.#cancel = undefined;
      this.#flush();
    });
  }
}

function isMove({ kind }: InputEvent): boolean {
  return kind === 'position' || kind === 'motion';
}
