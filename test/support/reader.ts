import { type ClientStats, newClientStats } from '../../client/client-stats.ts';
import { CursorStream } from '../../client/cursor.ts';
import { FrameStream, type FramesOptions } from '../../client/frames.ts';
import { Pace } from '../../client/pace.ts';
import type { Session } from '../../client/session.ts';
import { SessionWatch } from '../../client/session-watch.ts';
import type { ClientState } from '../../client/state.ts';
import type { StreamHost, Subscription } from '../../client/subscription.ts';
import type { KvmfrError } from '../../protocol/error.ts';
import type { Region } from '../../protocol/memory/region.ts';
import type { World } from './world.ts';

/** A client on plain memory, in a {@link World}: finds the publisher, and has its streams. */
export class Reader implements StreamHost {
  readonly region: Region;
  readonly world: World;
  readonly stats: ClientStats = newClientStats();
  readonly pace: Pace = new Pace();
  /** What the streams have told is wrong now. */
  readonly issues: Map<Subscription, ClientState> = new Map();
  /** Every issue that was ever told. */
  readonly told: ClientState[] = [];
  /** Why the publisher that lives cannot be read. */
  refusal: KvmfrError | undefined;
  session: Session | undefined;
  readonly #watch: SessionWatch;
  readonly #waiting: Set<() => void> = new Set();
  readonly #stop: AbortController = new AbortController();
  #lookedMs = 0;

  constructor(region: Region, world: World) {
    this.region = region;
    this.world = world;
    const mapping: ConstructorParameters<typeof SessionWatch>[0]['mapping'] = {
      lost: false,
      wait: (
        words: Parameters<World['wait']>[1],
        options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
      ) => world.wait(region, words, options) as Promise<'changed'>,
    };
    this.#watch = new SessionWatch({ mapping, region });
    world.peers.push(() => this.#look());
  }

  /** At the pace of a client: every 20 ms while nobody is there, every 100 ms else. */
  #look(): void {
    if (this.#stop.signal.aborted) return;
    const pause = this.session === undefined ? 20 : 100;
    if (this.world.nowMs - this.#lookedMs < pause) return;
    this.#lookedMs = this.world.nowMs;
    const look = this.#watch.look(this.world.nowMs);
    this.refusal = look.kind === 'unread' ? look.error : undefined;
    const session = look.kind === 'attached' ? look.session : undefined;
    if (session === this.session) return;
    this.session = session;
    if (session === undefined) return;
    this.stats.sessions += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  async whenSession(signal: AbortSignal | undefined): Promise<Session | undefined> {
    for (;;) {
      if (signal?.aborted) return undefined;
      if (this.session?.holds() === true) return this.session;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal?.addEventListener('abort', wake);
      });
    }
  }

  setIssue(stream: Subscription, issue: ClientState | undefined): void {
    if (issue === undefined) this.issues.delete(stream);
    else {
      this.issues.set(stream, issue);
      this.told.push(issue);
    }
  }

  register(): void {
    // Its streams are closed by the signal.
  }

  unregister(stream: Subscription): void {
    this.issues.delete(stream);
  }

  frames(options: FramesOptions = {}): FrameStream {
    return new FrameStream(this, { signal: this.#stop.signal, ...options });
  }

  cursor(): CursorStream {
    return new CursorStream(this, { signal: this.#stop.signal });
  }

  /** Ends every stream. */
  close(): void {
    this.#stop.abort();
  }
}
