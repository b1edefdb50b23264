import { KvmfrError } from '../../../protocol/error.ts';
import { MAX_RELAY_MESSAGE_BYTES } from '../../../protocol/limits.ts';
import { encodePing, wireError } from '../../../protocol/wire/index.ts';
import type { Clock } from './clock.ts';
import { backoffMs, RELAY_BACKOFF } from './reconnect.ts';

/** What happens on a socket. After `closed` nothing happens any more. */
export interface SocketHandlers {
  opened(): void;
  /** A binary message; undefined when the other side sent text. */
  message(bytes: Uint8Array | undefined): void;
  closed(): void;
}

/** An open or opening socket. */
export interface Socket {
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Bytes that have not been handed to the network yet. */
  readonly bufferedBytes: number;
  /** Ends it; `closed` may still be called. */
  close(code: number, reason: string): void;
}

/** Opens a socket; the browser's, or a test's. */
export type OpenSocket = (url: string, handlers: SocketHandlers) => Socket;

/** Why there is no connection, as far as it is known. */
export type LossReason =
  /** Nothing answers at the address. */
  | 'unreachable'
  /** Something answers, but not to the socket. */
  | 'refused'
  /** The relay wants its token. */
  | 'unauthorized'
  /** There was a connection and the other side, or the network, ended it. */
  | 'closed'
  /** There is a connection, but nothing has come for too long. */
  | 'silent';

/** Where the connection stands. */
export type Link =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting' }
  | { readonly name: 'open' }
  | { readonly name: 'lost'; readonly reason: LossReason };

/** What a connection works with. */
export interface ConnectionOptions {
  readonly openSocket: OpenSocket;
  readonly clock: Clock;
  /** A number from 0 to 1. */
  readonly random: () => number;
  /** Learns why a socket that never opened was refused. A browser does not say by itself. */
  readonly probe: (url: string) => Promise<LossReason>;
  readonly opened: () => void;
  readonly message: (bytes: Uint8Array) => void;
  /** Called when the relay breaks the rules of the socket itself, or the browser opens none. */
  readonly failed: (error: KvmfrError) => void;
  readonly linkChanged: (link: Link) => void;
}

const OPEN_PATIENCE_MS = 5000;
const TICK_MS = 1000;
const SILENT_TICKS = 5;
// A connection that lasted this long was a good one: start again with the shortest wait.
const SETTLED_MS = 2000;
// Asking again and again with a wrong token looks like guessing it.
const UNAUTHORIZED_RETRY_MS = 5000;
const NORMAL_CLOSE = 1000;
// As many as lead to the longest wait.
const LATER_FAILURES = 5;

/**
 * One relay, connected to for as long as it is wanted: reconnects by itself, and notices when the
 * other side has gone without saying so.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #url: string | undefined;
  #socket: Socket | undefined;
  #link: Link = { name: 'idle' };
  #failures = 0;
  #openedMs: number | undefined;
  #silentTicks = 0;
  #cancelTimer: (() => void) | undefined;
  /** Counts sockets; what a former one still says is ignored. */
  #generation = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Where the connection stands. */
  get link(): Link {
    return this.#link;
  }

  /** Connects, and stays connected, to an absolute `ws:` or `wss:` address. */
  connect(url: string): void {
    this.#drop(NORMAL_CLOSE, '');
    this.#url = url;
    this.#failures = 0;
    this.#setLink({ name: 'connecting' });
    this.#open();
  }

  /** Ends the connection for good. */
  disconnect(): void {
    this.#url = undefined;
    this.#drop(NORMAL_CLOSE, '');
    this.#setLink({ name: 'idle' });
  }

  /**
   * Gives up the present socket and tries again: `soon`, as after any loss, or `later`, where the
   * same would only happen again.
   */
  retry(when: 'soon' | 'later', close: { readonly code: number; readonly reason: string }): void {
    if (this.#url === undefined) return;
    this.#drop(close.code, close.reason);
    if (when === 'later') this.#failures = Math.max(this.#failures, LATER_FAILURES);
    this.#lost('closed');
  }

  /**
   * Something suggests that the network is back. Without a connection this tries at once; with one
   * it demands a sign of life soon.
   */
  hurry(): void {
    if (this.#url === undefined) return;
    if (this.#openedMs !== undefined) {
      this.#silentTicks = Math.max(this.#silentTicks, SILENT_TICKS - 2);
    } else if (this.#link.name === 'lost' && this.#socket === undefined) {
      this.#open();
    }
  }

  /** Sends a message; drops it when there is no connection. */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#openedMs !== undefined) this.#socket?.send(bytes);
  }

  /** Bytes that the socket has not handed to the network yet. */
  get bufferedBytes(): number {
    return this.#socket?.bufferedBytes ?? 0;
  }

  #open(): void {
    const url = this.#url;
    if (url === undefined) return;
    this.#stopTimer();
    const generation = ++this.#generation;
    const mine = (run: () => void) => () => {
      if (generation === this.#generation) run();
    };
    this.#startTimer(OPEN_PATIENCE_MS, () => {
      this.#drop(NORMAL_CLOSE, 'no answer');
      this.#lost('unreachable');
    });
    try {
      this.#socket = this.#options.openSocket(url, {
        opened: mine(() => this.#opened()),
        closed: mine(() => this.#closed(url)),
        message: (bytes) => {
          if (generation === this.#generation) this.#message(bytes);
        },
      });
    } catch (cause) {
      const what = `the browser refuses a socket to ${url}`;
      this.#options.failed(new KvmfrError('ERR_KVMFR_UNSUPPORTED', what, { cause }));
    }
  }

  #opened(): void {
    this.#stopTimer();
    this.#openedMs = this.#options.clock.now();
    this.#silentTicks = 0;
    this.#setLink({ name: 'open' });
    this.#options.opened();
    this.#startTimer(TICK_MS, () => this.#tick());
  }

  #message(bytes: Uint8Array | undefined): void {
    this.#silentTicks = 0;
    if (bytes === undefined)
      this.#options.failed(wireError('a message must be binary, but is text'));
    else if (bytes.byteLength > MAX_RELAY_MESSAGE_BYTES)
      this.#options.failed(
        wireError(
          `a message may have ${MAX_RELAY_MESSAGE_BYTES} bytes, but has ${bytes.byteLength}`,
        ),
      );
    else this.#options.message(bytes);
  }

  // Ticks are counted, not time: a computer that slept has missed no messages while it ran.
  #tick(): void {
    this.#silentTicks += 1;
    if (this.#silentTicks > SILENT_TICKS) {
      this.#drop(NORMAL_CLOSE, 'silent');
      this.#lost('silent');
      return;
    }
    this.send(encodePing(this.#options.clock.now()));
    this.#startTimer(TICK_MS, () => this.#tick());
  }

  #closed(url: string): void {
    const neverOpened = this.#openedMs === undefined;
    this.#drop(NORMAL_CLOSE, '');
    if (!neverOpened) {
      this.#lost('closed');
      return;
    }
    const generation = this.#generation;
    this.#options.probe(url).then(
      (reason) => {
        if (generation === this.#generation) this.#lost(reason);
      },
      () => {
        if (generation === this.#generation) this.#lost('unreachable');
      },
    );
  }

  #lost(reason: LossReason): void {
    const waitMs =
      reason === 'unauthorized'
        ? UNAUTHORIZED_RETRY_MS
        : backoffMs(this.#failures, this.#options.random(), RELAY_BACKOFF);
    this.#failures += 1;
    this.#setLink({ name: 'lost', reason });
    this.#startTimer(waitMs, () => this.#open());
  }

  #drop(code: number, reason: string): void {
    const socket = this.#socket;
    this.#generation += 1;
    this.#socket = undefined;
    this.#stopTimer();
    if (this.#openedMs !== undefined && this.#options.clock.now() - this.#openedMs >= SETTLED_MS)
      this.#failures = 0;
    this.#openedMs = undefined;
    socket?.close(code, reason);
  }

  #setLink(link: Link): void {
    this.#link = link;
    this.#options.linkChanged(link);
  }

  #startTimer(delayMs: number, run: () => void): void {
    this.#stopTimer();
    this.#cancelTimer = this.#options.clock.after(delayMs, run);
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
