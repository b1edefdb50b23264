import { KvmfrError } from '../protocol/error.ts';
import type { AssumedWire, LgmpCandidate } from '../protocol/lgmp/detect.ts';
import type { Region } from '../protocol/memory/region.ts';
import { HeartbeatWatch, type Sighting } from './detect.ts';
import { type RegionWaiter, Session, unsupportedLgmp } from './session.ts';

/** What a look at the region found. */
export type Look =
  /** We are attached, and its heart beats, or has not for a second. */
  | { readonly kind: 'attached'; readonly session: Session; readonly pulse: 'alive' | 'stale' }
  /** A publisher lives whom we cannot read; without an error its header changed while it was read. */
  | { readonly kind: 'unread'; readonly error: KvmfrError | undefined }
  /** No publisher lives. */
  | { readonly kind: 'none'; readonly sighting: Exclude<Sighting, { readonly kind: 'alive' }> };

/**
 * Looks after the publisher of one mapping: finds it, attaches to it, and notices when it has ended or
 * when another one has taken its place.
 *
 * Ownership: the sessions it gives are ended by it, or by who has them.
 */
export class SessionWatch {
  readonly #mapping: RegionWaiter;
  readonly #region: Region;
  readonly #assume: AssumedWire | undefined;
  #heartbeats: HeartbeatWatch;
  #session: Session | undefined;

  constructor(place: {
    readonly mapping: RegionWaiter;
    readonly region: Region;
    readonly assume?: AssumedWire | undefined;
  }) {
    this.#mapping = place.mapping;
    this.#region = place.region;
    this.#assume = place.assume;
    this.#heartbeats = this.#freshHeartbeats();
  }

  /**
   * Looks once: every few ten milliseconds while searching, every hundred while attached. `nowMs` is
   * a clock that never runs backwards.
   */
  look(nowMs: number): Look {
    const session = this.#session;
    if (session !== undefined) {
      const pulse = session.pulse(nowMs);
      // A publisher of another version may have its header and its heart elsewhere, and leave ours
      // as they are: looked for all the time.
      const other = pulse === 'ended' ? undefined : this.#other(session, nowMs);
      if (pulse !== 'ended' && other === undefined) return { kind: 'attached', session, pulse };
      session.end();
      this.#session = undefined;
      // Whoever came may still be setting up: its heart has to be seen beating anew, unless it is
      // one of its own and was seen already.
      if (other === undefined || other.timestampAt === session.lgmp.header.timestamp)
        this.#heartbeats = this.#freshHeartbeats();
    }
    const sighting = this.#heartbeats.look(nowMs);
    if (sighting.kind !== 'alive') return { kind: 'none', sighting };
    try {
      const { candidate } = sighting;
      if (candidate.layout === undefined) throw unsupportedLgmp(candidate);
      const place = { mapping: this.#mapping, region: this.#region, assume: this.#assume };
      this.#session = Session.attach({ ...place, lgmp: candidate.layout }, nowMs);
    } catch (error) {
      if (KvmfrError.is(error)) return { kind: 'unread', error };
      throw error;
    }
    if (this.#session === undefined) return { kind: 'unread', error: undefined };
    return { kind: 'attached', session: this.#session, pulse: 'alive' };
  }

  /** A live header that is not the one of our session. */
  #other({ lgmp }: Session, nowMs: number): LgmpCandidate | undefined {
    const sighting = this.#heartbeats.look(nowMs);
    if (sighting.kind !== 'alive') return undefined;
    const { candidate } = sighting;
    const isOurs = candidate.magicAt === lgmp.header.magic && candidate.version === lgmp.version;
    return isOurs ? undefined : candidate;
  }

  #freshHeartbeats(): HeartbeatWatch {
    return new HeartbeatWatch(this.#region, { assume: this.#assume });
  }
}
