import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** Channels of the protocol by number. */
const MAIN = 1;
const DISPLAY = 2;
const INPUTS = 3;
const SESSION_ID = 0x1234;
/** Messages of the protocol by number. */
const MAIN_INIT = 103;
const CHANNELS_LIST = 104;
const MOTION_ACK = 111;
const SURFACE_CREATE = 314;
const MARK = 102;
const KEY_DOWN = 101;
const KEY_UP = 102;
const MOTION = 111;
const POSITION = 112;
/** The pointer's messages that one acknowledgement is for. */
const MOTIONS_PER_ACK = 4;
const LINK_HEADER_BYTES = 16;
const TICKET_BYTES = 132;

/** What a SPICE server was told, with the time of the clock that all processes share. */
export interface ServerSeen {
  readonly key: (scancode: number, down: boolean) => void;
  readonly pointer: () => void;
}

/** What stands for the agent of the guest, where there is one. */
export interface ServerAgent {
  /** Takes a message that a client sent on MAIN; answers by `send`. */
  receive(type: number, body: Buffer, send: (message: Buffer) => void): void;
}

/** A SPICE server with a keyboard and a tablet, and nothing behind them. */
export class BareSpiceServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #seen: ServerSeen;
  readonly #agent: ServerAgent | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #reply: Buffer;

  private constructor(seen: ServerSeen, agent: ServerAgent | undefined) {
    this.#seen = seen;
    this.#agent = agent;
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const key = publicKey.export({ format: 'der', type: 'spki' });
    // No error, the key, one word of each kind of capabilities: tickets and short headers.
    const body = Buffer.concat([u32(0), key, u32(1, 1, 178, 0b1011, 1)]);
    this.#reply = Buffer.concat([Buffer.from('REDQ'), u32(2, 2, body.length), body]);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async listen(seen: ServerSeen, agent?: ServerAgent): Promise<BareSpiceServer> {
    const made = new BareSpiceServer(seen, agent);
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let rest = Buffer.alloc(0);
    let channel: number | undefined;
    let isOpen = false;
    let moved = 0;
    socket.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      if (channel === undefined) {
        if (rest.length < LINK_HEADER_BYTES) return;
        const size = LINK_HEADER_BYTES + rest.readUInt32LE(12);
        if (rest.length < size) return;
        channel = rest.readUInt8(20);
        rest = rest.subarray(size);
        socket.write(this.#reply);
      }
      if (!isOpen) {
        if (rest.length < TICKET_BYTES) return;
        rest = rest.subarray(TICKET_BYTES);
        isOpen = true;
        socket.write(Buffer.concat([u32(0), ...greeting(channel, this.#agent !== undefined)]));
      }
      while (rest.length >= 6 && rest.length >= 6 + rest.readUInt32LE(2)) {
        const end = 6 + rest.readUInt32LE(2);
        if (channel === MAIN)
          this.#agent?.receive(rest.readUInt16LE(0), rest.subarray(6, end), (bytes) =>
            socket.write(bytes),
          );
        else if (channel === INPUTS) {
          const type = rest.readUInt16LE(0);
          if (type === MOTION || type === POSITION) {
            this.#seen.pointer();
            moved += 1;
            if (moved % MOTIONS_PER_ACK === 0) socket.write(message(MOTION_ACK));
          } else if (type === KEY_DOWN || type === KEY_UP)
            this.#seen.key(rest.readUInt32LE(6), type === KEY_DOWN);
        }
        rest = rest.subarray(end);
      }
    });
  }
}

function greeting(channel: number, hasAgent: boolean): readonly Buffer[] {
  if (channel === MAIN)
    return [
      // Both modes of the pointer, the one of places now; ten pieces for the agent, if there is one.
      message(MAIN_INIT, u32(SESSION_ID, 0, 3, 2, hasAgent ? 1 : 0, 10, 5, 0)),
      message(CHANNELS_LIST, Buffer.concat([u32(2), Buffer.of(DISPLAY, 0, INPUTS, 0)])),
    ];
  if (channel === DISPLAY)
    // A screen of 1280 x 720 in 32 bits, shown.
    return [message(SURFACE_CREATE, u32(0, 1280, 720, 32, 1)), message(MARK)];
  return [];
}

function message(type: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16LE(type, 0);
  head.writeUInt32LE(body.length, 2);
  return Buffer.concat([head, body]);
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}
