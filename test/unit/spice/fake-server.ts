import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** One key for all: making one takes longer than most tests. */
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
const DER: Buffer = publicKey.export({ format: 'der', type: 'spki' });

/** A message that a client sent. */
export interface ClientMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** Places of a link: nothing sent, half of the reply, all of it, the ticket's result. */
export type LinkStage = 'connected' | 'half-reply' | 'reply' | 'result';

/** What a fake server does otherwise than a real one. */
export interface FakeOptions {
  readonly password?: string;
  /** Channels of the list: type and id. */
  readonly channels?: readonly (readonly [number, number])[];
  /** The link reply that is sent in place of the right one. */
  readonly linkReply?: (right: Buffer) => Buffer;
  /** The result of a ticket that is sent in place of the right one. */
  readonly result?: (right: number, channel: number) => number | undefined;
  /** Sends nothing of its own on MAIN. */
  readonly silent?: boolean;
  /** Certificate and key: every channel is TLS then. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Ends the connection of a channel when it has come so far. */
  readonly endAt?: { readonly channel: number; readonly stage: LinkStage };
  /** Capability words that each channel offers. */
  readonly capabilities?: number;
  /** Says nothing of its own on DISPLAY and CURSOR, as while it sets them up. */
  readonly settingUp?: boolean;
  /** Waited for before the ticket of a channel is answered. */
  readonly beforeResult?: (channel: number) => Promise<void>;
}

const SESSION_ID = 0x1234_5678;

/** u16 and u32 one after the other, little endian, from pairs of size and value. */
export function fields(...list: readonly (readonly [1 | 2 | 4 | 8, number])[]): Buffer {
  const bytes = Buffer.alloc(list.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of list) {
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else if (value < 0) bytes.writeIntLE(value, at, size);
    else bytes.writeUIntLE(value, at, size);
    at += size;
  }
  return bytes;
}

/** A message with a mini header. */
export function frame(type: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([fields([2, type], [4, body.length]), body]);
}

/** What a server says first on DISPLAY and CURSOR, once they are set up: SET_ACK. */
export const SET_UP: Buffer = frame(3, fields([4, 1], [4, 20]));

/** MAIN's INIT. */
export function mainInit(
  options: { readonly agent?: boolean; readonly tokens?: number; readonly modes?: number } = {},
): Buffer {
  const { agent = false, tokens = 10, modes = 3 } = options;
  return frame(
    103,
    fields(
      [4, SESSION_ID],
      [4, 0],
      [4, modes],
      [4, 1],
      [4, agent ? 1 : 0],
      [4, tokens],
      [4, 5],
      [4, 0],
    ),
  );
}

/** One linked channel of a fake server. */
export class FakeChannel {
  readonly type: number;
  readonly connectionId: number;
  readonly socket: Socket;
  readonly #messages: ClientMessage[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(socket: Socket, type: number, connectionId: number) {
    this.socket = socket;
    this.type = type;
    this.connectionId = connectionId;
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Every message so far. */
  get messages(): readonly ClientMessage[] {
    return this.#messages;
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(type: number, body?: Uint8Array): void {
    this.socket.write(frame(type, body));
  }

  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Waits for messages until they are so; throws when the client went away before. */
  async until(holds: (messages: readonly ClientMessage[]) => boolean): Promise<void> {
    while (!holds(this.#messages)) {
      if (this.#ended) throw new Error('the client went away');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for a message of a type. */
  async take(type: number): Promise<ClientMessage> {
    await this.until((messages) => messages.some((message) => message.type === type));
    const index = this.#messages.findIndex((message) => message.type === type);
    const [found] = this.#messages.splice(index, 1);
    if (found === undefined) throw new Error('it was there');
    return found;
  }

  /** Resolves when the client closed it. */
  async closed(): Promise<void> {
    if (!this.#ended) await once(this.socket, 'close');
  }

  received(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 6) {
      const size = this.#rest.readUInt32LE(2);
      if (this.#rest.length < 6 + size) break;
      this.#messages.push({
        type: this.#rest.readUInt16LE(0),
        body: Buffer.from(this.#rest.subarray(6, 6 + size)),
      });
      this.#rest = this.#rest.subarray(6 + size);
    }
    this.#wake?.();
  }
}

/** A SPICE server in this process, which may lie. */
export class FakeServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: FakeOptions;
  readonly #sockets = new Set<Socket>();
  readonly #channels: FakeChannel[] = [];
  readonly #waiting: (() => void)[] = [];
  /** Connections so far. */
  connections = 0;

  private constructor(options: FakeOptions) {
    this.#options = options;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server =
      options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept);
  }

  static async listen(options: FakeOptions = {}, port = 0): Promise<FakeServer> {
    const fake = new FakeServer(options);
    fake.#server.listen(port, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Waits for a linked channel of a type, and takes it. */
  async channel(type: number): Promise<FakeChannel> {
    for (;;) {
      const index = this.#channels.findIndex((channel) => channel.type === type);
      const [found] = index < 0 ? [] : this.#channels.splice(index, 1);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Resolves when the client has closed every connection. */
  async idle(): Promise<void> {
    for (const socket of [...this.#sockets]) if (!socket.destroyed) await once(socket, 'close');
  }

  /** Ends every connection; new ones are taken. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.drop();
    await closed;
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let rest: Buffer = Buffer.alloc(0);
    let stage: 'link' | 'ticket' | 'open' = 'link';
    let channel: FakeChannel | undefined;
    let request: Buffer = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      if (stage === 'open') return channel?.received(bytes);
      rest = Buffer.concat([rest, bytes]);
      if (stage === 'link' && rest.length >= 16 && rest.length >= 16 + rest.readUInt32LE(12)) {
        request = rest.subarray(0, 16 + rest.readUInt32LE(12));
        rest = rest.subarray(request.length);
        stage = 'ticket';
        if (this.#endsAt('connected', request)) return socket.end();
        const reply = (this.#options.linkReply ?? ((right) => right))(this.#linkReply());
        if (this.#endsAt('half-reply', request)) return socket.end(reply.subarray(0, 90));
        if (this.#endsAt('reply', request)) return socket.end(reply);
        socket.write(reply);
      }
      if (stage === 'ticket' && rest.length >= 132) {
        const result = this.#judge(rest.subarray(4, 132), request);
        if (result === undefined) return;
        rest = rest.subarray(132);
        stage = 'open';
        const open = (): void => {
          socket.write(fields([4, result]));
          if (this.#endsAt('result', request) || result !== 0) return void socket.end();
          channel = new FakeChannel(socket, request.readUInt8(20), request.readUInt32LE(16));
          channel.received(rest);
          this.#opened(channel);
        };
        const { beforeResult } = this.#options;
        if (beforeResult === undefined) open();
        else void beforeResult(request.readUInt8(20)).then(open);
      }
    });
  }

  #endsAt(stage: LinkStage, request: Buffer): boolean {
    const { endAt } = this.#options;
    return endAt?.stage === stage && endAt.channel === request.readUInt8(20);
  }

  #linkReply(): Buffer {
    const words = fields(
      [4, 1],
      [4, 1],
      [4, 178],
      [4, 0b1011],
      [4, this.#options.capabilities ?? 1],
    );
    const body = Buffer.concat([fields([4, 0]), DER, words]);
    return Buffer.concat([Buffer.from('REDQ'), fields([4, 2], [4, 2], [4, body.length]), body]);
  }

  #judge(ticket: Buffer, request: Buffer): number | undefined {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const secret = privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, ticket);
    const { password } = this.#options;
    let result = password === undefined || secret.toString() === `${password}\0` ? 0 : 7;
    const connectionId = request.readUInt32LE(16);
    if (request.readUInt8(20) !== 1 && connectionId !== SESSION_ID) result = 8;
    return this.#options.result === undefined
      ? result
      : this.#options.result(result, request.readUInt8(20));
  }

  #opened(channel: FakeChannel): void {
    if (channel.type === 1 && this.#options.silent !== true) {
      channel.sendRaw(mainInit());
      const list = this.#options.channels ?? [[3, 0]];
      channel.sendRaw(
        frame(
          104,
          fields(
            [4, list.length],
            ...list.flatMap(([type, id]) => [[1, type] as const, [1, id] as const]),
          ),
        ),
      );
    }
    if ((channel.type === 2 || channel.type === 4) && this.#options.settingUp !== true)
      channel.sendRaw(SET_UP);
    this.#channels.push(channel);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
