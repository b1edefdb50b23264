import type { PictureTimes } from '../../client/reader/reader.ts';
import { type RelayTimes, UNKNOWN_US, wireMicroseconds } from '../../protocol/wire/index.ts';

/** When an update passed the stages after the picture, by the same clock. */
export interface UpdateTimes {
  readonly takenMs: number;
  readonly codedMs: number;
  readonly sentMs: number;
}

const KEPT = 128;

/** Remembers when the newest pictures passed their stages. */
export class Timeline {
  readonly #serials: Float64Array<ArrayBuffer> = new Float64Array(KEPT).fill(-1);
  readonly #times: (PictureTimes | undefined)[] = new Array<undefined>(KEPT).fill(undefined);
  #next = 0;

  /** Remembers the times of the picture with a serial. */
  add(serial: number, times: PictureTimes): void {
    this.#serials[this.#next] = serial;
    this.#times[this.#next] = times;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** The newest serial that was in the picture by a time; 0 when none is remembered. */
  serialBefore(ms: number): number {
    let found = 0;
    for (let i = 0; i < KEPT; i++) {
      const times = this.#times[i];
      const serial = this.#serials[i] ?? 0;
      if (times !== undefined && times.appliedMs <= ms && serial > found) found = serial;
    }
    return found;
  }

  /** The stages of an update to a serial; those before the picture are unknown for an old one. */
  stages(serial: number, update: UpdateTimes): RelayTimes {
    const times = this.#times[this.#serials.lastIndexOf(serial)];
    const encode = wireMicroseconds(update.codedMs - update.takenMs);
    const send = wireMicroseconds(update.sentMs - update.codedMs);
    if (times === undefined)
      return {
        producer: UNKNOWN_US,
        notice: UNKNOWN_US,
        arrive: UNKNOWN_US,
        apply: UNKNOWN_US,
        queue: UNKNOWN_US,
        encode,
        send,
      };
    const { producerMs, beforeMs, seenMs, arrivedMs, appliedMs } = times;
    return {
      producer: wireMicroseconds(producerMs),
      notice: wireMicroseconds(beforeMs === undefined ? undefined : seenMs - beforeMs),
      arrive: wireMicroseconds(arrivedMs - seenMs),
      apply: wireMicroseconds(appliedMs - arrivedMs),
      queue: wireMicroseconds(update.takenMs - appliedMs),
      encode,
      send,
    };
  }

  /** Forgets all: the serials of another picture say nothing here. */
  clear(): void {
    this.#serials.fill(-1);
    this.#times.fill(undefined);
  }
}
