import { connect, type Socket } from 'node:net';
import { KvmfrError } from '../../protocol/error.ts';
import {
  MAX_QMP_LINE_BYTES,
  type QmpMessage,
  type QmpObject,
  qmpLine,
  readQmpLine,
} from './qmp-wire.ts';

/** Commands that may be unanswered; QEMU answers each at once. */
export const MAX_UNANSWERED: number = 64;

/** Who uses a link. */
export interface QmpLinkOwner {
  /** Commands may be sent. */
  opened(): void;
  /** Something was answered, so there is room for more. */
  answered(): void;
  event(name: string): void;
  /** Called once, and never after {@link QmpLink.close}. */
  closed(reason: KvmfrError): void;
}

/** What is done with an answer; undefined for an error. */
export type QmpAnswer = (value: unknown, error: string | undefined) => void;

/** One connection to QEMU's control socket: greeting, capabilities, commands and their answers. */
export class QmpLink {
  readonly #path: string;
  readonly #owner: QmpLinkOwner;
  readonly #limitMs: number;
  readonly #socket: Socket;
  readonly #unanswered = new Map<number, QmpAnswer>();
  #stage: 'greeting' | 'capabilities' | 'open' | 'closed' = 'greeting';
  #timer: NodeJS.Timeout;
  #rest = '';
  #nextId = 1;
  #finished: (() => void) | undefined;

  constructor(path: string, limitMs: number, owner: QmpLinkOwner) {
    this.#path = path;
    this.#owner = owner;
    this.#limitMs = limitMs;
    this.#timer = this.#startTimer();
    this.#socket = connect(path);
    this.#socket.setEncoding('utf8');
    let cause: NodeJS.ErrnoException | undefined;
    this.#socket.on('error', (error) => {
      cause ??= error;
    });
    this.#socket.on('close', () => this.#lost(cause));
    this.#socket.on('data', (text: string) => this.#received(text));
  }

  /** Whether another command may be sent now. */
  get hasRoom(): boolean {
    return this.isOpen && this.#unanswered.size < MAX_UNANSWERED;
  }

  /** Whether commands are taken at all. */
  get isOpen(): boolean {
    return this.#stage === 'open' && this.#finished === undefined;
  }

  /** Commands that are not answered yet. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** Sends a command, whether there is room or not: the caller bounds how many. */
  send(command: string, args?: QmpObject, answer: QmpAnswer = () => {}): void {
    if (this.isOpen) this.#write(command, args, answer);
  }

  /** Ends it at once. */
  close(): void {
    this.#stage = 'closed';
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#finished?.();
  }

  /** Waits until all is answered, then ends it: QEMU may forget what it has not done by then. */
  async finish(limitMs: number): Promise<void> {
    if (this.isOpen && this.#unanswered.size > 0) {
      const limit = setTimeout(() => this.close(), limitMs);
      await new Promise<void>((resolve) => {
        this.#finished = resolve;
      });
      clearTimeout(limit);
    }
    this.close();
  }

  get #where(): string {
    return `QEMU's control socket unix:${this.#path}`;
  }

  #write(command: string, args: QmpObject | undefined, answer: QmpAnswer): void {
    const id = this.#nextId++;
    if (this.#unanswered.size === 0) this.#restartTimer();
    this.#unanswered.set(id, answer);
    this.#socket.write(qmpLine(command, id, args));
  }

  #received(text: string): void {
    if (!text.includes('\n')) {
      this.#rest += text;
      this.#checkLength(this.#rest);
      return;
    }
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      this.#checkLength(line);
      if (this.#stage === 'closed') return;
      if (line.trim() !== '') this.#line(line);
    }
    this.#checkLength(this.#rest);
  }

  #checkLength(line: string): void {
    if (line.length <= MAX_QMP_LINE_BYTES) return;
    const most = `lines of at most ${MAX_QMP_LINE_BYTES} characters`;
    this.#fail(
      new KvmfrError('ERR_KVMFR_MAGIC', `${this.#where} must send ${most}, but sent a longer one`, {
        hint: HINTS.other,
      }),
    );
  }

  #line(line: string): void {
    const message = readQmpLine(line);
    if (message === undefined || (this.#stage === 'greeting') !== (message.kind === 'greeting')) {
      const expected = this.#stage === 'greeting' ? 'greet as QMP does' : 'answer as QMP does';
      const found = JSON.stringify(line.slice(0, 60));
      this.#fail(
        new KvmfrError('ERR_KVMFR_MAGIC', `${this.#where} must ${expected}, but sent ${found}`, {
          hint: HINTS.other,
        }),
      );
      return;
    }
    if (message.kind === 'greeting') this.#greeted();
    else if (message.kind === 'event') this.#owner.event(message.name);
    else this.#answered(message);
  }

  #greeted(): void {
    this.#stage = 'capabilities';
    this.#write('qmp_capabilities', undefined, (_, error) => {
      if (error !== undefined) {
        const text = `${this.#where} must take qmp_capabilities, but said: ${error}`;
        this.#fail(new KvmfrError('ERR_KVMFR_UNSUPPORTED', text, { hint: HINTS.other }));
        return;
      }
      this.#stage = 'open';
      this.#owner.opened();
    });
  }

  #answered(message: QmpMessage & { kind: 'return' | 'error' }): void {
    const { id } = message;
    const answer = typeof id === 'number' ? this.#unanswered.get(id) : undefined;
    // An answer to what was not asked says nothing.
    if (answer === undefined || typeof id !== 'number') return;
    this.#unanswered.delete(id);
    if (this.#unanswered.size === 0) clearTimeout(this.#timer);
    else this.#restartTimer();
    if (message.kind === 'error') answer(undefined, message.text);
    else answer(message.value, undefined);
    if (this.#unanswered.size === 0) this.#finished?.();
    if (this.isOpen) this.#owner.answered();
  }

  #restartTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#startTimer();
  }

  #startTimer(): NodeJS.Timeout {
    return setTimeout(() => {
      const what = this.#stage === 'greeting' ? 'greet' : 'answer';
      this.#fail(
        new KvmfrError(
          'ERR_KVMFR_TIMEOUT',
          `${this.#where} must ${what} in ${this.#limitMs} ms, but did not`,
          { hint: this.#stage === 'greeting' ? HINTS.silent : HINTS.hangs },
        ),
      );
    }, this.#limitMs);
  }

  #lost(cause: NodeJS.ErrnoException | undefined): void {
    const code = cause?.code;
    if (code === 'EACCES')
      this.#fail(
        new KvmfrError('ERR_KVMFR_DENIED', `${this.#where} must be ours to open, but is not`, {
          hint: HINTS.denied,
        }),
      );
    else if (code === 'ENOENT' || code === 'ECONNREFUSED')
      this.#fail(
        new KvmfrError('ERR_KVMFR_ABSENT', `${this.#where} must be there, but nobody listens`, {
          hint: HINTS.absent,
        }),
      );
    else
      this.#fail(
        new KvmfrError('ERR_KVMFR_LOST', `${this.#where} must stay open, but was closed`, {
          hint: 'it goes on by itself when QEMU is back',
        }),
      );
  }

  #fail(reason: KvmfrError): void {
    if (this.#stage === 'closed') return;
    this.close();
    this.#owner.closed(reason);
  }
}

const HINTS = {
  other: 'something else listens there: give the path of a -qmp unix:PATH,server=on,wait=off',
  silent: 'another program may have it, for one at a time is served: give QEMU a -qmp more',
  hangs: 'see whether the virtual machine hangs',
  denied: 'see who owns it, and let kvmfr run as a member of that group',
  absent: 'start QEMU with -qmp unix:PATH,server=on,wait=off; it goes on by itself then',
} as const;
