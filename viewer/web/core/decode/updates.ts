import type { TimesMessage } from '../../../../protocol/wire/index.ts';
import type { Clock } from '../clock.ts';
import type { ReadyUpdate } from '../render/presenter.ts';
import { discard, type Part } from '../render/surface.ts';

/** Which update a message belongs to. */
export interface UpdateName {
  readonly epoch: number;
  readonly serial: number;
}

/** What the assembler works with. */
export interface AssemblerOptions {
  readonly clock: Clock;
  /** Takes each update when all of it is decoded; in the order of their last messages. */
  readonly ready: (update: ReadyUpdate) => void;
  /** Called once, with the first error; nothing becomes ready after it until `clear`. */
  readonly failed: (error: unknown) => void;
}

/**
 * Gathers the parts of updates. Messages are decoded side by side, updates come out in order.
 */
export class UpdateAssembler {
  readonly #options: AssemblerOptions;
  #open: Promise<Part>[] = [];
  #tail: Promise<void> = Promise.resolve();
  /** Counts clears; what was begun before one is let go when it is decoded. */
  #generation = 0;

  constructor(options: AssemblerOptions) {
    this.#options = options;
  }

  /** Adds a part of the update that is under way. */
  add(part: Promise<Part>): void {
    // Awaited in `finish`; until then a failure must not count as unhandled.
    part.catch(() => undefined);
    this.#open.push(part);
  }

  /** The update is complete with the parts so far. */
  finish(end: UpdateName & { readonly times?: TimesMessage | undefined }): void {
    const parts = this.#open;
    this.#open = [];
    const receivedMs = this.#options.clock.now();
    const generation = this.#generation;
    const before = this.#tail;
    this.#tail = this.#settle(parts, { before, generation, receivedMs, end });
  }

  /** Forgets the update that is not complete yet; those before it still become ready. */
  dropOpen(): void {
    for (const part of this.#open) part.then(discard, () => undefined);
    this.#open = [];
  }

  /** Forgets everything that is under way. */
  clear(): void {
    this.#generation += 1;
    this.dropOpen();
    this.#tail = Promise.resolve();
  }

  async #settle(
    pending: readonly Promise<Part>[],
    update: {
      readonly before: Promise<void>;
      readonly generation: number;
      readonly receivedMs: number;
      readonly end: UpdateName & { readonly times?: TimesMessage | undefined };
    },
  ): Promise<void> {
    const settled = await Promise.allSettled(pending);
    const decodedMs = this.#options.clock.now();
    await update.before;
    const parts: Part[] = [];
    let failure: PromiseRejectedResult | undefined;
    for (const result of settled) {
      if (result.status === 'fulfilled') parts.push(result.value);
      else failure ??= result;
    }
    if (update.generation !== this.#generation || failure !== undefined) {
      for (const part of parts) discard(part);
      if (update.generation === this.#generation && failure !== undefined) {
        this.#generation += 1;
        this.#options.failed(failure.reason);
      }
      return;
    }
    this.#options.ready({ ...update.end, parts, receivedMs: update.receivedMs, decodedMs });
  }
}
