import type { KvmfrError } from '../../protocol/error.ts';
import { addressText, parseSpiceAddress, type SpiceAddress } from './address.ts';
import { SpiceAgent } from './agent.ts';
import { Channel, type ServerAccess } from './channel.ts';
import { Connection, type SpiceInfo } from './connection.ts';
import { SpiceCursor } from './cursor.ts';
import { SpiceDisplay } from './display.ts';
import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import { SpiceInputs } from './inputs.ts';
import type { ChannelPart } from './part.ts';
import { SpicePlayback } from './playback.ts';
import { SpiceRecord } from './record.ts';
import type { SpiceTls } from './socket.ts';
import { closedState, isFinal, type SpiceState, stateOfSpiceError } from './state.ts';
import { MAX_INPUTS_MESSAGE_BYTES } from './wire/limits.ts';
import type { MouseMode } from './wire/main.ts';
import type { Notice } from './wire/message.ts';

/** How a session is opened. */
export interface SpiceOptions {
  /** Empty when left out; never part of a message or an error. */
  readonly password?: string;
  /** Makes every channel TLS; the address is then that of the TLS port. */
  readonly tls?: SpiceTls;
  /** Closes the session. */
  readonly signal?: AbortSignal;
  /** A link that takes longer is given up; 10 s when left out. */
  readonly linkTimeoutMs?: number;
  /** The caller can decode Opus: sound then comes in it. False when left out: it comes as it is. */
  readonly opus?: boolean;
  /** Links the guest's microphone. False when left out. */
  readonly record?: boolean;
  /** Waiting times between attempts to connect; 250 ms to 10 s when left out. */
  readonly backoff?: SpiceBackoff;
}

/** Waiting times between attempts to connect: doubled from the first to the longest. Units: milliseconds. */
export interface SpiceBackoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

const BACKOFF: SpiceBackoff = { firstMs: 250, longestMs: 10_000 };
/** Notices that wait for a loop. */
const MAX_NOTICES = 16;

/**
 * A virtual machine by its SPICE server. It connects by itself, and again after a loss, until it is
 * closed; only a refused password, and another viewer that took the server, are left for a person to
 * decide ({@link reconnect}).
 *
 * Ownership: the creator closes it; no socket and no timer is left then.
 */
export class SpiceSession implements AsyncDisposable {
  readonly address: SpiceAddress;
  readonly inputs: SpiceInputs = new SpiceInputs();
  readonly agent: SpiceAgent = new SpiceAgent();
  readonly display: SpiceDisplay = new SpiceDisplay();
  readonly cursor: SpiceCursor = new SpiceCursor();
  readonly playback: SpicePlayback;
  /** Undefined when it was not asked for. */
  readonly record: SpiceRecord | undefined;
  readonly #states: EventSource<SpiceState> = new EventSource(1);
  readonly #infos: EventSource<SpiceInfo> = new EventSource(1);
  readonly #notices: EventSource<Notice> = new EventSource(MAX_NOTICES);
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void = () => void this.close();
  readonly #backoff: SpiceBackoff;
  #access: ServerAccess;
  #state: SpiceState;
  #connection: Connection | undefined;
  #probe: Channel | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #connections = 0;
  #closing: Promise<void> | undefined;

  /**
   * Begins to connect at once.
   *
   * @throws ERR_KVMFR_ARGUMENT when the address is none
   */
  constructor(address: string, options: SpiceOptions = {}) {
    this.address = parseSpiceAddress(address);
    this.#backoff = options.backoff ?? BACKOFF;
    this.playback = new SpicePlayback({ opus: options.opus ?? false });
    this.record = options.record === true ? new SpiceRecord() : undefined;
    this.#access = {
      address: this.address,
      password: options.password ?? '',
      tls: options.tls,
      ...(options.linkTimeoutMs === undefined ? {} : { linkTimeoutMs: options.linkTimeoutMs }),
    };
    this.#state = {
      name: 'connecting',
      message: `connecting to the SPICE server at ${addressText(this.address)}`,
    };
    this.#signal = options.signal;
    if (this.#signal?.aborted) void this.close();
    else {
      this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
      this.#connect();
    }
  }

  /** What is known of the server now. */
  get state(): SpiceState {
    return this.#state;
  }

  /** What the server tells of the machine; undefined while it is not connected. */
  get info(): SpiceInfo | undefined {
    return this.#state.name === 'connected' ? this.#connection?.info : undefined;
  }

  /** How often it was connected. */
  get connections(): number {
    return this.#connections;
  }

  /** Messages of this connection whose types are not known here. */
  get unknownMessages(): number {
    return this.#connection?.unknownMessages ?? 0;
  }

  /** The state now, then each change; what did not last until it was asked for is left out. */
  states(options: EventStreamOptions = {}): EventStream<SpiceState> {
    return this.#states.stream(options, this.#state);
  }

  /** What the server tells of the machine, each time that it changes. */
  infos(options: EventStreamOptions = {}): EventStream<SpiceInfo> {
    return this.#infos.stream(options, this.info);
  }

  /** What the server tells a person. */
  notices(options: EventStreamOptions = {}): EventStream<Notice> {
    return this.#notices.stream(options);
  }

  /** Asks for a way in which positions of the pointer travel; false when the server has it not. */
  requestMouseMode(mode: MouseMode): boolean {
    return this.#connection?.requestMouseMode(mode) ?? false;
  }

  /** Connects now instead of later: another password, or the server back from another viewer. */
  reconnect(options: { readonly password?: string } = {}): void {
    if (this.#closing !== undefined || this.#state.name === 'connected') return;
    if (options.password !== undefined)
      this.#access = { ...this.#access, password: options.password };
    this.#failures = 0;
    if (this.#connection === undefined) this.#connect();
  }

  /** Lets everything go that is held, sends it, and ends the session. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #parts(): readonly ChannelPart[] {
    const { inputs, display, cursor, playback, record } = this;
    const always = [inputs, display, cursor, playback];
    return record === undefined ? always : [...always, record];
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#timer);
    this.#probe?.close();
    this.inputs.releaseAll();
    await this.#connection?.close();
    this.#connection = undefined;
    this.#setState(closedState(this.address));
    this.inputs.close();
    this.agent.close();
    this.display.close();
    this.cursor.close();
    this.playback.close();
    this.record?.close();
    this.#states.close();
    this.#infos.close();
    this.#notices.close();
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#probe?.close();
    this.#probe = undefined;
    this.#connection = new Connection({
      access: this.#access,
      parts: this.#parts,
      agent: this.agent,
      owner: {
        ready: () => this.#ready(),
        changed: () => this.#changed(),
        notified: (notice) => this.#notices.emit(notice),
        ended: (reason) => this.#ended(reason),
      },
    });
  }

  #ready(): void {
    this.#failures = 0;
    this.#connections += 1;
    this.#setState({
      name: 'connected',
      message: `connected to the SPICE server at ${addressText(this.address)}`,
    });
    this.#changed();
  }

  #changed(): void {
    const { info } = this;
    if (info !== undefined) this.#infos.emit(info);
  }

  #ended(reason: KvmfrError): void {
    const sessionId = this.#connection?.sessionId;
    const wasConnected = this.#state.name === 'connected';
    this.#connection = undefined;
    const closedByPeer = reason.code === 'ERR_KVMFR_LOST' || reason.code === 'ERR_KVMFR_SYSCALL';
    if (wasConnected && closedByPeer && sessionId !== undefined) this.#askWhy(sessionId, reason);
    else this.#settle(reason);
  }

  /**
   * A server has one viewer at a time: a new one ends the session of the old one. Two that connect
   * again by themselves would throw each other out for ever. So the server is asked for our old
   * session: when it lives and does not know it any more, somebody else has it.
   */
  #askWhy(connectionId: number, reason: KvmfrError): void {
    const done = (why: KvmfrError): void => {
      this.#probe = undefined;
      this.#settle(why.code === 'ERR_KVMFR_BUSY' ? why : reason);
    };
    this.#probe = new Channel(
      this.#access,
      {
        name: 'inputs',
        id: 0,
        connectionId,
        capabilities: [],
        maxMessageBytes: MAX_INPUTS_MESSAGE_BYTES,
      },
      {
        opened: (channel) => {
          channel.close();
          done(reason);
        },
        message: () => true,
        notified: () => {},
        closed: done,
      },
    );
  }

  #settle(reason: KvmfrError): void {
    const state = stateOfSpiceError(reason);
    if (!isFinal(state)) {
      const { firstMs, longestMs } = this.#backoff;
      const waitMs = Math.min(longestMs, firstMs * 2 ** Math.min(this.#failures, 16));
      this.#failures += 1;
      this.#timer = setTimeout(() => this.#connect(), waitMs);
    }
    this.#setState(state);
  }

  #setState(state: SpiceState): void {
    this.#state = state;
    this.#states.emit(state);
  }
}

/**
 * Opens a session and waits until it is connected.
 *
 * @throws what kept it from connecting the first time: ERR_KVMFR_ABSENT, ERR_KVMFR_PASSWORD,
 *   ERR_KVMFR_MAGIC and others; the session is closed then
 */
export async function connectSpice(
  address: string,
  options: SpiceOptions = {},
): Promise<SpiceSession> {
  const session = new SpiceSession(address, options);
  for await (const state of session.states()) {
    if (state.name === 'connected') return session;
    if (state.error === undefined) continue;
    await session.close();
    throw options.signal?.aborted ? options.signal.reason : state.error;
  }
  throw session.state.error;
}
