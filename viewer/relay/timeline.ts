import { type RelayTimes, UNKNOWN_US, wireMicroseconds } from '../../protocol/wire/index.ts';

/**
 * When a frame passed the stages before the picture.
 *
 * Units: milliseconds of the monotonic clock that all threads and processes of the machine share.
 */
export interface PictureTimes {
  /** What the publisher says of itself; undefined when it says nothing. A span, not a time. */
  readonly producerMs?: number | undefined;
  /** The last look at which the frame was not there yet; undefined when it was not waited for. */
  readonly beforeMs?: number | undefined;
  /** The frame was seen. */
  readonly seenMs: number;
  /** Its last row was there. */
  readonly arrivedMs: number;
  /** The picture was brought up to it. */
  readonly appliedMs: number;
}

/** When an update passed the stages after the picture, by the same clock. */
export interface UpdateTimes {
  readonly takenMs: number;
  readonly codedMs: number;
  readonly sentMs: number;
}

const KEPT = 128;

/** Now, on the clock of {@link PictureTimes}. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

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
