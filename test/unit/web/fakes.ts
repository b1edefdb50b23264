import type { Clock } from '../../../viewer/web/core/clock.ts';
import type { OpenSocket, Socket, SocketHandlers } from '../../../viewer/web/core/connection.ts';

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that moves only when it is told to. */
export class FakeClock implements Clock {
  #nowMs = 1000;
  #timers: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Delays of the timers that wait, shortest first. */
  get waitingMs(): readonly number[] {
    return this.#timers.map(({ atMs }) => atMs - this.#nowMs).sort((a, b) => a - b);
  }

  /** Lets time pass, and runs what comes due in it, in order. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers
        .filter(({ atMs }) => atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = due.atMs;
      due.run();
    }
    this.#nowMs = endMs;
  }
}

/** A socket whose other side is the test. */
export class FakeSocket implements Socket {
  readonly url: string;
  readonly handlers: SocketHandlers;
  readonly sent: Uint8Array[] = [];
  closedWith: { readonly code: number; readonly reason: string } | undefined;

  constructor(url: string, handlers: SocketHandlers) {
    this.url = url;
    this.handlers = handlers;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.sent.push(bytes);
  }

  close(code: number, reason: string): void {
    this.closedWith ??= { code, reason };
  }

  /** Messages sent so far of a type. */
  sentOf(type: number): Uint8Array[] {
    return this.sent.filter((bytes) => bytes[0] === type);
  }
}

/** Opens fake sockets and keeps them. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  readonly open: OpenSocket = (url, handlers) => {
    const socket = new FakeSocket(url, handlers);
    this.sockets.push(socket);
    return socket;
  };

  /** The newest socket. */
  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('nobody has opened a socket');
    return socket;
  }
}

/** Lets everything run that only waits for promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
