import {
  type AckMessage,
  encodeAck,
  UNKNOWN_US,
  wireMicroseconds,
} from '../../../protocol/wire/index.ts';
import type { UpdateName } from './decode/updates.ts';
import { latencySample, pictureAgeMs, viewerTimes } from './latency.ts';
import type { Report } from './messages.ts';
import type { RelayClock } from './relay-clock.ts';
import type { PresentedUpdate } from './render/presenter.ts';
import type { StatsCounter } from './stats.ts';

/** What receipts work with. */
export interface ReceiptsOptions {
  readonly relayClock: RelayClock;
  readonly stats: StatsCounter;
  /** When the clock was at 0. Units: milliseconds since 1970. */
  readonly originMs: number;
  readonly send: (message: Uint8Array<ArrayBuffer>) => void;
  readonly report: (report: Report) => void;
}

/** What is to be said of each update that can be seen: to the relay, to the page, to statistics. */
export class Receipts {
  readonly #options: ReceiptsOptions;
  /** Whether the page is told what each update has been through. */
  tracing = false;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Updates can be seen, together: one frame. */
  presented(updates: readonly PresentedUpdate[]): void {
    const { relayClock, stats, originMs, report } = this.#options;
    stats.frame();
    for (const update of updates) {
      const { epoch, serial, presentedMs } = update;
      const relay = update.times === undefined ? undefined : relayClock.now();
      const times = viewerTimes(update, relay);
      stats.update(times, update.parts);
      const ageMs = pictureAgeMs(update.times, times);
      if (ageMs !== undefined) stats.picture(ageMs);
      this.#acknowledge({
        epoch,
        serial,
        networkUs: wireMicroseconds(times.networkMs),
        boundUs: wireMicroseconds(times.boundMs),
        decodeUs: wireMicroseconds(times.decodeMs),
        presentUs: wireMicroseconds(times.presentMs),
      });
      report({ kind: 'presented', epoch, serial });
      if (!this.tracing) continue;
      const atMs = originMs + presentedMs;
      report({ kind: 'latency', sample: latencySample(atMs, update.times, times) });
    }
  }

  /** An update was of a picture that is no more: nothing of it is seen, but its credit goes back. */
  void({ epoch, serial }: UpdateName): void {
    const unknown = { networkUs: UNKNOWN_US, boundUs: UNKNOWN_US };
    this.#acknowledge({ epoch, serial, ...unknown, decodeUs: 0, presentUs: 0 });
  }

  #acknowledge(ack: AckMessage): void {
    this.#options.send(encodeAck(ack));
  }
}
