import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import type { ChannelPart } from './part.ts';
import type { Body } from './wire/body.ts';
import { MAX_SOUND_MESSAGE_BYTES } from './wire/limits.ts';
import {
  decodeSoundMode,
  decodeSoundStart,
  decodeVolume,
  PLAYBACK_CAPABILITIES,
  PLAYBACK_FROM_SERVER,
  type SoundFormat,
  type SoundMode,
} from './wire/sound.ts';

/** What the guest's sound does. */
export type PlaybackEvent =
  | ({ readonly kind: 'start'; readonly mode: SoundMode } & SoundFormat)
  /** Samples, S16 little endian with the channels in turn, or one packet of Opus. */
  | { readonly kind: 'data'; readonly timeMs: number; readonly data: Uint8Array }
  | { readonly kind: 'stop' }
  /** 0 to 1 for each channel. */
  | { readonly kind: 'volume'; readonly volumes: readonly number[] }
  | { readonly kind: 'mute'; readonly muted: boolean };

/** A second of sound in the pieces that servers send; who is slower misses older data, but no event. */
const MAX_EVENTS = 100;

/** The guest's sound. Time is that of the server's clock, in milliseconds, and wraps at 32 bits. */
export class SpicePlayback implements ChannelPart {
  readonly channel = 'playback';
  readonly capabilities: readonly number[];
  readonly maxMessageBytes: number = MAX_SOUND_MESSAGE_BYTES;
  readonly #events: EventSource<PlaybackEvent> = new EventSource(
    MAX_EVENTS,
    ({ kind }) => kind === 'data',
  );
  readonly #loudness: EventSource<number> = new EventSource(1);
  #mode: SoundMode = 'raw';
  #format: SoundFormat | undefined;
  #volumes: readonly number[] = [];
  #muted = false;
  #latencyMs = 0;

  /** @param options `opus` when the caller can decode it: sound comes as it is without */
  constructor(options: { readonly opus: boolean }) {
    const { volume, latency, opus } = PLAYBACK_CAPABILITIES;
    this.capabilities = options.opus ? [volume, latency, opus] : [volume, latency];
  }

  /** What plays now; undefined in silence. */
  get format(): (SoundFormat & { readonly mode: SoundMode }) | undefined {
    return this.#format === undefined ? undefined : { ...this.#format, mode: this.#mode };
  }

  /** 0 to 1 for each channel; empty when the server has not said. */
  get volumes(): readonly number[] {
    return this.#volumes;
  }

  /** Whether the guest has muted it. */
  get muted(): boolean {
    return this.#muted;
  }

  /** How loud the guest has set its loudest channel: 0 to 1, 0 when it has muted all. */
  get loudness(): number {
    if (this.#muted) return 0;
    return this.#volumes.length === 0 ? 1 : Math.max(...this.#volumes);
  }

  /** Least delay that the server asks for. Units: milliseconds. */
  get latencyMs(): number {
    return this.#latencyMs;
  }

  /** What the sound does from now on, beginning with `start` when it plays already. */
  events(options: EventStreamOptions = {}): EventStream<PlaybackEvent> {
    const { format } = this;
    return this.#events.stream(
      options,
      format === undefined ? undefined : { kind: 'start', ...format },
    );
  }

  /** The {@link loudness} now, then each time that the guest sets it; slow loops get the newest. */
  loudnesses(options: EventStreamOptions = {}): EventStream<number> {
    return this.#loudness.stream(options, this.loudness);
  }

  /** For the session: a channel is linked. */
  attach(): void {
    this.#mode = 'raw';
    // A guest that was started again, or another one, has a loudness of its own.
    this.#volumes = [];
    this.#muted = false;
    this.#loudness.emit(this.loudness);
  }

  /** For the session: a message came. */
  message(type: number, body: Body): boolean {
    switch (type) {
      case PLAYBACK_FROM_SERVER.data:
        this.#data(body);
        return true;
      case PLAYBACK_FROM_SERVER.mode:
        this.#mode = decodeSoundMode(body);
        return true;
      case PLAYBACK_FROM_SERVER.start:
        this.#format = decodeSoundStart(body);
        this.#events.emit({ kind: 'start', mode: this.#mode, ...this.#format });
        return true;
      case PLAYBACK_FROM_SERVER.stop:
        this.#stop();
        return true;
      case PLAYBACK_FROM_SERVER.volume:
        this.#volumes = decodeVolume(body);
        this.#events.emit({ kind: 'volume', volumes: this.#volumes });
        this.#loudness.emit(this.loudness);
        return true;
      case PLAYBACK_FROM_SERVER.mute:
        this.#muted = body.u8('mute') !== 0;
        this.#events.emit({ kind: 'mute', muted: this.#muted });
        this.#loudness.emit(this.loudness);
        return true;
      case PLAYBACK_FROM_SERVER.latency:
        this.#latencyMs = body.u32('latency');
        return true;
      default:
        return false;
    }
  }

  /** For the session: the channel is gone. */
  detach(): void {
    this.#stop();
  }

  /** For the session: nothing follows. */
  close(): void {
    this.detach();
    this.#events.close();
    this.#loudness.close();
  }

  #data(body: Body): void {
    // Nobody who listens has heard of a start before: such data has no meaning.
    if (this.#format === undefined || !this.#events.isHeard) return;
    const timeMs = body.u32('time');
    this.#events.emit({ kind: 'data', timeMs, data: body.copy(body.left, 'samples') });
  }

  #stop(): void {
    if (this.#format === undefined) return;
    this.#format = undefined;
    this.#events.emit({ kind: 'stop' });
  }
}
