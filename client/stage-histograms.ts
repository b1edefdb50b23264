import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Longest time that is believed of a stage, whoever tells it. Units: microseconds. */
export const MAX_STAGE_US: number = 60_000_000;

/** Upper bounds of the buckets in which times are counted, the last one without a bound. Units: microseconds. */
export const STAGE_BUCKETS_US: readonly number[] = [
  50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
];

/** Three figures: a percentile is off by a thousandth at most. */
const FIGURES = 3;

/** What is known of a stage's times. Units: microseconds. */
export interface StageSummary {
  readonly count: number;
  readonly minUs: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** A point of a distribution: so many percent of all times were this long or shorter. */
export interface PercentilePoint {
  readonly percentile: number;
  readonly us: number;
}

/**
 * How long one stage took, every time. Count, sum, least, longest and buckets are exact, percentiles
 * to three figures. Recording allocates nothing.
 */
export class StageHistogram {
  readonly #counts: Float64Array<ArrayBuffer> = new Float64Array(STAGE_BUCKETS_US.length + 1);
  #histogram: RecordableHistogram | undefined;
  #count = 0;
  #sumUs = 0;
  #minUs = 0;
  #maxUs = 0;

  /** How many times were recorded. */
  get count(): number {
    return this.#count;
  }

  /** All of them added up. Units: microseconds. */
  get sumUs(): number {
    return this.#sumUs;
  }

  /**
   * How many were recorded in each of {@link STAGE_BUCKETS_US}, each time in one bucket alone; the
   * last is for those that are longer.
   *
   * Ownership: live; it changes with the next record.
   */
  get bucketCounts(): Readonly<Float64Array> {
    return this.#counts;
  }

  /**
   * Records a time, rounded to microseconds.
   *
   * @returns false for what is no time, or is longer than {@link MAX_STAGE_US}: it is not counted
   */
  record(us: number): boolean {
    if (!(us >= 0 && us <= MAX_STAGE_US)) return false;
    const whole = Math.round(us);
    // Made when it is needed, because it has a counter for each of many thousand times.
    this.#histogram ??= createHistogram({ highest: MAX_STAGE_US, figures: FIGURES });
    // It counts from 1 on; what that adds is taken away where it is read.
    this.#histogram.record(Math.max(1, whole));
    let bucket = 0;
    while (whole > (STAGE_BUCKETS_US[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    if (this.#count === 0 || whole < this.#minUs) this.#minUs = whole;
    if (whole > this.#maxUs) this.#maxUs = whole;
    this.#count++;
    this.#sumUs += whole;
    return true;
  }

  /** Forgets all that was recorded. */
  reset(): void {
    this.#histogram?.reset();
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumUs = 0;
    this.#minUs = 0;
    this.#maxUs = 0;
  }

  /** The time that so many percent did not exceed; 0 when nothing was recorded. */
  percentile(percent: number): number {
    return this.#histogram === undefined ? 0 : this.#bounded(this.#histogram.percentile(percent));
  }

  /** What is known now; undefined when nothing was recorded. */
  summary(): StageSummary | undefined {
    if (this.#count === 0) return undefined;
    return {
      count: this.#count,
      minUs: this.#minUs,
      meanUs: this.#sumUs / this.#count,
      p50Us: this.percentile(50),
      p90Us: this.percentile(90),
      p99Us: this.percentile(99),
      p999Us: this.percentile(99.9),
      maxUs: this.#maxUs,
    };
  }

  /**
   * The distribution, closer and closer to its longest time: 0, 50, 75, 87.5 percent and so on, as
   * far as there are times enough to tell them apart.
   */
  curve(): readonly PercentilePoint[] {
    const points: PercentilePoint[] = [];
    if (this.#histogram === undefined) return points;
    for (const [percentile, us] of this.#histogram.percentiles)
      points.push({ percentile, us: percentile === 0 ? this.#minUs : this.#bounded(us) });
    return points;
  }

  /** A counter of the histogram stands for all times up to its end, also for those never seen. */
  #bounded(us: number): number {
    return Math.min(this.#maxUs, Math.max(this.#minUs, us));
  }
}

/** A histogram for each of some stages. As JSON it is the summaries of those that were measured. */
export class StageHistograms<Stage extends string> {
  readonly #histograms: ReadonlyMap<Stage, StageHistogram>;

  constructor(stages: readonly Stage[]) {
    this.#histograms = new Map(stages.map((stage) => [stage, new StageHistogram()]));
  }

  /** The stages, in their order. */
  get stages(): readonly Stage[] {
    return [...this.#histograms.keys()];
  }

  /** Records a time of a stage. Units: microseconds. @returns as {@link StageHistogram.record} */
  record(stage: Stage, us: number): boolean {
    return this.#histograms.get(stage)?.record(us) ?? false;
  }

  /** Forgets all that was recorded, of every stage. */
  reset(): void {
    for (const histogram of this.#histograms.values()) histogram.reset();
  }

  /** The histogram of a stage. */
  of(stage: Stage): StageHistogram | undefined {
    return this.#histograms.get(stage);
  }

  /** What is known of each stage that was measured. */
  summary(): { readonly [stage in Stage]?: StageSummary } {
    const found: { [stage in Stage]?: StageSummary } = {};
    for (const [stage, histogram] of this.#histograms) {
      const summary = histogram.summary();
      if (summary !== undefined) found[stage] = summary;
    }
    return found;
  }

  /** For `JSON.stringify`. */
  toJSON(): { readonly [stage in Stage]?: StageSummary } {
    return this.summary();
  }
}
