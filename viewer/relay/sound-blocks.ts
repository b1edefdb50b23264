import { SOUND_CHANNELS, SOUND_RATE_HZ } from '../../protocol/wire/index.ts';
import { SOUND_BLOCK_FRAMES, type SoundBlock } from '../encode/index.ts';
import type { SoundPacket } from '../hands/index.ts';

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
  readonly #emit: (block: SoundBlock) => void;
  #stream = 0;
  #sequence = 0;
  #playing = false;
  #samples = new Int16Array(SOUND_BLOCK_FRAMES * SOUND_CHANNELS);
  #filled = 0;
  /** When the frame that comes next was played. Units: milliseconds since 1970. */
  #clockMs = 0;
  #blockMs = 0;
  /** Where between the last two frames the next one of ours lies, at rates other than ours. */
  #phase = 0;
  #rateHz = 0;
  #lastLeft = 0;
  #lastRight = 0;

  /** @param emit takes each piece; its samples are its own */
  constructor(emit: (block: SoundBlock) => void) {
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
    if (this.#filled === 0) this.#blockMs = this.#clockMs;
    this.#finish(true);
    this.#playing = false;
    this.#phase = 0;
    this.#lastLeft = 0;
    this.#lastRight = 0;
  }

  #keepTime(beginMs: number): void {
    if (!this.#playing) {
      this.#playing = true;
      this.#stream += 1;
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
    if (this.#filled === 0) this.#blockMs = this.#clockMs;
    this.#samples[2 * this.#filled] = left;
    this.#samples[2 * this.#filled + 1] = right;
    this.#filled += 1;
    this.#clockMs += FRAME_MS;
    if (this.#filled === SOUND_BLOCK_FRAMES) this.#finish(false);
  }

  #finish(last: boolean): void {
    const samples = this.#samples;
    this.#samples = new Int16Array(SOUND_BLOCK_FRAMES * SOUND_CHANNELS);
    this.#filled = 0;
    const [stream, sequence, atMs] = [this.#stream, this.#sequence++, this.#blockMs];
    this.#emit({ stream, sequence, atMs, last, samples });
  }
}
