import { WebSocket } from 'ws';

/** Nothing more is handed to a socket that has this much still to write. */
export const MAX_BUFFERED_BYTES: number = 256 * 1024;
/** What can wait until little else does goes when this much is still to be written. */
const QUIET_BYTES = 32 * 1024;

/** The way out to one viewer: knows how much is still to be written, and tells when that shrinks. */
export class Outlet {
  readonly #socket: WebSocket;
  readonly #onRoom: () => void;
  readonly #onWritten = (): void => this.#written();
  #waiting: (() => void) | undefined;
  #bytesSent = 0;

  constructor(socket: WebSocket, onRoom: () => void) {
    this.#socket = socket;
    this.#onRoom = onRoom;
  }

  /** Bytes of messages handed over so far. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Whether another message may be handed over. */
  get hasRoom(): boolean {
    return (
      this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount < MAX_BUFFERED_BYTES
    );
  }

  /** Whether so little waits that a piece of something large delays nobody. */
  get isQuiet(): boolean {
    return this.hasRoom && this.#socket.bufferedAmount < QUIET_BYTES;
  }

  /**
   * Hands a message over. Ownership: it must not change any more.
   *
   * @param written called when the socket has written it
   */
  send(message: Uint8Array, written?: () => void): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#bytesSent += message.byteLength;
    const done =
      written === undefined
        ? this.#onWritten
        : () => {
            written();
            this.#written();
          };
    this.#socket.send(message, { binary: true }, done);
  }

  /** Settles when there may be room, or when {@link end} was called: look again. */
  async whenRoom(): Promise<void> {
    await new Promise<void>((resolve) => {
      const before = this.#waiting;
      this.#waiting = () => {
        before?.();
        resolve();
      };
    });
  }

  /** Lets go of everybody who waits for room: what they have to send is void. */
  end(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  #written(): void {
    if (!this.hasRoom) return;
    this.end();
    this.#onRoom();
  }
}
