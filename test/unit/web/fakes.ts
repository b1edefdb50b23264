import type { Clock } from '../../../viewer/web/core/clock.ts';
import type { OpenSocket, Socket, SocketHandlers } from '../../../viewer/web/core/connection.ts';
import type { NewDecoder } from '../../../viewer/web/core/decode/video.ts';

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

  bufferedBytes = 0;

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

/** Counts the frames that nobody has closed yet, and what was done to closed ones. */
export class FrameBook {
  open = 0;
  readonly faults: string[] = [];

  /** A decoded picture. */
  frame(
    timestamp: number,
    size: { readonly widthPx: number; readonly heightPx: number },
  ): FakeFrame {
    return new FakeFrame(this, timestamp, size);
  }
}

/** A decoded picture that knows how often it is closed. */
export class FakeFrame implements VideoFrame {
  readonly timestamp: number;
  readonly displayWidth: number;
  readonly displayHeight: number;
  readonly codedWidth: number;
  readonly codedHeight: number;
  readonly codedRect = null;
  readonly visibleRect = null;
  readonly duration = null;
  readonly rotation = 0;
  readonly flip = false;
  readonly #book: FrameBook;
  #closed = false;

  constructor(
    book: FrameBook,
    timestamp: number,
    { widthPx, heightPx }: { readonly widthPx: number; readonly heightPx: number },
  ) {
    this.#book = book;
    this.timestamp = timestamp;
    this.displayWidth = widthPx;
    this.displayHeight = heightPx;
    this.codedWidth = widthPx;
    this.codedHeight = heightPx;
    book.open += 1;
  }

  /** Null once it is closed. */
  get format(): VideoPixelFormat | null {
    return this.#closed ? null : 'I420';
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get colorSpace(): VideoColorSpace {
    throw new Error('nobody asks for this');
  }

  close(): void {
    if (this.#closed) this.#book.faults.push(`${this.timestamp} is closed twice`);
    else this.#book.open -= 1;
    this.#closed = true;
  }

  clone(): FakeFrame {
    if (this.#closed) this.#book.faults.push(`${this.timestamp} is cloned after its end`);
    const size = { widthPx: this.displayWidth, heightPx: this.displayHeight };
    return new FakeFrame(this.#book, this.timestamp, size);
  }

  allocationSize(): number {
    return 0;
  }

  copyTo(): Promise<PlaneLayout[]> {
    return Promise.reject(new Error('nobody asks for this'));
  }
}

/** Stands in for the browser's class, which Node does not have. */
export class FakeChunk {
  readonly type: EncodedVideoChunkType;
  readonly timestamp: number;
  readonly data: AllowSharedBufferSource;
  constructor(init: EncodedVideoChunkInit) {
    this.type = init.type;
    this.timestamp = init.timestamp;
    this.data = init.data;
  }
}

/** A decoder whose every answer is the test's. */
export class FakeDecoder {
  readonly configs: VideoDecoderConfig[] = [];
  readonly chunks: { readonly type: string; readonly timestamp: number }[] = [];
  readonly handlers: Parameters<NewDecoder>[0];
  readonly book: FrameBook;
  state: CodecState = 'unconfigured';
  closings = 0;
  refuses = false;

  constructor(handlers: Parameters<NewDecoder>[0], book: FrameBook) {
    this.handlers = handlers;
    this.book = book;
  }

  configure(config: VideoDecoderConfig): void {
    if (this.refuses) throw new TypeError('no such codec');
    this.configs.push(config);
    this.state = 'configured';
  }

  decode(chunk: { readonly type: string; readonly timestamp: number }): void {
    if (this.state !== 'configured') throw new DOMException('not configured', 'InvalidStateError');
    this.chunks.push(chunk);
  }

  close(): void {
    if (this.state === 'closed') throw new DOMException('closed', 'InvalidStateError');
    this.state = 'closed';
    this.closings += 1;
  }

  /** Gives the picture of the chunk that waits longest, or of a later one. */
  output(chunk: number = 0): FakeFrame {
    const { timestamp } = this.chunks.splice(0, chunk + 1)[chunk] ?? { timestamp: -1 };
    const { codedWidth: widthPx = 0, codedHeight: heightPx = 0 } = this.configs.at(-1) ?? {};
    const frame = this.book.frame(timestamp, { widthPx, heightPx });
    this.handlers.output(frame);
    return frame;
  }

  /** Fails as the browser's does: it is closed by then. */
  fail(): void {
    this.state = 'closed';
    this.handlers.error(new DOMException('bad chunk', 'EncodingError'));
  }
}

/** Stands in for the browser's class, which Node does not have. */
export class FakeImageData {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  constructor(data: Uint8ClampedArray, width: number, height: number) {
    this.data = data;
    this.width = width;
    this.height = height;
  }
}
