import { monotonicMs } from '../../client/clock.ts';
import { type AckMessage, type RelayTimes, UNKNOWN_US } from '../../protocol/wire/index.ts';
import { Line } from './line.ts';

/** An update that a viewer has not acknowledged. */
export interface OnTheWay {
  readonly serial: number;
  /** The last of it was handed to the socket. */
  sentMs: number;
  /** From when its acknowledgement is waited for. */
  sinceMs: number;
  bytes: number;
  stages: RelayTimes | undefined;
  /** Whether its picture is one that the viewer waited for. */
  news: boolean;
}

/** What an acknowledgement tells. */
export interface Acknowledged {
  /** Updates that it is for. */
  readonly count: number;
  /** Of the newest of them. */
  readonly stages: RelayTimes;
  /** Whether the viewer waited for that one's picture. */
  readonly news: boolean;
}

/** An update as its last message is handed over. Units: as {@link monotonicMs}. */
export interface HandedOver {
  readonly stages: RelayTimes;
  readonly takenMs: number;
  /** Whether the viewer has all of the picture by it. */
  readonly isWhole: boolean;
}

/** The updates on their way to a viewer, and what their acknowledgements tell of its line. */
export class Flight {
  readonly line: Line = new Line();
  #updates: OnTheWay[] = [];
  /** The newest serial whose times were told. */
  #toldSerial = 0;
  /** Since when the viewer has looked, or had nothing. Units: as {@link monotonicMs}. */
  #lookingMs = 0;

  /** Updates that are not acknowledged. */
  get count(): number {
    return this.#updates.length;
  }

  /** Since when the oldest update has waited to be acknowledged. Units: `performance.now()`. */
  get oldestMs(): number | undefined {
    return this.#updates[0]?.sinceMs;
  }

  /** The viewer looks from now on, or has nothing. */
  looks(): void {
    this.#lookingMs = monotonicMs();
  }

  /** Serials begin anew. */
  beginEpoch(): void {
    this.#toldSerial = 0;
  }

  /** Nobody could acknowledge anything until now. */
  forgive(nowMs: number): void {
    for (const update of this.#updates) update.sinceMs = nowMs;
  }

  /** What is on the way has become void. */
  clear(): void {
    this.#updates = [];
  }

  /** Counts an update as on the way. */
  begin(serial: number): OnTheWay {
    const nowMs = performance.now();
    const update = {
      serial,
      sentMs: nowMs,
      sinceMs: nowMs,
      bytes: 0,
      stages: undefined,
      news: false,
    };
    this.#updates.push(update);
    return update;
  }

  /** The last of an update is handed to the socket now. */
  handedOver(update: OnTheWay, { stages, takenMs, isWhole }: HandedOver): void {
    const { serial } = update;
    update.sentMs = performance.now();
    update.stages = stages;
    // What it has seen before, or what lay there when it came, says nothing of how long frames take.
    const isKnown = stages.queue !== UNKNOWN_US && serial > this.#toldSerial;
    update.news = isKnown && isWhole && takenMs - stages.queue / 1000 >= this.#lookingMs;
    if (isWhole) this.#toldSerial = Math.max(this.#toldSerial, serial);
  }

  /**
   * An update was presented, and all before it.
   *
   * @returns undefined when it was void, or not handed over yet
   */
  acknowledged(ack: AckMessage, nowMs: number): Acknowledged | undefined {
    const at = this.#updates.findIndex((update) => update.serial === ack.serial);
    const update = this.#updates[at];
    if (update === undefined) return undefined;
    let bytes = 0;
    for (let i = 0; i <= at; i++) bytes += this.#updates[i]?.bytes ?? 0;
    this.#updates.splice(0, at + 1);
    const own = (us: number): number => (us === UNKNOWN_US ? 0 : us / 1000);
    this.line.acknowledged({
      bytes,
      sentMs: update.sentMs,
      nowMs,
      ownMs: own(ack.decodeUs) + own(ack.presentUs),
      busy: this.#updates.length > 0,
    });
    const { stages, news } = update;
    return stages === undefined ? undefined : { count: at + 1, stages, news };
  }

  /** About a second has passed while the viewer looks. */
  tick(nowMs: number): void {
    const oldest = this.#updates[0];
    if (oldest !== undefined) this.line.waiting(oldest.sentMs, nowMs);
  }
}
