import type { PlaybackEvent, SoundFormat, SpiceSession } from '../../client/spice/index.ts';
import type { GuestSound, SoundAbility, SoundListener } from './guest-sound.ts';
import { AbilityWatch, channelAbility } from './spice-ability.ts';

/**
 * The sound of a guest by its SPICE server.
 *
 * Ownership: the session stays its maker's, who closes it after this.
 */
export class SpiceSound implements GuestSound {
  readonly #session: SpiceSession;
  readonly #watch: AbilityWatch;
  readonly #nowMs: () => number;
  readonly #listening = new Set<AbortController>();

  /** @param options `nowMs` in milliseconds since 1970, by a clock that does not jump */
  constructor(session: SpiceSession, options: { readonly nowMs?: () => number } = {}) {
    this.#session = session;
    this.#nowMs = options.nowMs ?? (() => performance.timeOrigin + performance.now());
    this.#watch = new AbilityWatch(session, () => [this.ability, this.loudness]);
    this.#watch.follow(session.playback.loudnesses({ signal: this.#watch.signal }));
  }

  get ability(): SoundAbility {
    return channelAbility(
      this.#session,
      'playback',
      'the virtual machine has no sound device that its SPICE server plays',
    );
  }

  get loudness(): number {
    return this.#session.playback.loudness;
  }

  listen(listener: SoundListener): () => void {
    const end = new AbortController();
    this.#listening.add(end);
    const events = this.#session.playback.events({ signal: end.signal });
    void this.#hear(events, listener, end.signal);
    return () => {
      this.#listening.delete(end);
      end.abort();
    };
  }

  watch(changed: () => void): () => void {
    return this.#watch.add(changed);
  }

  /** Hears nothing any more. */
  close(): void {
    this.#watch.close();
    for (const end of this.#listening) end.abort();
    this.#listening.clear();
  }

  async #hear(
    events: AsyncIterable<PlaybackEvent>,
    listener: SoundListener,
    signal: AbortSignal,
  ): Promise<void> {
    const { playback } = this.#session;
    let format: SoundFormat | undefined;
    for await (const event of events) {
      if (signal.aborted) return;
      if (event.kind === 'start') format = event;
      if (event.kind === 'stop') {
        format = undefined;
        listener.ended();
      }
      if (event.kind !== 'data' || format === undefined) continue;
      const { channels, rateHz } = format;
      const { volumes, muted } = playback;
      const atMs = this.#nowMs();
      listener.packet({ samples: event.data, channels, rateHz, atMs, volumes, muted });
    }
  }
}
