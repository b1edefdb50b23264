import { connect, type Socket } from 'node:net';
import { Mutator } from '../loop/mutator.ts';
import type { Random } from '../loop/random.ts';
import { VIEWER_MESSAGES } from '../parsers/wire.ts';

/** Where a relay is, and what opens it. */
export interface Door {
  readonly port: number;
  readonly token: string;
}

/** What an attack sends, and from where. */
export interface Attack {
  readonly from: string;
  readonly parts: readonly Uint8Array[];
  /** Requests and frames that it is made of. */
  readonly requests: number;
}

/** What was answered. */
export interface Answer {
  /** Everything that came, up to a bound. */
  readonly bytes: Buffer;
}

/** Who has said all waits for the other side to end, but not for ever. Units: milliseconds. */
const PATIENCE_MS = 20_000;
const KEPT_BYTES = 64 * 1024;

/** Carries an attack out, and takes what is answered until either side ends. */
export function carryOut(door: Door, attack: Attack): Promise<Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let kept = 0;
    const at = { host: '127.0.0.1', port: door.port, localAddress: attack.from };
    const socket: Socket = connect(at, () => {
      for (const part of attack.parts) socket.write(part);
      socket.end();
    });
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('data', (chunk: Buffer) => {
      if (kept < KEPT_BYTES) chunks.push(chunk);
      kept += chunk.byteLength;
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(timer);
      resolve({ bytes: Buffer.concat(chunks) });
    });
  });
}

/** An address of this machine of which there are many, in different blocks. */
function somewhere(random: Random): string {
  return `127.${1 + random.below(200)}.${random.below(256)}.${1 + random.below(200)}`;
}

function frame(
  random: Random,
  payload: Uint8Array,
  options: {
    readonly opcode: number;
    readonly fin?: boolean;
    readonly reserved?: number;
    readonly masked?: boolean;
    /** What the head says instead of the payload's own length. */
    readonly length?: bigint;
  },
): Buffer {
  const { opcode, fin = true, reserved = 0, masked = true } = options;
  const length = options.length ?? BigInt(payload.byteLength);
  const head = Buffer.alloc(14);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  let at = 2;
  if (length < 126n) head[1] = Number(length);
  else if (length < 65_536n) {
    head[1] = 126;
    head.writeUInt16BE(Number(length), 2);
    at = 4;
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt.asUintN(64, length), 2);
    at = 10;
  }
  if (!masked) return Buffer.concat([head.subarray(0, at), payload]);
  head[1] = (head[1] ?? 0) | 0x80;
  const mask = random.next();
  head.writeUInt32BE(mask, at);
  const body = Buffer.from(payload);
  for (let i = 0; i < body.length; i++) body[i] = (body[i] ?? 0) ^ (head[at + (i & 3)] ?? 0);
  return Buffer.concat([head.subarray(0, at + 4), body]);
}

const BINARY = 2;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const GIANTS = [0x7fn, 0x1_0001n, 0x7fff_ffffn, 0xffff_ffffn, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** Makes attacks on the socket: the greeting is right mostly, what follows is not. */
export class SocketAttacker {
  readonly #random: Random;
  readonly #messages: Mutator;
  readonly #greetings: Mutator;

  constructor(random: Random) {
    this.#random = random;
    const { words, maxBytes = 1024 } = VIEWER_MESSAGES;
    this.#messages = new Mutator(random, { maxBytes, words });
    this.#greetings = new Mutator(random, { maxBytes: 2048, words: HTTP_WORDS });
  }

  next(door: Door): Attack {
    const random = this.#random;
    const greeting = text(upgrade(door));
    const first = random.below(8) === 0 ? this.#greetings.next([greeting]).slice() : greeting;
    const parts: Uint8Array[] = [first];
    // A viewer that has said hello is looked at more closely than one that has not.
    const [hello] = VIEWER_MESSAGES.seeds;
    if (hello !== undefined && random.below(3) !== 0)
      parts.push(frame(random, hello, { opcode: BINARY }));
    for (let i = 1 + random.below(12); i > 0; i--) parts.push(...this.#frames());
    return { from: somewhere(random), parts, requests: parts.length };
  }

  #message(): Uint8Array {
    return this.#messages.next(VIEWER_MESSAGES.seeds).slice();
  }

  #frames(): readonly Uint8Array[] {
    const random = this.#random;
    const seed = random.pick(VIEWER_MESSAGES.seeds);
    const binary = { opcode: BINARY };
    switch (random.below(12)) {
      case 0:
        return [frame(random, seed, { ...binary, masked: false })];
      case 1: {
        const half = seed.byteLength >> 1;
        const ping = frame(random, new Uint8Array(random.below(130)), { opcode: PING });
        return [
          frame(random, seed.subarray(0, half), { ...binary, fin: false }),
          ...(random.below(2) === 0 ? [ping] : []),
          frame(random, seed.subarray(half), { opcode: 0, fin: random.below(4) !== 0 }),
        ];
      }
      case 2:
        return [frame(random, seed, { ...binary, length: random.pick(GIANTS) })];
      case 3:
        return [frame(random, this.#message(), { opcode: TEXT })];
      case 4:
        return Array.from({ length: 1 + random.below(100) }, () =>
          frame(random, new Uint8Array(random.below(126)), { opcode: PING }),
        );
      case 5: {
        const reason = new Uint8Array(2 + random.below(8));
        reason.set([random.below(256), random.below(256)]);
        return [frame(random, reason.subarray(0, random.below(10)), { opcode: CLOSE })];
      }
      case 6:
        return [frame(random, seed, { opcode: random.below(16), reserved: random.below(8) })];
      case 7:
        return [Uint8Array.from({ length: random.below(64) }, () => random.below(256))];
      case 8:
        return [frame(random, new Uint8Array(random.below(200_000)), binary)];
      case 9:
        // Acknowledgements that are not owed, wishes for everything again and again.
        return Array.from({ length: random.below(60) }, () => frame(random, seed, binary));
      default:
        return [frame(random, this.#message(), binary)];
    }
  }
}

function text(lines: string): Uint8Array {
  return new TextEncoder().encode(lines);
}

function upgrade({ port, token }: Door): string {
  return [
    `GET /ws?token=${token} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: kvmfr.1',
    '\r\n',
  ].join('\r\n');
}

const PATHS = [
  ...['/', '/ws', '/healthz', '/metrics', '/api/session', '/snapshot.png', '/sign-in', '/sign-out'],
  ...[
    '/assets/',
    '/index.html',
    '/favicon.svg',
    '/../../etc/passwd',
    '/assets/..%2f..%2fpackage.json',
  ],
  ...[
    '/assets/....//....//etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/\\..\\..\\x',
  ],
  ...[
    '*',
    'http://evil.example/',
    'http://127.0.0.1/api/session',
    '/?token=x',
    '/%',
    '/%00',
    '/%ff',
  ],
] as const;
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
  'get',
  'G\u0000',
];
const HOSTS = ['evil.example', 'localhost', '[::1]', '127.0.0.1@evil.example', '', 'a'.repeat(300)];
const ORIGINS = ['https://evil.example', 'null', 'file://', 'http://127.0.0.1', 'x'];
const HTTP_WORDS = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    ' ',
    '\t',
    ':',
    '%00',
    '%2e%2e%2f',
    '../',
    '?',
    '&',
    '=',
    ';',
  ],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: -1\r\n',
    'Content-Length: 99999999999999999999\r\n',
  ],
  ...['Transfer-Encoding: chunked\r\n', 'Expect: 100-continue\r\n', 'Connection: close\r\n'],
  ...['Authorization: Bearer x\r\n', 'Cookie: kvmfr=x\r\n', 'X-Forwarded-For: 1.2.3.4\r\n'],
  ...['Range: bytes=0-\r\n', 'If-None-Match: *\r\n', 'Accept-Encoding: gzip, br\r\n', 'HTTP/9.9'],
  ...['Sec-WebSocket-Protocol: x\r\n', 'Sec-WebSocket-Extensions: permessage-deflate\r\n'],
] as const;

/** Makes attacks on the HTTP face: requests of any form, by strangers mostly. */
export class HttpAttacker {
  readonly #random: Random;
  readonly #mutator: Mutator;

  constructor(random: Random) {
    this.#random = random;
    this.#mutator = new Mutator(random, { maxBytes: 64 * 1024, words: HTTP_WORDS });
  }

  next(door: Door): Attack {
    const random = this.#random;
    const requests = 1 + random.below(3);
    const parts = Array.from({ length: requests }, () => {
      const request = text(this.#request(door));
      return random.below(2) === 0 ? request : this.#mutator.next([request]).slice();
    });
    return { from: somewhere(random), parts, requests };
  }

  #request({ port, token }: Door): string {
    const random = this.#random;
    const path = random.pick(PATHS);
    const own = `127.0.0.1:${port}`;
    const host = random.below(4) === 0 ? random.pick(HOSTS) : own;
    // Who knows the token gets further in.
    const query = random.below(4) === 0 ? `?token=${token}` : '';
    const method = random.below(2) === 0 ? 'GET' : random.pick(METHODS);
    const lines = [`${method} ${path}${query} HTTP/1.1`, `Host: ${host}`];
    if (random.below(4) === 0) lines.push(`Origin: ${random.pick(ORIGINS)}`);
    if (random.below(8) === 0) lines.push(`Cookie: ${'a=b; '.repeat(random.below(2000))}`);
    if (random.below(16) === 0) lines.push(`X: ${'y'.repeat(random.below(40_000))}`);
    if (random.below(16) === 0)
      for (let i = random.below(300); i > 0; i--) lines.push(`X-${i}: ${i}`);
    if (random.below(8) !== 0) lines.push('Connection: close');
    if (method !== 'POST') return `${lines.join('\r\n')}\r\n\r\n`;
    const body = `password=${'%41'.repeat(random.below(20))}&x=${random.next()}`;
    lines.push('Content-Type: application/x-www-form-urlencoded');
    lines.push(`Content-Length: ${body.length + random.below(3) - 1}`);
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  }
}

/** What an answer must not have, whoever has asked; undefined when all is well. */
export function faultOf(door: Door, attack: Attack, { bytes }: Answer): string | undefined {
  const answer = bytes.toString('latin1');
  const asked = Buffer.concat(attack.parts.map((part) => Buffer.from(part))).toString('latin1');
  if (/^HTTP\/1\.1 500/m.test(answer)) return 'a request is answered by 500';
  if (/root:.*:0:0:|"devDependencies"/.test(answer)) return 'a file of the machine is sent';
  if (/\.(js|ts):\d+:\d+|node:internal/.test(answer)) return 'an answer tells of the program';
  if (asked.includes(door.token)) return undefined;
  if (answer.includes(door.token)) return 'the token is told';
  if (/"kvmfrVersion"|image\/png|kvmfr_frames|101 Switching/.test(answer))
    return 'a stranger is served';
  return undefined;
}
