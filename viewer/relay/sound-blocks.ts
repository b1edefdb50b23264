import { SOUND_CHANNELS, SOUND_RATE_HZ } from '../../protocol/wire/index.ts';
import { SOUND_BLOCK_FRAMES, type SoundBlock, type SoundName } from '../encode/index.ts';
import type { SoundPacket } from '../hands/index.ts';

/** Frames of a piece as it goes to viewers that need it not small: 10 ms, what SPICE sends at once. */
export const SOUND_PIECE_FRAMES: number = SOUND_BLOCK_FRAMES / 2;

/** A piece of sound. Shape: 48 kHz, left and right in turn, {@link SOUND_PIECE_FRAMES} of each. */
export interface SoundPiece extends SoundName {
  readonly samples: Int16Array<ArrayBuffer>;
}

/** Rates that sound devices have; of another one would be made too little sound, or far too much. */
const MIN_RATE_HZ = 8000;
const MAX_RATE_HZ = 192_000;
/** Further than this from what was expected, a packet begins a new reckoning of time. */
const JUMP_MS = 100;
/** How much of the way to each packet's own time the reckoning goes: packets come in bursts. */
const TRUST = 0.05;
const FRAME_MS = 1000 / SOUND_RATE_HZ;

/** Makes pieces of one size, rate and loudness of what a guest plays. */
export class SoundBlocks {
  readonly #emit: (piece: SoundPiece) => void;
  /** Odd, as {@link SoundPairs} has the even ones. */
  #stream = -1;
  #sequence = 0;
  #playing = false;
  #samples = new Int16Array(SOUND_PIECE_FRAMES * SOUND_CHANNELS);
  #filled = 0;
  /** When the frame that comes next was played. Units: milliseconds since 1970. */
  #clockMs = 0;
  #pieceMs = 0;
  /** Where between the last two frames the next one of ours lies, at rates other than ours. */
  #phase = 0;
  #rateHz = 0;
  #lastLeft = 0;
  #lastRight = 0;

  /** @param emit takes each piece; its samples are its own */
  constructor(emit: (piece: SoundPiece) => void) {
    this.#emit = emit;
  }

  /** Takes what the guest plays. What cannot be sound is passed over. */
  push(packet: SoundPacket): void {
    const { samples, channels, rateHz } = packet;
    if (!(rateHz >= MIN_RATE_HZ && rateHz <= MAX_RATE_HZ) || !(channels >= 1)) return;
    const frames = Math.floor(samples.byteLength / (2 * channels));
    if (frames < 1) return;
    this.#keepTime(packet.atMs - (frames * 1000) / rateHz);
    if (rateHz !== this.#rateHz) {
      this.#rateHz = rateHz;
      this.#phase = 0;
    }
    const right = channels > 1 ? 2 : 0;
    const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
    const volumes = packet.muted ? [0] : packet.volumes;
    const leftVolume = volumes[0] ?? 1;
    const rightVolume = volumes[1] ?? leftVolume;
    for (let frame = 0; frame < frames; frame++) {
      const at = frame * 2 * channels;
      this.#add(
        view.getInt16(at, true) * leftVolume,
        view.getInt16(at + right, true) * rightVolume,
      );
    }
  }

  /** The guest plays nothing any more: what is left goes out, and the stream ends. */
  end(): void {
    if (!this.#playing) return;
    this.#samples.fill(0, this.#filled * SOUND_CHANNELS);
    if (this.#filled === 0) this.#pieceMs = this.#clockMs;
    this.#finish(true);
    this.#playing = false;
    this.#phase = 0;
    this.#lastLeft = 0;
    this.#lastRight = 0;
  }

  #keepTime(beginMs: number): void {
    if (!this.#playing) {
      this.#playing = true;
      this.#stream += 2;
      this.#sequence = 0;
      this.#clockMs = beginMs;
      return;
    }
    const lateMs = beginMs - this.#clockMs;
    this.#clockMs += Math.abs(lateMs) > JUMP_MS ? lateMs : lateMs * TRUST;
  }

  /** One frame of the guest: none, one or several of ours. */
  #add(left: number, right: number): void {
    if (this.#rateHz === SOUND_RATE_HZ) {
      this.#put(left, right);
      return;
    }
    const step = this.#rateHz / SOUND_RATE_HZ;
    while (this.#phase < 1) {
      const part = this.#phase;
      this.#put(
        this.#lastLeft + (left - this.#lastLeft) * part,
        this.#lastRight + (right - this.#lastRight) * part,
      );
      this.#phase += step;
    }
    this.#phase -= 1;
    this.#lastLeft = left;
    this.#lastRight = right;
  }

  #put(left: number, right: number): void {
    if (this.#filled === 0) this.#pieceMs = this.#clockMs;
    this.#samples[2 * this.#filled] = left;
    this.#samples[2 * this.#filled + 1] = right;
    this.#filled += 1;
    this.#clockMs += FRAME_MS;
    if (this.#filled === SOUND_PIECE_FRAMES) this.#finish(false);
  }

  #finish(last: boolean): void {
    const samples = this.#samples;
    this.#samples = new Int16Array(SOUND_PIECE_FRAMES * SOUND_CHANNELS);
    this.#filled = 0;
    const [stream, sequence, atMs] = [this.#stream, this.#sequence++, this.#pieceMs];
    this.#emit({ stream, sequence, atMs, last, samples });
  }
}

/** Joins each two pieces to a block for the encoder: a stream of its own, with a number of its own. */
export class SoundPairs {
  readonly #emit: (block: SoundBlock) => void;
  #first: SoundPiece | undefined;

  /** @param emit takes each block; its samples are its own */
  constructor(emit: (block: SoundBlock) => void) {
    this.#emit = emit;
  }

  /** Takes a piece. One that has lost its other half is passed over. */
  push(piece: SoundPiece): void {
    const isFirst = piece.sequence % 2 === 0;
    if (isFirst && !piece.last) {
      this.#first = piece;
      return;
    }
    const first = isFirst ? piece : this.#first;
    this.#first = undefined;
    if (first?.stream !== piece.stream) return;
    const samples = new Int16Array(SOUND_BLOCK_FRAMES * SOUND_CHANNELS);
    samples.set(first.samples);
    if (!isFirst) samples.set(piece.samples, SOUND_PIECE_FRAMES * SOUND_CHANNELS);
    const { atMs, stream, sequence } = first;
    this.#emit({
      ...{ stream: stream + 1, sequence: sequence / 2, atMs },
      ...{ last: piece.last, samples },
    });
  }
}
