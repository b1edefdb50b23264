/** What a doorbell tells of itself. */
export interface DoorbellSummary {
  /** Our number among those who share the memory; undefined before it is known. */
  readonly ownId: number | undefined;
  /** Numbers of the others; undefined where a device tells nothing of them. */
  readonly peers: readonly number[] | undefined;
  /** How often we were rung, and how often we have rung. */
  readonly heard: number;
  readonly rung: number;
  /** Why it rings no more; undefined while it does. */
  readonly problem: string | undefined;
}

/**
 * How the sides of a region tell each other that something in it has changed.
 *
 * It is a hint and no more: who waits looks from time to time anyway.
 */
export interface Doorbell {
  readonly summary: DoorbellSummary;
  /** Tells all others. Never waits, and never throws. */
  ring(): void;
  /** Is called after we were rung, in the event loop, until {@link close}. Several may listen. */
  listen(rung: () => void): void;
  close(): void;
}
