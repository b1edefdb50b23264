import {
  booleanField,
  decodeJson,
  ENVELOPE_BYTES,
  type Envelope,
  encodeJson,
  needBody,
  newMessage,
  numberField,
  textField,
  wireError,
} from './envelope.ts';

/** How sound can travel in this version: the number of each in sound messages is its place here. */
export const SOUND_CODECS = ['pcm', 'opus'] as const;
/** One way for sound to travel. */
export type SoundCodec = (typeof SOUND_CODECS)[number];

/** Frames in a second of all sound on the wire; a frame has a sample for each channel. */
export const SOUND_RATE_HZ: number = 48_000;
/** Channels of the guest's sound. */
export const SOUND_CHANNELS: number = 2;
/** Most frames in a sound message: the longest packet that Opus has. */
export const MAX_SOUND_FRAMES: number = 5760;
/** Most bytes of a packet of Opus: more than any that its encoders write. */
export const MAX_OPUS_BYTES: number = 4000;
/** Most frames in a microphone message: 100 ms. */
export const MAX_MICROPHONE_FRAMES: number = 4800;
/** Set in the envelope's flags of a stream's last sound message: the guest plays nothing more. */
export const SOUND_LAST: number = 0x01;

/** Whether this viewer's microphone is heard in the guest: there is none, or it is off, or on. */
export type MicrophoneState = 'none' | 'off' | 'on';

/** What of the guest's sound and microphone there is for a viewer. */
export interface SoundState {
  /** Whether the guest can be heard. */
  readonly available: boolean;
  /** How sound travels to this viewer while nothing is out of order. */
  readonly codec: SoundCodec;
  readonly microphone: MicrophoneState;
  /** Whether the guest records now. */
  readonly recording: boolean;
  /** How loud the guest has set its sound: 0, when it has muted it, to 1. Sound comes that loud. */
  readonly guestVolume: number;
  /** Why the guest cannot be heard, one sentence for a person. */
  readonly reason?: string;
  /** Why it has no microphone, the same. */
  readonly microphoneReason?: string;
}

function isSoundCodec(value: unknown): value is SoundCodec {
  return SOUND_CODECS.some((name) => name === value);
}

/** Writes what of sound there is. */
export function encodeSoundState(state: SoundState): Uint8Array<ArrayBuffer> {
  return encodeJson('soundState', {
    ...state,
    rateHz: SOUND_RATE_HZ,
    channels: SOUND_CHANNELS,
  });
}

/** Reads what of sound there is. @throws ERR_KVMFR_WIRE */
export function decodeSoundState(envelope: Envelope): SoundState {
  const object = decodeJson(envelope, 'sound state');
  const { codec, microphone } = object;
  if (!isSoundCodec(codec))
    throw wireError(`codec of a sound state must be one of ${SOUND_CODECS}`);
  if (microphone !== 'none' && microphone !== 'off' && microphone !== 'on')
    throw wireError('microphone of a sound state is none, off or on');
  checkNumber(object, 'rateHz', SOUND_RATE_HZ);
  checkNumber(object, 'channels', SOUND_CHANNELS);
  const reason = textField(object, 'reason');
  const microphoneReason = textField(object, 'microphoneReason');
  return {
    available: booleanField(object, 'available') ?? false,
    codec,
    microphone,
    recording: booleanField(object, 'recording') ?? false,
    guestVolume: numberField(object, 'guestVolume', { min: 0, max: 1 }) ?? 1,
    ...(reason === undefined ? {} : { reason }),
    ...(microphoneReason === undefined ? {} : { microphoneReason }),
  };
}

function checkNumber(
  object: { readonly [key: string]: unknown },
  key: string,
  expected: number,
): void {
  if (numberField(object, key, { min: expected, max: expected }) === undefined)
    throw wireError(`${key} of a sound state must be ${expected}`);
}

/**
 * A piece of the guest's sound.
 *
 * Shape: head of 24 bytes: stream u32, sequence u32, atMs f64, frames u32, codec u8, 3 reserved; then
 * the chunk: samples i16 with left and right in turn, or a packet of Opus.
 */
export interface SoundMessage {
  /** Number of the stream: another one after each pause of the guest, and for each way of coding. */
  readonly stream: number;
  /** Number of the piece in its stream; what is between two that come was left out. */
  readonly sequence: number;
  /** When the guest played the first frame, by the relay's clock. Units: milliseconds since 1970. */
  readonly atMs: number;
  readonly frames: number;
  readonly codec: SoundCodec;
  /** Whether nothing of its stream follows. */
  readonly last: boolean;
  /** Ownership: a view into the message when decoded. */
  readonly data: Uint8Array;
}

const SOUND_HEAD_BYTES = 24;
const FRAME_BYTES = 2 * SOUND_CHANNELS;

/** Writes a piece of sound. The chunk is copied. */
export function encodeSound(sound: SoundMessage): Uint8Array<ArrayBuffer> {
  const flags = sound.last ? SOUND_LAST : 0;
  const { message, body } = newMessage('sound', SOUND_HEAD_BYTES + sound.data.byteLength, flags);
  body.setUint32(0, sound.stream, true);
  body.setUint32(4, sound.sequence, true);
  body.setFloat64(8, sound.atMs, true);
  body.setUint32(16, sound.frames, true);
  body.setUint8(20, SOUND_CODECS.indexOf(sound.codec));
  message.set(sound.data, ENVELOPE_BYTES + SOUND_HEAD_BYTES);
  return message;
}

/** Reads a piece of sound. Ownership: `data` is a view into the message. @throws ERR_KVMFR_WIRE */
export function decodeSound(envelope: Envelope): SoundMessage {
  needBody(envelope, SOUND_HEAD_BYTES + 1, 'sound message');
  const { body, flags } = envelope;
  const number = body.getUint8(20);
  const codec = SOUND_CODECS[number];
  if (codec === undefined)
    throw wireError(
      `codec of a sound message must be 0 to ${SOUND_CODECS.length - 1}, but is ${number}`,
    );
  const atMs = body.getFloat64(8, true);
  if (!Number.isFinite(atMs)) throw wireError('atMs of a sound message must be a time');
  const frames = body.getUint32(16, true);
  if (frames < 1 || frames > MAX_SOUND_FRAMES)
    throw wireError(`a sound message has 1 to ${MAX_SOUND_FRAMES} frames, but this has ${frames}`);
  const data = envelope.bytes.subarray(SOUND_HEAD_BYTES);
  checkChunk(codec, frames, data.byteLength);
  return {
    stream: body.getUint32(0, true),
    sequence: body.getUint32(4, true),
    atMs,
    frames,
    codec,
    last: (flags & SOUND_LAST) !== 0,
    data,
  };
}

function checkChunk(codec: SoundCodec, frames: number, bytes: number): void {
  if (codec === 'pcm' && bytes !== frames * FRAME_BYTES)
    throw wireError(`${frames} frames have ${frames * FRAME_BYTES} bytes, but these have ${bytes}`);
  if (codec === 'opus' && bytes > MAX_OPUS_BYTES)
    throw wireError(`a packet of Opus has at most ${MAX_OPUS_BYTES} bytes, but this has ${bytes}`);
}

/** What a viewer wants of the guest's sound. */
export interface SoundWish {
  /** Whether to hear it. */
  readonly sound: boolean;
  /** How it may travel besides `pcm`, which all take. */
  readonly codecs: readonly SoundCodec[];
}

/** Writes what a viewer wants to hear. */
export function encodeSoundWish(wish: SoundWish): Uint8Array<ArrayBuffer> {
  return encodeJson('soundWish', wish);
}

/** Reads what a viewer wants to hear. @throws ERR_KVMFR_WIRE */
export function decodeSoundWish(envelope: Envelope): SoundWish {
  const object = decodeJson(envelope, 'sound wish');
  const sound = booleanField(object, 'sound');
  if (sound === undefined) throw wireError('sound of a sound wish is true or false');
  const codecs = object['codecs'];
  return {
    sound,
    codecs: Array.isArray(codecs) ? codecs.slice(0, 16).filter(isSoundCodec) : [],
  };
}

/** Writes whether a viewer wants to be heard. */
export function encodeMicrophoneWish(microphone: boolean): Uint8Array<ArrayBuffer> {
  return encodeJson('microphoneWish', { microphone });
}

/** Reads whether a viewer wants to be heard. @throws ERR_KVMFR_WIRE */
export function decodeMicrophoneWish(envelope: Envelope): boolean {
  const wish = booleanField(decodeJson(envelope, 'microphone wish'), 'microphone');
  if (wish === undefined) throw wireError('microphone of a microphone wish is true or false');
  return wish;
}

/**
 * A piece of what a viewer's microphone hears.
 *
 * Shape: sequence u32, then samples i16 of one channel.
 */
export interface MicrophoneMessage {
  /** Number of the piece, rising; what is between two that come was left out. */
  readonly sequence: number;
  /** Shape: 1 to {@link MAX_MICROPHONE_FRAMES}. */
  readonly samples: Int16Array;
}

const MICROPHONE_HEAD_BYTES = 4;

/** Writes a piece of what a microphone hears. */
export function encodeMicrophone(piece: MicrophoneMessage): Uint8Array<ArrayBuffer> {
  const { samples } = piece;
  const { message, body } = newMessage('microphone', MICROPHONE_HEAD_BYTES + samples.byteLength);
  body.setUint32(0, piece.sequence, true);
  for (const [index, sample] of samples.entries())
    body.setInt16(MICROPHONE_HEAD_BYTES + 2 * index, sample, true);
  return message;
}

/** Reads a piece of what a microphone hears. The samples are copied. @throws ERR_KVMFR_WIRE */
export function decodeMicrophone(envelope: Envelope): MicrophoneMessage {
  const { body } = envelope;
  const frames = (body.byteLength - MICROPHONE_HEAD_BYTES) / 2;
  if (!Number.isInteger(frames) || frames < 1 || frames > MAX_MICROPHONE_FRAMES)
    throw wireError(
      `a microphone message has 1 to ${MAX_MICROPHONE_FRAMES} samples of 2 bytes after ${MICROPHONE_HEAD_BYTES}, but this one has ${body.byteLength} bytes`,
    );
  const samples = new Int16Array(frames);
  for (let index = 0; index < frames; index++)
    samples[index] = body.getInt16(MICROPHONE_HEAD_BYTES + 2 * index, true);
  return { sequence: body.getUint32(0, true), samples };
}
