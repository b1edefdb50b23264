import { decodeText, encodeText } from '../text.ts';
import {
  booleanField,
  decodeJson,
  ENVELOPE_BYTES,
  type Envelope,
  encodeJson,
  isObject,
  type JsonObject,
  needBody,
  newMessage,
  numberField,
  textField,
  wireError,
} from './envelope.ts';

/** Kinds of contents that travel between clipboards: text in UTF-8 whose lines end in LF, PNG files. */
export const CLIPBOARD_KINDS = ['text', 'png'] as const;

/** The name of a kind of clipboard contents. */
export type ClipboardKind = (typeof CLIPBOARD_KINDS)[number];

/** Which way contents may go. Where none may, nothing of a clipboard is sent. */
export const CLIPBOARD_POLICIES = ['both', 'to-guest', 'from-guest'] as const;

/** The name of a policy. */
export type ClipboardPolicy = (typeof CLIPBOARD_POLICIES)[number];

/** Contents in one message: so few that input and pictures go between two of them at once. */
export const CLIPBOARD_CHUNK_BYTES: number = 32 * 1024;
/** Largest contents that any relay may let pass. */
export const MAX_CLIPBOARD_CONTENTS_BYTES: number = 64 * 1024 * 1024;

/** Most bytes of each kind that the relay lets pass. */
export type ClipboardLimits = { readonly [kind in ClipboardKind]: number };

/** What the guest has in its clipboard. */
export interface ClipboardOffer {
  /** Names this offer; each one has another. From 1. */
  readonly offer: number;
  /** None: what was offered before is no more. */
  readonly kinds: readonly ClipboardKind[];
}

/** Somebody wants contents, and so many bytes of them now. */
export interface ClipboardRequest {
  /** Names this transfer; each one of a connection has another, and a new one ends the one before. */
  readonly transfer: number;
  /** Whose contents. */
  readonly offer: number;
  readonly kind: ClipboardKind;
  /** Bytes that may have been sent, from the first on. 0: none is wanted any more. */
  readonly upTo: number;
}

/** How it stands with the clipboards, for one viewer. */
export interface ClipboardState {
  readonly policy: ClipboardPolicy;
  /** Whether this viewer has the input, and so the clipboard. */
  readonly active: boolean;
  /** Whether the guest takes and gives at all. */
  readonly available: boolean;
  /** Why not, one sentence for a person. */
  readonly reason?: string;
  readonly limits: ClipboardLimits;
  /** What the guest has; only told to who is active. */
  readonly guest?: ClipboardOffer;
  /** The viewer's offer that the guest has been told. */
  readonly given?: number;
  /** What the guest wants of it. */
  readonly wanted?: ClipboardRequest;
}

/** A piece of contents, or why there are none. */
export type ClipboardData =
  | {
      readonly transfer: number;
      /** Where the piece belongs: right behind the one before. */
      readonly offset: number;
      /** Bytes of the contents, the same in each piece. */
      readonly total: number;
      /** Borrowed from the message. */
      readonly bytes: Uint8Array;
    }
  | { readonly transfer: number; readonly refused: string };

const DATA_HEAD_BYTES = 12;
const REFUSED = 0x01;
const MAX_REASON_BYTES = 400;
const U32 = { min: 0, max: 0xffff_ffff } as const;

/** Writes how it stands with the clipboards. */
export function encodeClipboardState(state: ClipboardState): Uint8Array<ArrayBuffer> {
  return encodeJson('clipboardState', state);
}

/** Reads how it stands with the clipboards. @throws ERR_KVMFR_WIRE */
export function decodeClipboardState(envelope: Envelope): ClipboardState {
  const object = decodeJson(envelope, 'clipboard state');
  const policy = CLIPBOARD_POLICIES.find((one) => one === object['policy']);
  if (policy === undefined)
    throw wireError(`policy of a clipboard state is one of ${CLIPBOARD_POLICIES.join(', ')}`);
  const reason = textField(object, 'reason');
  const guest = object['guest'];
  const wanted = object['wanted'];
  const given = object['given'] === undefined ? undefined : wholeField(object, 'given');
  return {
    policy,
    active: booleanField(object, 'active') ?? false,
    available: booleanField(object, 'available') ?? false,
    ...(reason === undefined ? {} : { reason }),
    limits: limitsOf(object['limits']),
    ...(isObject(guest) ? { guest: offerOf(guest) } : {}),
    ...(given === undefined ? {} : { given }),
    ...(isObject(wanted) ? { wanted: requestOf(wanted) } : {}),
  };
}

/** Writes what a viewer has in its clipboard. */
export function encodeClipboardOffer(offer: ClipboardOffer): Uint8Array<ArrayBuffer> {
  return encodeJson('clipboardOffer', offer);
}

/** Reads what a viewer has in its clipboard. @throws ERR_KVMFR_WIRE */
export function decodeClipboardOffer(envelope: Envelope): ClipboardOffer {
  return offerOf(decodeJson(envelope, 'clipboard offer'));
}

/** Writes what a viewer wants of the guest's clipboard. */
export function encodeClipboardRequest(request: ClipboardRequest): Uint8Array<ArrayBuffer> {
  return encodeJson('clipboardRequest', request);
}

/** Reads what a viewer wants of the guest's clipboard. @throws ERR_KVMFR_WIRE */
export function decodeClipboardRequest(envelope: Envelope): ClipboardRequest {
  return requestOf(decodeJson(envelope, 'clipboard request'));
}

/**
 * Writes a piece of contents, or why there are none.
 *
 * Shape: transfer u32, offset u32, total u32, bytes; flag 0x01: the bytes are a reason, the numbers 0.
 */
export function encodeClipboardData(
  data: ClipboardData,
  from: 'relay' | 'viewer',
): Uint8Array<ArrayBuffer> {
  const isRefused = 'refused' in data;
  const bytes = isRefused ? encodeText(data.refused).subarray(0, MAX_REASON_BYTES) : data.bytes;
  const type = from === 'relay' ? 'clipboardData' : 'viewerClipboardData';
  const flags = isRefused ? REFUSED : 0;
  const { message, body } = newMessage(type, DATA_HEAD_BYTES + bytes.byteLength, flags);
  body.setUint32(0, data.transfer, true);
  body.setUint32(4, isRefused ? 0 : data.offset, true);
  body.setUint32(8, isRefused ? 0 : data.total, true);
  message.set(bytes, ENVELOPE_BYTES + DATA_HEAD_BYTES);
  return message;
}

/** Reads a piece of contents. @throws ERR_KVMFR_WIRE */
export function decodeClipboardData(envelope: Envelope): ClipboardData {
  needBody(envelope, DATA_HEAD_BYTES, 'clipboard data message');
  const { body } = envelope;
  const transfer = body.getUint32(0, true);
  const offset = body.getUint32(4, true);
  const total = body.getUint32(8, true);
  const bytes = envelope.bytes.subarray(DATA_HEAD_BYTES);
  if ((envelope.flags & REFUSED) !== 0) {
    if (bytes.byteLength > MAX_REASON_BYTES)
      throw wireError(
        `a reason has at most ${MAX_REASON_BYTES} bytes, but this one has ${bytes.byteLength}`,
      );
    return { transfer, refused: decodeText(bytes) };
  }
  if (bytes.byteLength > CLIPBOARD_CHUNK_BYTES)
    throw wireError(
      `a piece of clipboard contents has at most ${CLIPBOARD_CHUNK_BYTES} bytes, but this one has ${bytes.byteLength}`,
    );
  if (total > MAX_CLIPBOARD_CONTENTS_BYTES || offset + bytes.byteLength > total)
    throw wireError(
      `a piece of clipboard contents must lie within ${total} of at most ${MAX_CLIPBOARD_CONTENTS_BYTES} bytes, but ${bytes.byteLength} are at ${offset}`,
    );
  if (bytes.byteLength === 0 && total !== 0)
    throw wireError(`a piece of ${total} bytes of clipboard contents must not be empty`);
  return { transfer, offset, total, bytes };
}

function offerOf(object: JsonObject): ClipboardOffer {
  const offer = wholeField(object, 'offer');
  const list = object['kinds'];
  if (!Array.isArray(list)) throw wireError('kinds of a clipboard offer must be a list');
  // In an order of its own, each once; what nobody here knows is left out.
  return { offer, kinds: CLIPBOARD_KINDS.filter((kind) => list.includes(kind)) };
}

function requestOf(object: JsonObject): ClipboardRequest {
  const kind = CLIPBOARD_KINDS.find((one) => one === object['kind']);
  if (kind === undefined)
    throw wireError(`kind of a clipboard request is one of ${CLIPBOARD_KINDS.join(', ')}`);
  const [transfer, offer] = [wholeField(object, 'transfer'), wholeField(object, 'offer')];
  return { transfer, offer, kind, upTo: wholeField(object, 'upTo') };
}

function limitsOf(value: unknown): ClipboardLimits {
  const range = { min: 0, max: MAX_CLIPBOARD_CONTENTS_BYTES };
  const of = (kind: ClipboardKind): number =>
    (isObject(value) ? numberField(value, kind, range) : undefined) ?? 0;
  return { text: of('text'), png: of('png') };
}

function wholeField(object: JsonObject, key: string): number {
  const value = numberField(object, key, U32);
  if (value === undefined || !Number.isInteger(value))
    throw wireError(`${key} must be a whole number from 0 to ${U32.max}`);
  return value;
}
