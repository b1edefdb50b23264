import { connect, type Socket } from 'node:net';
import { KvmfrError } from '../../protocol/index.ts';
import { readCookie } from './authority.ts';
import { addressesOf, type DisplayName } from './display.ts';
import {
  CORE,
  corrupt,
  decodeExtension,
  decodeFault,
  decodeSetup,
  encodeSetup,
  MESSAGE_BYTES,
  queryExtension,
  refusalOf,
  request,
  type XExtension,
  type XFault,
  type XSetup,
} from './wire.ts';

interface Question {
  readonly sequence: number;
  readonly maxBytes: number;
  readonly answered: (reply: Uint8Array) => void;
  readonly failed: (error: KvmfrError) => void;
}

const CONNECT_MS = 10_000;
const MAX_SETUP_BYTES = 8 + 4 * 0xffff;
const MAX_SMALL_REPLY_BYTES = 4096;
const ERROR = 0;
const REPLY = 1;
/** The kind of event that has a length of its own. */
export const GENERIC_EVENT: number = 35;

/**
 * A connection with an X server: requests go out in order, replies come back in order, and events come
 * between them. It speaks the protocol itself, so a machine needs no library of X for it.
 *
 * Ownership: the caller closes it. It belongs to one thread, and never blocks it.
 */
export class XConnection {
  readonly name: DisplayName;
  readonly setup: XSetup;
  /** Called with each event. Shape: 32 bytes, more for {@link GENERIC_EVENT}; borrowed. */
  onEvent: (event: Uint8Array) => void = () => {};
  /** Called once, when the connection has ended without {@link close}. */
  onEnd: (reason: KvmfrError) => void = () => {};
  readonly #socket: Socket;
  readonly #questions: Question[] = [];
  readonly #intake: Intake;
  /** Requests without a reply that somebody waits for, and what was wrong with them. */
  readonly #checked: Map<number, XFault | undefined> = new Map();
  #sequence = 0;
  #nextId = 0;
  #ended = false;

  private constructor(name: DisplayName, socket: Socket, setup: XSetup, intake: Intake) {
    this.name = name;
    this.setup = setup;
    this.#socket = socket;
    this.#intake = intake;
    socket.removeAllListeners();
    socket.on('data', (chunk: Buffer) => this.#hear(chunk));
    socket.on('error', (cause) => this.#end(lost(name, cause.message, cause)));
    socket.on('close', () => this.#end(lost(name, 'it ended the connection')));
  }

  /**
   * Connects, and shows the cookie of the user's authority file where there is one.
   *
   * @throws ERR_KVMFR_ABSENT (nobody listens there), ERR_KVMFR_DENIED, ERR_KVMFR_TIMEOUT,
   *   ERR_KVMFR_LOST, ERR_KVMFR_CORRUPT
   */
  static async open(name: DisplayName): Promise<XConnection> {
    let last: unknown;
    for (const address of addressesOf(name)) {
      try {
        return await XConnection.#openAt(name, connect(address));
      } catch (error) {
        if (KvmfrError.is(error)) throw error;
        last ??= error;
      }
    }
    const errno = last instanceof Error && 'code' in last ? String(last.code) : 'unknown';
    const denied = errno === 'EACCES' || errno === 'EPERM';
    throw new KvmfrError(
      denied ? 'ERR_KVMFR_DENIED' : 'ERR_KVMFR_ABSENT',
      `expected an X server at ${name.text}, but there is no way to it (${errno})`,
      {
        syscall: 'connect',
        errno,
        cause: last,
        ...(denied
          ? {}
          : { hint: 'start it, or name one that runs: in its session, echo $DISPLAY' }),
      },
    );
  }

  static #openAt(name: DisplayName, socket: Socket): Promise<XConnection> {
    return new Promise((resolve, reject) => {
      const intake = new Intake();
      const give = (error: unknown): void => {
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => {
        const what = `the X server ${name.text} must answer within ${CONNECT_MS} ms, but does not`;
        give(new KvmfrError('ERR_KVMFR_TIMEOUT', what));
      }, CONNECT_MS);
      let isConnected = false;
      socket.on('error', (error) => give(isConnected ? lost(name, error.message, error) : error));
      socket.on('close', () => give(lost(name, 'it ended the connection')));
      socket.on('connect', () => {
        isConnected = true;
        socket.setNoDelay(true);
        socket.write(encodeSetup(readCookie(name)));
      });
      socket.on('data', (chunk: Buffer) => {
        try {
          intake.push(chunk);
          const head = intake.peek(8);
          if (head === undefined) return;
          const answer = intake.take(8 + 4 * head.readUInt16LE(6), MAX_SETUP_BYTES);
          if (answer === undefined) return;
          const refusal = refusalOf(answer);
          if (refusal !== undefined) throw denied(name, refusal);
          const setup = decodeSetup(answer);
          clearTimeout(timer);
          resolve(new XConnection(name, socket, setup, intake));
        } catch (error) {
          give(error);
        }
      });
    });
  }

  /** Whether the server is on this machine, so that it can see our memory. */
  get isLocal(): boolean {
    return this.name.host === undefined;
  }

  /** A number for something that we make on the server. */
  newId(): number {
    const { idBase, idMask } = this.setup;
    const step = idMask & -idMask;
    return (idBase | ((this.#nextId++ * step) & idMask)) >>> 0;
  }

  /** Sends a request that has no reply. */
  send(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#socket.write(bytes);
  }

  /**
   * Sends a request, and waits for its reply. `maxBytes`: of the reply, beyond its first 32.
   *
   * @throws ERR_KVMFR_LOST, ERR_KVMFR_SYSCALL when the server refuses it
   */
  ask(bytes: Uint8Array, maxBytes: number = MAX_SMALL_REPLY_BYTES): Promise<Uint8Array> {
    if (this.#ended) return Promise.reject(lost(this.name, 'the connection has ended'));
    this.send(bytes);
    const sequence = this.#sequence;
    return new Promise((answered, failed) => {
      this.#questions.push({ sequence, maxBytes, answered, failed });
    });
  }

  /** Sends a request without a reply, and waits until the server has done it, or refused it. */
  async check(bytes: Uint8Array): Promise<XFault | undefined> {
    this.send(bytes);
    const sequence = this.#sequence;
    this.#checked.set(sequence, undefined);
    try {
      await this.ask(request(CORE.getInputFocus, 0));
      return this.#checked.get(sequence);
    } finally {
      this.#checked.delete(sequence);
    }
  }

  /** What of an extension the server has; undefined when it does not have it. */
  async extension(name: string): Promise<XExtension | undefined> {
    return decodeExtension(await this.ask(queryExtension(name)));
  }

  /** Ends the connection; who waits for a reply is told so. */
  close(): void {
    this.onEnd = () => {};
    // What was sent still goes out: keys that are let go.
    this.#socket.destroySoon();
    this.#end(lost(this.name, 'the connection was closed'));
  }

  #hear(chunk: Buffer): void {
    try {
      this.#intake.push(chunk);
      while (!this.#ended && this.#take());
    } catch (error) {
      this.#end(KvmfrError.is(error) ? error : lost(this.name, String(error), error));
    }
  }

  #take(): boolean {
    const head = this.#intake.peek(MESSAGE_BYTES);
    if (head === undefined) return false;
    const kind = (head[0] ?? 0) & 0x7f;
    const more = kind === REPLY || kind === GENERIC_EVENT ? head.readUInt32LE(4) * 4 : 0;
    const question = this.#questions[0];
    const most = kind === REPLY ? (question?.maxBytes ?? 0) : MAX_SMALL_REPLY_BYTES;
    const bytes = this.#intake.take(MESSAGE_BYTES + more, MESSAGE_BYTES + most);
    if (bytes === undefined) return false;
    const sequence = bytes.readUInt16LE(2);
    if (kind === REPLY) this.#answer(sequence, bytes);
    else if (kind === ERROR) this.#fault(sequence, decodeFault(bytes));
    else this.onEvent(bytes);
    return true;
  }

  #answer(sequence: number, bytes: Buffer): void {
    const question = this.#questions[0];
    if (question?.sequence !== sequence)
      throw corrupt(
        `reply ${sequence} must be ${question?.sequence ?? 'to a question'}`,
        bytes.byteLength,
      );
    this.#questions.shift();
    question.answered(bytes);
  }

  #fault(sequence: number, fault: XFault): void {
    if (this.#questions[0]?.sequence === sequence)
      this.#questions.shift()?.failed(refused(this.name, fault));
    else if (this.#checked.has(sequence)) this.#checked.set(sequence, fault);
  }

  #end(reason: KvmfrError): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#socket.writable) this.#socket.destroy();
    for (const question of this.#questions.splice(0)) question.failed(reason);
    this.onEnd(reason);
  }
}

/** Bytes as they come, and messages as they are taken: copied only when they came in parts. */
class Intake {
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** A message that is longer than what has come. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  #wantedBytes = 0;

  push(chunk: Buffer): void {
    if (this.#wantedBytes > 0) {
      this.#parts.push(chunk);
      this.#partBytes += chunk.byteLength;
      if (this.#partBytes < this.#wantedBytes) return;
      this.#chunk = Buffer.concat(this.#parts);
      this.#parts = [];
      this.#at = 0;
      this.#wantedBytes = 0;
      return;
    }
    const rest = this.#chunk.subarray(this.#at);
    this.#chunk = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /** The first bytes, without taking them. */
  peek(bytes: number): Buffer | undefined {
    if (this.#wantedBytes > 0 || this.#chunk.byteLength - this.#at < bytes) return undefined;
    return this.#chunk.subarray(this.#at, this.#at + bytes);
  }

  /** @throws ERR_KVMFR_CORRUPT for more than may come */
  take(bytes: number, maxBytes: number): Buffer | undefined {
    if (bytes > maxBytes) throw corrupt(`a message may have ${maxBytes} bytes`, bytes);
    if (this.#chunk.byteLength - this.#at < bytes) {
      this.#parts = [this.#chunk.subarray(this.#at)];
      this.#partBytes = this.#chunk.byteLength - this.#at;
      this.#wantedBytes = bytes;
      return undefined;
    }
    this.#at += bytes;
    return this.#chunk.subarray(this.#at - bytes, this.#at);
  }
}

function lost(name: DisplayName, why: string, cause?: unknown): KvmfrError {
  return new KvmfrError('ERR_KVMFR_LOST', `the X server ${name.text} is gone: ${why}`, { cause });
}

function denied(name: DisplayName, why: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_DENIED',
    `expected to be let in by the X server ${name.text}, but it says: ${why || 'nothing'}`,
    { hint: 'name the authority file of its session in XAUTHORITY' },
  );
}

function refused(name: DisplayName, fault: XFault): KvmfrError {
  const { code, opcode, minor, value } = fault;
  return new KvmfrError(
    'ERR_KVMFR_SYSCALL',
    `the X server ${name.text} refused request ${opcode}.${minor} with error ${code} (0x${value.toString(16)})`,
  );
}
