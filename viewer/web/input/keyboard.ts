import { type Key, keyOfCode } from '../../../protocol/keys.ts';
import type { InputEvent } from '../../../protocol/wire/index.ts';

/** What is needed of a `KeyboardEvent`. */
export interface KeyPress {
  readonly type: string;
  readonly code: string;
  readonly key: string;
  readonly repeat: boolean;
  /** Units: milliseconds of the page's clock. */
  readonly timeStamp: number;
}

/** Systems whose keyboards behave each in their own way. */
export type KeyboardSystem = 'windows' | 'mac' | 'other';

/** How a keyboard is made. */
export interface KeyboardOptions {
  readonly system: KeyboardSystem;
  /** Takes what is to be sent. */
  readonly send: (events: readonly InputEvent[]) => void;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Codes that, pressed together and let go with nothing else between, end the capture. */
  readonly escapeCodes: readonly string[];
  readonly escaped: () => void;
}

/** Windows presses a left Control before each AltGr, at the same moment. */
const ALT_GR_MS = 20;
/** Keys that Windows and Korean keyboards only let go, or only press. */
const ONE_WAY_CODES: ReadonlySet<string> = new Set(['PrintScreen', 'Lang1', 'Lang2', 'KanaMode']);

/**
 * Makes of a browser's key events what a keyboard does: each key by its place, down once and up once.
 *
 * Browsers repeat keys that are held, which the guest does by itself; they swallow the release of
 * keys that are held together with Meta on a Mac; and on Windows they press Control for AltGr.
 */
export class Keyboard {
  readonly #options: KeyboardOptions;
  readonly #held = new Map<string, Key>();
  #waitingControl: { readonly cancel: () => void; readonly atMs: number } | undefined;
  /** Whether the keys of the escape have gone down with nothing else. */
  #escaping = false;

  constructor(options: KeyboardOptions) {
    this.#options = options;
  }

  /** Whether any key is held. */
  get holdsAny(): boolean {
    return this.#held.size > 0;
  }

  /** Takes an event. The answer is whether it was a key of the guest, and the browser is to leave it. */
  handle(press: KeyPress): boolean {
    const key = keyOfCode(press.code);
    if (key === undefined) {
      // A dead or composed key without a place, as of some phones' keyboards.
      this.#flushControl();
      return false;
    }
    const isDown = press.type === 'keydown';
    if (this.#isAltGrControl(key, press, isDown)) return true;
    this.#watchEscape(key, isDown);
    if (isDown) this.#down(key, press.repeat);
    else this.#up(key);
    return true;
  }

  /** Lets everything go: the page is left, or the capture ends. */
  release(): void {
    this.#waitingControl?.cancel();
    this.#waitingControl = undefined;
    this.#escaping = false;
    if (this.#held.size === 0) return;
    this.#held.clear();
    this.#options.send([{ kind: 'release' }]);
  }

  /** Presses keys together, in order, and lets them go. */
  chord(codes: readonly string[]): void {
    const keys = codes.map(keyOfCode).filter((key) => key !== undefined);
    const down = keys.map((key): InputEvent => ({ kind: 'key', key, down: true }));
    const up = keys.toReversed().map((key): InputEvent => ({ kind: 'key', key, down: false }));
    this.#options.send([...down, ...up]);
  }

  #down(key: Key, repeat: boolean): void {
    if (repeat || this.#held.has(key.code)) return;
    if (ONE_WAY_CODES.has(key.code) && this.#options.system !== 'other') {
      this.#tap(key);
      return;
    }
    // A Mac tells of Caps Lock when the lock changes, and not of the key.
    if (key.code === 'CapsLock' && this.#options.system === 'mac') {
      this.#tap(key);
      return;
    }
    this.#held.set(key.code, key);
    this.#options.send([{ kind: 'key', key, down: true }]);
  }

  #up(key: Key): void {
    if (!this.#held.delete(key.code)) {
      // Windows keeps the press of this one for itself.
      if (key.code === 'PrintScreen' || (key.code === 'CapsLock' && this.#options.system === 'mac'))
        this.#tap(key);
      return;
    }
    this.#options.send([{ kind: 'key', key, down: false }]);
    const isMeta = key.code === 'MetaLeft' || key.code === 'MetaRight';
    if (isMeta && this.#options.system === 'mac') this.#letGoWithMeta();
  }

  /** Keys that went down with Meta: a Mac does not tell when they go up. */
  #letGoWithMeta(): void {
    const events: InputEvent[] = [];
    for (const [code, key] of this.#held) {
      if (key.usage >= 0xe0) continue;
      this.#held.delete(code);
      events.push({ kind: 'key', key, down: false });
    }
    if (events.length > 0) this.#options.send(events);
  }

  #tap(key: Key): void {
    this.#options.send([
      { kind: 'key', key, down: true },
      { kind: 'key', key, down: false },
    ]);
  }

  #isAltGrControl(key: Key, press: KeyPress, isDown: boolean): boolean {
    if (this.#options.system !== 'windows') return false;
    const waiting = this.#waitingControl;
    if (key.code === 'ControlLeft' && isDown && !press.repeat && !this.#held.has(key.code)) {
      waiting?.cancel();
      const cancel = this.#options.after(ALT_GR_MS, () => this.#flushControl());
      this.#waitingControl = { cancel, atMs: press.timeStamp };
      return true;
    }
    if (waiting === undefined) return false;
    const isAltGr =
      key.code === 'AltRight' && isDown && press.timeStamp - waiting.atMs <= ALT_GR_MS;
    if (!isAltGr) {
      this.#flushControl();
      return false;
    }
    waiting.cancel();
    this.#waitingControl = undefined;
    return false;
  }

  /** The Control that waited was one. */
  #flushControl(): void {
    const waiting = this.#waitingControl;
    if (waiting === undefined) return;
    waiting.cancel();
    this.#waitingControl = undefined;
    const key = keyOfCode('ControlLeft');
    if (key === undefined) return;
    this.#watchEscape(key, true);
    this.#down(key, false);
  }

  #watchEscape(key: Key, isDown: boolean): void {
    const { escapeCodes, escaped } = this.#options;
    if (escapeCodes.length === 0) return;
    if (isDown) {
      const isPart = escapeCodes.includes(key.code);
      const others = [...this.#held.keys()].some((code) => !escapeCodes.includes(code));
      const held = escapeCodes.filter((code) => code === key.code || this.#held.has(code));
      this.#escaping = isPart && !others && held.length === escapeCodes.length;
      return;
    }
    if (!this.#escaping || !escapeCodes.includes(key.code)) return;
    this.#escaping = false;
    this.release();
    escaped();
  }
}
