import {
  AGENT_HEADER_BYTES,
  AGENT_PROTOCOL,
  type AgentHeader,
  decodeAgentHeader,
  encodeAgentHeader,
} from './wire/agent.ts';
import { AGENT_PIECE_BYTES, MAX_AGENT_MESSAGE_BYTES } from './wire/limits.ts';
import { MAIN_TO_SERVER } from './wire/main.ts';
import { HEADER_BYTES, newMessage } from './wire/message.ts';

/** First memory for the body of a message. */
const FIRST_BYTES = 4096;

/**
 * Puts the agent's messages together from the pieces that they come in.
 *
 * The agent is a program of the guest: it can say anything. A message that is too large is passed over
 * and counted; after a header that is none nothing can be found any more, so the rest is not read.
 */
export class AgentReader {
  readonly #message: (type: number, body: Buffer) => void;
  readonly #header: Buffer = Buffer.alloc(AGENT_HEADER_BYTES);
  readonly #maxBytes: number;
  #headerBytes = 0;
  #current: AgentHeader | undefined;
  #body: Buffer = Buffer.alloc(0);
  #bodyBytes = 0;
  #tooLarge = 0;
  #broken = false;

  constructor(
    message: (type: number, body: Buffer) => void,
    maxBytes: number = MAX_AGENT_MESSAGE_BYTES,
  ) {
    this.#message = message;
    this.#maxBytes = maxBytes;
  }

  /** Messages that were too large, and passed over. */
  get tooLarge(): number {
    return this.#tooLarge;
  }

  /** Whether what came is no protocol of an agent; nothing is read any more then. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Takes a piece. */
  push(bytes: Buffer): void {
    let at = 0;
    while (!this.#broken && at < bytes.length) {
      if (this.#current === undefined) at = this.#pushHeader(bytes, at);
      const { size } = this.#current ?? { size: -1 };
      if (size < 0) continue;
      const to = Math.min(bytes.length, at + size - this.#bodyBytes);
      if (size <= this.#maxBytes) this.#keep(bytes, at, to);
      this.#bodyBytes += to - at;
      at = to;
      if (this.#bodyBytes === size) this.#finish();
    }
  }

  #pushHeader(bytes: Buffer, from: number): number {
    const to = Math.min(bytes.length, from + AGENT_HEADER_BYTES - this.#headerBytes);
    bytes.copy(this.#header, this.#headerBytes, from, to);
    this.#headerBytes += to - from;
    if (this.#headerBytes < AGENT_HEADER_BYTES) return to;
    const header = decodeAgentHeader(this.#header);
    this.#broken = header.protocol !== AGENT_PROTOCOL;
    this.#current = this.#broken ? undefined : header;
    return to;
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const need = this.#bodyBytes + to - from;
    if (need > this.#body.length) {
      const wanted = Math.max(FIRST_BYTES, need, this.#body.length * 2);
      const grown = Buffer.allocUnsafeSlow(Math.min(wanted, this.#maxBytes));
      this.#body.copy(grown, 0, 0, this.#bodyBytes);
      this.#body = grown;
    }
    bytes.copy(this.#body, this.#bodyBytes, from, to);
  }

  #finish(): void {
    const header = this.#current;
    const body = this.#body.subarray(0, this.#bodyBytes);
    this.#current = undefined;
    this.#headerBytes = 0;
    this.#bodyBytes = 0;
    if (header === undefined) return;
    if (header.size > this.#maxBytes) this.#tooLarge += 1;
    else {
      // The body is handed on as it is: the next message gets memory of its own.
      this.#body = Buffer.alloc(0);
      this.#message(header.type, body);
    }
  }
}

/** A message on its way to the agent; the parts are never put together. */
interface Outgoing {
  readonly parts: readonly Uint8Array[];
  readonly size: number;
  sent: number;
}

/** What goes without a pause: any text that a person has read. */
const BURST_BYTES = 256 * 1024;
/** Tokens come back one by one, and each is work: of large contents several are waited for. */
const PAUSE_MS = 4;

/** Cuts messages for the agent into pieces, and sends as many as there are tokens for. */
export class AgentWriter {
  readonly #send: (message: Buffer) => void;
  readonly #queue: Outgoing[] = [];
  #queuedBytes = 0;
  #tokens: number;
  #pause: NodeJS.Timeout | undefined;

  constructor(send: (message: Buffer) => void, tokens: number) {
    this.#send = send;
    this.#tokens = tokens;
  }

  /** Bytes that wait for tokens. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The server gives tokens back. */
  grant(tokens: number): void {
    this.#tokens = Math.min(this.#tokens + tokens, 0xffff_ffff);
    if (this.#pause !== undefined) return;
    const isLarge = (this.#queue[0]?.sent ?? 0) > BURST_BYTES;
    if (!isLarge) {
      this.#pump();
      return;
    }
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#pump();
    }, PAUSE_MS);
  }

  /** Sends a message made of parts that nobody changes any more. */
  write(type: number, ...parts: readonly Uint8Array[]): void {
    const bodyBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const size = AGENT_HEADER_BYTES + bodyBytes;
    this.#queue.push({ parts: [encodeAgentHeader(type, bodyBytes), ...parts], size, sent: 0 });
    this.#queuedBytes += size;
    this.#pump();
  }

  /** Sends nothing any more. */
  end(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }

  #pump(): void {
    for (let next = this.#queue[0]; next !== undefined && this.#tokens > 0; next = this.#queue[0]) {
      const size = Math.min(AGENT_PIECE_BYTES, next.size - next.sent);
      const message = newMessage(MAIN_TO_SERVER.agentData, size);
      copyParts(next.parts, next.sent, message.subarray(HEADER_BYTES));
      next.sent += size;
      this.#queuedBytes -= size;
      this.#tokens -= 1;
      if (next.sent === next.size) this.#queue.shift();
      this.#send(message);
    }
  }
}

function copyParts(parts: readonly Uint8Array[], from: number, target: Buffer): void {
  let partAt = 0;
  let filled = 0;
  for (const part of parts) {
    const begin = Math.max(0, from + filled - partAt);
    if (begin < part.length && filled < target.length) {
      const piece = part.subarray(begin, begin + target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
    }
    partAt += part.length;
  }
}
