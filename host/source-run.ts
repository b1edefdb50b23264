import type { HostEvents } from './host-facts.ts';
import type { Host } from './publisher.ts';

// As the types of Node write it: another spelling is another type to the compiler.
type Listener<E> = E extends keyof HostEvents
  ? HostEvents[E] extends unknown[]
    ? (...told: HostEvents[E]) => void
    : never
  : never;

/**
 * One run of a source: the host it publishes to, what it hears of it, and how the run ended.
 *
 * Ownership: listens at the host until {@link end}.
 */
export class SourceRun {
  /** Settles when the run is over. @throws what it failed with */
  readonly ended: Promise<void>;
  #host: Host | undefined;
  readonly #unhear: (() => void)[] = [];
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /** `hostClosed` is called when the host is closed: the source closes, too. */
  constructor(host: Host, hostClosed: () => void) {
    this.#host = host;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.hear('close', hostClosed);
  }

  /** The host, until the run is over. */
  get host(): Host | undefined {
    return this.#host;
  }

  /** Hears an event of the host. */
  hear<E extends keyof HostEvents>(event: E, listener: Listener<E>): void {
    const host = this.#host;
    host?.on(event, listener);
    this.#unhear.push(() => host?.off(event, listener));
  }

  /** The run is over with an error; what follows is still to be ended. */
  fail(error: unknown): void {
    this.#reject(error);
  }

  /** Hears nothing more, and the run is over. */
  end(): void {
    this.#host = undefined;
    for (const unhear of this.#unhear.splice(0)) unhear();
    this.#resolve();
  }
}
