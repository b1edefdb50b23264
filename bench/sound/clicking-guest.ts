import type { GuestSound, SoundAbility, SoundListener } from '../../viewer/relay/index.ts';

const RATE_HZ = 48_000;
/** What QEMU's SPICE server sends at once: 10 ms. */
const PACKET_FRAMES = 480;
const PACKET_MS = (PACKET_FRAMES * 1000) / RATE_HZ;
/** From one click to the next. Units: milliseconds. */
export const CLICK_MS = 250;
const CLICK_FRAMES = 96;
const CLICK_LEVEL = 28_000;
const TONE_HZ = 400;
const TONE_LEVEL = 1500;
/** After so long a standstill it goes on from now, as sound devices do. */
const STANDSTILL_MS = 200;
const LOOK_MS = 2;

/** A guest that plays a tone, and a click in it four times a second, as fast as time passes. */
export class ClickingGuest implements GuestSound {
  readonly ability: SoundAbility = { available: true };
  readonly #listeners = new Set<SoundListener>();
  /** When its first frame was played. Units: milliseconds since 1970. */
  #beganMs: number = nowMs();
  #packets = 0;

  constructor() {
    setInterval(() => this.#play(), LOOK_MS);
  }

  /** When a click was played: any of them, as they come regularly. Units: milliseconds since 1970. */
  get clickMs(): number {
    return this.#beganMs;
  }

  listen(listener: SoundListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  watch(): () => void {
    return () => undefined;
  }

  #play(): void {
    const now = nowMs();
    if (now - (this.#beganMs + this.#packets * PACKET_MS) > STANDSTILL_MS) {
      this.#beganMs = now - PACKET_MS;
      this.#packets = 0;
    }
    // A packet is there when its last frame has been played.
    for (; this.#beganMs + (this.#packets + 1) * PACKET_MS <= now; this.#packets++) {
      const samples = packetOf(this.#packets * PACKET_FRAMES);
      for (const listener of this.#listeners)
        listener.packet({
          samples: samples.slice(),
          ...{ channels: 2, rateHz: RATE_HZ, atMs: nowMs(), volumes: [], muted: false },
        });
    }
  }
}

function packetOf(from: number): Uint8Array {
  const samples = new Int16Array(2 * PACKET_FRAMES);
  const period = (CLICK_MS * RATE_HZ) / 1000;
  for (let index = 0; index < PACKET_FRAMES; index++) {
    const frame = from + index;
    const tone = TONE_LEVEL * Math.sin((2 * Math.PI * TONE_HZ * frame) / RATE_HZ);
    const click = frame % period < CLICK_FRAMES ? CLICK_LEVEL : 0;
    samples.fill(Math.round(tone + click), 2 * index, 2 * index + 2);
  }
  return new Uint8Array(samples.buffer);
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
