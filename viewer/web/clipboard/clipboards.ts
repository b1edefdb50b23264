import { KvmfrError } from '../../../protocol/error.ts';
import type {
  ClipboardKind,
  ClipboardLimits,
  ClipboardPolicy,
  ClipboardState,
  InputEvent,
} from '../../../protocol/wire/index.ts';
import type { ClipboardContents, Command, Report } from '../core/messages.ts';
import {
  contentsOf,
  mayReadBrowser,
  readBrowser,
  textBlob,
  writeBrowser,
} from './browser-clipboard.ts';
import { InputGate } from './input-gate.ts';
import { sameContents } from './same-contents.ts';

/** How it stands with the clipboards, as a view tells it. */
export interface ViewClipboard {
  readonly policy: ClipboardPolicy;
  /** Whether this viewer may give the guest something, and it would take it. */
  readonly toGuest: boolean;
  /** Whether this viewer may get what the guest has. */
  readonly fromGuest: boolean;
  /** Kinds of what was copied in the guest. */
  readonly guest: readonly ClipboardKind[];
  /** Names what was copied in the guest: another number each time. */
  readonly offer?: number;
  /** Whether that has not been put into the browser's clipboard, because a person has to do it. */
  readonly waits: boolean;
  /** Whether the guest has been told what it was offered last. */
  readonly given: boolean;
  /** Most bytes that pass of each kind. */
  readonly limits: ClipboardLimits;
  /** Why nothing passes, one sentence for a person. */
  readonly reason?: string;
}

/** What is offered to the guest. */
export interface OfferedContents {
  readonly text?: string;
  readonly png?: Blob;
}

/** What the clipboards of a view work with. */
export interface ClipboardsOptions {
  /** The view: what is pasted while it has the focus is for the guest. */
  readonly host: HTMLElement;
  readonly send: (command: Command) => void;
  /** Whether the browser's clipboard is kept in step without being asked to. */
  readonly isAutomatic: () => boolean;
  /** Something that a person is shown has changed. */
  readonly changed: () => void;
}

/** How long a paste may take to be told of, after its key. */
const PASTE_MS = 100;
/** How long a key waits at most for the guest to be told what is pasted. */
const HOLD_MS = 600;
/** The guest is told by one way and gets the key by another; so long the first one takes. */
const SETTLE_MS = 40;
/** A guest that has not been told by then does not take part, or somebody else has the input. */
const TOLD_MS = 3000;
const PNG_SIGNATURE: readonly number[] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const NAMES: { readonly [kind in ClipboardKind]: string } = { text: 'text', png: 'picture' };

interface Question {
  readonly resolve: (contents: Blob) => void;
  readonly reject: (error: KvmfrError) => void;
}

/** What is being got from the guest: whoever wants it too gets the same. */
interface Reading {
  readonly ask: number;
  readonly offer: number;
  readonly kind: ClipboardKind;
  readonly answer: Promise<Blob>;
}

/**
 * The browser's clipboard and the guest's: what is copied on one side is there to be pasted on the
 * other, as far as relay and browser allow it.
 *
 * A browser may let a page read its clipboard at any time, at a paste only, or write to it only
 * at a click; each is tried, and what a person has to do is told.
 */
export class Clipboards {
  readonly #options: ClipboardsOptions;
  readonly #gate: InputGate;
  readonly #questions = new Map<number, Question>();
  #reading: Reading | undefined;
  #state: ClipboardState | undefined;
  /** What both sides have, as far as it is known here. */
  #known: ClipboardContents = {};
  /** What this side has, and could not be offered yet. */
  #unoffered: ClipboardContents | undefined;
  #asked = 0;
  #offers = 0;
  #waits = false;
  /** What the guest had of this side until the input, or the connection, was lost. */
  #lost: ClipboardContents | undefined;
  #given: { readonly offer: number; readonly resolve: (given: boolean) => void } | undefined;
  #looking = false;

  constructor(options: ClipboardsOptions) {
    this.#options = options;
    this.#gate = new InputGate({
      send: (events, atMs) => options.send({ kind: 'input', events, atMs }),
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    });
  }

  /** How it stands; undefined when the clipboards stay apart. */
  get view(): ViewClipboard | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    const { policy, active, available, limits, guest } = state;
    const reason = active ? state.reason : 'another viewer has keyboard and mouse, or nobody yet';
    return {
      policy,
      toGuest: policy !== 'from-guest' && active && available,
      fromGuest: policy !== 'to-guest' && active && available,
      guest: guest?.kinds ?? [],
      ...(guest === undefined ? {} : { offer: guest.offer }),
      waits: this.#waits,
      given: state.given !== undefined && state.given === this.#offers,
      limits,
      ...(reason === undefined || (active && available) ? {} : { reason }),
    };
  }

  /** Takes what a person does, on its way to the guest. */
  pass(events: readonly InputEvent[], atMs: number): void {
    this.#gate.pass(events, atMs);
  }

  /** Takes what the engine tells. */
  take(report: Extract<Report, { kind: 'clipboard' | 'clipboardContents' }>): void {
    if (report.kind === 'clipboard') this.#takeState(report.state);
    else this.#answer(report);
  }

  /** Begins to listen. The answer ends it. */
  start(): () => void {
    const { host } = this.#options;
    const ended = new AbortController();
    const { signal } = ended;
    const look = (): void => void this.#lookAtBrowser();
    host.addEventListener('paste', (event) => this.#pasted(event), { signal });
    host.addEventListener('focus', look, { signal });
    host.addEventListener('pointerdown', look, { signal });
    window.addEventListener(
      'focus',
      () => {
        look();
        if (this.#waits && this.#options.isAutomatic()) void this.#fetch();
      },
      { signal },
    );
    return () => {
      ended.abort();
      this.#gate.open();
      this.#takeState(undefined);
      for (const ask of [...this.#questions.keys()])
        this.#answer({
          kind: 'clipboardContents',
          ask,
          contents: undefined,
          reason: 'the view has gone',
        });
    };
  }

  /**
   * Whether the browser is to do its own with a key besides: it tells of a paste then, and what is
   * pasted gets to the guest before the key does.
   */
  leaves(event: KeyboardEvent): boolean {
    const isV = event.code === 'KeyV' || event.key.toLowerCase() === 'v';
    const isPaste =
      (isV && (event.ctrlKey || event.metaKey) && !event.altKey) || isShiftInsert(event);
    if (event.type !== 'keydown' || event.repeat || !isPaste || !this.#mayOffer) return false;
    this.#gate.hold(PASTE_MS);
    return true;
  }

  /**
   * Offers contents to the guest, instead of what was offered before.
   *
   * @returns settles with whether the guest has been told
   * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_DENIED
   */
  async offer({ text, png }: OfferedContents): Promise<boolean> {
    const contents: ClipboardContents = {
      ...(text === undefined ? {} : { text: textBlob(text) }),
      ...(png === undefined ? {} : { png }),
    };
    if (this.#state === undefined || this.#state.policy === 'from-guest')
      throw new KvmfrError('ERR_KVMFR_DENIED', 'this guest is given nothing for its clipboard');
    const fault = await this.#faultOf(contents);
    if (fault !== undefined) throw new KvmfrError('ERR_KVMFR_ARGUMENT', fault);
    return await this.#offer(contents);
  }

  /** Gets what was copied in the guest. @throws ERR_KVMFR_ABSENT */
  async read(kind: ClipboardKind): Promise<Blob> {
    const offer = this.#state?.guest?.offer;
    if (offer === undefined || this.#state?.guest?.kinds.includes(kind) !== true)
      throw new KvmfrError('ERR_KVMFR_ABSENT', `the guest has no ${NAMES[kind]} to be pasted here`);
    const reading = this.#reading;
    if (reading?.offer === offer && reading.kind === kind) return await reading.answer;
    const ask = ++this.#asked;
    const answer = new Promise<Blob>((resolve, reject) => {
      this.#questions.set(ask, { resolve, reject });
    });
    this.#reading = { ask, offer, kind, answer };
    this.#options.send({ kind: 'clipboardRead', ask, offer, contents: kind });
    return await answer;
  }

  /**
   * Puts what was copied in the guest into the browser's clipboard. In the moment of a click browsers
   * allow it that do not else.
   *
   * @returns settles with whether the browser took it
   * @throws ERR_KVMFR_ABSENT
   */
  async copy(): Promise<boolean> {
    const guest = this.#state?.guest;
    const kind = guest?.kinds[0] ?? 'text';
    const contents = this.read(kind);
    const [isWritten, blob] = await Promise.all([writeBrowser(kind, contents), contents]);
    if (this.#state?.guest?.offer !== guest?.offer) return isWritten;
    if (isWritten) this.#known = { [kind]: blob };
    this.#wait(!isWritten);
    return isWritten;
  }

  get #mayOffer(): boolean {
    const state = this.#state;
    return state !== undefined && state.policy !== 'from-guest' && this.#options.isAutomatic();
  }

  #takeState(state: ClipboardState | undefined): void {
    const before = this.#state;
    this.#state = state;
    if (this.#given !== undefined && state?.given === this.#given.offer) this.#settle(true);
    const { offer } = state?.guest ?? {};
    // What was there already when the input came is no news: it would take the place of what is here.
    const isNews = offer !== undefined && before?.active === true && before.guest?.offer !== offer;
    if (offer === undefined || (before?.guest?.offer !== offer && !isNews)) this.#waits = false;
    if (before?.given === this.#offers && state?.active !== true) this.#lost = this.#known;
    if (state?.active === true && before?.active !== true) this.#begin();
    this.#options.changed();
    if (isNews) {
      this.#wait(true);
      if (this.#options.isAutomatic()) void this.#fetch();
    }
  }

  /** The input has come: what this side has is offered, unless the guest has something newer. */
  #begin(): void {
    const lost = this.#state?.guest === undefined ? this.#lost : undefined;
    const contents = this.#unoffered ?? lost;
    this.#lost = undefined;
    this.#unoffered = undefined;
    if (contents !== undefined && this.#mayOffer) void this.#offer(contents);
  }

  /** What was copied in the guest goes into the browser's clipboard, where that is allowed now. */
  async #fetch(): Promise<void> {
    if (!document.hasFocus() || typeof navigator.clipboard?.write !== 'function') return;
    // It stays to be taken by a click.
    await this.copy().catch(() => false);
  }

  #wait(waits: boolean): void {
    if (waits === this.#waits) return;
    this.#waits = waits;
    this.#options.changed();
  }

  #pasted(event: ClipboardEvent): void {
    if (!this.#mayOffer) return;
    const contents = contentsOf(event.clipboardData);
    event.preventDefault();
    if (contents === undefined) {
      this.#gate.open();
      return;
    }
    this.#gate.hold(HOLD_MS);
    void this.#paste(contents);
  }

  async #paste(contents: ClipboardContents): Promise<void> {
    const isTold = await this.#offerNews(contents);
    if (isTold) this.#gate.hold(SETTLE_MS);
    else this.#gate.open();
  }

  /** Looks what is in the browser's clipboard, where it allows that without asking anybody. */
  async #lookAtBrowser(): Promise<void> {
    if (this.#looking || !this.#mayOffer) return;
    this.#looking = true;
    try {
      const contents = (await mayReadBrowser()) ? await readBrowser() : undefined;
      if (contents !== undefined) await this.#offerNews(contents);
    } finally {
      this.#looking = false;
    }
  }

  /** Offers what is not known on both sides. The answer is whether the guest was told of it. */
  async #offerNews(contents: ClipboardContents): Promise<boolean> {
    if (await sameContents(contents, this.#known)) return false;
    if (!this.#mayOffer || (await this.#faultOf(contents)) !== undefined) return false;
    // To offer is to act: it is not done for a person who has only come to look.
    if (this.#state?.active !== true && !this.#gate.isClosed) {
      this.#unoffered = contents;
      return false;
    }
    return await this.#offer(contents);
  }

  #offer(contents: ClipboardContents): Promise<boolean> {
    this.#settle(false);
    this.#known = contents;
    this.#unoffered = undefined;
    const offer = ++this.#offers;
    const told = new Promise<boolean>((resolve) => {
      this.#given = { offer, resolve };
    });
    setTimeout(() => {
      if (this.#given?.offer === offer) this.#settle(false);
    }, TOLD_MS);
    this.#options.send({ kind: 'clipboardOffer', offer, contents });
    return told;
  }

  #settle(given: boolean): void {
    this.#given?.resolve(given);
    this.#given = undefined;
  }

  async #faultOf(contents: ClipboardContents): Promise<string | undefined> {
    for (const kind of ['text', 'png'] as const) {
      const bytes = contents[kind]?.size ?? 0;
      const limit = this.#state?.limits[kind] ?? 0;
      if (bytes > limit)
        return `the ${NAMES[kind]} has ${mib(bytes)} MiB, and at most ${mib(limit)} pass`;
    }
    if (contents.png === undefined) return undefined;
    const head = new Uint8Array(await contents.png.slice(0, PNG_SIGNATURE.length).arrayBuffer());
    const isPng = PNG_SIGNATURE.every((byte, at) => head[at] === byte);
    return isPng ? undefined : 'the picture must be a PNG, but is none';
  }

  #answer({ ask, contents, reason }: Extract<Report, { kind: 'clipboardContents' }>): void {
    const question = this.#questions.get(ask);
    this.#questions.delete(ask);
    if (this.#reading?.ask === ask) this.#reading = undefined;
    if (contents === undefined) question?.reject(new KvmfrError('ERR_KVMFR_ABSENT', reason));
    else question?.resolve(contents);
  }
}

function isShiftInsert({ code, shiftKey, ctrlKey, altKey }: KeyboardEvent): boolean {
  return code === 'Insert' && shiftKey && !ctrlKey && !altKey;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
