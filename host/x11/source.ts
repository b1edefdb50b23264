import { FEATURES, type KvmfrClientMessage, KvmfrError } from '../../protocol/index.ts';
import type { HostInput } from '../input.ts';
import { defaultPitchBytes } from '../pack.ts';
import { regionMibOf } from '../plan.ts';
import type { Host } from '../publisher.ts';
import { Rhythm } from '../screen/rhythm.ts';
import type { FrameSource, SourceOptions } from '../source.ts';
import { SourceRun } from '../source-run.ts';
import type { WireName } from '../wire.ts';
import { XDesk } from './desk.ts';
import { type DisplayName, parseDisplay } from './display.ts';
import { PointerWatch } from './pointer-watch.ts';
import type { XPicture } from './screen.ts';

/** More of an X server than a source in general has. */
export interface X11SourceOptions extends SourceOptions {
  /** Extensions of the server that are not used; for tests. */
  readonly without?: readonly string[] | undefined;
}

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;

/**
 * Publishes the screen of an X server: what changes on it, while somebody looks, and its pointer. Does
 * what clients do with keyboard and pointer.
 *
 * A server that ends is told by the host's `error` event and looked for from then on; the last picture
 * stays.
 */
export class X11Source implements FrameSource {
  readonly kind = 'x11' as const;
  readonly features: number;
  /** What the server lacks, and what follows from that. */
  readonly notes: readonly string[];
  readonly #name: DisplayName;
  readonly #without: readonly string[];
  readonly #wire: WireName;
  readonly #rhythm: Rhythm;
  #desk: XDesk | undefined;
  #pointer: PointerWatch | undefined;
  #run: SourceRun | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #settledMs = 0;
  #isLooking = false;
  /** What was captured last; its pixels are the screen's. */
  #picture: XPicture | undefined;
  /** The host does not have it: every place for frames was taken, or there is a new session. */
  #isOwed = false;
  #complaint: string | undefined;

  private constructor(name: DisplayName, desk: XDesk, options: X11SourceOptions) {
    this.#name = name;
    this.#desk = desk;
    this.notes = desk.notes;
    this.#without = options.without ?? [];
    this.#wire = options.wire ?? 'B7';
    this.#rhythm = new Rhythm(options.fps ?? 60);
    const takesInput = this.#wire === 'dev12' ? FEATURES.input : 0;
    this.features = desk.hands === undefined ? 0 : FEATURES.setCursorPos | takesInput;
  }

  /**
   * Connects with a server: `:0`, `:99.1`, `host:0`.
   *
   * @throws ERR_KVMFR_USAGE, ERR_KVMFR_ABSENT, ERR_KVMFR_DENIED, ERR_KVMFR_FORMAT, ERR_KVMFR_TIMEOUT,
   *   ERR_KVMFR_LOST
   */
  static async open(display: string, options: X11SourceOptions = {}): Promise<X11Source> {
    const name = parseDisplay(display);
    return new X11Source(name, await XDesk.open(name, options.without), options);
  }

  get regionMib(): number {
    const { widthPx = 1920, heightPx = 1080 } = this.#desk?.screen ?? {};
    return regionMibOf(this.#wire, heightPx, defaultPitchBytes('BGRA', widthPx));
  }

  async run(host: Host): Promise<void> {
    const run = new SourceRun(host, () => void this.close());
    this.#run = run;
    run.hear('subscriber', this.#wake);
    run.hear('session', this.#begin);
    run.hear('pace', this.#wake);
    run.hear('client-message', this.#onMessage);
    run.hear('input', this.#onInput);
    if (this.#desk !== undefined) this.#settle(host, this.#desk);
    await run.ended;
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#run?.end();
    this.#leave();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #host(): Host | undefined {
    return this.#run?.host;
  }

  readonly #begin = (): void => {
    this.#isOwed = this.#picture !== undefined;
    this.#pointer?.repeat();
    this.#wake();
  };

  readonly #wake = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pointer?.wake();
    this.#schedule(true);
  };

  readonly #onMessage = (message: KvmfrClientMessage): void => {
    if (message.type === 'set-cursor-pos') this.#desk?.hands?.moveTo(message.x, message.y);
  };

  readonly #onInput = (input: HostInput): void => {
    const desk = this.#desk;
    if (desk !== undefined) desk.hands?.apply(input, desk.screen);
  };

  /** Begins with a server that was found. */
  #settle(host: Host, desk: XDesk): void {
    this.#desk = desk;
    this.#picture = undefined;
    this.#complaint = undefined;
    this.#settledMs = performance.now();
    host.setInputAvailable(desk.hands !== undefined);
    desk.onEnd = (reason) => this.#lose(reason);
    desk.screen.onChange = () => this.#schedule(false);
    this.#pointer = new PointerWatch(host, desk.pointer, (error) => this.#lose(error));
    this.#wake();
  }

  // With nobody there, or nothing new, no timer runs: what comes next wakes us.
  #schedule(soon: boolean): void {
    const screen = this.#desk?.screen;
    const host = this.#host;
    if (screen === undefined || host === undefined || host.watchers === 0) return;
    if (this.#isLooking || this.#timer !== undefined) return;
    if (!screen.isChanged && !this.#isOwed) return;
    const delayMs = soon ? 0 : this.#rhythm.untilNextMs(host, !screen.isTold && !this.#isOwed);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#look();
    }, delayMs);
  }

  async #look(): Promise<void> {
    const desk = this.#desk;
    const host = this.#host;
    if (desk === undefined || host === undefined || host.watchers === 0) return;
    this.#isLooking = true;
    this.#rhythm.begin();
    let picture: XPicture | undefined;
    try {
      picture = desk.screen.isChanged ? await desk.screen.capture() : undefined;
    } catch (error) {
      if (desk === this.#desk) this.#lose(error);
      return;
    } finally {
      this.#isLooking = false;
    }
    this.#rhythm.end(picture !== undefined);
    // Another server, or none any more.
    if (desk !== this.#desk || host.closed) return;
    try {
      this.#publish(host, picture);
    } catch (error) {
      this.#run?.fail(error);
      void this.close();
      return;
    }
    this.#schedule(false);
  }

  #publish(host: Host, captured: XPicture | undefined): void {
    this.#picture = captured ?? this.#picture;
    const picture = this.#picture;
    if (picture === undefined || (captured === undefined && !this.#isOwed)) return;
    const { pixels, widthPx, heightPx } = picture;
    const damage = captured === undefined ? [] : captured.damage;
    this.#isOwed = !host.publish({ pixels, format: 'BGRA', widthPx, heightPx, damage });
  }

  #lose(reason: unknown): void {
    if (!KvmfrError.is(reason)) {
      this.#run?.fail(reason);
      void this.close();
      return;
    }
    const wasThere = this.#desk !== undefined;
    this.#leave();
    const host = this.#host;
    if (host === undefined) return;
    host.setInputAvailable(false);
    this.#complain(host, reason);
    clearTimeout(this.#retry);
    // One that ends as soon as it is there is not to be asked all the time.
    if (performance.now() - this.#settledMs > LAST_RETRY_MS && wasThere)
      this.#retryMs = FIRST_RETRY_MS;
    this.#retry = setTimeout(() => void this.#again(host), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
  }

  async #again(host: Host): Promise<void> {
    try {
      const desk = await XDesk.open(this.#name, this.#without);
      if (this.#host === undefined) desk.close();
      else this.#settle(host, desk);
    } catch (error) {
      if (this.#host !== undefined) this.#lose(error);
    }
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pointer?.close();
    this.#pointer = undefined;
    const desk = this.#desk;
    this.#desk = undefined;
    this.#picture = undefined;
    this.#isOwed = false;
    desk?.close();
  }

  // That it is gone is said once, and so is each reason why it does not come back.
  #complain(host: Host, error: KvmfrError): void {
    if (error.code === this.#complaint || (this.#complaint !== undefined && isAway(error))) return;
    this.#complaint = error.code;
    if (host.listenerCount('error') > 0) host.emit('error', error);
  }
}

function isAway({ code }: KvmfrError): boolean {
  return code === 'ERR_KVMFR_ABSENT' || code === 'ERR_KVMFR_LOST';
}
