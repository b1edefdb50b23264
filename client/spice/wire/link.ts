import { hex, KvmfrError } from '../../../protocol/error.ts';
import { brokenSpice } from './body.ts';
import { MAX_LINK_REPLY_BYTES } from './limits.ts';

/** `REDQ`, first in both directions of every channel. */
export const LINK_MAGIC: number = 0x5144_4552;
/** Bytes of magic, version and size. */
export const LINK_HEADER_BYTES: number = 16;
/** Bytes of the server's public key. */
export const LINK_KEY_BYTES: number = 162;

const MAJOR = 2;
const MINOR = 2;
/** Of the request: bytes from the connection id to the capability words. */
const REQUEST_FIELDS_BYTES = 18;
/** Of the reply: bytes from the error to the capability words. */
const REPLY_FIELDS_BYTES = 178;

/** Capabilities that every channel has, by bit. */
export const COMMON_CAPABILITIES = {
  authSelection: 0,
  authSpice: 1,
  authSasl: 2,
  miniHeader: 3,
} as const;

/** Authentication by ticket: the word that is sent before it. */
export const AUTH_SPICE = 1;

/** The channels of a session by their number on the wire. */
export const CHANNEL_TYPES = {
  main: 1,
  display: 2,
  inputs: 3,
  cursor: 4,
  playback: 5,
  record: 6,
} as const;

/** The name of a channel that is known here. */
export type ChannelName = keyof typeof CHANNEL_TYPES;

/** What a link asks for. */
export interface LinkRequest {
  /** 0 for the first channel, else what MAIN's INIT said. */
  readonly connectionId: number;
  readonly channel: ChannelName;
  readonly channelId: number;
  /** Bits of the channel's capabilities. */
  readonly capabilities: readonly number[];
}

/** What a server answers to a link. */
export interface LinkReply {
  readonly error: number;
  /** DER, SubjectPublicKeyInfo, RSA of 1024 bits. */
  readonly publicKey: Buffer;
  readonly common: readonly number[];
  readonly capabilities: readonly number[];
}

/** Capability bits as words. */
export function capabilityWords(bits: readonly number[]): readonly number[] {
  const words: number[] = [];
  for (const bit of bits) {
    const index = bit >>> 5;
    while (words.length <= index) words.push(0);
    words[index] = ((words[index] ?? 0) | (1 << (bit & 31))) >>> 0;
  }
  return words;
}

/** Whether a bit of capability words is set. */
export function hasCapability(words: readonly number[], bit: number): boolean {
  return (((words[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
}

/** The first message of a channel. */
export function encodeLinkRequest(request: LinkRequest): Buffer {
  const { authSelection, authSpice, miniHeader } = COMMON_CAPABILITIES;
  const common = capabilityWords([authSelection, authSpice, miniHeader]);
  const own = capabilityWords(request.capabilities);
  const size = REQUEST_FIELDS_BYTES + 4 * (common.length + own.length);
  const bytes = Buffer.alloc(LINK_HEADER_BYTES + size);
  bytes.writeUInt32LE(LINK_MAGIC, 0);
  bytes.writeUInt32LE(MAJOR, 4);
  bytes.writeUInt32LE(MINOR, 8);
  bytes.writeUInt32LE(size, 12);
  bytes.writeUInt32LE(request.connectionId, 16);
  bytes.writeUInt8(CHANNEL_TYPES[request.channel], 20);
  bytes.writeUInt8(request.channelId, 21);
  bytes.writeUInt32LE(common.length, 22);
  bytes.writeUInt32LE(own.length, 26);
  bytes.writeUInt32LE(REQUEST_FIELDS_BYTES, 30);
  let at = LINK_HEADER_BYTES + REQUEST_FIELDS_BYTES;
  for (const word of [...common, ...own]) at = bytes.writeUInt32LE(word, at);
  return bytes;
}

/**
 * The size of what follows the first 16 bytes of a server's answer.
 *
 * @throws ERR_KVMFR_MAGIC when it is no SPICE server, ERR_KVMFR_UNSUPPORTED when it has another major
 *   version, ERR_KVMFR_SPICE when the size cannot be
 */
export function decodeLinkHeader(bytes: Buffer): number {
  const magic = bytes.readUInt32LE(0);
  if (magic !== LINK_MAGIC)
    throw new KvmfrError(
      'ERR_KVMFR_MAGIC',
      `a SPICE server begins its answer with REDQ (${hex(LINK_MAGIC)}), but this one with ${hex(magic)}`,
      { hint: 'something else listens there: give the address that QEMU was started with' },
    );
  const major = bytes.readUInt32LE(4);
  if (major !== MAJOR)
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `version ${MAJOR} of SPICE is supported, but the server has ${major}`,
    );
  const size = bytes.readUInt32LE(12);
  if (size < REPLY_FIELDS_BYTES || size > MAX_LINK_REPLY_BYTES)
    throw brokenSpice(
      `the size of a link reply must be ${REPLY_FIELDS_BYTES} to ${MAX_LINK_REPLY_BYTES}, but is ${size}`,
    );
  return size;
}

/**
 * The answer itself, without its header.
 *
 * Ownership: the key is a view of the bytes.
 *
 * @throws ERR_KVMFR_SPICE when its capability words are outside of it
 */
export function decodeLinkReply(bytes: Buffer): LinkReply {
  if (bytes.length < REPLY_FIELDS_BYTES)
    throw brokenSpice(
      `a link reply has ${REPLY_FIELDS_BYTES} bytes, but here ${bytes.length} came`,
    );
  const commonCount = bytes.readUInt32LE(4 + LINK_KEY_BYTES);
  const ownCount = bytes.readUInt32LE(8 + LINK_KEY_BYTES);
  const offset = bytes.readUInt32LE(12 + LINK_KEY_BYTES);
  const need = offset + 4 * (commonCount + ownCount);
  if (need > bytes.length)
    throw brokenSpice(
      `${commonCount} + ${ownCount} capability words at ${offset} end at ${need}, but the link reply has ${bytes.length} bytes`,
    );
  const words = (from: number, count: number): readonly number[] =>
    Array.from({ length: count }, (_, i) => bytes.readUInt32LE(from + 4 * i));
  return {
    error: bytes.readUInt32LE(0),
    publicKey: bytes.subarray(4, 4 + LINK_KEY_BYTES),
    common: words(offset, commonCount),
    capabilities: words(offset + 4 * commonCount, ownCount),
  };
}

/** The answers to a link and to a ticket that are told apart. */
export const LINK_RESULTS = {
  ok: 0,
  needSecured: 5,
  needUnsecured: 6,
  permissionDenied: 7,
  badConnectionId: 8,
  channelNotAvailable: 9,
} as const;

/** The error that a result of a link means; undefined when it is none. */
export function linkError(result: number, where: string): KvmfrError | undefined {
  switch (result) {
    case LINK_RESULTS.ok:
      return undefined;
    case LINK_RESULTS.permissionDenied:
      return new KvmfrError(
        'ERR_KVMFR_PASSWORD',
        `the SPICE server ${where} must accept the password, but refused it`,
        {
          hint: 'give the password that QEMU was started with, or set a new one with QMP set_password',
        },
      );
    case LINK_RESULTS.needSecured:
      return new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `the SPICE server ${where} wants TLS on this channel, but the connection is plain`,
        { hint: 'give the TLS port, and the certificate of its authority' },
      );
    case LINK_RESULTS.needUnsecured:
      return new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `the SPICE server ${where} wants this channel plain, but the connection is TLS`,
        { hint: 'give the plain port' },
      );
    case LINK_RESULTS.badConnectionId:
      return new KvmfrError(
        'ERR_KVMFR_BUSY',
        `the SPICE server ${where} must know our session, but has ended it`,
        { hint: 'another viewer may have taken it: a SPICE server has one at a time' },
      );
    default:
      return new KvmfrError(
        'ERR_KVMFR_SPICE',
        `the SPICE server ${where} must answer a link with 0, but answered ${result}`,
      );
  }
}
