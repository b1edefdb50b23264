import { MAX_DIMENSION_PX } from '../limits.ts';
import type { Rect } from '../rect.ts';
import {
  decodeJson,
  ENVELOPE_BYTES,
  type Envelope,
  encodeJson,
  exactBody,
  isObject,
  needBody,
  newMessage,
  numberField,
  textField,
  wireError,
} from './envelope.ts';
import { UPDATE_LAST } from './picture.ts';

/** Video codecs a picture can travel in. Others are later additions to the list. */
export const CODECS = ['h264', 'vp8'] as const;
/** One video codec. */
export type Codec = (typeof CODECS)[number];

/** Whether a value names a codec of this version. */
export function isCodec(value: unknown): value is Codec {
  return CODECS.some((name) => name === value);
}

/** Set in the envelope's flags of a video message that can be decoded without those before it. */
export const VIDEO_KEY: number = 0x02;

const MAX_U32 = 0xffff_ffff;
/** What `VideoDecoder.configure` takes, and nothing that could be anything else. */
const CODEC_STRING = /^[a-z0-9.]{3,32}$/i;

/**
 * Announces a coded stream of the picture: a decoder for it is made now, and its first chunk is a
 * key. It takes the place of the stream before.
 *
 * Shape: JSON.
 */
export interface VideoStream {
  /** Number of the stream; video messages carry it. */
  readonly stream: number;
  /** Epoch of the picture that is coded. */
  readonly epoch: number;
  readonly codec: Codec;
  /** The codec as WebCodecs spells it, for example `avc1.42C028`. */
  readonly codecString: string;
  /** Size of the coded pictures: the region's, rounded up to even. What lies beyond it is not shown. */
  readonly codedWidthPx: number;
  readonly codedHeightPx: number;
  /**
   * The part of the picture that is coded, in whole tiles; all of it when left out. Only to viewers
   * that take it.
   */
  readonly region?: Rect;
}

/** Writes the announcement of a stream. */
export function encodeVideoStream(stream: VideoStream): Uint8Array<ArrayBuffer> {
  return encodeJson('videoStream', stream);
}

/** Reads the announcement of a stream. @throws ERR_KVMFR_WIRE */
export function decodeVideoStream(envelope: Envelope): VideoStream {
  const object = decodeJson(envelope, 'video stream');
  const codec = object['codec'];
  const codecString = textField(object, 'codecString');
  if (!isCodec(codec)) throw wireError(`codec of a video stream must be one of ${CODECS}`);
  if (codecString === undefined || !CODEC_STRING.test(codecString))
    throw wireError('codecString of a video stream must be as WebCodecs spells it');
  const number = (key: string, max: number): number => {
    const value = numberField(object, key, { min: 1, max });
    if (value === undefined || !Number.isInteger(value))
      throw wireError(`${key} of a video stream must be 1 to ${max}`);
    return value;
  };
  const region = object['region'] === undefined ? undefined : decodeRegion(object['region']);
  return {
    stream: number('stream', MAX_U32),
    epoch: number('epoch', MAX_U32),
    codec,
    codecString,
    codedWidthPx: number('codedWidthPx', MAX_DIMENSION_PX + 1),
    codedHeightPx: number('codedHeightPx', MAX_DIMENSION_PX + 1),
    ...(region === undefined ? {} : { region }),
  };
}

function decodeRegion(value: unknown): Rect {
  if (!isObject(value)) throw wireError('region of a video stream must be an object');
  const side = (key: string, min: number): number => {
    const found = numberField(value, key, { min, max: MAX_DIMENSION_PX });
    if (found === undefined || !Number.isInteger(found))
      throw wireError(`${key} of a video stream's region must be ${min} to ${MAX_DIMENSION_PX}`);
    return found;
  };
  return { x: side('x', 0), y: side('y', 0), width: side('width', 1), height: side('height', 1) };
}

/**
 * Which tiles show the video from this update on. The others keep what tiles and image messages
 * drew; and what such a message draws is no video any more.
 *
 * Shape: head of 8 bytes: epoch u32, serial u32 (of the update it belongs to); then a bit for each
 * tile of the picture, tile 0 in bit 0 of the first byte; bits beyond the last tile are 0.
 */
export interface CoverMessage {
  readonly epoch: number;
  readonly serial: number;
  /** Ownership: a view into the message when decoded. */
  readonly bits: Uint8Array;
}

const COVER_HEAD_BYTES = 8;

/** Bytes that hold a bit for each tile. */
export function coverBytes(tileCount: number): number {
  return (tileCount + 7) >> 3;
}

/** Writes which tiles show the video. The bits are copied. */
export function encodeCover(cover: CoverMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('cover', COVER_HEAD_BYTES + cover.bits.byteLength);
  body.setUint32(0, cover.epoch, true);
  body.setUint32(4, cover.serial, true);
  message.set(cover.bits, ENVELOPE_BYTES + COVER_HEAD_BYTES);
  return message;
}

/** Reads which tiles show the video, for a picture of so many. @throws ERR_KVMFR_WIRE */
export function decodeCover(envelope: Envelope, tileCount: number): CoverMessage {
  const bytes = coverBytes(tileCount);
  exactBody(envelope, COVER_HEAD_BYTES + bytes, `cover of ${tileCount} tiles`);
  const bits = envelope.bytes.subarray(COVER_HEAD_BYTES);
  const spare = tileCount & 7;
  if (spare !== 0 && (bits[bytes - 1] ?? 0) >> spare !== 0)
    throw wireError(`bits beyond tile ${tileCount - 1} of a cover must be 0`);
  return {
    epoch: envelope.body.getUint32(0, true),
    serial: envelope.body.getUint32(4, true),
    bits,
  };
}

/**
 * A coded picture of a stream.
 *
 * Shape: head of 12 bytes: epoch u32, serial u32, stream u32; then the chunk: H.264 in Annex B with
 * its parameter sets before each key picture, or a VP8 frame.
 */
export interface VideoMessage {
  readonly epoch: number;
  readonly serial: number;
  readonly stream: number;
  readonly key: boolean;
  readonly last: boolean;
  readonly data: Uint8Array;
}

const VIDEO_HEAD_BYTES = 12;

/** Writes a coded picture. The chunk is copied into the message. */
export function encodeVideo(video: VideoMessage): Uint8Array<ArrayBuffer> {
  const flags = (video.last ? UPDATE_LAST : 0) | (video.key ? VIDEO_KEY : 0);
  const { message, body } = newMessage('video', VIDEO_HEAD_BYTES + video.data.byteLength, flags);
  body.setUint32(0, video.epoch, true);
  body.setUint32(4, video.serial, true);
  body.setUint32(8, video.stream, true);
  message.set(video.data, ENVELOPE_BYTES + VIDEO_HEAD_BYTES);
  return message;
}

/** Reads a coded picture. Ownership: `data` is a view into the message. @throws ERR_KVMFR_WIRE */
export function decodeVideo(envelope: Envelope): VideoMessage {
  needBody(envelope, VIDEO_HEAD_BYTES + 1, 'video message');
  const { body, flags } = envelope;
  return {
    epoch: body.getUint32(0, true),
    serial: body.getUint32(4, true),
    stream: body.getUint32(8, true),
    key: (flags & VIDEO_KEY) !== 0,
    last: (flags & UPDATE_LAST) !== 0,
    data: envelope.bytes.subarray(VIDEO_HEAD_BYTES),
  };
}

/** Writes a viewer's word that it cannot decode a stream without a new key picture. */
export function encodeNeedKey(stream: number): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('needKey', 4);
  body.setUint32(0, stream, true);
  return message;
}

/** Reads which stream a viewer needs a key picture of. @throws ERR_KVMFR_WIRE */
export function decodeNeedKey(envelope: Envelope): number {
  exactBody(envelope, 4, 'needKey message');
  return envelope.body.getUint32(0, true);
}
