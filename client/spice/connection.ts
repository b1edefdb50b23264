import { KvmfrError } from '../../protocol/error.ts';
import { addressText } from './address.ts';
import type { SpiceAgent } from './agent.ts';
import { Channel, type ServerAccess } from './channel.ts';
import type { ChannelPart } from './part.ts';
import type { Body } from './wire/body.ts';
import { LINK_TIMEOUT_MS, MAX_MAIN_MESSAGE_BYTES } from './wire/limits.ts';
import { CHANNEL_TYPES, type ChannelName } from './wire/link.ts';
import {
  type ChannelEntry,
  decodeChannelsList,
  decodeMainInit,
  decodeMouseMode,
  decodeName,
  decodeUuid,
  encodeAttachChannels,
  encodeMouseModeRequest,
  MAIN_CAPABILITIES,
  MAIN_FROM_SERVER,
  MOUSE_MODES,
  type MouseMode,
} from './wire/main.ts';
import type { Notice } from './wire/message.ts';

/** What MAIN told of the virtual machine. */
export interface SpiceInfo {
  readonly name: string | undefined;
  readonly uuid: string | undefined;
  readonly mouseMode: MouseMode;
  /** Mouse modes that can be asked for. */
  readonly mouseModes: readonly MouseMode[];
  /** Names of the channels in use. */
  readonly channels: readonly string[];
}

/** Who owns a connection. */
export interface ConnectionOwner {
  /** MAIN and every channel that is wanted and there are linked. */
  ready(): void;
  /** What MAIN told has changed. */
  changed(): void;
  notified(notice: Notice): void;
  /** Called once, and never after {@link Connection.close}. */
  ended(reason: KvmfrError): void;
}

/** How long what waits may still be sent at the end. */
const FINISH_MS = 500;
/** How long a server may take to set up a channel before we leave all the same: beside a load of 20 it took 450 ms. */
const SETTLE_MS = 2000;
/**
 * Channels that a server sets up in a thread of their own. spice-server 0.15.1 crashes, and takes the
 * virtual machine with it, when the session ends before that thread has come to it.
 */
const SET_UP_APART: ReadonlySet<ChannelName> = new Set<ChannelName>(['display', 'cursor']);

/** One life of a session: MAIN, and a channel for each part that wants one. Ends as a whole. */
export class Connection {
  readonly #access: ServerAccess;
  readonly #parts: readonly ChannelPart[];
  readonly #agent: SpiceAgent;
  readonly #owner: ConnectionOwner;
  readonly #main: Channel;
  readonly #channels: Channel[] = [];
  readonly #timer: NodeJS.Timeout;
  #sessionId: number | undefined;
  #missing: number | undefined;
  #agentTokens = 0;
  #name: string | undefined;
  #uuid: string | undefined;
  #mouseMode: MouseMode = 'server';
  #supportedMouseModes = 0;
  #ended = false;
  #closed = false;
  #left: Promise<void> | undefined;

  constructor(options: {
    readonly access: ServerAccess;
    readonly parts: readonly ChannelPart[];
    readonly agent: SpiceAgent;
    readonly owner: ConnectionOwner;
  }) {
    this.#access = options.access;
    this.#parts = options.parts;
    this.#agent = options.agent;
    this.#owner = options.owner;
    const limitMs = options.access.linkTimeoutMs ?? LINK_TIMEOUT_MS;
    this.#timer = setTimeout(() => this.#timedOut(limitMs), 2 * limitMs);
    this.#main = new Channel(
      options.access,
      {
        name: 'main',
        id: 0,
        connectionId: 0,
        capabilities: [MAIN_CAPABILITIES.nameAndUuid, MAIN_CAPABILITIES.agentConnectedTokens],
        maxMessageBytes: MAX_MAIN_MESSAGE_BYTES,
      },
      {
        opened: () => {},
        message: (type, body) => this.#ended || this.#message(type, body),
        notified: (notice) => this.#notified(notice),
        closed: (reason) => this.#end(reason),
      },
    );
  }

  /** The server's number of this session; undefined before it gave one. */
  get sessionId(): number | undefined {
    return this.#sessionId;
  }

  /** What MAIN told so far. */
  get info(): SpiceInfo {
    const modes: readonly MouseMode[] = ['server', 'client'];
    return {
      name: this.#name,
      uuid: this.#uuid,
      mouseMode: this.#mouseMode,
      mouseModes: modes.filter((mode) => (this.#supportedMouseModes & MOUSE_MODES[mode]) !== 0),
      channels: ['main', ...this.#channels.filter(({ isOpen }) => isOpen).map(({ name }) => name)],
    };
  }

  /** Messages of types that are not known here, of all channels. */
  get unknownMessages(): number {
    return [this.#main, ...this.#channels].reduce((sum, one) => sum + one.unknownMessages, 0);
  }

  /** Asks for a mouse mode. */
  requestMouseMode(mode: MouseMode): boolean {
    if ((this.#supportedMouseModes & MOUSE_MODES[mode]) === 0) return false;
    this.#main.send(encodeMouseModeRequest(mode));
    return true;
  }

  /** Sends what waits, then ends all channels. A server is not left while it sets one up. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#ended) {
      this.#stop();
      this.#left = this.#finish();
    }
    await this.#left;
  }

  #message(type: number, body: Body): boolean {
    switch (type) {
      case MAIN_FROM_SERVER.init:
        this.#init(body);
        return true;
      case MAIN_FROM_SERVER.channelsList:
        this.#open(decodeChannelsList(body));
        return true;
      case MAIN_FROM_SERVER.mouseMode: {
        const { supported, current } = decodeMouseMode(body);
        this.#setMouseModes(supported, current);
        return true;
      }
      case MAIN_FROM_SERVER.name:
        this.#name = decodeName(body);
        this.#owner.changed();
        return true;
      case MAIN_FROM_SERVER.uuid:
        this.#uuid = decodeUuid(body);
        this.#owner.changed();
        return true;
      default:
        return this.#agentMessage(type, body);
    }
  }

  #agentMessage(type: number, body: Body): boolean {
    switch (type) {
      case MAIN_FROM_SERVER.agentConnected:
        this.#startAgent(this.#agentTokens);
        return true;
      case MAIN_FROM_SERVER.agentConnectedTokens:
        this.#startAgent(body.u32('agent tokens'));
        return true;
      case MAIN_FROM_SERVER.agentDisconnected:
        this.#agent.detach();
        return true;
      case MAIN_FROM_SERVER.agentData:
        this.#agent.receive(body);
        return true;
      case MAIN_FROM_SERVER.agentToken:
        this.#agent.grant(body.u32('agent tokens'));
        return true;
      case MAIN_FROM_SERVER.multiMediaTime:
        return true;
      default:
        return false;
    }
  }

  #init(body: Body): void {
    // A second INIT would open every channel again.
    if (this.#sessionId !== undefined) return;
    const init = decodeMainInit(body);
    this.#sessionId = init.sessionId;
    this.#agentTokens = init.agentTokens;
    this.#setMouseModes(init.supportedMouseModes, init.mouseMode);
    this.#main.send(encodeAttachChannels());
    if (init.agentConnected) this.#startAgent(init.agentTokens);
  }

  #setMouseModes(supported: number, current: MouseMode): void {
    const isNew = (supported & ~this.#supportedMouseModes & MOUSE_MODES.client) !== 0;
    this.#supportedMouseModes = supported;
    this.#mouseMode = current;
    // A tablet may come later, with the guest's driver: it is asked for when it does.
    if (isNew && current !== 'client') this.requestMouseMode('client');
    this.#owner.changed();
  }

  #startAgent(tokens: number): void {
    this.#agent.attach((message) => this.#main.send(message), tokens);
  }

  #open(list: readonly ChannelEntry[]): void {
    const connectionId = this.#sessionId;
    if (this.#missing !== undefined || connectionId === undefined) return;
    const wanted = this.#parts.flatMap((part) => {
      const entry = list.find(({ type }) => type === CHANNEL_TYPES[part.channel]);
      return entry === undefined ? [] : [{ part, id: entry.id }];
    });
    this.#missing = wanted.length;
    for (const { part, id } of wanted)
      this.#channels.push(this.#openPart(part, { id, connectionId }));
    if (this.#missing === 0) this.#ready();
  }

  #openPart(
    part: ChannelPart,
    { id, connectionId }: { readonly id: number; readonly connectionId: number },
  ): Channel {
    return new Channel(
      this.#access,
      {
        name: part.channel,
        id,
        connectionId,
        capabilities: part.capabilities,
        maxMessageBytes: part.maxMessageBytes,
      },
      {
        opened: (channel) => {
          if (this.#ended && !SET_UP_APART.has(part.channel)) return;
          // A server waits for what a display says first, also when that is the last that we say.
          part.attach(channel);
          if (this.#ended) return part.detach();
          this.#missing = (this.#missing ?? 0) - 1;
          if (this.#missing === 0) this.#ready();
        },
        message: (type, body) => this.#ended || part.message(type, body),
        notified: (notice) => this.#notified(notice),
        closed: (reason) => this.#end(reason),
      },
    );
  }

  #ready(): void {
    clearTimeout(this.#timer);
    this.#owner.ready();
  }

  #timedOut(limitMs: number): void {
    const missing =
      this.#missing === undefined ? 'the list of channels' : `${this.#missing} of them`;
    this.#end(
      new KvmfrError(
        'ERR_KVMFR_TIMEOUT',
        `the SPICE server at ${addressText(this.#access.address)} must open its channels in ${2 * limitMs} ms, but ${missing} did not come`,
        { hint: 'see whether the virtual machine hangs' },
      ),
    );
  }

  #end(reason: KvmfrError): void {
    if (this.#ended) return;
    this.#stop();
    const settled = this.#settled();
    if (settled === undefined) this.#abandon(reason);
    else this.#left = settled.then(() => this.#abandon(reason));
  }

  /** From here on only the duties of the channels are done. */
  #stop(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#detach();
  }

  async #finish(): Promise<void> {
    await this.#settled();
    // MAIN last: when it goes, the server throws away what the others still sent.
    await Promise.all(this.#channels.map((channel) => channel.finish(FINISH_MS)));
    await this.#main.finish(FINISH_MS);
  }

  #abandon(reason: KvmfrError): void {
    for (const channel of this.#channels) channel.close();
    this.#main.close();
    if (!this.#closed) this.#owner.ended(reason);
  }

  /** Undefined when nothing has to be waited for. */
  #settled(): Promise<unknown> | undefined {
    // Without MAIN the server has no session any more.
    if (!this.#main.isOpen) return undefined;
    const apart = this.#channels.filter(({ name }) => SET_UP_APART.has(name));
    const waits = apart.flatMap((channel) => channel.settled(SETTLE_MS) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  #notified(notice: Notice): void {
    if (!this.#ended) this.#owner.notified(notice);
  }

  #detach(): void {
    this.#agent.detach();
    for (const part of this.#parts) part.detach();
  }
}
