import { KvmfrError } from '../../protocol/error.ts';
import { AgentReader, AgentWriter } from './agent-stream.ts';
import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import {
  AGENT_CAPABILITIES,
  AGENT_MESSAGES,
  CLIPBOARD_TYPES,
  type ClipboardType,
  clipboardTypeOf,
  encodeAnnounce,
  encodeMonitors,
  encodeSelection,
  type Monitor,
  type Selection,
  selectionOf,
  words,
} from './wire/agent.ts';
import type { Body } from './wire/body.ts';
import { AGENT_TOKENS, MAX_AGENT_MESSAGE_BYTES, MAX_AGENT_QUEUE_BYTES } from './wire/limits.ts';
import { hasCapability } from './wire/link.ts';
import { encodeAgentStart, encodeAgentToken } from './wire/main.ts';

/** What the guest's agent tells. */
export type AgentEvent =
  | { readonly kind: 'connected' | 'disconnected' }
  /** The guest has something in a clipboard: {@link SpiceAgent.read} gets it. */
  | {
      readonly kind: 'grab';
      readonly selection: Selection;
      readonly types: readonly ClipboardType[];
    }
  /** The guest has nothing in a clipboard any more. */
  | { readonly kind: 'release'; readonly selection: Selection }
  /** The guest wants what we announced: answer with {@link SpiceAgent.write}. */
  | { readonly kind: 'request'; readonly selection: Selection; readonly type: ClipboardType };

/** Events that wait for a loop; a guest that sends more loses its oldest. */
const MAX_EVENTS = 64;
/** Kinds that one grab may name. */
const MAX_TYPES = 16;
const OURS: readonly number[] = [
  AGENT_CAPABILITIES.monitorsConfig,
  AGENT_CAPABILITIES.reply,
  AGENT_CAPABILITIES.clipboardByDemand,
  AGENT_CAPABILITIES.clipboardSelection,
];

interface PendingRead {
  readonly type: ClipboardType;
  readonly answer: Promise<Uint8Array | undefined>;
  readonly resolve: (data: Uint8Array | undefined) => void;
}

/** The guest's agent: clipboards both ways, and the size of its screens. */
export class SpiceAgent {
  readonly #events: EventSource<AgentEvent> = new EventSource(MAX_EVENTS);
  readonly #reads = new Map<Selection, PendingRead>();
  #send: ((message: Buffer) => void) | undefined;
  #reader: AgentReader | undefined;
  #writer: AgentWriter | undefined;
  #capabilities: readonly number[] = [];
  #announced = false;
  #unreturned = 0;
  #refused = 0;

  /** Whether an agent runs in the guest and has said what it can do. */
  get isConnected(): boolean {
    return this.#writer !== undefined && this.#announced;
  }

  /** Whether the agent shares clipboards. */
  get hasClipboard(): boolean {
    return this.isConnected && this.#has(AGENT_CAPABILITIES.clipboardByDemand);
  }

  /** How lines end in the guest's texts, where the agent says it. */
  get lineEnding(): 'lf' | 'crlf' | undefined {
    if (this.#has(AGENT_CAPABILITIES.lineEndCrlf)) return 'crlf';
    return this.#has(AGENT_CAPABILITIES.lineEndLf) ? 'lf' : undefined;
  }

  /** Messages of the agent that were too large, malformed or not asked for. */
  get refused(): number {
    return this.#refused + (this.#reader?.tooLarge ?? 0);
  }

  /** What the agent tells from now on. */
  events(options: EventStreamOptions = {}): EventStream<AgentEvent> {
    return this.#events.stream(options);
  }

  /** Says that we have something for a clipboard of the guest. */
  grab(types: readonly ClipboardType[], selection: Selection = 'clipboard'): boolean {
    const list = words(types.map((type) => CLIPBOARD_TYPES[type]));
    return this.#clipboard(AGENT_MESSAGES.clipboardGrab, selection, list);
  }

  /** Says that we have nothing any more. */
  release(selection: Selection = 'clipboard'): boolean {
    return this.#clipboard(AGENT_MESSAGES.clipboardRelease, selection);
  }

  /**
   * Answers a request of the guest. No data means that there is none of this kind.
   *
   * Ownership: the data may not change until it is sent.
   *
   * @throws ERR_KVMFR_ARGUMENT when it is larger than the guest is given
   */
  write(type: ClipboardType, data: Uint8Array, selection: Selection = 'clipboard'): boolean {
    const waiting = this.#writer?.queuedBytes ?? 0;
    if (waiting + data.length > MAX_AGENT_QUEUE_BYTES)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `at most ${MAX_AGENT_QUEUE_BYTES} bytes may be on their way to the guest's clipboard, but ${waiting} are and ${data.length} more were given`,
      );
    return this.#clipboard(
      AGENT_MESSAGES.clipboard,
      selection,
      words([CLIPBOARD_TYPES[type]]),
      data,
    );
  }

  /**
   * Gets what the guest has in a clipboard; undefined when it has nothing of this kind, or goes away.
   *
   * Ownership: the caller's.
   *
   * @throws ERR_KVMFR_BUSY when another kind is being read from it
   */
  read(type: ClipboardType, selection: Selection = 'clipboard'): Promise<Uint8Array | undefined> {
    const pending = this.#reads.get(selection);
    if (pending?.type === type) return pending.answer;
    if (pending !== undefined)
      return Promise.reject(
        new KvmfrError(
          'ERR_KVMFR_BUSY',
          `one kind is read from ${selection} at a time, but ${pending.type} is being read`,
        ),
      );
    const request = words([CLIPBOARD_TYPES[type]]);
    if (!this.#clipboard(AGENT_MESSAGES.clipboardRequest, selection, request))
      return Promise.resolve(undefined);
    let resolve: PendingRead['resolve'] = () => {};
    const answer = new Promise<Uint8Array | undefined>((done) => {
      resolve = done;
    });
    this.#reads.set(selection, { type, answer, resolve });
    return answer;
  }

  /** Waits no longer for what is being read from a clipboard: it is undefined. */
  forget(selection: Selection = 'clipboard'): void {
    this.#answer(selection, undefined);
  }

  /** Asks the guest for screens of these sizes. */
  setMonitors(monitors: readonly Monitor[]): boolean {
    if (this.#writer === undefined) return false;
    this.#writer.write(AGENT_MESSAGES.monitorsConfig, encodeMonitors(monitors));
    return true;
  }

  /** For the session: an agent is there, and takes so many pieces. */
  attach(send: (message: Buffer) => void, tokens: number): void {
    this.detach();
    this.#send = send;
    this.#reader = new AgentReader((type, body) => this.#message(type, body));
    this.#writer = new AgentWriter(send, tokens);
    this.#unreturned = 0;
    send(encodeAgentStart(AGENT_TOKENS));
    this.#writer.write(AGENT_MESSAGES.announceCapabilities, encodeAnnounce(OURS, true));
  }

  /** For the session: tokens came back. */
  grant(tokens: number): void {
    this.#writer?.grant(tokens);
  }

  /** For the session: a piece came. */
  receive(body: Body): void {
    if (this.#reader === undefined) return;
    this.#reader.push(body.view(body.left, 'agent data'));
    this.#unreturned += 1;
    if (this.#unreturned < AGENT_TOKENS / 2) return;
    this.#send?.(encodeAgentToken(this.#unreturned));
    this.#unreturned = 0;
  }

  /** For the session: the agent, or the session, is gone. */
  detach(): void {
    const wasConnected = this.isConnected;
    this.#refused += this.#reader?.tooLarge ?? 0;
    this.#send = undefined;
    this.#reader = undefined;
    this.#writer?.end();
    this.#writer = undefined;
    this.#announced = false;
    this.#capabilities = [];
    for (const selection of [...this.#reads.keys()]) this.#answer(selection, undefined);
    if (wasConnected) this.#events.emit({ kind: 'disconnected' });
  }

  /** For the session: nothing follows. */
  close(): void {
    this.detach();
    this.#events.close();
  }

  #has(capability: number): boolean {
    return hasCapability(this.#capabilities, capability);
  }

  #clipboard(type: number, selection: Selection, ...parts: readonly Uint8Array[]): boolean {
    const several = this.#has(AGENT_CAPABILITIES.clipboardSelection);
    if (this.#writer === undefined || !this.hasClipboard) return false;
    if (!several && selection !== 'clipboard') return false;
    this.#writer.write(type, encodeSelection(selection, several), ...parts);
    return true;
  }

  #message(type: number, body: Buffer): void {
    if (type === AGENT_MESSAGES.announceCapabilities) this.#announce(body);
    const isClipboard =
      type === AGENT_MESSAGES.clipboard ||
      type === AGENT_MESSAGES.clipboardGrab ||
      type === AGENT_MESSAGES.clipboardRequest ||
      type === AGENT_MESSAGES.clipboardRelease;
    if (!isClipboard) return;
    const several = this.#has(AGENT_CAPABILITIES.clipboardSelection);
    const selection = several ? selectionOf(body[0] ?? -1) : 'clipboard';
    const rest = body.subarray(several ? 4 : 0);
    if (selection === undefined || (several && body.length < 4)) this.#refused += 1;
    else this.#clipboardMessage(type, selection, rest);
  }

  #announce(body: Buffer): void {
    if (body.length < 4) {
      this.#refused += 1;
      return;
    }
    const count = Math.min(8, (body.length >>> 2) - 1);
    this.#capabilities = Array.from({ length: count }, (_, i) => body.readUInt32LE(4 + 4 * i));
    const isFirst = !this.#announced;
    this.#announced = true;
    if (body.readUInt32LE(0) !== 0)
      this.#writer?.write(AGENT_MESSAGES.announceCapabilities, encodeAnnounce(OURS, false));
    if (isFirst) this.#events.emit({ kind: 'connected' });
  }

  #clipboardMessage(type: number, selection: Selection, rest: Buffer): void {
    switch (type) {
      case AGENT_MESSAGES.clipboardGrab: {
        const count = Math.min(MAX_TYPES, rest.length >>> 2);
        const types = Array.from({ length: count }, (_, i) =>
          clipboardTypeOf(rest.readUInt32LE(4 * i)),
        ).filter((known) => known !== undefined);
        this.#events.emit({ kind: 'grab', selection, types });
        break;
      }
      case AGENT_MESSAGES.clipboardRelease:
        this.#events.emit({ kind: 'release', selection });
        break;
      case AGENT_MESSAGES.clipboardRequest:
        this.#request(selection, rest);
        break;
      default:
        this.#contents(selection, rest);
    }
  }

  #request(selection: Selection, rest: Buffer): void {
    const type = rest.length < 4 ? undefined : clipboardTypeOf(rest.readUInt32LE(0));
    if (type !== undefined) {
      this.#events.emit({ kind: 'request', selection, type });
      return;
    }
    this.#refused += 1;
    // Who asks waits for an answer, also when it is that there is none.
    this.#clipboard(AGENT_MESSAGES.clipboard, selection, words([0]));
  }

  #contents(selection: Selection, rest: Buffer): void {
    const pending = this.#reads.get(selection);
    if (pending === undefined || rest.length < 4) {
      this.#refused += 1;
      return;
    }
    const isWanted = rest.readUInt32LE(0) === CLIPBOARD_TYPES[pending.type];
    this.#answer(selection, isWanted ? new Uint8Array(rest.subarray(4)) : undefined);
  }

  #answer(selection: Selection, data: Uint8Array | undefined): void {
    const pending = this.#reads.get(selection);
    this.#reads.delete(selection);
    pending?.resolve(data);
  }
}

/** Largest contents of a clipboard that are taken from a guest. */
export const MAX_CLIPBOARD_BYTES: number = MAX_AGENT_MESSAGE_BYTES - 8;
