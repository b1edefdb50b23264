import { KvmfrError } from '../error.ts';
import { Region } from '../memory/region.ts';
import {
  CLIPBOARD_ALL_FORMATS,
  CLIPBOARD_FORMATS,
  CLIPBOARD_GUEST_TRANSFER,
  CLIPBOARD_PIECE_BYTES,
  CLIPBOARD_SIZE_UNKNOWN,
  CLIPBOARD_SLOT_BYTES,
  CLIPBOARD_VERSION,
  type ClipboardFormat,
  clipboardFormatOf,
} from './clipboard.ts';
import {
  CLIPBOARD_CANCEL_REASONS,
  CLIPBOARD_FILE_ERRORS,
  CLIPBOARD_FILE_OPS,
  CLIPBOARD_FILE_READ_BYTES,
  type CLIPBOARD_MESSAGE_FIELDS,
  CLIPBOARD_RECORD_FLAGS,
  CLIPBOARD_RECORDS,
  ClipboardMessageLayout,
} from './clipboard-message.ts';

/** Who sends a record. */
export type ClipboardSender = 'client' | 'host';

/** A piece of contents. `bytes` of it follow the record. */
export interface ClipboardPiece {
  /** Number of the piece, from 0. */
  readonly sequence: number;
  readonly offset: number;
  /** Of the whole; undefined while it is not known. */
  readonly size: number | undefined;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly bytes: number;
}

/**
 * What a record says. `content` names one content of a clipboard, `transfer` one way of it to who
 * asked for it.
 */
export type ClipboardBody =
  | { readonly kind: 'claim' /** The status's generation. */; readonly endpoint: number }
  | { readonly kind: 'release' | 'keepalive' }
  | { readonly kind: 'offer'; readonly content: bigint /** A mask. */; readonly formats: number }
  | { readonly kind: 'clear'; readonly content: bigint }
  | {
      readonly kind: 'request';
      readonly content: bigint;
      readonly transfer: bigint;
      readonly format: Exclude<ClipboardFormat, 'files'>;
    }
  | {
      readonly kind: 'data';
      readonly content: bigint;
      readonly transfer: bigint;
      readonly format: Exclude<ClipboardFormat, 'files'>;
      readonly piece: ClipboardPiece;
    }
  | {
      readonly kind: 'cancel';
      readonly transfer: bigint;
      readonly reason: keyof typeof CLIPBOARD_CANCEL_REASONS;
      /** 0: not said. */
      readonly content: bigint;
      readonly format: ClipboardFormat | undefined;
    }
  | {
      readonly kind: 'fileAcquire' | 'fileRelease';
      readonly content: bigint;
      readonly transfer: bigint;
    }
  | {
      readonly kind: 'fileAcquired' | 'fileCancel';
      readonly content: bigint;
      readonly transfer: bigint;
      readonly error: keyof typeof CLIPBOARD_FILE_ERRORS;
    }
  | {
      readonly kind: 'fileRequest';
      readonly content: bigint;
      readonly transfer: bigint;
      readonly node: bigint;
      readonly op: keyof typeof CLIPBOARD_FILE_OPS;
      readonly offset: number;
      readonly bytes: number;
    }
  | {
      readonly kind: 'fileData';
      readonly content: bigint;
      readonly transfer: bigint;
      readonly op: keyof typeof CLIPBOARD_FILE_OPS;
      readonly piece: ClipboardPiece;
    };

/** A record as it travels. */
export interface ClipboardRecord {
  /** The owner's claim. */
  readonly generation: number;
  readonly body: ClipboardBody;
}

/** Writes a record. Shape: KVMFRClipboardMessage, 64 bytes; contents follow it. */
export function encodeClipboardRecord(record: ClipboardRecord): Uint8Array<ArrayBuffer> {
  const into = new Region(new ArrayBuffer(ClipboardMessageLayout.$sizeBytes));
  const M = ClipboardMessageLayout;
  const { body } = record;
  M.version.write(into, 0, CLIPBOARD_VERSION);
  M.type.write(into, 0, CLIPBOARD_RECORDS[body.kind]);
  M.generation.write(into, 0, record.generation);
  if ('content' in body) M.clipboardGeneration.write(into, 0, body.content);
  if ('transfer' in body) M.transfer.write(into, 0, body.transfer);
  if ('piece' in body) writePiece(into, body.piece);
  switch (body.kind) {
    case 'claim':
      M.token.write(into, 0, body.endpoint);
      break;
    case 'offer':
      M.token.write(into, 0, body.formats);
      break;
    case 'request':
    case 'data':
      M.format.write(into, 0, CLIPBOARD_FORMATS[body.format]);
      break;
    case 'cancel':
      M.token.write(into, 0, CLIPBOARD_CANCEL_REASONS[body.reason]);
      if (body.format !== undefined) M.format.write(into, 0, CLIPBOARD_FORMATS[body.format]);
      break;
    case 'fileAcquire':
    case 'fileRelease':
      M.format.write(into, 0, CLIPBOARD_FORMATS.files);
      break;
    case 'fileAcquired':
    case 'fileCancel':
      M.format.write(into, 0, CLIPBOARD_FORMATS.files);
      M.token.write(into, 0, CLIPBOARD_FILE_ERRORS[body.error]);
      break;
    case 'fileRequest':
      M.format.write(into, 0, CLIPBOARD_FORMATS.files);
      M.token.write(into, 0, CLIPBOARD_FILE_OPS[body.op]);
      M.size.write(into, 0, body.node);
      M.offset.write(into, 0, BigInt(body.offset));
      M.flags.write(into, 0, body.bytes);
      break;
    case 'fileData':
      M.format.write(into, 0, CLIPBOARD_FORMATS.files);
      M.token.write(into, 0, CLIPBOARD_FILE_OPS[body.op]);
      break;
    default:
      break;
  }
  return into.bytes;
}

function writePiece(into: Region, piece: ClipboardPiece): void {
  const M = ClipboardMessageLayout;
  const { begin, end } = CLIPBOARD_RECORD_FLAGS;
  M.sequence.write(into, 0, piece.sequence);
  M.offset.write(into, 0, BigInt(piece.offset));
  M.size.write(into, 0, piece.size === undefined ? CLIPBOARD_SIZE_UNKNOWN : BigInt(piece.size));
  M.flags.write(into, 0, (piece.isFirst ? begin : 0) | (piece.isLast ? end : 0));
  M.length.write(into, 0, piece.bytes);
}

/**
 * Reads a record from a private copy of its 64 bytes. How many bytes follow it is for the caller to
 * compare.
 *
 * @throws ERR_KVMFR_CORRUPT for one that cannot be
 */
export function decodeClipboardRecord(bytes: Uint8Array, from: ClipboardSender): ClipboardRecord {
  const fields = new Fields(bytes);
  const generation = fields.take('generation');
  check(generation !== 0, 'the generation', generation);
  const body = readBody(fields, from);
  fields.end();
  return { generation, body };
}

/** Reads fields, each once, and knows which were left: those must be 0. */
class Fields {
  readonly #copy: Region;
  readonly #left: Set<FieldName> = new Set(FIELD_NAMES);

  constructor(bytes: Uint8Array) {
    const { $sizeBytes } = ClipboardMessageLayout;
    check(bytes.byteLength === $sizeBytes, 'the length', bytes.byteLength);
    this.#copy = Region.copyOf(bytes);
    const version = this.take('version');
    check(version === CLIPBOARD_VERSION, 'the version', version);
  }

  take(name: NumberName): number {
    this.#left.delete(name);
    return ClipboardMessageLayout[name](this.#copy, 0);
  }

  takeLong(name: LongName): bigint {
    this.#left.delete(name);
    return ClipboardMessageLayout[name](this.#copy, 0);
  }

  /** A number of bytes; one that is not exact cannot be. */
  takeBytes(name: LongName): number {
    const value = this.takeLong(name);
    check(value <= BigInt(Number.MAX_SAFE_INTEGER), name, value);
    return Number(value);
  }

  /** An id, which is never 0. */
  takeId(name: LongName): bigint {
    const value = this.takeLong(name);
    check(value !== 0n, name, value);
    return value;
  }

  end(): void {
    for (const name of this.#left) {
      const value = ClipboardMessageLayout[name](this.#copy, 0);
      check(Number(value) === 0, name, value);
    }
  }
}

type LongName = 'clipboardGeneration' | 'transfer' | 'offset' | 'size';
type FieldName = keyof typeof CLIPBOARD_MESSAGE_FIELDS;
type NumberName = Exclude<FieldName, LongName>;

const FIELD_NAMES = Object.keys(ClipboardMessageLayout.$offsets).filter(
  (name): name is FieldName => name in ClipboardMessageLayout.$offsets,
);

function readBody(fields: Fields, from: ClipboardSender): ClipboardBody {
  const type = fields.take('type');
  switch (type) {
    case CLIPBOARD_RECORDS.claim:
    case CLIPBOARD_RECORDS.release:
    case CLIPBOARD_RECORDS.keepalive:
      check(from === 'client', 'the type', type);
      if (type === CLIPBOARD_RECORDS.claim) {
        const endpoint = fields.take('token');
        check(endpoint !== 0, 'the token', endpoint);
        return { kind: 'claim', endpoint };
      }
      return { kind: type === CLIPBOARD_RECORDS.release ? 'release' : 'keepalive' };
    case CLIPBOARD_RECORDS.offer: {
      const formats = fields.take('token');
      check(formats !== 0 && (formats & ~CLIPBOARD_ALL_FORMATS) === 0, 'the formats', formats);
      return { kind: 'offer', content: fields.takeId('clipboardGeneration'), formats };
    }
    case CLIPBOARD_RECORDS.clear:
      return { kind: 'clear', content: fields.takeId('clipboardGeneration') };
    case CLIPBOARD_RECORDS.request:
      return { kind: 'request', ...readTransfer(fields, from), format: readFormat(fields) };
    case CLIPBOARD_RECORDS.data: {
      const format = readFormat(fields);
      const piece = readPiece(fields, CLIPBOARD_PIECE_BYTES);
      check(piece.isFirst || piece.isLast || piece.bytes > 0, 'the length', 0);
      return { kind: 'data', ...readTransfer(fields, other(from)), format, piece };
    }
    case CLIPBOARD_RECORDS.cancel:
      return readCancel(fields);
    default:
      return readFileBody(fields, from, type);
  }
}

function readFileBody(fields: Fields, from: ClipboardSender, type: number): ClipboardBody {
  const format = fields.take('format');
  check(format === CLIPBOARD_FORMATS.files, 'the format', format);
  switch (type) {
    case CLIPBOARD_RECORDS.fileAcquire:
      return { kind: 'fileAcquire', ...readTransfer(fields, from) };
    case CLIPBOARD_RECORDS.fileRelease:
      return { kind: 'fileRelease', ...readTransfer(fields, from) };
    case CLIPBOARD_RECORDS.fileAcquired:
      return {
        kind: 'fileAcquired',
        ...readTransfer(fields, other(from)),
        error: nameOf(CLIPBOARD_FILE_ERRORS, fields.take('token'), 'the error'),
      };
    case CLIPBOARD_RECORDS.fileRequest:
      return readFileRequest(fields, from);
    case CLIPBOARD_RECORDS.fileData: {
      const op = nameOf(CLIPBOARD_FILE_OPS, fields.take('token'), 'the operation');
      const piece = readPiece(fields, CLIPBOARD_SLOT_BYTES);
      check(piece.isLast || piece.bytes > 0, 'the length', 0);
      return { kind: 'fileData', ...readTransfer(fields, other(from)), op, piece };
    }
    case CLIPBOARD_RECORDS.fileCancel: {
      const error = nameOf(CLIPBOARD_FILE_ERRORS, fields.take('token'), 'the error');
      check(error !== 'none', 'the error', 0);
      const content = fields.takeId('clipboardGeneration');
      return { kind: 'fileCancel', content, transfer: fields.takeId('transfer'), error };
    }
    default:
      throw corrupt('the type', type);
  }
}

function readFileRequest(fields: Fields, from: ClipboardSender): ClipboardBody {
  const op = nameOf(CLIPBOARD_FILE_OPS, fields.take('token'), 'the operation');
  const node = fields.takeLong('size');
  const offset = fields.takeBytes('offset');
  const bytes = fields.take('flags');
  if (op === 'list') {
    check(offset === 0, 'the offset', offset);
    check(bytes === 0, 'the byte count', bytes);
  } else {
    check(node !== 0n, 'the node', node);
    check(bytes >= 1 && bytes <= CLIPBOARD_FILE_READ_BYTES, 'the byte count', bytes);
  }
  return { kind: 'fileRequest', ...readTransfer(fields, from), node, op, offset, bytes };
}

function readCancel(fields: Fields): ClipboardBody {
  const reason = nameOf(CLIPBOARD_CANCEL_REASONS, fields.take('token'), 'the reason');
  const number = fields.take('format');
  const format = clipboardFormatOf(number);
  check(number === 0 || format !== undefined, 'the format', number);
  const content = fields.takeLong('clipboardGeneration');
  return { kind: 'cancel', transfer: fields.takeId('transfer'), reason, content, format };
}

/** Content and transfer of a record that belongs to what `asker` asked for. */
function readTransfer(
  fields: Fields,
  asker: ClipboardSender,
): { readonly content: bigint; readonly transfer: bigint } {
  const content = fields.takeId('clipboardGeneration');
  const transfer = fields.takeId('transfer');
  const isOfGuest = (transfer & CLIPBOARD_GUEST_TRANSFER) !== 0n;
  check(isOfGuest === (asker === 'host'), 'the transfer', transfer);
  return { content, transfer };
}

function readFormat(fields: Fields): Exclude<ClipboardFormat, 'files'> {
  const number = fields.take('format');
  const format = clipboardFormatOf(number);
  if (format === undefined || format === 'files') throw corrupt('the format', number);
  return format;
}

function readPiece(fields: Fields, maxBytes: number): ClipboardPiece {
  const sequence = fields.take('sequence');
  const offset = fields.takeBytes('offset');
  const flags = fields.take('flags');
  const bytes = fields.take('length');
  const long = fields.takeLong('size');
  check((flags & ~3) === 0, 'the flags', flags);
  check(bytes <= maxBytes, 'the length', bytes);
  check(
    long === CLIPBOARD_SIZE_UNKNOWN || long <= BigInt(Number.MAX_SAFE_INTEGER),
    'the size',
    long,
  );
  const size = long === CLIPBOARD_SIZE_UNKNOWN ? undefined : Number(long);
  const isFirst = (flags & CLIPBOARD_RECORD_FLAGS.begin) !== 0;
  const isLast = (flags & CLIPBOARD_RECORD_FLAGS.end) !== 0;
  // What comes before a piece decides more: see ClipboardContents.
  check(isFirst === (sequence === 0), 'the sequence', sequence);
  check(!isFirst || offset === 0, 'the offset', offset);
  if (isLast) check(size === offset + bytes, 'the size', long);
  else check(isFirst || size === undefined, 'the size', long);
  if (size !== undefined) check(offset + bytes <= size, 'the size', long);
  return { sequence, offset, size, isFirst, isLast, bytes };
}

function other(sender: ClipboardSender): ClipboardSender {
  return sender === 'client' ? 'host' : 'client';
}

function nameOf<K extends string>(
  table: { readonly [name in K]: number },
  number: number,
  what: string,
): K {
  for (const name in table) if (table[name] === number) return name;
  throw corrupt(what, number);
}

function check(holds: boolean, what: string, found: number | bigint): void {
  if (!holds) throw corrupt(what, found);
}

function corrupt(what: string, found: number | bigint): KvmfrError {
  return new KvmfrError('ERR_KVMFR_CORRUPT', `${what} of a clipboard record cannot be ${found}`);
}
