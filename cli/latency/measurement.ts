import { type StageHistogram, StageHistograms } from '../../client/index.ts';
import type { PictureUpdate, Viewer } from '../../viewer/relay/index.ts';
import { type Circumstances, missingReason, type RowName } from './rows.ts';
import { type Interval, IntervalLine } from './timeline.ts';

/** Rows that are measured here, on every frame; the relay measures the others on acknowledged ones. */
const OWN_ROWS = [
  'producer',
  'notice',
  'arrive',
  'apply',
  'inputToPicture',
  'inputToAck',
] as const satisfies readonly RowName[];
type OwnRow = (typeof OWN_ROWS)[number];

/** What a measurement needs of a relay. */
export type MeasuredRelay = Pick<Viewer, 'latency' | 'viewers' | 'reader'>;

/** How a measurement is made. */
export interface MeasurementOptions {
  readonly relay: MeasuredRelay;
  readonly listening: boolean;
  readonly stimulus: boolean;
  readonly maxFps: number | undefined;
}

/** Follows a guest's picture, and counts what its frames go through. */
export class Measurement {
  readonly #options: MeasurementOptions;
  readonly #own: StageHistograms<OwnRow> = new StageHistograms(OWN_ROWS);
  readonly #line: IntervalLine = new IntervalLine((name) => this.of(name));
  readonly #startMs: number = performance.now();
  #frames = 0;
  #mostViewers = 0;

  constructor(options: MeasurementOptions) {
    this.#options = options;
  }

  /** Frames that came whole. */
  get frames(): number {
    return this.#frames;
  }

  /** Most browsers that looked at the same time. */
  get mostViewers(): number {
    return this.#mostViewers;
  }

  /** Units: milliseconds since it began. */
  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** How it went over time. */
  get intervals(): readonly Interval[] {
    return this.#line.intervals;
  }

  /** The histogram of a row. */
  of(name: RowName): StageHistogram | undefined {
    return isOwn(name) ? this.#own.of(name) : this.#options.relay.latency.of(name);
  }

  /** Why a row has no times. */
  missing(name: RowName): string {
    return missingReason(name, this.#circumstances());
  }

  /** Whether a row is of interest: those of input are while there is a stimulus. */
  shows(name: RowName): boolean {
    return this.#options.stimulus || (name !== 'inputToPicture' && name !== 'inputToAck');
  }

  /** Records how long the guest took for input. Units: milliseconds. */
  answered(name: 'inputToPicture' | 'inputToAck', ms: number): void {
    this.#own.record(name, ms * 1000);
  }

  /** Follows the picture until the signal fires. `updated` is told each update. */
  async follow(signal: AbortSignal, updated: (update: PictureUpdate) => void): Promise<void> {
    const { relay, maxFps } = this.#options;
    for await (const update of relay.reader.pictures({ signal, maxFps })) {
      if (update.outcome === 'given-up') continue;
      this.#count(update);
      updated(update);
    }
  }

  /** Ends an interval of about a second. */
  sample(): Interval {
    const viewers = this.#options.relay.viewers.filter(({ visible }) => visible).length;
    this.#mostViewers = Math.max(this.#mostViewers, viewers);
    return this.#line.sample(this.elapsedMs, this.#frames);
  }

  #count({ times }: PictureUpdate): void {
    const { producerMs, beforeMs, seenMs, arrivedMs, appliedMs } = times;
    this.#frames++;
    if (producerMs !== undefined) this.#own.record('producer', producerMs * 1000);
    if (beforeMs !== undefined) this.#own.record('notice', (seenMs - beforeMs) * 1000);
    this.#own.record('arrive', (arrivedMs - seenMs) * 1000);
    this.#own.record('apply', (appliedMs - arrivedMs) * 1000);
  }

  #circumstances(): Circumstances {
    const { relay, listening, stimulus } = this.#options;
    return {
      release: relay.reader.session?.release,
      listening,
      stimulus,
      frames: this.#frames,
      looked: this.#mostViewers > 0,
    };
  }
}

function isOwn(name: RowName): name is OwnRow {
  return OWN_ROWS.some((own) => own === name);
}
