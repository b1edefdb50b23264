import type { SpiceSession } from '../../client/spice/index.ts';
import type { SoundAbility } from './guest-sound.ts';

/** Whether a session has a channel, and why not: `missing` where its server has no such. */
export function channelAbility(
  session: SpiceSession,
  channel: string,
  missing: string,
): SoundAbility {
  const { state, info } = session;
  if (state.name !== 'connected' || info === undefined) {
    const { message, hint } = state;
    return { available: false, reason: hint === undefined ? message : `${message}: ${hint}` };
  }
  if (!info.channels.includes(channel)) return { available: false, reason: missing };
  return { available: true };
}

/** Tells who watches when what a session is able to do has become something else. */
export class AbilityWatch {
  readonly #look: () => unknown;
  readonly #watchers = new Set<() => void>();
  readonly #ended = new AbortController();
  #told: string;

  /** @param look what is compared with what it was before */
  constructor(session: SpiceSession, look: () => unknown) {
    this.#look = look;
    this.#told = JSON.stringify(look());
    this.follow(session.states({ signal: this.signal }));
    this.follow(session.infos({ signal: this.signal }));
  }

  /** For streams of events that end with this. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Looks at each of these events, too. */
  follow(events: AsyncIterable<unknown>): void {
    void this.#follow(events);
  }

  /** Calls back at each change. The answer ends it. */
  add(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Looks at nothing any more. */
  close(): void {
    this.#ended.abort();
    this.#watchers.clear();
  }

  async #follow(events: AsyncIterable<unknown>): Promise<void> {
    for await (const _ of events) {
      const now = JSON.stringify(this.#look());
      if (now === this.#told) continue;
      this.#told = now;
      for (const changed of [...this.#watchers]) changed();
    }
  }
}
