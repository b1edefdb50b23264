import type {
  GuestMicrophone,
  GuestSound,
  SoundAbility,
  SoundListener,
} from '../../viewer/hands/index.ts';

/** A guest's sound that plays what a test says. */
export class WrittenSound implements GuestSound {
  ability: SoundAbility = { available: true };
  loudness = 1;
  readonly #listeners = new Set<SoundListener>();
  #changed = new Set<() => void>();
  /** Frames of the tone so far. */
  #frames = 0;

  /** How many hear it now. */
  get listeners(): number {
    return this.#listeners.size;
  }

  listen(listener: SoundListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  watch(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => this.#changed.delete(changed);
  }

  /** It can be heard, or not, from now on. */
  turn(ability: SoundAbility): void {
    this.ability = ability;
    for (const changed of this.#changed) changed();
  }

  /** The guest sets its volume. */
  set(loudness: number): void {
    this.loudness = loudness;
    for (const changed of this.#changed) changed();
  }

  /** Plays samples of two channels, 48 000 a second. */
  play(samples: Int16Array, atMs: number = performance.timeOrigin + performance.now()): void {
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    for (const listener of this.#listeners)
      listener.packet({
        samples: bytes.slice(),
        ...{ channels: 2, rateHz: 48_000, atMs, volumes: [this.loudness], muted: false },
      });
  }

  /** Plays the next frames of a sine on both channels. */
  playTone(hz: number, frames: number, level: number = 8000): void {
    const samples = new Int16Array(2 * frames);
    for (let frame = 0; frame < frames; frame++) {
      const angle = (2 * Math.PI * hz * (this.#frames + frame)) / 48_000;
      samples.fill(Math.round(level * Math.sin(angle)), 2 * frame, 2 * frame + 2);
    }
    this.#frames += frames;
    this.play(samples);
  }

  /** The guest plays nothing more. */
  stop(): void {
    for (const listener of this.#listeners) listener.ended();
  }
}

/** A guest's microphone that writes down what it hears. */
export class WrittenMicrophone implements GuestMicrophone {
  ability: SoundAbility = { available: true };
  recording = true;
  readonly heard: Int16Array[] = [];
  readonly #changed = new Set<() => void>();

  say(samples: Int16Array): void {
    this.heard.push(samples);
  }

  watch(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => this.#changed.delete(changed);
  }

  /** A program in the guest records, or not, from now on. */
  record(recording: boolean): void {
    this.recording = recording;
    for (const changed of this.#changed) changed();
  }
}

/** How often a second a wave rises through 0: its frequency, when it is a tone. */
export function frequencyOf(samples: ArrayLike<number>, rateHz: number = 48_000): number {
  const rises: number[] = [];
  for (let at = 1; at < samples.length; at++)
    if ((samples[at - 1] ?? 0) < 0 && (samples[at] ?? 0) >= 0) rises.push(at);
  const first = rises[0];
  const last = rises.at(-1);
  if (first === undefined || last === undefined || first === last) return 0;
  return ((rises.length - 1) * rateHz) / (last - first);
}
