import { type Body, brokenSpice } from './body.ts';
import { MAX_SOUND_CHANNELS, MAX_SOUND_RATE_HZ } from './limits.ts';
import { HEADER_BYTES, messageU32, newMessage } from './message.ts';

/** Messages of PLAYBACK from the server. */
export const PLAYBACK_FROM_SERVER = {
  data: 101,
  mode: 102,
  start: 103,
  stop: 104,
  volume: 105,
  mute: 106,
  latency: 107,
} as const;

/** Messages of RECORD from the server. */
export const RECORD_FROM_SERVER = { start: 101, stop: 102, volume: 103, mute: 104 } as const;

/** Messages of RECORD to the server. */
export const RECORD_TO_SERVER = { data: 101, mode: 102, startMark: 103 } as const;

/** Capabilities of PLAYBACK by bit. */
export const PLAYBACK_CAPABILITIES = { volume: 1, latency: 2, opus: 3 } as const;

/** Capabilities of RECORD by bit. */
export const RECORD_CAPABILITIES = { volume: 1, opus: 2 } as const;

/** How samples travel, by number: as they are, or as packets of Opus. */
export const SOUND_MODES = { raw: 1, opus: 3 } as const;

/** The name of a way in which samples travel. */
export type SoundMode = keyof typeof SOUND_MODES;

/** The one format of samples that the protocol has: 16 bits with sign, little endian. */
const S16 = 1;

/** What sound is made of. */
export interface SoundFormat {
  readonly channels: number;
  readonly rateHz: number;
}

/** Reads MODE: a mode that is not known here is refused, since none was offered. */
export function decodeSoundMode(body: Body): SoundMode {
  body.skip(4, 'time');
  const mode = body.u16('mode');
  if (mode === SOUND_MODES.raw) return 'raw';
  if (mode === SOUND_MODES.opus) return 'opus';
  throw brokenSpice(`mode of ${body.what} must be 1 (raw) or 3 (Opus), but is ${mode}`);
}

/** Reads START, up to its time. */
export function decodeSoundStart(body: Body): SoundFormat {
  const channels = body.u32('channels');
  const format = body.u16('format');
  const rateHz = body.u32('frequency');
  const isSound =
    channels >= 1 &&
    channels <= MAX_SOUND_CHANNELS &&
    format === S16 &&
    rateHz >= 1 &&
    rateHz <= MAX_SOUND_RATE_HZ;
  if (isSound) return { channels, rateHz };
  throw brokenSpice(
    `${body.what} must tell of 1 to ${MAX_SOUND_CHANNELS} channels of 16 bit samples at up to ${MAX_SOUND_RATE_HZ} Hz, but tells of ${channels} of format ${format} at ${rateHz} Hz`,
  );
}

/** Reads VOLUME: one number per channel, 0 to 1. */
export function decodeVolume(body: Body): readonly number[] {
  const count = body.u8('channels');
  return Array.from(
    { length: Math.min(count, MAX_SOUND_CHANNELS) },
    () => body.u16('volume') / 0xffff,
  );
}

/** How samples of RECORD will travel, from a time on. */
export function encodeRecordMode(mode: SoundMode, timeMs: number): Buffer {
  const bytes = newMessage(RECORD_TO_SERVER.mode, 6);
  bytes.writeUInt32LE(timeMs >>> 0, HEADER_BYTES);
  bytes.writeUInt16LE(SOUND_MODES[mode], HEADER_BYTES + 4);
  return bytes;
}

/** The time of the first sample. */
export function encodeRecordStart(timeMs: number): Buffer {
  return messageU32(RECORD_TO_SERVER.startMark, timeMs >>> 0);
}

/** Samples of RECORD, and their time. */
export function encodeRecordData(samples: Uint8Array, timeMs: number): Buffer {
  const bytes = newMessage(RECORD_TO_SERVER.data, 4 + samples.length);
  bytes.writeUInt32LE(timeMs >>> 0, HEADER_BYTES);
  bytes.set(samples, HEADER_BYTES + 4);
  return bytes;
}
