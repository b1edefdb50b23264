import { KvmfrError } from '../../protocol/error.ts';
import { addressText, type SpiceAddress } from './address.ts';
import { SpiceSocket, type SpiceTls } from './socket.ts';
import { encodeTicket } from './ticket.ts';
import type { Body } from './wire/body.ts';
import {
  LINK_TIMEOUT_MS,
  MAX_LINK_REPLY_BYTES,
  MAX_TEXT_BYTES,
  MAX_UNSENT_BYTES,
} from './wire/limits.ts';
import {
  type ChannelName,
  COMMON_CAPABILITIES,
  decodeLinkHeader,
  decodeLinkReply,
  encodeLinkRequest,
  hasCapability,
  LINK_HEADER_BYTES,
  type LinkReply,
  linkError,
} from './wire/link.ts';
import {
  COMMON_FROM_SERVER,
  COMMON_TO_SERVER,
  decodeNotify,
  decodeSetAck,
  encodePong,
  MessageSplitter,
  messageU32,
  type Notice,
  newMessage,
} from './wire/message.ts';

/** How a server is reached, the same for all channels. */
export interface ServerAccess {
  readonly address: SpiceAddress;
  readonly password: string;
  readonly tls: SpiceTls | undefined;
  /** A link that takes longer is given up. */
  readonly linkTimeoutMs?: number;
}

/** Which channel is wanted. */
export interface ChannelRequest {
  readonly name: ChannelName;
  readonly id: number;
  /** 0 for MAIN, else what its INIT said. */
  readonly connectionId: number;
  readonly capabilities: readonly number[];
  readonly maxMessageBytes: number;
}

/** Who uses a channel. */
export interface ChannelOwner {
  /** The link is made: send away. Messages come from now on. */
  opened(channel: Channel): void;
  /**
   * A message that is not one of those that every channel has; the body is valid until it returns.
   *
   * @returns false when it is not known here
   */
  message(type: number, body: Body): boolean;
  /** Something that the server tells a person. */
  notified(notice: Notice): void;
  /** Called once, and never after {@link Channel.close} or {@link Channel.finish}. */
  closed(reason: KvmfrError): void;
}

type Stage = 'connecting' | 'header' | 'reply' | 'result' | 'open' | 'closed';

/** What a person is told that we waited for, when it did not come. */
const WAITED_FOR: { readonly [S in Stage]: string } = {
  connecting: 'the connection',
  header: 'its link reply',
  reply: 'the rest of its link reply',
  result: 'its answer to our ticket',
  open: 'messages',
  closed: 'nothing',
};

/** One channel of a SPICE session: a socket, its link, and the duties that all channels have. */
export class Channel {
  readonly name: ChannelName;
  readonly #access: ServerAccess;
  readonly #request: ChannelRequest;
  readonly #owner: ChannelOwner;
  readonly #socket: SpiceSocket;
  readonly #splitter: MessageSplitter;
  readonly #timer: NodeJS.Timeout;
  readonly #linkBytes: Buffer = Buffer.alloc(MAX_LINK_REPLY_BYTES);
  #linkFill = 0;
  #linkNeed = LINK_HEADER_BYTES;
  #stage: Stage = 'connecting';
  #reply: LinkReply | undefined;
  #ackWindow = 0;
  #unacknowledged = 0;
  #unknownMessages = 0;
  #hasSpoken = false;
  #onSettled: (() => void) | undefined;

  constructor(access: ServerAccess, request: ChannelRequest, owner: ChannelOwner) {
    this.name = request.name;
    this.#access = access;
    this.#request = request;
    this.#owner = owner;
    this.#splitter = new MessageSplitter({
      channel: request.name.toUpperCase(),
      maxBytes: request.maxMessageBytes,
      sink: { message: (type, body) => this.#message(type, body) },
    });
    const limitMs = access.linkTimeoutMs ?? LINK_TIMEOUT_MS;
    this.#timer = setTimeout(() => this.#timedOut(limitMs), limitMs);
    this.#socket = new SpiceSocket(access.address, access.tls, {
      connected: () => this.#connected(),
      received: (bytes, size) => this.#received(bytes, size),
      closed: (reason) => this.#lost(reason),
    });
  }

  /** Whether messages may be sent. */
  get isOpen(): boolean {
    return this.#stage === 'open';
  }

  /** Messages of types that are not known here. */
  get unknownMessages(): number {
    return this.#unknownMessages;
  }

  /** Whether the server has a capability of this channel. */
  serverHas(capability: number): boolean {
    return hasCapability(this.#reply?.capabilities ?? [], capability);
  }

  /** Sends a message that nobody changes any more. A server that takes nothing is given up. */
  send(bytes: Buffer): void {
    if (this.#stage !== 'open') return;
    this.#socket.send(bytes);
    if (this.#socket.unsentBytes > MAX_UNSENT_BYTES)
      this.#fail(
        new KvmfrError(
          'ERR_KVMFR_TIMEOUT',
          `the SPICE server ${this.#where} must read what is sent, but ${this.#socket.unsentBytes} bytes wait`,
          { hint: 'see whether the virtual machine hangs' },
        ),
      );
  }

  /**
   * Resolves when the server has set it up, which its first message says, or never will; after
   * `limitMs` in any case. A link that has not shown its ticket yet is given up.
   *
   * @returns undefined when there is nothing to wait for
   */
  settled(limitMs: number): Promise<void> | undefined {
    const hasTicket = this.#stage === 'result' || this.#stage === 'open';
    if (!hasTicket) this.close();
    if (!hasTicket || this.#hasSpoken) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#onSettled = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends it at once. */
  close(): void {
    if (this.#stage === 'closed') return;
    this.#stage = 'closed';
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#onSettled?.();
  }

  /** Sends what waits, then ends it. */
  async finish(limitMs: number): Promise<void> {
    const wasOpen = this.#stage === 'open';
    if (!wasOpen) return this.close();
    this.#stage = 'closed';
    await this.#socket.finish(limitMs);
  }

  get #where(): string {
    return `at ${addressText(this.#access.address)}`;
  }

  #connected(): void {
    this.#stage = 'header';
    const { name, id, connectionId, capabilities } = this.#request;
    this.#socket.send(
      encodeLinkRequest({ connectionId, channel: name, channelId: id, capabilities }),
    );
  }

  #received(bytes: Buffer, size: number): void {
    try {
      let at = 0;
      while (this.#stage !== 'open' && this.#stage !== 'closed' && at < size)
        at = this.#receivedLink(bytes, at, size);
      if (this.#stage === 'open' && at < size) this.#splitter.push(bytes, at, size);
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      this.#fail(error);
    }
  }

  #receivedLink(bytes: Buffer, from: number, size: number): number {
    const to = Math.min(size, from + this.#linkNeed - this.#linkFill);
    bytes.copy(this.#linkBytes, this.#linkFill, from, to);
    this.#linkFill += to - from;
    if (this.#linkFill === this.#linkNeed) {
      this.#linkFill = 0;
      this.#linkStep(this.#linkBytes.subarray(0, this.#linkNeed));
    }
    return to;
  }

  #linkStep(bytes: Buffer): void {
    switch (this.#stage) {
      case 'header':
        this.#linkNeed = decodeLinkHeader(bytes);
        this.#stage = 'reply';
        return;
      case 'reply':
        this.#readReply(Buffer.from(bytes));
        this.#linkNeed = 4;
        this.#stage = 'result';
        return;
      default:
        this.#readResult(bytes.readUInt32LE(0));
    }
  }

  #readReply(bytes: Buffer): void {
    const reply = decodeLinkReply(bytes);
    const error = linkError(reply.error, this.#where);
    if (error !== undefined) throw error;
    const { authSelection, authSpice, miniHeader } = COMMON_CAPABILITIES;
    for (const [need, what] of [
      [authSelection, 'a choice of authentication'],
      [authSpice, 'authentication by ticket'],
      [miniHeader, 'short message headers'],
    ] as const)
      if (!hasCapability(reply.common, need))
        throw new KvmfrError(
          'ERR_KVMFR_UNSUPPORTED',
          `the SPICE server ${this.#where} must offer ${what}, but does not`,
          { hint: 'QEMU with spice-server 0.12 or newer does; SASL is not supported' },
        );
    this.#reply = reply;
    this.#socket.send(encodeTicket(reply.publicKey, this.#access.password));
  }

  #readResult(result: number): void {
    const error = linkError(result, this.#where);
    if (error !== undefined) throw error;
    clearTimeout(this.#timer);
    this.#stage = 'open';
    this.#owner.opened(this);
  }

  #message(type: number, body: Body): void {
    if (this.#stage !== 'open') return;
    this.#hasSpoken = true;
    this.#onSettled?.();
    if (type === COMMON_FROM_SERVER.setAck) {
      this.#setAck(body);
      return;
    }
    if (type < 100) this.#common(type, body);
    else if (!this.#owner.message(type, body)) this.#unknownMessages += 1;
    if (this.#ackWindow === 0) return;
    this.#unacknowledged += 1;
    if (this.#unacknowledged < this.#ackWindow) return;
    this.#unacknowledged = 0;
    this.send(newMessage(COMMON_TO_SERVER.ack, 0));
  }

  #setAck(body: Body): void {
    const { generation, window } = decodeSetAck(body);
    this.#ackWindow = window;
    this.#unacknowledged = 0;
    this.send(messageU32(COMMON_TO_SERVER.ackSync, generation));
  }

  #common(type: number, body: Body): void {
    switch (type) {
      case COMMON_FROM_SERVER.ping:
        this.send(encodePong(body));
        break;
      case COMMON_FROM_SERVER.notify:
        this.#owner.notified(decodeNotify(body, MAX_TEXT_BYTES));
        break;
      case COMMON_FROM_SERVER.disconnecting:
        this.#fail(
          new KvmfrError('ERR_KVMFR_LOST', `the SPICE server ${this.#where} said that it leaves`),
        );
        break;
      default:
        this.#unknownMessages += 1;
    }
  }

  #timedOut(limitMs: number): void {
    this.#fail(
      new KvmfrError(
        'ERR_KVMFR_TIMEOUT',
        `the SPICE server ${this.#where} must link ${this.name} in ${limitMs} ms, but ${WAITED_FOR[this.#stage]} did not come`,
        {
          hint: 'see whether the virtual machine hangs, and whether the address is a SPICE server',
        },
      ),
    );
  }

  #lost(reason: KvmfrError | undefined): void {
    const how = `closed ${this.name} while ${WAITED_FOR[this.#stage]} was expected`;
    this.#fail(
      reason ??
        new KvmfrError('ERR_KVMFR_LOST', `the SPICE server ${this.#where} ${how}`, {
          hint: 'it goes on by itself when the server is back',
        }),
    );
  }

  #fail(reason: KvmfrError): void {
    if (this.#stage === 'closed') return;
    this.close();
    this.#owner.closed(reason);
  }
}
