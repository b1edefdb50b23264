import { KvmfrError } from '../../protocol/error.ts';
import type { Channel } from './channel.ts';
import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import type { ChannelPart } from './part.ts';
import type { Body } from './wire/body.ts';
import { MAX_SOUND_MESSAGE_BYTES } from './wire/limits.ts';
import {
  decodeSoundStart,
  encodeRecordData,
  encodeRecordMode,
  encodeRecordStart,
  RECORD_CAPABILITIES,
  RECORD_FROM_SERVER,
  type SoundFormat,
} from './wire/sound.ts';

/** What the guest wants of a microphone. */
export type RecordEvent = ({ readonly kind: 'start' } & SoundFormat) | { readonly kind: 'stop' };

/** Events that wait for a loop. */
const MAX_EVENTS = 16;

/** The guest's microphone. It is linked only where the session was told to. */
export class SpiceRecord implements ChannelPart {
  readonly channel = 'record';
  readonly capabilities: readonly number[] = [RECORD_CAPABILITIES.volume];
  readonly maxMessageBytes: number = MAX_SOUND_MESSAGE_BYTES;
  readonly #events: EventSource<RecordEvent> = new EventSource(MAX_EVENTS);
  #link: Channel | undefined;
  #format: SoundFormat | undefined;
  #isMarked = false;

  /** What the guest records now; undefined when it does not. */
  get format(): SoundFormat | undefined {
    return this.#format;
  }

  /** When the guest begins and ends to record, beginning with `start` when it does already. */
  events(options: EventStreamOptions = {}): EventStream<RecordEvent> {
    return this.#events.stream(
      options,
      this.#format === undefined ? undefined : { kind: 'start', ...this.#format },
    );
  }

  /**
   * Gives the guest samples, S16 little endian with the channels in turn.
   *
   * Units: timeMs is that of the first sample, on any clock that goes on.
   *
   * @returns false when the guest does not record
   * @throws ERR_KVMFR_ARGUMENT when they are no whole samples, or too many at once
   */
  write(samples: Uint8Array, timeMs: number): boolean {
    const format = this.#format;
    if (this.#link === undefined || format === undefined) return false;
    const frameBytes = 2 * format.channels;
    if (samples.length % frameBytes !== 0 || samples.length > MAX_SOUND_MESSAGE_BYTES)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `samples of ${format.channels} channels are a multiple of ${frameBytes} bytes, at most ${MAX_SOUND_MESSAGE_BYTES}, but these are ${samples.length}`,
      );
    if (!this.#isMarked) {
      this.#isMarked = true;
      this.#link.send(encodeRecordMode('raw', timeMs));
      this.#link.send(encodeRecordStart(timeMs));
    }
    this.#link.send(encodeRecordData(samples, timeMs));
    return true;
  }

  /** For the session: a channel is linked. */
  attach(channel: Channel): void {
    this.#link = channel;
  }

  /** For the session: a message came. */
  message(type: number, body: Body): boolean {
    switch (type) {
      case RECORD_FROM_SERVER.start:
        this.#format = decodeSoundStart(body);
        this.#isMarked = false;
        this.#events.emit({ kind: 'start', ...this.#format });
        return true;
      case RECORD_FROM_SERVER.stop:
        this.#stop();
        return true;
      case RECORD_FROM_SERVER.volume:
      case RECORD_FROM_SERVER.mute:
        return true;
      default:
        return false;
    }
  }

  /** For the session: the channel is gone. */
  detach(): void {
    this.#link = undefined;
    this.#stop();
  }

  /** For the session: nothing follows. */
  close(): void {
    this.detach();
    this.#events.close();
  }

  #stop(): void {
    if (this.#format === undefined) return;
    this.#format = undefined;
    this.#events.emit({ kind: 'stop' });
  }
}
