import type {
  AgentEvent,
  ClipboardType,
  Selection,
  SpiceSession,
} from '../../client/spice/index.ts';
import { CLIPBOARD_KINDS, type ClipboardKind } from '../../protocol/wire/index.ts';
import { contentsFault, linesToCrlf, linesToLf } from './contents.ts';
import type {
  ClipboardAvailability,
  GuestClipboard,
  GuestOffer,
  ProvideContents,
} from './guest-clipboard.ts';

/** How a {@link SpiceClipboard} is made. */
export interface SpiceClipboardOptions {
  /** How long the guest may take to give what it offers. */
  readonly readTimeoutMs?: number;
  /** Calls back after a while; the answer takes it back. Units: milliseconds. */
  readonly after?: (ms: number, run: () => void) => () => void;
}

/** Programs answer at once; what is large takes a while on its way. */
const READ_TIMEOUT_MS = 20_000;
/** Requests of the guest that wait for contents; more are told that there are none. */
const MAX_WAITING_REQUESTS = 8;
const NOTHING = new Uint8Array(0);

interface Ours {
  readonly kinds: readonly ClipboardKind[];
  readonly provide: ProvideContents;
}

interface Reading {
  readonly offer: GuestOffer;
  readonly kind: ClipboardKind;
  readonly answer: Promise<Uint8Array | undefined>;
}

/** What is needed of a session. */
type Session = Pick<SpiceSession, 'agent' | 'state'> & {
  states(options: { readonly signal: AbortSignal }): AsyncIterable<unknown>;
};

/**
 * The clipboard of a guest by the agent that runs in it, and its SPICE server.
 *
 * Only the clipboard that copying goes to takes part; what is selected with the mouse does not.
 *
 * Ownership: the session stays its maker's, who closes it after this.
 */
export class SpiceClipboard implements GuestClipboard {
  readonly #session: Session;
  readonly #readTimeoutMs: number;
  readonly #after: NonNullable<SpiceClipboardOptions['after']>;
  readonly #ended = new AbortController();
  readonly #watchers = new Set<() => void>();
  #offered: GuestOffer | undefined;
  #serial = 0;
  #ours: Ours | undefined;
  #holdsOurs = false;
  #waitingRequests = 0;
  #reading: Reading | undefined;
  #told = '';

  constructor(session: Session, options: SpiceClipboardOptions = {}) {
    this.#session = session;
    this.#readTimeoutMs = options.readTimeoutMs ?? READ_TIMEOUT_MS;
    this.#after = options.after ?? startTimer;
    const { signal } = this.#ended;
    void this.#follow(signal);
    void this.#followStates(signal);
    if (session.agent.hasClipboard) this.#connected();
  }

  get availability(): ClipboardAvailability {
    const { agent, state } = this.#session;
    if (agent.hasClipboard) return { available: true };
    if (state.name !== 'connected') return { available: false, reason: state.message };
    const reason = agent.isConnected
      ? "the guest's SPICE agent shares no clipboard"
      : 'no SPICE agent runs in the guest: install spice-vdagent, or the SPICE guest tools';
    return { available: false, reason };
  }

  get offered(): GuestOffer | undefined {
    return this.#offered;
  }

  get holdsOurs(): boolean {
    return this.#holdsOurs;
  }

  async read(kind: ClipboardKind): Promise<Uint8Array | undefined> {
    const offer = this.#offered;
    if (!offer?.kinds.includes(kind)) return undefined;
    const isThis = (): boolean => this.#reading?.offer === offer && this.#reading.kind === kind;
    // The agent gives one kind at a time; a second one waits until the first is there.
    while (this.#reading !== undefined && !isThis()) await this.#reading.answer;
    if (this.#reading === undefined) {
      const answer = this.#ask(offer, kind);
      this.#reading = { offer, kind, answer };
      void answer.then(() => {
        this.#reading = undefined;
      });
    }
    return await this.#reading.answer;
  }

  offer(kinds: readonly ClipboardKind[], provide: ProvideContents): void {
    if (kinds.length > 0) {
      this.#ours = { kinds, provide };
      this.#grab();
    } else {
      this.#ours = undefined;
      if (this.#holdsOurs) this.#session.agent.release();
      this.#holdsOurs = false;
    }
    this.#look();
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Takes back what was offered, and does nothing any more. */
  close(): void {
    if (this.#ended.signal.aborted) return;
    this.offer([], async () => undefined);
    this.#ended.abort();
    this.#watchers.clear();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const event of this.#session.agent.events({ signal })) {
      this.#event(event);
      this.#look();
    }
  }

  async #followStates(signal: AbortSignal): Promise<void> {
    for await (const _ of this.#session.states({ signal })) this.#look();
  }

  #event(event: AgentEvent): void {
    switch (event.kind) {
      case 'connected':
        this.#connected();
        break;
      case 'disconnected':
        this.#offered = undefined;
        this.#holdsOurs = false;
        break;
      case 'grab':
        if (event.selection === 'clipboard') this.#grabbed(event.types);
        break;
      case 'release':
        if (event.selection === 'clipboard') this.#offered = undefined;
        break;
      default:
        void this.#give(event.type, event.selection);
    }
  }

  /** An agent is there that knows nothing of what we have. */
  #connected(): void {
    this.#offered = undefined;
    this.#grab();
  }

  #grab(): void {
    const ours = this.#ours;
    this.#holdsOurs = ours !== undefined && this.#session.agent.grab(ours.kinds);
    if (this.#holdsOurs) this.#offered = undefined;
  }

  /** Something was copied in the guest. */
  #grabbed(types: readonly ClipboardType[]): void {
    const kinds = CLIPBOARD_KINDS.filter((kind) => types.includes(kind));
    this.#ours = undefined;
    this.#holdsOurs = false;
    // What was being read is no more, whatever comes of it.
    this.#session.agent.forget();
    this.#offered = kinds.length === 0 ? undefined : { serial: ++this.#serial, kinds };
  }

  async #ask(offer: GuestOffer, kind: ClipboardKind): Promise<Uint8Array | undefined> {
    const { agent } = this.#session;
    if (this.#offered !== offer) return undefined;
    const cancel = this.#after(this.#readTimeoutMs, () => agent.forget());
    const bytes = await agent.read(kind).catch(() => undefined);
    cancel();
    if (bytes === undefined || this.#offered !== offer) return undefined;
    if (contentsFault(kind, bytes) !== undefined) return undefined;
    return kind === 'text' && agent.lineEnding === 'crlf' ? await linesToLf(bytes) : bytes;
  }

  /** Answers a request. Who asks waits for an answer, also when it is that there is none. */
  async #give(type: ClipboardType, selection: Selection): Promise<void> {
    const contents = await this.#contents(type, selection);
    const isTaken = contents !== undefined && this.#write(type, contents, selection);
    if (!isTaken) this.#write(type, NOTHING, selection);
  }

  async #contents(type: ClipboardType, selection: Selection): Promise<Uint8Array | undefined> {
    const kind = CLIPBOARD_KINDS.find((one) => one === type);
    const ours = this.#ours;
    if (selection !== 'clipboard' || kind === undefined || !this.#holdsOurs) return undefined;
    if (!ours?.kinds.includes(kind)) return undefined;
    if (this.#waitingRequests >= MAX_WAITING_REQUESTS) return undefined;
    this.#waitingRequests++;
    const contents = await ours.provide(kind).catch(() => undefined);
    this.#waitingRequests--;
    if (contents === undefined || this.#ours !== ours) return undefined;
    const lines = await this.#inGuestLines(kind, contents);
    return this.#ours === ours ? lines : undefined;
  }

  /** The answer is whether there was room for it on the way to the guest. */
  #write(type: ClipboardType, bytes: Uint8Array, selection: Selection): boolean {
    try {
      return this.#session.agent.write(type, bytes, selection);
    } catch {
      return false;
    }
  }

  async #inGuestLines(kind: ClipboardKind, contents: Uint8Array): Promise<Uint8Array> {
    const { lineEnding } = this.#session.agent;
    if (kind !== 'text' || lineEnding === undefined) return contents;
    return await (lineEnding === 'crlf' ? linesToCrlf(contents) : linesToLf(contents));
  }

  #look(): void {
    const now = JSON.stringify([this.availability, this.#offered, this.#holdsOurs]);
    if (now === this.#told) return;
    this.#told = now;
    for (const changed of [...this.#watchers]) changed();
  }
}

function startTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}
