import { Body, brokenSpice } from './body.ts';

/** Bytes of a mini header: type u16, size u32. */
export const HEADER_BYTES: number = 6;

/** Messages of every channel, from the server. */
export const COMMON_FROM_SERVER = {
  migrate: 1,
  migrateData: 2,
  setAck: 3,
  ping: 4,
  waitForChannels: 5,
  disconnecting: 6,
  notify: 7,
} as const;

/** Messages of every channel, to the server. */
export const COMMON_TO_SERVER = { ackSync: 1, ack: 2, pong: 3, disconnecting: 6 } as const;

/** Bytes of a PING that a PONG repeats: id u32, time u64. */
const PONG_BYTES = 12;

/** A message with room for its body, which begins at {@link HEADER_BYTES}. */
export function newMessage(type: number, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + bodyBytes);
  bytes.writeUInt16LE(type, 0);
  bytes.writeUInt32LE(bodyBytes, 2);
  return bytes;
}

/** A message whose body is one u32. */
export function messageU32(type: number, value: number): Buffer {
  const bytes = newMessage(type, 4);
  bytes.writeUInt32LE(value, HEADER_BYTES);
  return bytes;
}

/** A message whose body is one u16. */
export function messageU16(type: number, value: number): Buffer {
  const bytes = newMessage(type, 2);
  bytes.writeUInt16LE(value, HEADER_BYTES);
  return bytes;
}

/** The answer to a PING, whatever the padding it came with. */
export function encodePong(ping: Body): Buffer {
  const bytes = newMessage(COMMON_TO_SERVER.pong, PONG_BYTES);
  ping.view(PONG_BYTES, 'id and time').copy(bytes, HEADER_BYTES);
  return bytes;
}

/** What a SET_ACK asks for. */
export interface AckRequest {
  readonly generation: number;
  /** Messages of which the last is confirmed; 0 for none. */
  readonly window: number;
}

/** Reads SET_ACK. */
export function decodeSetAck(body: Body): AckRequest {
  return { generation: body.u32('generation'), window: body.u32('window') };
}

/** What a server tells a person. */
export interface Notice {
  readonly severity: 'info' | 'warning' | 'error';
  readonly what: number;
  readonly text: string;
}

const SEVERITIES = ['info', 'warning', 'error'] as const;

/** Reads NOTIFY; the text is cut to a length, and has no control characters. */
export function decodeNotify(body: Body, maxBytes: number): Notice {
  body.skip(8, 'time');
  const severity = SEVERITIES[body.u32('severity')] ?? 'error';
  body.skip(4, 'visibility');
  const what = body.u32('what');
  const length = body.u32('length');
  return { severity, what, text: decodeText(body, length, maxBytes) };
}

/** A text of so many bytes, cut to a length, up to its NUL, without control characters. */
export function decodeText(body: Body, length: number, maxBytes: number): string {
  const bytes = body.view(length, 'text').subarray(0, maxBytes);
  const nul = bytes.indexOf(0);
  const text = bytes.subarray(0, nul < 0 ? bytes.length : nul).toString('utf8');
  return text.replace(/\p{Cc}/gu, ' ');
}

/** Who takes the messages that a {@link MessageSplitter} finds. */
export interface MessageSink {
  /** Called for each message; the body is valid until it returns. */
  message(type: number, body: Body): void;
}

/** First size of the buffer for messages that came in parts. */
const FIRST_BYTES = 4096;

/**
 * Finds the messages in what a socket gives, wherever it was cut.
 *
 * A message that came whole is not copied; one that came in parts is, once. Memory grows with the
 * bytes that really came, not with the size that was announced, and is kept for the next message.
 */
export class MessageSplitter {
  readonly #channel: string;
  readonly #maxBytes: number;
  readonly #sink: MessageSink;
  readonly #body: Body = new Body();
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #type = 0;
  #size = 0;
  #parts: Buffer = Buffer.alloc(0);
  #partsBytes = 0;

  constructor(options: {
    readonly channel: string;
    readonly maxBytes: number;
    readonly sink: MessageSink;
  }) {
    this.#channel = options.channel;
    this.#maxBytes = options.maxBytes;
    this.#sink = options.sink;
  }

  /**
   * Takes the bytes from `start` to `end`. They may be overwritten afterwards.
   *
   * @throws ERR_KVMFR_SPICE when a message is larger than messages of this channel are
   */
  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    for (;;) {
      if (this.#headerBytes < HEADER_BYTES) {
        at = this.#pushHeader(bytes, at, end);
        if (this.#headerBytes < HEADER_BYTES) return;
      }
      const missing = this.#size - this.#partsBytes;
      if (this.#partsBytes === 0 && end - at >= missing) {
        this.#deliver(bytes, at, at + missing);
        at += missing;
        continue;
      }
      const size = Math.min(missing, end - at);
      this.#keep(bytes, at, at + size);
      at += size;
      if (this.#partsBytes < this.#size) return;
      this.#partsBytes = 0;
      this.#deliver(this.#parts, 0, this.#size);
    }
  }

  #pushHeader(bytes: Buffer, from: number, end: number): number {
    const to = Math.min(end, from + HEADER_BYTES - this.#headerBytes);
    bytes.copy(this.#header, this.#headerBytes, from, to);
    this.#headerBytes += to - from;
    if (this.#headerBytes < HEADER_BYTES) return to;
    this.#type = this.#header.readUInt16LE(0);
    this.#size = this.#header.readUInt32LE(2);
    if (this.#size > this.#maxBytes)
      throw brokenSpice(
        `a message of ${this.#channel} has at most ${this.#maxBytes} bytes, but type ${this.#type} has ${this.#size}`,
      );
    return to;
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const need = this.#partsBytes + to - from;
    if (need > this.#parts.length) {
      const wanted = Math.max(FIRST_BYTES, need, this.#parts.length * 2);
      const grown = Buffer.allocUnsafeSlow(Math.min(wanted, this.#maxBytes));
      this.#parts.copy(grown, 0, 0, this.#partsBytes);
      this.#parts = grown;
    }
    bytes.copy(this.#parts, this.#partsBytes, from, to);
    this.#partsBytes = need;
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    this.#headerBytes = 0;
    const what = this.#whatOf(this.#type);
    this.#sink.message(this.#type, this.#body.reset(what, bytes, start, end));
  }

  /** One string per type, not one per message. */
  readonly #names = new Map<number, string>();

  #whatOf(type: number): string {
    const known = this.#names.get(type);
    if (known !== undefined) return known;
    const name = `message ${type} of ${this.#channel}`;
    if (this.#names.size < 256) this.#names.set(type, name);
    return name;
  }
}
