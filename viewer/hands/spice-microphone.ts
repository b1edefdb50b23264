import type { SpiceSession } from '../../client/spice/index.ts';
import type { GuestMicrophone, SoundAbility } from './guest-sound.ts';
import { AbilityWatch, channelAbility } from './spice-ability.ts';

/** What is said here, in frames a second. */
const RATE_HZ = 48_000;

/**
 * The microphone of a guest by its SPICE server, for a session that was opened with `record`.
 *
 * Ownership: the session stays its maker's, who closes it after this.
 */
export class SpiceMicrophone implements GuestMicrophone {
  readonly #session: SpiceSession;
  readonly #watch: AbilityWatch;
  /** Frames said since the guest began to record: the clock of what it hears. */
  #frames = 0;

  constructor(session: SpiceSession) {
    this.#session = session;
    this.#watch = new AbilityWatch(session, () => [this.ability, this.recording]);
    const { record } = session;
    if (record !== undefined) this.#watch.follow(record.events({ signal: this.#watch.signal }));
  }

  get ability(): SoundAbility {
    if (this.#session.record === undefined)
      return { available: false, reason: 'the microphone was not asked for' };
    return channelAbility(
      this.#session,
      'record',
      'the virtual machine has no microphone that its SPICE server gives',
    );
  }

  get recording(): boolean {
    return this.#session.record?.format !== undefined;
  }

  say(samples: Int16Array): void {
    const { record } = this.#session;
    const format = record?.format;
    if (record === undefined || format === undefined) return;
    const said = spread(atRate(samples, format.rateHz), format.channels);
    const timeMs = Math.round((this.#frames * 1000) / RATE_HZ);
    this.#frames += samples.length;
    record.write(said, timeMs);
  }

  watch(changed: () => void): () => void {
    return this.#watch.add(changed);
  }

  /** Says nothing any more. */
  close(): void {
    this.#watch.close();
  }
}

/** The samples at another rate, each between the two that are nearest in time. */
function atRate(samples: Int16Array, rateHz: number): Int16Array {
  if (rateHz === RATE_HZ) return samples;
  const frames = Math.round((samples.length * rateHz) / RATE_HZ);
  return Int16Array.from({ length: frames }, (_, index) => {
    const at = (index * RATE_HZ) / rateHz;
    const before = samples[Math.min(samples.length - 1, Math.floor(at))] ?? 0;
    const after = samples[Math.min(samples.length - 1, Math.floor(at) + 1)] ?? 0;
    return before + (after - before) * (at - Math.floor(at));
  });
}

/** One channel in all channels, little endian. */
function spread(samples: Int16Array, channels: number): Uint8Array {
  const bytes = Buffer.alloc(samples.length * channels * 2);
  for (const [index, sample] of samples.entries())
    for (let channel = 0; channel < channels; channel++)
      bytes.writeInt16LE(sample, (index * channels + channel) * 2);
  return bytes;
}
